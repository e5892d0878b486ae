//! Which literal of a rule is searched for first.

use std::sync::Arc;

use rules::{Amount, Content, FastPattern, Part, Test};

use super::fixed::Fixed;

/// Longer literals are no better than these.
const LONG_ENOUGH: usize = 24;

/// A literal to search for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Literal {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) nocase: bool,
    /// Where in the buffer it has to end at the latest.
    pub(crate) reach: Option<usize>,
    /// It begins where the buffer does.
    pub(crate) at_start: bool,
    /// It ends where the buffer does.
    pub(crate) at_end: bool,
}

/// The literal that stands for a rule among these parts, and the index of its part: the one that its author chose, else
/// the one that is likely to be rarest.
pub(crate) fn choose(parts: &[&Part]) -> Option<(usize, Literal)> {
    let all =
        parts.iter().enumerate().flat_map(|(at, part)| contents(part).map(move |content| (at, content)));
    let chosen = all.clone().find(|(_, content)| content.fast_pattern.is_some());
    let best = chosen.or_else(|| all.max_by_key(|(_, content)| score(&content.pattern)));
    best.map(|(at, content)| (at, literal(content)))
}

/// Literals of this length are searched for; for shorter ones a fixed place is better.
const SEARCHABLE: usize = 5;

/// The bytes at a fixed place that stand for a rule: none if a literal that is long enough does it better.
pub(crate) fn fixed(parts: &[&Part], chosen: Option<&Literal>) -> Option<Fixed> {
    if chosen.is_some_and(|literal| literal.bytes.len() >= SEARCHABLE) {
        return None;
    }
    let all = parts.iter().flat_map(|part| contents(part)).filter_map(|content| {
        let fixed = |amount: Option<Amount>| match amount {
            None => Some(0),
            Some(Amount::Fixed(value)) => u16::try_from(value).ok(),
            Some(Amount::Variable(_)) => None,
        };
        let relative = content.distance.is_some() || content.within.is_some();
        let offset = fixed(content.offset).filter(|_| !relative)?;
        let length = i64::try_from(content.pattern.len()).ok()?;
        let there = content.starts_with || content.depth == Some(Amount::Fixed(length));
        there.then(|| Fixed::new(offset, &content.pattern, content.nocase))
    });
    all.max_by_key(|fixed| fixed.bytes.len())
}

/// Contents that have to be there for the part to hold.
fn contents(part: &Part) -> impl Iterator<Item = &Content> + Clone {
    let sure = !part.tests.iter().any(|test| matches!(test, Test::Absent { .. }));
    part.tests.iter().filter(move |_| sure).filter_map(|test| match test {
        Test::Content(content) if !content.negated && !content.pattern.is_empty() => Some(content),
        _ => None,
    })
}

fn literal(content: &Content) -> Literal {
    let whole = (0, content.pattern.as_slice());
    let part = match content.fast_pattern {
        Some(FastPattern::Part(offset, length)) => {
            let start = usize::from(offset);
            let part = content.pattern.get(start..start + usize::from(length));
            part.filter(|part| !part.is_empty()).map_or(whole, |part| (start, part))
        }
        _ => whole,
    };
    let (start, bytes) = part;
    let length = content.pattern.len();
    let literal = Literal { bytes: bytes.into(), nocase: content.nocase, ..Literal::default() };
    if content.fast_pattern == Some(FastPattern::Only) {
        return literal;
    }
    let fixed = |amount: Option<Amount>| match amount {
        Some(Amount::Fixed(value)) => usize::try_from(value).ok(),
        _ => None,
    };
    let relative = content.distance.is_some() || content.within.is_some();
    let offset = if content.offset.is_none() { Some(0) } else { fixed(content.offset) };
    let depth =
        if content.starts_with && content.depth.is_none() { Some(length) } else { fixed(content.depth) };
    let place = offset.zip(depth).filter(|_| !relative);
    Literal {
        reach: place.and_then(|(offset, depth)| offset.checked_add(depth)),
        at_start: start == 0 && place == Some((0, length)),
        at_end: content.ends_with && start + bytes.len() == length,
        ..literal
    }
}

/// Long literals of many different bytes are rare; spaces and zeros are not.
fn score(pattern: &[u8]) -> usize {
    let mut seen = [false; 256];
    let mut score = 0;
    for &byte in pattern.iter().take(LONG_ENOUGH) {
        let common = matches!(byte, 0 | b' ' | b'\r' | b'\n' | 0xff);
        score += if common { 1 } else { 3 };
        if !std::mem::replace(&mut seen[usize::from(byte)], true) {
            score += if common { 1 } else { 3 };
        }
    }
    score
}

#[cfg(test)]
mod tests {
    use super::*;
    use rules::Buffer;

    fn content(pattern: &[u8]) -> Content {
        Content { pattern: pattern.to_vec(), ..Content::default() }
    }

    fn part(contents: Vec<Content>) -> Part {
        let tests = contents.into_iter().map(Test::Content).collect();
        Part { buffer: Buffer::HttpUri, transforms: Vec::new(), tests }
    }

    #[test]
    fn the_authors_choice_goes_first_and_rare_bytes_second() {
        let of = |parts: &[&Part]| choose(parts).map(|(at, l)| (at, l.bytes.to_vec()));
        let long = part(vec![content(b"/gate"), content(b"\0\0\0\0\0\0\0\0"), content(b"/panel.php")]);
        assert_eq!(of(&[&long]), Some((0, b"/panel.php".to_vec())));
        let chosen = Content { fast_pattern: Some(FastPattern::Part(1, 2)), ..content(b"abcd") };
        let chosen = part(vec![chosen]);
        assert_eq!(of(&[&long, &chosen]), Some((1, b"bc".to_vec())));
        let negated = Content { negated: true, ..content(b"not this") };
        assert_eq!(of(&[&part(vec![negated])]), None);
    }

    #[test]
    fn it_is_told_where_a_literal_has_to_be() {
        let of = |content: Content| {
            let (_, literal) = choose(&[&part(vec![content])]).unwrap();
            (literal.reach, literal.at_start, literal.at_end)
        };
        let fixed = |value| Some(Amount::Fixed(value));
        assert_eq!(of(content(b"abcd")), (None, false, false));
        assert_eq!(of(Content { depth: fixed(4), ..content(b"abcd") }), (Some(4), true, false));
        assert_eq!(of(Content { starts_with: true, ..content(b"abcd") }), (Some(4), true, false));
        let placed = Content { offset: fixed(2), depth: fixed(9), ends_with: true, ..content(b"abcd") };
        assert_eq!(of(placed.clone()), (Some(11), false, true));
        let head = Content { fast_pattern: Some(FastPattern::Part(0, 3)), ..placed.clone() };
        assert_eq!(of(head), (Some(11), false, false), "its last byte is not looked for");
        assert_eq!(of(Content { within: fixed(9), ..placed.clone() }), (None, false, true));
        assert_eq!(of(Content { depth: Some(Amount::Variable(0)), ..placed.clone() }), (None, false, true));
        assert_eq!(of(Content { fast_pattern: Some(FastPattern::Only), ..placed }), (None, false, false));
        let tail =
            Content { fast_pattern: Some(FastPattern::Part(1, 3)), starts_with: true, ..content(b"abcd") };
        assert_eq!(of(tail), (Some(4), false, false));
    }
}
