//! A rule while its keywords are read.

mod bytes;
mod checks;
mod content;
mod dataset;
mod directions;
mod events;
mod fields;
mod files;
mod flows;
mod industry;
mod keywords;
mod meta;
mod names;
mod packet;
mod pcre;
mod requires;
mod sizes;
mod state;
mod transforms;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::buffer::Buffer;
use crate::fault::{Done, Fault, wrong};
use crate::header::Cache;
use crate::rule::{Action, Header, Rule};
use crate::settings::Settings;
use crate::test::{Base64, Content, Part, Test, Transform};

pub use self::content::MAX_CONTENT;
pub(crate) use self::dataset::Sets;
pub use self::dataset::{MAX_SET_ENTRIES, MAX_SET_FILE};
pub(crate) use self::keywords::apply;
pub use self::keywords::keywords;
pub(crate) use self::requires::required;
pub(crate) use self::state::{nonzero, threshold, track};

/// Buffers of one rule.
pub const MAX_PARTS: usize = 256;

/// Unknown names that are warned of.
const MAX_WARNED: usize = 10_000;

/// What rules share while files are read.
#[derive(Debug)]
pub(crate) struct Context {
    /// What rules name.
    pub settings: Settings,
    /// Address and port lists read before.
    pub cache: Cache,
    /// Texts that many rules have.
    pub texts: HashSet<Arc<str>>,
    /// Sets by name.
    pub sets: Sets,
    /// Lists of hashes by file.
    pub hashes: HashMap<PathBuf, Arc<[Vec<u8>]>>,
    /// What a rule was loaded in spite of, with the keyword: once for each name.
    pub warnings: Vec<(&'static str, String)>,
    /// Names that were warned of.
    warned: HashSet<(&'static str, String)>,
    /// Where the file at hand is: other files are named from there.
    pub directory: PathBuf,
}

impl Context {
    pub fn new(settings: Settings) -> Self {
        Context {
            settings,
            cache: Cache::default(),
            texts: HashSet::new(),
            sets: Sets::default(),
            hashes: HashMap::new(),
            warnings: Vec::new(),
            warned: HashSet::new(),
            directory: PathBuf::new(),
        }
    }

    /// Warns of a name that is not known, once.
    pub fn warn(&mut self, keyword: &'static str, name: &str, why: &str) {
        if self.warned.len() < MAX_WARNED && self.warned.insert((keyword, name.to_owned())) {
            self.warnings.push((keyword, why.to_owned()));
        }
    }

    /// The one copy of a text.
    pub fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }
}

/// Where a test is.
#[derive(Clone, Copy, Debug)]
struct Place {
    part: usize,
    /// In the tests of the part's last `base64_decode`.
    decoded: bool,
    test: usize,
}

/// A rule while its keywords are read.
#[derive(Debug)]
pub(crate) struct Builder<'a> {
    cx: &'a mut Context,
    rule: Rule,
    /// Characters stand for bytes.
    latin1: bool,
    given: Given,
    /// The sticky buffer in force; none: the payload.
    sticky: Option<Buffer>,
    transforms: Vec<Transform>,
    /// The part that tests go to, once the sticky buffer has one.
    open: Option<usize>,
    /// `base64_data` is in force: tests go into the decoder of this part.
    decoding: Option<usize>,
    /// The part that has the last `base64_decode`.
    decoder: Option<usize>,
    /// The last content.
    content: Option<Place>,
    /// Names of the variables, by slot, and the buffers that they were set on.
    variables: Vec<(String, Buffer)>,
    /// Protocols that keywords other than buffers ask for.
    apps: Vec<&'static [crate::app::App]>,
}

/// Keywords that stand in a rule at most once, or whose absence matters.
#[derive(Debug, Default)]
struct Given {
    sid: bool,
    gid: bool,
    rev: bool,
    msg: bool,
    flow: bool,
    priority: Option<u8>,
    payload_size: bool,
}

