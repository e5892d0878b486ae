//! `content` and what modifies it.

use crate::buffer::Buffer;
use crate::fault::{Done, Fault, wrong};
use crate::number;
use crate::options::{negation, quoted, unquoted};
use crate::test::{Amount, Content, FastPattern, IsDataAt, Test};

use super::Builder;

/// Bytes of one content.
pub const MAX_CONTENT: usize = 8192;
/// What `distance` and `within` can be at most, either way.
const MAX_DISTANCE: i64 = 1 << 20;
/// What `offset` and `depth` can be at most.
const MAX_OFFSET: i64 = 65535;

impl Builder<'_> {
    /// The bytes of a content: text, `|hex|`, escapes.
    pub(super) fn pattern(&self, text: &str) -> Result<Vec<u8>, Fault> {
        let mut bytes = Vec::with_capacity(text.len());
        let (mut hex, mut half) = (false, None::<u8>);
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            match c {
                '|' => {
                    if half.is_some() {
                        return Err(wrong("an odd number of hexadecimal digits"));
                    }
                    hex = !hex;
                }
                _ if hex => match (c.to_digit(16), half) {
                    (None, _) if c == ' ' => {}
                    (None, _) => return Err(wrong(format!("{c:?} is no hexadecimal digit"))),
                    (Some(digit), None) => half = u8::try_from(digit << 4).ok(),
                    (Some(digit), Some(high)) => {
                        bytes.push(high | u8::try_from(digit).unwrap_or(0));
                        half = None;
                    }
                },
                '\\' => match chars.next() {
                    Some(c @ ('\\' | ';' | ':' | '"')) => self.raw(c, &mut bytes),
                    _ => return Err(wrong("a backslash escapes only itself, semicolon, colon and quote")),
                },
                _ => self.raw(c, &mut bytes),
            }
        }
        match (hex, bytes.len()) {
            (true, _) => Err(wrong("a | is not closed")),
            (_, 0) => Err(wrong("it is empty")),
            (_, length) if length > MAX_CONTENT => {
                Err(wrong(format!("it is longer than {MAX_CONTENT} bytes")))
            }
            _ => Ok(bytes),
        }
    }

    pub(super) fn content(&mut self, value: &str) -> Done {
        let (negated, text) = negation(value);
        let pattern = self.pattern(quoted(text)?)?;
        let place = self.push(Test::Content(Content { pattern, negated, ..Content::default() }))?;
        self.content = Some(place);
        Ok(())
    }

    pub(super) fn nocase(&mut self) -> Done {
        let content = self.last_content()?;
        if content.nocase {
            return Err(wrong("it stands twice behind one content"));
        }
        content.nocase = true;
        content.pattern.make_ascii_lowercase();
        Ok(())
    }

    /// A number within limits, or a variable.
    pub(super) fn amount(&self, text: &str, limits: std::ops::RangeInclusive<i64>) -> Result<Amount, Fault> {
        let text = text.trim();
        match number::signed(text) {
            Ok(value) if limits.contains(&value) => Ok(Amount::Fixed(value)),
            Ok(value) => Err(wrong(format!("{value} is not within {} and {}", limits.start(), limits.end()))),
            Err(_) if text.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                Err(wrong(format!("{text:?} is not a number")))
            }
            Err(_) => self.variable(text).map(Amount::Variable),
        }
    }

    /// The same, but only with variables of the buffer at hand.
    pub(super) fn amount_here(
        &self,
        text: &str,
        limits: std::ops::RangeInclusive<i64>,
    ) -> Result<Amount, Fault> {
        let amount = self.amount(text, limits)?;
        if matches!(amount, Amount::Variable(_)) {
            self.variable_here(text.trim())?;
        }
        Ok(amount)
    }

    pub(super) fn offset(&mut self, value: &str) -> Done {
        let amount = self.amount(unquoted(value), 0..=MAX_OFFSET)?;
        let content = self.last_content()?;
        absolute(content)?;
        once(&mut content.offset, amount)
    }

    pub(super) fn depth(&mut self, value: &str) -> Done {
        let amount = self.amount(unquoted(value), 0..=MAX_OFFSET)?;
        let content = self.last_content()?;
        absolute(content)?;
        if shorter(amount, content) {
            return Err(wrong("it is less than the content's length"));
        }
        once(&mut content.depth, amount)
    }

    pub(super) fn distance(&mut self, value: &str) -> Done {
        let amount = self.amount(unquoted(value), -MAX_DISTANCE..=MAX_DISTANCE)?;
        let content = self.last_content()?;
        relative(content)?;
        once(&mut content.distance, amount)
    }

    pub(super) fn within(&mut self, value: &str) -> Done {
        let amount = self.amount(unquoted(value), -MAX_DISTANCE..=MAX_DISTANCE)?;
        let content = self.last_content()?;
        relative(content)?;
        if shorter(amount, content) {
            return Err(wrong("it is less than the content's length"));
        }
        once(&mut content.within, amount)
    }

    pub(super) fn starts_with(&mut self) -> Done {
        let content = self.last_content()?;
        if content.starts_with {
            return Err(wrong("it stands twice behind one content"));
        }
        let placed = [content.offset, content.depth, content.distance, content.within];
        if placed.iter().any(Option::is_some) {
            return Err(wrong("the content has offset, depth, distance or within"));
        }
        content.starts_with = true;
        content.offset = Some(Amount::Fixed(0));
        content.depth = Some(Amount::Fixed(i64::try_from(content.pattern.len()).unwrap_or(i64::MAX)));
        Ok(())
    }

    pub(super) fn ends_with(&mut self) -> Done {
        let content = self.last_content()?;
        if content.ends_with {
            return Err(wrong("it stands twice behind one content"));
        }
        content.ends_with = true;
        Ok(())
    }

    pub(super) fn fast_pattern(&mut self, value: Option<&str>) -> Done {
        let content = self.last_content()?;
        if content.fast_pattern.is_some() {
            return Err(wrong("it stands twice behind one content"));
        }
        let placed = [content.offset, content.depth, content.distance, content.within];
        let placed = placed.iter().any(Option::is_some);
        if content.negated && placed {
            return Err(wrong("the content is negated and has a place"));
        }
        let Some(value) = value else {
            content.fast_pattern = Some(FastPattern::Whole);
            return Ok(());
        };
        if value.trim() == "only" {
            if content.negated || placed {
                return Err(wrong("only: the content is negated or has a place"));
            }
            content.fast_pattern = Some(FastPattern::Only);
            return Ok(());
        }
        let (from, length) = value.split_once(',').ok_or_else(|| wrong("expected only, or offset,length"))?;
        let (from, length) = (number::small::<u16>(from)?, number::small::<u16>(length)?);
        if length == 0 || usize::from(from) + usize::from(length) > content.pattern.len() {
            return Err(wrong("that part is not within the content"));
        }
        content.fast_pattern = Some(FastPattern::Part(from, length));
        Ok(())
    }

    /// `rawbytes` has no effect, but needs a content.
    pub(super) fn rawbytes(&mut self) -> Done {
        self.last_content().map(|_| ())
    }

    /// An older keyword moves the content before it to another buffer.
    pub(super) fn move_content(&mut self, buffer: Buffer) -> Done {
        self.last_content()?;
        let in_payload = |place: &super::Place, parts: &[crate::test::Part]| {
            !place.decoded && parts.get(place.part).is_some_and(|p| p.buffer == Buffer::Payload)
        };
        let place = self.content.filter(|place| in_payload(place, &self.rule.parts));
        let place = place.filter(|_| self.sticky.is_none());
        let place = place.ok_or_else(|| wrong("the content before it is in a sticky buffer"))?;
        let Some(part) = self.rule.parts.get_mut(place.part) else { return Ok(()) };
        let test = part.tests.remove(place.test);
        let to = self.part_of(buffer, Vec::new())?;
        self.content = Some(self.push_to(to, test)?);
        Ok(())
    }

    pub(super) fn is_data_at(&mut self, value: &str) -> Done {
        let (negated, text) = negation(unquoted(value));
        let mut words = text.split(',').map(str::trim);
        let at = self.amount(words.next().unwrap_or(""), 0..=MAX_OFFSET)?;
        let mut relative = false;
        for word in words {
            match word {
                "relative" => relative = true,
                "rawbytes" => {}
                _ => return Err(wrong(format!("{word:?} is not one of its words"))),
            }
        }
        // "Nothing behind it" is the end of the buffer for the content before it, whether that is wanted or not.
        if negated
            && relative
            && at == Amount::Fixed(1)
            && let Some(content) = self.content_just_before()
        {
            content.ends_with = true;
            return Ok(());
        }
        self.push(Test::IsDataAt(IsDataAt { at, negated, relative }))?;
        Ok(())
    }
}

/// A content with a place counted from the beginning has none counted from the last match.
fn absolute(content: &Content) -> Done {
    if content.starts_with {
        return Err(wrong("the content has startswith"));
    }
    if content.distance.is_some() || content.within.is_some() {
        return Err(wrong("the content has distance or within"));
    }
    not_only(content)
}

fn relative(content: &Content) -> Done {
    if content.starts_with {
        return Err(wrong("the content has startswith"));
    }
    if content.offset.is_some() || content.depth.is_some() {
        return Err(wrong("the content has offset or depth"));
    }
    not_only(content)
}

fn not_only(content: &Content) -> Done {
    match content.fast_pattern {
        Some(FastPattern::Only) => Err(wrong("the content has fast_pattern:only")),
        Some(_) if content.negated => Err(wrong("the content is negated and has fast_pattern")),
        _ => Ok(()),
    }
}

fn shorter(amount: Amount, content: &Content) -> bool {
    matches!(amount, Amount::Fixed(value) if usize::try_from(value).map_or(true, |v| v < content.pattern.len()))
}

fn once(place: &mut Option<Amount>, amount: Amount) -> Done {
    if place.is_some() {
        return Err(wrong("it stands twice behind one content"));
    }
    *place = Some(amount);
    Ok(())
}
