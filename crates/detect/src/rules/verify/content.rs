//! `content` with its modifiers: where in a buffer it may lie, and whether it does.

use rules::Content;

use super::amount::Value;
use super::needle::Needle;
use super::{MAX_VARIABLES, Piece};

/// A content made ready.
#[derive(Clone, Debug)]
pub(super) struct ContentCheck {
    needle: Needle,
    negated: bool,
    ends_with: bool,
    /// A later test counts from where this one was found.
    pub(super) relative_next: bool,
    /// Modifiers; most contents have none.
    places: Option<Box<Places>>,
}

/// Where a content may lie.
#[derive(Clone, Debug, Default)]
struct Places {
    offset: Option<Value>,
    depth: Option<Value>,
    distance: Option<Value>,
    within: Option<Value>,
}

/// What came of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It begins here.
    At(usize),
    /// It is negated and not there.
    Absent,
    /// It does not hold; another place of an earlier content may help.
    No,
    /// It does not hold, and no other place of an earlier content can change that.
    Never,
}

impl ContentCheck {
    /// The content of a rule; `relative_next` says whether a later test counts from it.
    pub(super) fn new(content: &Content, relative_next: bool) -> Result<Self, String> {
        let needle = Needle::new(&content.pattern, content.nocase)?;
        let mut places = Places {
            offset: Value::optional(content.offset)?,
            depth: Value::optional(content.depth)?,
            distance: Value::optional(content.distance)?,
            within: Value::optional(content.within)?,
        };
        if content.starts_with && places.depth.is_none() {
            places.depth = Some(Value::Fixed(needle.len() as i64));
        }
        let any = places.offset.or(places.depth).or(places.distance).or(places.within).is_some();
        Ok(ContentCheck {
            needle,
            negated: content.negated,
            ends_with: content.ends_with,
            relative_next,
            places: any.then(|| Box::new(places)),
        })
    }

    /// Heap memory, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.needle.memory() + self.places.as_ref().map_or(0, |_| size_of::<Places>())
    }

    /// Looks for it. `last` is where the last match ended, `resume` where the search goes on (0: at its beginning).
    /// Adds the bytes that were looked at to `searched`.
    pub(super) fn find(
        &self,
        piece: &Piece<'_>,
        variables: &[u64; MAX_VARIABLES],
        last: usize,
        resume: usize,
        searched: &mut u64,
    ) -> Found {
        let length = piece.bytes.len();
        let places = self.places.as_deref();
        let relative = places.is_some_and(Places::is_relative);
        let (mut from, to) = match places {
            None => (0, length),
            Some(places) => match places.window(piece, variables, last) {
                Some(window) => window,
                None => return Found::No,
            },
        };
        if resume != 0 {
            from = resume;
        }
        // Nothing fits in there: that is no search that failed, so that Suricata lets earlier contents try again.
        if from > to || to == 0 {
            return if self.negated { Found::Absent } else { Found::No };
        }
        let found = self.search(piece, from, to, searched);
        match (found, self.negated) {
            (Some(at), false) => Found::At(at),
            (None, false) if relative => Found::No,
            (None, false) => Found::Never,
            (None, true) => Found::Absent,
            (Some(_), true) if places.is_none() && !self.relative_next => Found::Never,
            (Some(_), true) => Found::No,
        }
    }

    /// Looks for it between two places of the piece.
    fn search(&self, piece: &Piece<'_>, from: usize, to: usize, searched: &mut u64) -> Option<usize> {
        let window = piece.bytes.get(from..to)?;
        let spare = window.len().checked_sub(self.needle.len())?;
        if self.ends_with {
            // Only the one place at the very end counts.
            let ends = piece.is_end && to == piece.bytes.len() && self.needle.is(window.get(spare..)?);
            return ends.then_some(from.checked_add(spare)?);
        }
        let found = if spare == 0 { self.needle.is(window).then_some(0) } else { self.needle.find(window) };
        *searched = searched.saturating_add(found.unwrap_or(window.len()) as u64);
        from.checked_add(found?)
    }

    /// Whether it is (not) there at all, wherever: what `fast_pattern:only` asks.
    pub(super) fn is_there(&self, piece: &Piece<'_>) -> bool {
        self.needle.find(piece.bytes).is_some() != self.negated
    }

    /// Its length, in bytes.
    pub(super) fn len(&self) -> usize {
        self.needle.len()
    }
}

impl Places {
    /// Whether it counts from the last match.
    fn is_relative(&self) -> bool {
        self.distance.is_some() || self.within.is_some()
    }

    /// From where to where it may lie, both counted from the beginning of the piece; none if all of that is before it.
    ///
    /// `depth` and `offset` count from the true beginning of the buffer.
    fn window(
        &self,
        piece: &Piece<'_>,
        variables: &[u64; MAX_VARIABLES],
        last: usize,
    ) -> Option<(usize, usize)> {
        let place = |value: Value| value.place(variables);
        let length = i64::try_from(piece.bytes.len()).unwrap_or(i64::MAX);
        let skipped = i64::try_from(piece.stream_offset).unwrap_or(i64::MAX);
        let offset = self.offset.map_or(0, place);
        let (mut from, mut to);
        if self.is_relative() {
            let last = i64::try_from(last).unwrap_or(i64::MAX);
            // What counts from no match counts from the beginning.
            let base = if last == 0 { 0_i64.saturating_sub(skipped) } else { last };
            let distance = self.distance.map_or(0, place);
            from = base.saturating_add(distance).max(0);
            to = length;
            if let Some(within) = self.within {
                to = to.min(base.saturating_add(distance).saturating_add(place(within)));
                if to <= 0 && base < 0 {
                    return None;
                }
            }
            if let Some(depth) = self.depth {
                let depth = place(depth).saturating_add(if self.has_variable() { 0 } else { offset });
                to = to.min(last.saturating_add(depth));
            }
            from = from.max(offset);
            // Suricata counts an end that has to do with a variable from the place that the search begins at. What
            // is meant is that of `depth`, but a variable `distance` moves the end of `within` too.
            if self.has_variable() {
                to = to.saturating_add(from);
            }
        } else {
            from = offset.saturating_sub(skipped).max(0);
            to = length;
            if let Some(depth) = self.depth {
                to = offset.saturating_add(place(depth)).saturating_sub(skipped);
                if to <= 0 && skipped > 0 {
                    return None;
                }
            }
        }
        let clamp = |at: i64| usize::try_from(at.max(0)).unwrap_or(usize::MAX);
        Some((clamp(from), clamp(to.min(length))))
    }

    /// Whether a variable moves its beginning or its depth.
    fn has_variable(&self) -> bool {
        [self.offset, self.depth, self.distance].into_iter().flatten().any(Value::is_variable)
    }
}