impl<'a> Builder<'a> {
    pub fn new(
        cx: &'a mut Context,
        action: Action,
        header: Header,
        file: Arc<str>,
        line: u32,
        latin1: bool,
    ) -> Self {
        let msg = cx.text("");
        let rule = Rule {
            action,
            header,
            zones: Default::default(),
            gid: 1,
            sid: 0,
            rev: 0,
            msg,
            class: None,
            priority: 3,
            references: Vec::new(),
            metadata: Vec::new(),
            target: None,
            flow: crate::rule::FlowTest::default(),
            parts: Vec::new(),
            fields: Vec::new(),
            packet: Vec::new(),
            state: Vec::new(),
            threshold: None,
            detection_filter: None,
            tag: None,
            noalert: false,
            bypass: false,
            prefilter: false,
            variables: 0,
            file,
            line,
        };
        Builder {
            cx,
            rule,
            latin1,
            given: Given::default(),
            sticky: None,
            transforms: Vec::new(),
            open: None,
            decoding: None,
            decoder: None,
            content: None,
            variables: Vec::new(),
            apps: Vec::new(),
        }
    }

    /// The rule, if all of it fits together.
    pub fn finish(mut self) -> Result<Rule, (Option<&'static str>, Fault)> {
        self.check_sticky().map_err(|fault| (None, fault))?;
        // Older keywords may have taken all contents away from the payload.
        self.rule.parts.retain(|part| !part.tests.is_empty());
        self.check()?;
        self.rule.variables = u8::try_from(self.variables.len()).unwrap_or(u8::MAX);
        if let Some(priority) = self.given.priority {
            self.rule.priority = priority;
        }
        Ok(self.rule)
    }

    /// Every sticky buffer needs something that has to hold on it.
    fn check_sticky(&self) -> Done {
        match self.sticky {
            Some(buffer) if self.open.is_none() => {
                let name = buffer.info().keywords.first().unwrap_or(&"");
                Err(wrong(format!("nothing is asked of the buffer {name}")))
            }
            _ if self.decoding.is_some() && self.decoded_tests().is_none_or(|tests| tests.is_empty()) => {
                Err(wrong("nothing is asked of base64_data"))
            }
            _ => Ok(()),
        }
    }

    /// A sticky buffer begins.
    fn stick(&mut self, buffer: Option<Buffer>) -> Done {
        self.check_sticky()?;
        self.sticky = buffer.filter(|&b| b != Buffer::Payload);
        self.transforms.clear();
        self.open = None;
        self.decoding = None;
        Ok(())
    }

    /// The part that tests go to now.
    fn part(&mut self) -> Result<usize, Fault> {
        if let Some(open) = self.open {
            return Ok(open);
        }
        let buffer = self.sticky.unwrap_or(Buffer::Payload);
        let transforms = std::mem::take(&mut self.transforms);
        let part = self.part_of(buffer, transforms)?;
        self.open = Some(part);
        Ok(part)
    }

    fn part_of(&mut self, buffer: Buffer, transforms: Vec<Transform>) -> Result<usize, Fault> {
        let single = !buffer.info().multiple;
        let known = self.rule.parts.iter().position(|p| p.buffer == buffer && p.transforms == transforms);
        if let Some(known) = known.filter(|_| single) {
            return Ok(known);
        }
        if self.rule.parts.len() >= MAX_PARTS {
            return Err(wrong(format!("more than {MAX_PARTS} buffers")));
        }
        self.rule.parts.push(Part { buffer, transforms, tests: Vec::with_capacity(2) });
        Ok(self.rule.parts.len() - 1)
    }

    /// Adds a test on the buffer at hand.
    fn push(&mut self, test: Test) -> Result<Place, Fault> {
        if let Some(part) = self.decoding {
            let tests = self.decoded_tests_mut().ok_or_else(|| wrong("base64_data without base64_decode"))?;
            tests.push(test);
            return Ok(Place { part, decoded: true, test: tests.len() - 1 });
        }
        let part = self.part()?;
        self.push_to(part, test)
    }

