//! Text from the wire as it is shown to people.

use core::fmt::{self, Write};

/// A text that may come from an attacker, for a terminal or a log: whatever would steer the terminal, start another line
/// or reorder what stands beside it is written as an escape (`\n`, `\u{1b}`).
///
/// ```
/// assert_eq!(wire::Shown("a\n\u{1b}[2Jb").to_string(), "a\\n\\u{1b}[2Jb");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(pub &'a str);

impl Shown<'_> {
    /// Whether a terminal takes the character for more than a letter: C0 and C1 controls, DEL, line and paragraph
    /// separators, bidirectional controls, and characters that take no room (UAX #9, Unicode category Cf).
    #[must_use]
    pub fn is_hazard(c: char) -> bool {
        c.is_control()
            || matches!(c,
                '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if Shown::is_hazard(c) => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_steers_a_terminal_is_escaped_and_the_rest_is_not() {
        for (text, shown) in [
            ("\u{1b}[2J\r\n", "\\u{1b}[2J\\r\\n"),
            ("a\u{7f}\u{9b}31m", "a\\u{7f}\\u{9b}31m"),
            ("gpj\u{202e}exe", "gpj\\u{202e}exe"),
            ("a\u{2028}b\u{200b}c\u{feff}\u{2066}", "a\\u{2028}b\\u{200b}c\\u{feff}\\u{2066}"),
            ("财务部 é \\ \"x\"", "财务部 é \\ \"x\""),
        ] {
            assert_eq!(Shown(text).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_hazardous_is_left(text in any::<String>()) {
            prop_assert!(!Shown(&text).to_string().chars().any(Shown::is_hazard));
        }
    }
}
