//! The patterns themselves, one after the other in one allocation, and the comparison that decides.

/// A pattern: where its bytes are.
#[derive(Debug, Clone, Copy)]
struct Spot {
    start: usize,
    /// Length in bytes times two, plus one if case does not count.
    length: usize,
}

/// All patterns of a set; a pattern's index is its id.
#[derive(Debug, Default)]
pub(crate) struct Store {
    bytes: Vec<u8>,
    spots: Vec<Spot>,
}

impl Store {
    /// Adds a pattern; if case does not count it must be in lower case.
    pub(crate) fn push(&mut self, pattern: &[u8], nocase: bool) {
        self.spots.push(Spot { start: self.bytes.len(), length: pattern.len() * 2 + usize::from(nocase) });
        self.bytes.extend_from_slice(pattern);
    }

    pub(crate) fn len(&self) -> usize {
        self.spots.len()
    }

    /// The bytes of a pattern.
    pub(crate) fn get(&self, id: u32) -> Option<&[u8]> {
        let spot = self.spots.get(id as usize)?;
        self.bytes.get(spot.start..spot.start + spot.length / 2)
    }

    /// Whether case does not count.
    pub(crate) fn is_nocase(&self, id: u32) -> bool {
        self.spots.get(id as usize).is_some_and(|spot| spot.length & 1 == 1)
    }

    /// If pattern `id` begins at `start`: where it ends.
    pub(crate) fn ends(&self, id: u32, haystack: &[u8], start: usize) -> Option<usize> {
        let pattern = self.get(id)?;
        let end = start.checked_add(pattern.len())?;
        let there = haystack.get(start..end)?;
        let same = if self.is_nocase(id) { there.eq_ignore_ascii_case(pattern) } else { there == pattern };
        same.then_some(end)
    }

    /// Gives back what was allocated in advance.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.spots.shrink_to_fit();
    }

    /// Heap bytes.
    pub(crate) fn memory(&self) -> usize {
        self.bytes.capacity() + self.spots.capacity() * size_of::<Spot>()
    }
}
