//! STIX patterns (STIX 2.1, section 9): comparisons with `=` and `IN`, joined with AND and OR. What a pattern comes to
//! is a list of alternatives, each a list of indicators that must all be seen.

use crate::indicator::{Form, Indicator};
use crate::malformed::quoted;
use crate::patterns::MAX_PARTS;

/// Alternatives of a pattern.
const MAX_ALTERNATIVES: usize = 1 << 16;
/// Parentheses within each other.
const MAX_DEPTH: u32 = 64;

/// A pattern that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    pub alternatives: Vec<Vec<Indicator>>,
    /// Comparisons that nothing here can match. An alternative that needs one is left out.
    pub refused: Vec<String>,
}

/// Reads a pattern; the error says why it is none, or of which nothing can be matched.
pub(crate) fn read(pattern: &str) -> Result<Reading, String> {
    let mut parser = Parser { tokens: Tokens { rest: pattern }, ahead: None, depth: 0, refused: Vec::new() };
    let mut alternatives = parser.any_of(Level::Observation)?;
    match parser.next()? {
        None => {}
        Some(Token::Word(word)) => return Err(format!("{} is not supported", quoted(word))),
        Some(token) => return Err(format!("{} is not expected there", token.name())),
    }
    for parts in &mut alternatives {
        parts.sort_by(|a, b| (a.kind, &a.key).cmp(&(b.kind, &b.key)));
        parts.dedup();
    }
    if alternatives.iter().any(Vec::is_empty) {
        return Err("it compares nothing but types".into());
    }
    if alternatives.iter().any(|parts| parts.len() > MAX_PARTS) {
        return Err(format!("more than {MAX_PARTS} parts joined with AND"));
    }
    Ok(Reading { alternatives, refused: parser.refused })
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    OpenSquare,
    CloseSquare,
    Comma,
    Operator(&'a str),
    /// An object path, a keyword, a number.
    Word(&'a str),
    Text(String),
}

impl Token<'_> {
    fn name(&self) -> String {
        match self {
            Token::Open => "(".into(),
            Token::Close => ")".into(),
            Token::OpenSquare => "[".into(),
            Token::CloseSquare => "]".into(),
            Token::Comma => ",".into(),
            Token::Operator(text) | Token::Word(text) => quoted(text),
            Token::Text(text) => format!("'{}'", quoted(text)),
        }
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self, Token::Word(text) if text.eq_ignore_ascii_case(word))
    }
}

struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn next(&mut self) -> Result<Option<Token<'a>>, String> {
        self.rest = self.rest.trim_start();
        let Some(first) = self.rest.chars().next() else { return Ok(None) };
        let single = match first {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            '[' => Some(Token::OpenSquare),
            ']' => Some(Token::CloseSquare),
            ',' => Some(Token::Comma),
            _ => None,
        };
        if let Some(token) = single {
            self.take(1);
            return Ok(Some(token));
        }
        match first {
            '=' | '!' | '<' | '>' => {
                let len = self.rest.bytes().take_while(|b| b"=!<>".contains(b)).count();
                Ok(Some(Token::Operator(self.take(len))))
            }
            '\'' => self.text().map(Some),
            _ => {
                let len = self.word_len()?;
                Ok(Some(Token::Word(self.take(len))))
            }
        }
    }

    fn take(&mut self, len: usize) -> &'a str {
        let (token, rest) = self.rest.split_at_checked(len).unwrap_or((self.rest, ""));
        self.rest = rest;
        token
    }

    /// A path goes on through quotes ("hashes.'SHA-256'") and brackets behind a name ("to_refs[*]").
    fn word_len(&self) -> Result<usize, String> {
        let (mut in_quote, mut in_bracket) = (false, false);
        for (at, c) in self.rest.char_indices() {
            match c {
                '\'' => in_quote = !in_quote,
                _ if in_quote => {}
                '[' if at > 0 => in_bracket = true,
                ']' if in_bracket => in_bracket = false,
                '*' | '0'..='9' if in_bracket => {}
                'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | ':' | '.' | '+' if !in_bracket => {}
                _ if at == 0 => return Err(format!("\"{c}\" begins nothing")),
                _ if in_bracket => return Err("an index that is none".into()),
                _ => return Ok(at),
            }
        }
        if in_quote || in_bracket { Err("it ends within a path".into()) } else { Ok(self.rest.len()) }
    }

    /// A text in single quotes; a backslash takes the next character as it is.
    fn text(&mut self) -> Result<Token<'a>, String> {
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '\'' => {
                    self.take(at + 1);
                    return Ok(Token::Text(text));
                }
                '\\' => text.extend(chars.next().map(|(_, c)| c)),
                c => text.push(c),
            }
        }
        Err("it ends within a text".into())
    }
}

