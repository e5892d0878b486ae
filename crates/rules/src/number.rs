//! Numbers of rules, and what they are compared with: `7`, `!7`, `<7`, `3<>7`, `&0xf0=0x10`.

use crate::fault::{Fault, wrong};
use crate::test::NumberTest;

/// A number, in decimal or hexadecimal with `0x`.
pub(crate) fn number(text: &str) -> Result<u64, Fault> {
    let text = text.trim();
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) if !hex.starts_with('+') => u64::from_str_radix(hex, 16),
        None if !text.starts_with('+') => text.parse(),
        _ => return Err(wrong(format!("{text:?} is not a number"))),
    };
    parsed.map_err(|_| wrong(format!("{text:?} is not a number")))
}

/// A number of at most that much.
pub(crate) fn at_most(text: &str, most: u64) -> Result<u64, Fault> {
    let value = number(text)?;
    if value > most { Err(wrong(format!("{value} is more than {most}"))) } else { Ok(value) }
}

/// A number that fits into its type.
pub(crate) fn small<T: TryFrom<u64>>(text: &str) -> Result<T, Fault> {
    T::try_from(number(text)?).map_err(|_| wrong(format!("{:?} is too large", text.trim())))
}

/// A number with a sign.
pub(crate) fn signed(text: &str) -> Result<i64, Fault> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = i64::try_from(number(digits)?).map_err(|_| wrong(format!("{text:?} is too large")))?;
    Ok(if negative { -value } else { value })
}

/// A number with a unit such as `kb`.
fn sized(text: &str) -> Result<u64, Fault> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    for (unit, factor) in [("kib", 10), ("kb", 10), ("mib", 20), ("mb", 20), ("gib", 30), ("gb", 30)] {
        if let Some(digits) = lower.strip_suffix(unit).filter(|d| !d.starts_with("0x")) {
            return number(digits)?
                .checked_mul(1 << factor)
                .ok_or_else(|| wrong(format!("{text:?} is too large")));
        }
    }
    number(text)
}

/// Reads a comparison. `most` is the largest number that there can be.
pub(crate) fn test(text: &str, most: u64) -> Result<NumberTest, Fault> {
    test_with(text, most, &|_| None)
}

/// Reads a comparison in which numbers can have names.
pub(crate) fn test_with(
    text: &str,
    most: u64,
    name: &dyn Fn(&str) -> Option<u64>,
) -> Result<NumberTest, Fault> {
    let value = |text: &str| {
        let text = text.trim();
        let value = match name(text) {
            Some(value) => value,
            None => sized(text)?,
        };
        if value > most { Err(wrong(format!("{value} is more than {most}"))) } else { Ok(value) }
    };
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('&') {
        let (mask, wanted) = rest.split_once('=').ok_or_else(|| wrong("a mask needs a value"))?;
        let (mask, negated) = match mask.trim_end().strip_suffix('!') {
            Some(mask) => (mask, true),
            None => (mask, false),
        };
        return Ok(NumberTest::Masked(value(mask)?, value(wanted)?, negated));
    }
    if let Some(rest) = text.strip_prefix("<=") {
        return Ok(NumberTest::LessOrEqual(value(rest)?));
    }
    if let Some(rest) = text.strip_prefix(">=") {
        return Ok(NumberTest::GreaterOrEqual(value(rest)?));
    }
    if let Some(rest) = text.strip_prefix('<') {
        return match value(rest)? {
            0 => Err(wrong("nothing is less than 0")),
            value => Ok(NumberTest::Less(value)),
        };
    }
    if let Some(rest) = text.strip_prefix('>') {
        let value = value(rest)?;
        if value == most {
            return Err(wrong(format!("nothing is greater than {value}")));
        }
        return Ok(NumberTest::Greater(value));
    }
    let (negated, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let rest = rest.trim_start();
    if let Some(rest) = rest.strip_prefix('=') {
        return Ok(NumberTest::Equal(value(rest)?, negated));
    }
    if name(rest).is_none()
        && let Some((low, high)) = rest.split_once("<>").or_else(|| rest.split_once('-'))
    {
        let (low, high) = (value(low)?, value(high)?);
        if high.checked_sub(low).is_none_or(|gap| gap < 2) {
            return Err(wrong(format!("nothing is between {low} and {high}")));
        }
        return Ok(NumberTest::Between(low, high, negated));
    }
    Ok(NumberTest::Equal(value(rest)?, negated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_read() {
        for (text, expected) in [
            ("7", NumberTest::Equal(7, false)),
            (" = 0x10", NumberTest::Equal(16, false)),
            ("!7", NumberTest::Equal(7, true)),
            ("!=7", NumberTest::Equal(7, true)),
            ("<7", NumberTest::Less(7)),
            ("<= 7", NumberTest::LessOrEqual(7)),
            ("> 7", NumberTest::Greater(7)),
            (">=7", NumberTest::GreaterOrEqual(7)),
            ("3<>7", NumberTest::Between(3, 7, false)),
            ("3-7", NumberTest::Between(3, 7, false)),
            ("!3-7", NumberTest::Between(3, 7, true)),
            ("&0xc0=0x80", NumberTest::Masked(0xc0, 0x80, false)),
            ("&0xc0!=0", NumberTest::Masked(0xc0, 0, true)),
            ("2kb", NumberTest::Equal(2048, false)),
            (">1MiB", NumberTest::Greater(1 << 20)),
        ] {
            assert_eq!(test(text, u64::MAX).unwrap(), expected, "{text}");
        }
        for text in
            ["", "x", "<0", ">255", "7<>8", "8<>7", "256", "--1", "&1", "+1", "0x+1", "1 2", "<>", "0x"]
        {
            assert!(test(text, 255).is_err(), "{text}");
        }
        assert_eq!(signed("-3").unwrap(), -3);
        assert!(signed("--3").is_err());
        assert!(test("99999999999gb", u64::MAX).is_err());
        let names = |n: &str| (n == "dash-ed").then_some(4);
        assert_eq!(test_with("!dash-ed", 9, &names).unwrap(), NumberTest::Equal(4, true));
    }
}