    fn push_to(&mut self, part: usize, test: Test) -> Result<Place, Fault> {
        let tests = &mut self.rule.parts.get_mut(part).ok_or_else(|| wrong("no such buffer"))?.tests;
        tests.push(test);
        Ok(Place { part, decoded: false, test: tests.len() - 1 })
    }

    fn decoded_tests(&self) -> Option<&Vec<Test>> {
        let part = self.rule.parts.get(self.decoding?)?;
        part.tests.iter().rev().find_map(|test| match test {
            Test::Base64(Base64 { tests, .. }) => Some(tests),
            _ => None,
        })
    }

    fn decoded_tests_mut(&mut self) -> Option<&mut Vec<Test>> {
        let part = self.rule.parts.get_mut(self.decoding?)?;
        part.tests.iter_mut().rev().find_map(|test| match test {
            Test::Base64(Base64 { tests, .. }) => Some(tests),
            _ => None,
        })
    }

    /// The tests where a place is.
    fn tests_at(&mut self, place: Place) -> Option<&mut Vec<Test>> {
        let tests = &mut self.rule.parts.get_mut(place.part)?.tests;
        if !place.decoded {
            return Some(tests);
        }
        tests.iter_mut().rev().find_map(|test| match test {
            Test::Base64(Base64 { tests, .. }) => Some(tests),
            _ => None,
        })
    }

    /// The content that a modifier changes.
    fn last_content(&mut self) -> Result<&mut Content, Fault> {
        let none = || wrong("there is no content before it");
        let place = self.content.ok_or_else(none)?;
        match self.tests_at(place).and_then(|tests| tests.get_mut(place.test)) {
            Some(Test::Content(content)) => Ok(content),
            _ => Err(none()),
        }
    }

    /// The content that the next test stands right behind, in the buffer at hand.
    fn content_just_before(&mut self) -> Option<&mut Content> {
        let place = self.content?;
        if place.decoded != self.decoding.is_some() || self.part().ok()? != place.part {
            return None;
        }
        let tests = self.tests_at(place)?;
        match tests.last_mut() {
            Some(Test::Content(content)) => Some(content),
            _ => None,
        }
    }

    /// The slot of a variable that was set before.
    fn variable(&self, name: &str) -> Result<u8, Fault> {
        let at = self.variables.iter().position(|(known, _)| known == name);
        at.and_then(|at| u8::try_from(at).ok())
            .ok_or_else(|| wrong(format!("{name:?} is neither a number nor a variable that was set before")))
    }

    /// The slot of a variable that was set before on the buffer at hand.
    fn variable_here(&self, name: &str) -> Result<u8, Fault> {
        let slot = self.variable(name)?;
        let here = self.sticky.unwrap_or(Buffer::Payload);
        match self.variables.get(usize::from(slot)) {
            Some((_, buffer)) if *buffer == here => Ok(slot),
            _ => Err(wrong(format!("the variable {name} was set on another buffer"))),
        }
    }

    /// The slot of a variable that is set.
    fn define(&mut self, name: &str) -> Result<u8, Fault> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(plain) {
            return Err(wrong(format!("{name:?} is not a name")));
        }
        if let Ok(known) = self.variable(name) {
            return Ok(known);
        }
        let slot = u8::try_from(self.variables.len()).ok().filter(|&slot| slot < u8::MAX);
        let slot = slot.ok_or_else(|| wrong("too many variables"))?;
        self.variables.push((name.to_owned(), self.sticky.unwrap_or(Buffer::Payload)));
        Ok(slot)
    }

    /// A text's bytes as they stand in the file.
    fn raw(&self, c: char, out: &mut Vec<u8>) {
        match u8::try_from(c) {
            Ok(byte) if self.latin1 => out.push(byte),
            _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
#[path = "../build_tests.rs"]
mod tests;
