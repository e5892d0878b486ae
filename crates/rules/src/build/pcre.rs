//! `pcre`.

use pcre2::bytes::{Regex, RegexBuilder};

use crate::buffer::Buffer;
use crate::fault::{Done, Fault, unsupported, wrong};
use crate::options::{negation, quoted};
use crate::rule::Capture;
use crate::test::{Pcre, Test};

use super::Builder;

/// Groups whose matches go into variables.
const MAX_CAPTURES: usize = 8;

/// Compiles an expression as the engine will, but without its machine code.
pub(super) fn compile(pattern: &str, test: &Pcre) -> Result<Regex, Fault> {
    RegexBuilder::new()
        .caseless(test.caseless)
        .dotall(test.dot_all)
        .multi_line(test.multi_line)
        .extended(test.extended)
        .build(pattern)
        .map_err(|err| wrong(format!("the expression is broken: {err}")))
}

/// The buffer that a modifier of an expression selects.
fn selected(flag: char) -> Option<Buffer> {
    Some(match flag {
        'U' => Buffer::HttpUri,
        'I' => Buffer::HttpRawUri,
        'P' => Buffer::HttpRequestBody,
        'Q' => Buffer::HttpResponseBody,
        'H' => Buffer::HttpHeader,
        'D' => Buffer::HttpRawHeader,
        'M' => Buffer::HttpMethod,
        'C' => Buffer::HttpCookie,
        'S' => Buffer::HttpStatCode,
        'Y' => Buffer::HttpStatMsg,
        'V' => Buffer::HttpUserAgent,
        'W' => Buffer::HttpHost,
        'Z' => Buffer::HttpRawHost,
        _ => return None,
    })
}

impl Builder<'_> {
    pub(super) fn pcre(&mut self, value: &str) -> Done {
        let (negated, text) = negation(value);
        let text = quoted(text)?;
        let body = text.strip_prefix('/').and_then(|t| t.rsplit_once('/'));
        let (pattern, rest) = body.ok_or_else(|| wrong("expected \"/expression/modifiers\""))?;
        let mut words = rest.split(',');
        let mut test = Pcre { negated, ..Pcre::default() };
        let mut buffer = None;
        for flag in words.next().unwrap_or("").trim().chars() {
            match flag {
                'i' => test.caseless = true,
                's' => test.dot_all = true,
                'm' => test.multi_line = true,
                'x' => test.extended = true,
                'A' => test.anchored = true,
                'E' => test.dollar_end_only = true,
                'G' => test.ungreedy = true,
                'R' => test.relative = true,
                // Raw bytes are what there is; the limits that O overrides are the engine's.
                'B' | 'O' => {}
                _ => {
                    let found =
                        selected(flag).ok_or_else(|| wrong(format!("there is no modifier {flag}")))?;
                    if buffer.is_some_and(|known| known != found) {
                        return Err(wrong("two modifiers select different buffers"));
                    }
                    buffer = Some(found);
                }
            }
        }
        let pattern = self.expression(pattern);
        let compiled = compile(&pattern, &test)?;
        test.captures = captures(&compiled, words)?;
        test.pattern = self.cx.text(&pattern);
        match buffer {
            None => {
                self.push(Test::Pcre(test))?;
            }
            Some(_) if self.sticky.is_some() || self.decoding.is_some() => {
                return Err(wrong("a modifier selects a buffer, but a sticky buffer is in force"));
            }
            Some(buffer) => {
                let part = self.part_of(buffer, Vec::new())?;
                self.push_to(part, Test::Pcre(test))?;
            }
        }
        Ok(())
    }

    /// The expression such that its bytes are those in the file.
    pub(super) fn expression(&self, pattern: &str) -> String {
        use std::fmt::Write as _;
        if !self.latin1 {
            return pattern.to_owned();
        }
        let mut escaped = String::with_capacity(pattern.len());
        for c in pattern.chars() {
            if c.is_ascii() {
                escaped.push(c);
            } else {
                let _ = write!(escaped, "\\x{:02x}", u32::from(c));
            }
        }
        escaped
    }
}

/// The variables that groups go into: by their names, or by a list behind the expression.
fn captures<'a>(compiled: &Regex, words: impl Iterator<Item = &'a str>) -> Result<Vec<Capture>, Fault> {
    let mut captures = Vec::new();
    for name in compiled.capture_names().iter().skip(1) {
        let variable = name.as_deref().and_then(|name| {
            let of_flow = name.strip_prefix("flow_").map(|rest| (true, rest));
            of_flow.or_else(|| name.strip_prefix("pkt_").map(|rest| (false, rest)))
        });
        captures.push(variable.map(|(of_flow, name)| Capture { of_flow, name: name.into() }));
    }
    let groups = captures.len();
    while captures.last().is_some_and(Option::is_none) {
        captures.pop();
    }
    let named = captures.len();
    let captures: Vec<Capture> = captures.into_iter().flatten().collect();
    if captures.len() != named {
        return Err(unsupported("groups without a variable before groups with one"));
    }
    let listed: Result<Vec<Capture>, Fault> = words.map(|word| capture(word.trim())).collect();
    let listed = listed?;
    if listed.is_empty() {
        return if captures.len() > MAX_CAPTURES { Err(wrong("too many variables")) } else { Ok(captures) };
    }
    if !captures.is_empty() {
        return Err(wrong("variables are named twice"));
    }
    if listed.len() > groups || listed.len() > MAX_CAPTURES {
        return Err(wrong("more variables than groups"));
    }
    Ok(listed)
}

fn capture(word: &str) -> Result<Capture, Fault> {
    let (kind, name) = word.split_once(':').ok_or_else(|| wrong(format!("{word:?} is no variable")))?;
    let of_flow = match kind.trim() {
        "flow" => true,
        "pkt" => false,
        "alert" => return Err(unsupported("variables of alerts")),
        _ => return Err(wrong(format!("{word:?} is no variable"))),
    };
    Ok(Capture { of_flow, name: name.trim().into() })
}
