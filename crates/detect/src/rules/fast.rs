//! Which literal of a rule is searched for first.

use rules::{Amount, Content, FastPattern, Part, Test};

use super::fixed::Fixed;

/// Longer literals are no better than these.
const LONG_ENOUGH: usize = 24;

/// A literal to search for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Literal<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) nocase: bool,
}

/// The literal that stands for a rule among these parts, and the index of its part: the one that its author chose, else
/// the one that is likely to be rarest.
pub(crate) fn choose<'a>(parts: &[&'a Part]) -> Option<(usize, Literal<'a>)> {
    let all =
        parts.iter().enumerate().flat_map(|(at, part)| contents(part).map(move |content| (at, content)));
    let chosen = all.clone().find(|(_, content)| content.fast_pattern.is_some());
    let best = chosen.or_else(|| all.max_by_key(|(_, content)| score(&content.pattern)));
    best.map(|(at, content)| (at, literal(content)))
}

/// Literals of this length are searched for; for shorter ones a fixed place is better.
const SEARCHABLE: usize = 5;

/// The bytes at a fixed place that stand for a rule: none if a literal that is long enough does it better.
pub(crate) fn fixed(parts: &[&Part], chosen: Option<Literal<'_>>) -> Option<Fixed> {
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

fn literal(content: &Content) -> Literal<'_> {
    let bytes = match content.fast_pattern {
        Some(FastPattern::Part(offset, length)) => {
            let start = usize::from(offset);
            content.pattern.get(start..start + usize::from(length)).filter(|part| !part.is_empty())
        }
        _ => None,
    };
    Literal { bytes: bytes.unwrap_or(&content.pattern), nocase: content.nocase }
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
}
