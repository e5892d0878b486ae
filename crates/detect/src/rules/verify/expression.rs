//! `pcre`: an expression in PCRE's syntax, run by PCRE2 with Suricata's limits on how far it may go back.

use pcre2::bytes::{CaptureLocations, Regex, RegexBuilder};
use rules::Pcre;

use super::Piece;

/// How often PCRE2 may call its inner match function for one place (Suricata's `pcre.match-limit`).
const MATCH_LIMIT: u32 = 3_500;
/// How deep that may nest where PCRE2 interprets (Suricata's `pcre.match-limit-recursion`; compiled code has its own
/// bounded stack).
const DEPTH_LIMIT: u32 = 1_500;
/// Groups of an expression at most, the whole included. One room for groups serves all expressions.
pub(super) const MAX_GROUPS: usize = 64;

/// An expression made ready.
#[derive(Debug)]
pub(super) struct Expression {
    regex: Regex,
    pub(super) negated: bool,
    relative: bool,
    /// A later test counts from where this one ended.
    pub(super) relative_next: bool,
    /// Where groups 1, 2 ... go.
    pub(super) captures: Box<[rules::Capture]>,
}

/// What came of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matched {
    /// From here to there, counted from the beginning of the piece.
    At {
        /// First byte.
        start: usize,
        /// Behind the last byte.
        end: usize,
        /// Where groups are counted from.
        base: usize,
    },
    /// Nowhere.
    Nowhere,
    /// A limit was exceeded: neither a match nor none.
    Limit,
}

impl Expression {
    /// Compiles it; an error is what PCRE2 says.
    pub(super) fn new(pcre: &Pcre, relative_next: bool) -> Result<Self, String> {
        let regex = compile(pcre)?;
        if regex.captures_len() > MAX_GROUPS {
            return Err(format!("pcre with {} groups; {MAX_GROUPS} are possible", regex.captures_len()));
        }
        if pcre.captures.len() >= regex.captures_len() {
            return Err("pcre with more variables than groups".into());
        }
        Ok(Expression {
            regex,
            negated: pcre.negated,
            relative: pcre.relative,
            relative_next: relative_next && !pcre.negated,
            captures: pcre.captures.clone().into(),
        })
    }

    /// Where it matches. With `R`, what is before `last` does not exist for it. `resume` is where the search goes on (0:
    /// at its beginning).
    pub(super) fn find(
        &self,
        piece: &Piece<'_>,
        last: usize,
        resume: usize,
        groups: &mut CaptureLocations,
    ) -> Matched {
        let base = if self.relative { last } else { 0 };
        let Some(subject) = piece.bytes.get(base..) else { return Matched::Nowhere };
        let from = resume.saturating_sub(base);
        if from > subject.len() {
            return Matched::Nowhere;
        }
        match self.regex.captures_read_at(groups, subject, from) {
            Ok(Some(found)) => Matched::At {
                start: base.saturating_add(found.start()),
                end: base.saturating_add(found.end()),
                base,
            },
            Ok(None) => Matched::Nowhere,
            Err(_) => Matched::Limit,
        }
    }

    /// Heap memory, in bytes, as measured: PCRE2 does not tell.
    pub(super) fn memory(&self) -> usize {
        MEMORY_PER_EXPRESSION + MEMORY_PER_BYTE * self.regex.as_str().len()
    }
}

/// See [`Expression::memory`].
const MEMORY_PER_EXPRESSION: usize = 3_000;
/// See [`Expression::memory`].
const MEMORY_PER_BYTE: usize = 60;

/// Room for the groups of any expression.
pub(super) fn groups() -> CaptureLocations {
    let pattern = "()".repeat(MAX_GROUPS - 1);
    Regex::new(&pattern).expect("a constant expression compiles").capture_locations()
}

fn compile(pcre: &Pcre) -> Result<Regex, String> {
    let (verbs, body) = split_verbs(&pcre.pattern);
    let body = if pcre.dollar_end_only && !pcre.multi_line { end_only(body)? } else { body.to_owned() };
    // Of several limits the lowest counts, so that an expression cannot raise these by its own.
    let mut pattern = format!("(*LIMIT_MATCH={MATCH_LIMIT})(*LIMIT_DEPTH={DEPTH_LIMIT}){verbs}");
    if pcre.ungreedy {
        pattern.push_str("(?U)");
    }
    if pcre.anchored {
        // A comment of an extended expression ends with the line.
        let newline = if pcre.extended { "\n" } else { "" };
        pattern.push_str(&format!("\\G(?:{body}{newline})"));
    } else {
        pattern.push_str(&body);
    }
    RegexBuilder::new()
        .caseless(pcre.caseless)
        .dotall(pcre.dot_all)
        .multi_line(pcre.multi_line)
        .extended(pcre.extended)
        .jit_if_available(true)
        .build(&pattern)
        .map_err(|error| error.to_string())
}

/// Splits off the verbs that may stand at the very beginning only, such as `(*UTF)`.
fn split_verbs(pattern: &str) -> (&str, &str) {
    let mut at = 0;
    while let Some(rest) = pattern.get(at..)
        && rest
            .strip_prefix("(*")
            .is_some_and(|verb| verb.starts_with(|first: char| first.is_ascii_uppercase()))
        && let Some(end) = rest.find(')')
    {
        at += end + 1;
    }
    pattern.split_at_checked(at).unwrap_or(("", pattern))
}

/// The expression with each `$` that stands for the end made one that does not match before a last newline (`E`).
fn end_only(pattern: &str) -> Result<String, String> {
    if pattern.contains("(?") && pattern.contains('m') && inline_multi_line(pattern) {
        return Err("pcre with E and (?m)".into());
    }
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(first) = rest.chars().next() {
        let (mut took, mut text) = (first.len_utf8(), None);
        match first {
            '\\' if rest.starts_with("\\Q") => {
                took = rest.find("\\E").map_or(rest.len(), |end| end + 2);
            }
            '\\' => took += rest.chars().nth(1).map_or(0, char::len_utf8),
            // A bracket right behind the opening one is an ordinary character.
            '[' if !in_class => {
                in_class = true;
                took = ["[^]", "[]", "[^"]
                    .iter()
                    .find(|open| rest.starts_with(**open))
                    .map_or(1, |open| open.len());
            }
            '[' if rest.starts_with("[:") => took = rest.find(":]").map_or(1, |end| end + 2),
            ']' => in_class = false,
            '$' if !in_class => text = Some("\\z"),
            _ => {}
        }
        let (taken, left) = rest.split_at_checked(took).unwrap_or((rest, ""));
        out.push_str(text.unwrap_or(taken));
        rest = left;
    }
    Ok(out)
}

/// Whether a group sets `m` inside the expression.
fn inline_multi_line(pattern: &str) -> bool {
    pattern
        .split("(?")
        .skip(1)
        .any(|options| options.chars().take_while(|c| c.is_ascii_lowercase() || *c == '^').any(|c| c == 'm'))
}
