//! `requires`: what a sensor has to be for a rule to be loaded.

use crate::fault::{Done, Fault, wrong};
use crate::options::RawOption;

/// The version of Suricata whose rules are understood.
const VERSION: [u32; 3] = [8, 0, 6];
/// Optional features of Suricata that this sensor has.
const FEATURES: &[&str] = &["ja3", "ja4"];

/// Whether a rule's `requires` are met.
pub(crate) fn required(options: &[RawOption<'_>]) -> Done {
    for (_, value) in options.iter().filter(|(name, _)| *name == "requires") {
        for word in value.unwrap_or("").split(',').map(str::trim) {
            let (kind, rest) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
            let rest = rest.trim();
            let met = match kind {
                "feature" => FEATURES.contains(&rest),
                "keyword" => super::keywords::known(rest),
                "version" => version(rest)?,
                "" => return Err(wrong("requires: a requirement is missing")),
                _ => false,
            };
            if !met {
                return Err(Fault::NotRequired);
            }
        }
    }
    Ok(())
}

/// `>= 7.0.3 < 8 | >= 8.0.3`
fn version(text: &str) -> Result<bool, Fault> {
    let mut any = false;
    for alternative in text.split('|') {
        let mut all = true;
        let mut rest = alternative.trim();
        if rest.is_empty() {
            return Err(wrong("requires: a version is missing"));
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let (op, tail) = rest.split_at(digits);
            let end = tail.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(tail.len());
            let (number, tail) = tail.split_at(end);
            let number = parse(number).ok_or_else(|| wrong("requires: the version is broken"))?;
            all &= match op.trim() {
                ">=" => VERSION >= number,
                "<=" => VERSION <= number,
                ">" => VERSION > number,
                "<" => VERSION < number,
                _ => return Err(wrong("requires: the version has no operator")),
            };
            rest = tail.trim_start();
        }
        any |= all;
    }
    Ok(any)
}

fn parse(text: &str) -> Option<[u32; 3]> {
    let mut version = [0; 3];
    for (place, part) in text.split('.').enumerate() {
        *version.get_mut(place)? = part.parse().ok()?;
    }
    Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_met_or_not() {
        for (text, met) in [
            ("version >= 7.0.3 < 8", false),
            ("version >= 7.0.3 < 8 | >= 8.0.3", true),
            ("version>=8", false),
            ("version >=8,version < 8.0.7", true),
            ("feature ja4, version > 8.0.5", true),
            ("feature geoip", false),
            ("keyword content", true),
            ("keyword nonsense", false),
            ("moon full", false),
        ] {
            assert_eq!(required(&[("requires", Some(text))]).is_ok(), met, "{text}");
        }
        assert!(matches!(required(&[("requires", Some("version 8"))]), Err(Fault::Wrong(_))));
        assert!(matches!(required(&[("requires", None)]), Err(Fault::Wrong(_))));
        assert!(required(&[]).is_ok());
    }
}
