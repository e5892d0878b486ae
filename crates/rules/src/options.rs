//! A rule's options: `keyword;` and `keyword:value;`.

use crate::fault::{Fault, wrong};

/// Options of one rule.
pub const MAX_OPTIONS: usize = 4096;

/// A keyword and what stands behind its colon.
pub(crate) type RawOption<'a> = (&'a str, Option<&'a str>);

/// Splits what stands between a rule's parentheses. A semicolon ends an option unless a backslash stands before it;
/// quotes do not matter.
pub(crate) fn split(text: &str) -> Result<Vec<RawOption<'_>>, Fault> {
    let mut options = Vec::with_capacity(16);
    let mut rest = text.trim();
    while !rest.is_empty() {
        let end = end_of(rest).ok_or_else(|| wrong("the last option has no semicolon"))?;
        let (option, more) = rest.split_at(end);
        rest = more.get(1..).unwrap_or_default().trim_start();
        let (name, value) = match option.split_once(':') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (option.trim(), None),
        };
        if name.is_empty() {
            if value.is_none() {
                continue;
            }
            return Err(wrong("an option has no keyword"));
        }
        if options.len() >= MAX_OPTIONS {
            return Err(wrong(format!("more than {MAX_OPTIONS} options")));
        }
        options.push((name, value));
    }
    Ok(options)
}

fn end_of(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b';', bytes).find(|&at| at == 0 || bytes.get(at - 1) != Some(&b'\\'))
}

/// The value without its quotes, if it has them.
pub(crate) fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value)
}

/// The value without the quotes that it must have.
pub(crate) fn quoted(value: &str) -> Result<&str, Fault> {
    value
        .strip_prefix('"')
        .and_then(|v| v.strip_suffix('"'))
        .ok_or_else(|| wrong("the value has to stand in double quotes"))
}

/// The value behind `!`, and whether that stood there.
pub(crate) fn negation(value: &str) -> (bool, &str) {
    match value.strip_prefix('!') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_at_semicolons_that_are_not_escaped() {
        let options = split(r#" msg:"a\;b: c" ; nocase;content:"x\\";; sid : 7 ; "#).unwrap();
        let expected = [
            ("msg", Some(r#""a\;b: c""#)),
            ("nocase", None),
            ("content", Some(r#""x\\""#)),
            ("sid", Some("7")),
        ];
        assert_eq!(options, expected);
        assert!(split("sid:1").is_err());
        assert!(split(":1;").is_err());
    }
}
