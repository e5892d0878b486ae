//! What lists say about their indicators. They say the same of thousands: each text and each combination is kept once.

use std::collections::HashMap;

/// Different texts (descriptions, tags, techniques, files); indicators with further ones go without.
pub const MAX_TEXTS: usize = 1 << 20;
/// Characters of a description.
const MAX_DESCRIPTION: usize = 200;
/// Tags of an indicator that are kept, and characters of each.
const MAX_TAGS: usize = 16;
const MAX_TAG: usize = 100;
/// Techniques of an indicator that are kept.
const MAX_TECHNIQUES: usize = 8;

/// Number of a text; 0: none.
type Text = u32;

/// What is said about an indicator, as it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said<'a> {
    pub description: Option<&'a str>,
    pub tags: Vec<&'a str>,
    /// Where ATT&CK techniques are named: "T1566.001" among other text.
    pub techniques: Vec<&'a str>,
    /// In percent.
    pub confidence: Option<u8>,
    /// In seconds since 1970.
    pub expires: Option<i64>,
    /// From when on it counts, in seconds since 1970.
    pub from: Option<i64>,
}

/// The same with numbers for texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Attributes {
    pub file: Text,
    pub description: Text,
    /// Lines.
    pub tags: Text,
    /// Lines.
    pub techniques: Text,
    /// In percent; [`UNKNOWN`]: not said.
    pub confidence: u8,
    /// In seconds since 1970; 0: never.
    pub expires: u32,
    /// In seconds since 1970; 0: always.
    pub from: u32,
}

/// No confidence is said.
pub(crate) const UNKNOWN: u8 = u8::MAX;

/// The texts and combinations of a set.
#[derive(Debug)]
pub(crate) struct Pool {
    texts: Vec<Box<str>>,
    combinations: Vec<Attributes>,
}

impl Default for Pool {
    fn default() -> Self {
        Pool { texts: vec!["".into()], combinations: Vec::new() }
    }
}

impl Pool {
    pub fn text(&self, number: Text) -> &str {
        self.texts.get(number as usize).map_or("", AsRef::as_ref)
    }

    pub fn get(&self, number: u32) -> Attributes {
        self.combinations
            .get(number as usize)
            .copied()
            .unwrap_or(Attributes { confidence: UNKNOWN, ..Attributes::default() })
    }

    /// Bytes, about.
    pub fn bytes(&self) -> usize {
        let texts: usize = self.texts.iter().map(|t| t.len() + size_of::<Box<str>>()).sum();
        texts + self.combinations.capacity() * size_of::<Attributes>()
    }
}

/// Fills a pool.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    pool: Pool,
    texts: HashMap<Box<str>, Text>,
    combinations: HashMap<Attributes, u32>,
    /// Indicators are in files one after the other, and mostly say what the last one said.
    last: Option<(Attributes, u32)>,
    /// Texts there was no room for.
    dropped: u64,
}

impl Interner {
    /// The number of a text; none if it is empty or there is no room.
    pub fn text(&mut self, text: &str) -> Text {
        if text.is_empty() {
            return 0;
        }
        if let Some(&known) = self.texts.get(text) {
            return known;
        }
        if self.pool.texts.len() >= MAX_TEXTS {
            self.dropped += 1;
            return 0;
        }
        let number = self.pool.texts.len() as u32;
        self.pool.texts.push(text.into());
        self.texts.insert(text.into(), number);
        number
    }

    /// The number of what is said about an indicator of that file.
    pub fn said(&mut self, file: Text, said: &Said<'_>) -> u32 {
        let mut attributes = Attributes {
            file,
            confidence: said.confidence.map_or(UNKNOWN, |percent| percent.min(100)),
            // One that has always been over still is.
            expires: said.expires.map_or(0, |s| u32::try_from(s.max(1)).unwrap_or(u32::MAX)),
            from: said.from.map_or(0, |s| u32::try_from(s.max(0)).unwrap_or(u32::MAX)),
            ..Attributes::default()
        };
        if let Some(description) = said.description {
            attributes.description = self.text(&clean(description, MAX_DESCRIPTION));
        }
        if !said.tags.is_empty() {
            let tags = said.tags.iter().map(|tag| clean(tag, MAX_TAG)).filter(|tag| !tag.is_empty());
            attributes.tags = self.text(&lines(tags, MAX_TAGS));
        }
        if !said.techniques.is_empty() {
            let named = said.techniques.iter().flat_map(|text| techniques(text)).map(str::to_ascii_uppercase);
            attributes.techniques = self.text(&lines(named, MAX_TECHNIQUES));
        }
        if let Some((last, number)) = self.last
            && last == attributes
        {
            return number;
        }
        let next = self.pool.combinations.len() as u32;
        let number = *self.combinations.entry(attributes).or_insert(next);
        if number == next {
            self.pool.combinations.push(attributes);
        }
        self.last = Some((attributes, number));
        number
    }

    /// The pool, and how many texts there was no room for.
    pub fn finish(mut self) -> (Pool, u64) {
        self.pool.texts.shrink_to_fit();
        self.pool.combinations.shrink_to_fit();
        (self.pool, self.dropped)
    }
}

fn clean(text: &str, max: usize) -> String {
    text.trim().chars().filter(|c| !c.is_control()).take(max).collect()
}

fn lines(texts: impl Iterator<Item = String>, max: usize) -> String {
    let mut kept: Vec<String> = Vec::new();
    for text in texts {
        if kept.len() < max && !kept.contains(&text) {
            kept.push(text);
        }
    }
    kept.join("\n")
}

/// ATT&CK techniques that a text names: "T1566", "t1566.001", among whatever else.
pub(crate) fn techniques(text: &str) -> impl Iterator<Item = &str> {
    let digits = |text: &str, count: usize| {
        text.len() >= count && text.bytes().take(count).all(|b| b.is_ascii_digit())
    };
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').filter_map(move |word| {
        let rest = word.strip_prefix(['T', 't'])?;
        if !digits(rest, 4) {
            return None;
        }
        match rest.get(4..)? {
            "" | "." => word.get(..5),
            sub if sub.starts_with('.') && sub.len() == 4 && digits(sub.get(1..)?, 3) => Some(word),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn techniques_are_found_among_other_text() {
        let found = |text| techniques(text).collect::<Vec<_>>();
        assert_eq!(found("misp-galaxy:mitre-attack-pattern=\"Phishing - T1566.001\""), ["T1566.001"]);
        assert_eq!(found("t1071, T1573; T15 T1573.1 XT1573 T15734 T1059."), ["t1071", "T1573", "T1059"]);
    }

    #[test]
    fn the_same_is_kept_once() {
        let mut interner = Interner::default();
        let file = interner.text("list");
        let rat = Said { description: Some(" Demo\tRAT "), confidence: Some(200), ..Said::default() };
        let bot = Said { tags: vec!["bot", "", "bot", "x\ny"], techniques: vec!["t1041"], ..Said::default() };
        let numbers = [interner.said(file, &rat), interner.said(file, &bot), interner.said(file, &rat)];
        assert_eq!(numbers, [0, 1, 0]);
        let (pool, dropped) = interner.finish();
        let (rat, bot) = (pool.get(0), pool.get(1));
        assert_eq!((pool.text(rat.description), rat.confidence, dropped), ("DemoRAT", 100, 0));
        assert_eq!((pool.text(bot.tags), pool.text(bot.techniques)), ("bot\nxy", "T1041"));
        assert_eq!((bot.confidence, pool.get(7).confidence), (UNKNOWN, UNKNOWN));
    }
}
