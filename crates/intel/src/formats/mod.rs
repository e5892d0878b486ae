//! One file per format.

mod blockers;
mod columns;
mod layout;
pub(crate) mod lists;
pub(crate) mod misp;
mod record;
pub(crate) mod stix;
mod stix_pattern;
mod typed;
mod values;

/// The line of a part of a text, from 1: parts are asked for in their order.
pub(crate) struct LineOf<'a> {
    text: &'a str,
    counted: usize,
    line: u32,
}

impl<'a> LineOf<'a> {
    pub fn new(text: &'a str) -> Self {
        LineOf { text, counted: 0, line: 1 }
    }

    /// The line on which `part`, a slice of the text, begins.
    pub fn part(&mut self, part: &str) -> u32 {
        let start = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        if start < self.counted {
            (self.counted, self.line) = (0, 1);
        }
        let between = self.text.as_bytes().get(self.counted..start).unwrap_or_default();
        let feeds = memchr::memchr_iter(b'\n', between).count();
        self.line = self.line.saturating_add(u32::try_from(feeds).unwrap_or(u32::MAX));
        self.counted = start;
        self.line
    }
}