/// What is joined: observations in brackets, or the comparisons within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Observation,
    Comparison,
}

type Alternatives = Vec<Vec<Indicator>>;

struct Parser<'a> {
    tokens: Tokens<'a>,
    ahead: Option<Token<'a>>,
    depth: u32,
    refused: Vec<String>,
}

impl<'a> Parser<'a> {
    fn next(&mut self) -> Result<Option<Token<'a>>, String> {
        match self.ahead.take() {
            Some(token) => Ok(Some(token)),
            None => self.tokens.next(),
        }
    }

    /// Takes the next token if it is that word.
    fn word(&mut self, word: &str) -> Result<bool, String> {
        let token = self.next()?;
        if token.as_ref().is_some_and(|token| token.is_word(word)) {
            return Ok(true);
        }
        self.ahead = token;
        Ok(false)
    }

    fn expect(&mut self, expected: &Token<'_>) -> Result<(), String> {
        match self.next()? {
            Some(token) if token == *expected => Ok(()),
            Some(token) => Err(format!("{} in place of {}", token.name(), expected.name())),
            None => Err(format!("it ends where {} is missing", expected.name())),
        }
    }

    fn any_of(&mut self, level: Level) -> Result<Alternatives, String> {
        let mut alternatives = self.all_of(level)?;
        while self.word("OR")? {
            alternatives.extend(self.all_of(level)?);
            if alternatives.len() > MAX_ALTERNATIVES {
                return Err(format!("more than {MAX_ALTERNATIVES} alternatives"));
            }
        }
        Ok(alternatives)
    }

    fn all_of(&mut self, level: Level) -> Result<Alternatives, String> {
        let mut alternatives = self.operand(level)?;
        while self.word("AND")? {
            let more = self.operand(level)?;
            if alternatives.len().saturating_mul(more.len()) > MAX_ALTERNATIVES {
                return Err(format!("more than {MAX_ALTERNATIVES} alternatives"));
            }
            alternatives = alternatives
                .iter()
                .flat_map(|parts| {
                    more.iter().map(|more| parts.iter().chain(more).cloned().collect::<Vec<_>>())
                })
                .collect();
            // Each AND may add a part to each alternative.
            if alternatives.iter().map(Vec::len).sum::<usize>() > 4 * MAX_ALTERNATIVES {
                return Err("too many parts joined with AND".into());
            }
        }
        Ok(alternatives)
    }

    fn operand(&mut self, level: Level) -> Result<Alternatives, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} levels of parentheses"));
        }
        let alternatives = match (self.next()?, level) {
            (Some(Token::Open), _) => {
                let alternatives = self.any_of(level)?;
                self.expect(&Token::Close)?;
                alternatives
            }
            (Some(Token::OpenSquare), Level::Observation) => {
                let alternatives = self.any_of(Level::Comparison)?;
                self.expect(&Token::CloseSquare)?;
                alternatives
            }
            (Some(Token::Word(path)), Level::Comparison) => self.comparison(path)?,
            (Some(token), _) => return Err(format!("{} is not expected there", token.name())),
            (None, _) => return Err("it ends too early".into()),
        };
        self.depth -= 1;
        Ok(alternatives)
    }

    fn comparison(&mut self, path: &str) -> Result<Alternatives, String> {
        let negated = self.word("NOT")?;
        let operator = self.next()?.ok_or("it ends within a comparison")?;
        let values = if operator.is_word("IN") {
            self.expect(&Token::Open)?;
            let mut values = vec![self.value()?];
            loop {
                match self.next()? {
                    Some(Token::Comma) => values.push(self.value()?),
                    Some(Token::Close) => break values,
                    _ => return Err("a list that does not end".into()),
                }
                if values.len() > MAX_ALTERNATIVES {
                    return Err(format!("more than {MAX_ALTERNATIVES} values"));
                }
            }
        } else {
            vec![self.value()?]
        };
        let equal = operator.is_word("IN") || operator == Token::Operator("=");
        if negated || !equal {
            let not = if negated { "NOT " } else { "" };
            self.refused.push(format!("{} {not}{} is not supported", quoted(path), operator.name()));
            return Ok(Vec::new());
        }
        match Compared::of(path) {
            Some(Compared::Type) => Ok(vec![Vec::new()]),
            Some(Compared::Value(form)) => {
                let mut alternatives = Vec::new();
                for value in values {
                    match form.read(&value) {
                        Ok(indicator) => alternatives.push(vec![indicator]),
                        Err(why) => self.refused.push(why.to_string()),
                    }
                }
                Ok(alternatives)
            }
            None => {
                self.refused.push(format!("{} is not matched here", quoted(path)));
                Ok(Vec::new())
            }
        }
    }

    fn value(&mut self) -> Result<String, String> {
        match self.next()? {
            Some(Token::Text(text)) => Ok(text),
            // A number, a truth; h'...' and t'...' stay words with their quotes.
            Some(Token::Word(word)) => Ok(word.to_owned()),
            Some(token) => Err(format!("{} is no value", token.name())),
            None => Err("it ends where a value is missing".into()),
        }
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compared {
    /// The type of what is referred to: said once more by its value.
    Type,
    Value(Form),
}

impl Compared {
    fn of(path: &str) -> Option<Self> {
        let (object, property) = path.split_once(':')?;
        let last = property.rsplit('.').next().unwrap_or(property).trim_matches('\'');
        let form = match (object, property) {
            ("domain-name", "value") => Form::Host,
            ("ipv4-addr" | "ipv6-addr", "value") => Form::Address,
            ("url", "value") => Form::Url,
            ("email-addr", "value") => Form::Email,
            ("email-message", _) if property.contains("_ref") && last == "value" => Form::Email,
            ("file" | "artifact", _) if property.starts_with("hashes.") => hash(last, Form::FileHash)?,
            ("x509-certificate", _) if property.starts_with("hashes.") => hash(last, Form::Certificate)?,
            ("network-traffic", "dst_ref.type" | "src_ref.type") => return Some(Compared::Type),
            ("network-traffic", "dst_ref.value" | "src_ref.value") => Form::Any,
            ("network-traffic", _) => named(last)?,
            _ if object.starts_with("x-") => named(last)?,
            _ => return None,
        };
        Some(Compared::Value(form))
    }
}

fn hash(name: &str, form: Form) -> Option<Form> {
    let name = name.to_ascii_lowercase();
    matches!(name.as_str(), "md5" | "sha-1" | "sha1" | "sha-256" | "sha256").then_some(form)
}

/// Fingerprints and user agents, which STIX has no object of its own for.
fn named(last: &str) -> Option<Form> {
    let last = last.to_ascii_lowercase();
    let form = Form::named(last.strip_prefix("x_").unwrap_or(&last))?;
    matches!(form, Form::Ja3 | Form::Ja4 | Form::Hassh | Form::UserAgent).then_some(form)
}

#[cfg(test)]
#[path = "stix_pattern_tests.rs"]
mod tests;
