//! The walk through the tests of a part, and back.

use super::checks::{Check, Checks, Decoded, size_holds};
use super::content::Found;
use super::expression::{Expression, Matched};
use super::state::{Choice, State};
use super::{MAX_SEARCHED, MAX_STEPS, Piece, base64};

/// Bytes that one byte given to an expression counts as: they are slow.
const EXPRESSION_COST: u64 = 16;

/// Whether the tests hold on the buffer. Variables and captured groups are kept in `state`; what exceeds a limit does
/// not hold, and is counted there.
pub fn holds(checks: &Checks, piece: &Piece<'_>, state: &mut State) -> bool {
    state.searched = 0;
    walk(&checks.list, piece, state)
}

/// What came of a test.
enum Step {
    /// It holds; the last match ends here.
    Next(usize),
    /// It does not; an earlier test may match elsewhere.
    Back,
    /// The part does not hold.
    Never,
    /// The part holds.
    Holds,
}

/// Where the walk is.
struct Place {
    test: usize,
    /// Where the last match ended.
    last: usize,
    /// Where the test goes on when it is looked at again, else 0.
    resume: usize,
}

fn walk(list: &[Check], piece: &Piece<'_>, state: &mut State) -> bool {
    // The walk through what `base64_decode` decoded has its own places to go back to, above those of its caller.
    let base = state.choices.len();
    let holds = walk_from(list, piece, state, base);
    state.choices.truncate(base);
    holds
}

fn walk_from(list: &[Check], piece: &Piece<'_>, state: &mut State, base: usize) -> bool {
    let mut place = Place { test: 0, last: 0, resume: 0 };
    let mut steps: u32 = 0;
    loop {
        let Some(check) = list.get(place.test) else {
            state.last = place.last;
            return true;
        };
        if place.resume == 0 {
            steps += 1;
        }
        if steps >= MAX_STEPS {
            state.counts.steps += 1;
            return false;
        }
        if state.searched > MAX_SEARCHED {
            state.counts.searched += 1;
            return false;
        }
        match step(check, piece, state, &place, base) {
            Step::Next(last) => place = Place { test: place.test + 1, last, resume: 0 },
            Step::Holds => return true,
            Step::Never => return false,
            Step::Back => {
                if state.choices.len() <= base {
                    return false;
                }
                let Some(choice) = state.choices.pop() else { return false };
                state.captures.truncate(choice.captures);
                place = Place { test: choice.test, last: choice.last, resume: choice.resume };
            }
        }
    }
}

fn step(check: &Check, piece: &Piece<'_>, state: &mut State, place: &Place, base: usize) -> Step {
    let last = place.last;
    let keep = |holds: bool| if holds { Step::Next(last) } else { Step::Back };
    let moved = |end: Option<usize>| end.map_or(Step::Back, Step::Next);
    match check {
        Check::Content(content) => {
            match content.find(piece, &state.variables, last, place.resume, &mut state.searched) {
                Found::At(at) => {
                    if content.relative_next {
                        choose(state, place, at.saturating_add(1));
                    } else {
                        // What follows does not count from here: if it fails, it fails wherever the tests so far match.
                        state.choices.truncate(base);
                    }
                    Step::Next(at.saturating_add(content.len()))
                }
                Found::Absent => Step::Next(last),
                Found::No => Step::Back,
                Found::Never => Step::Never,
            }
        }
        Check::Present(content) => {
            state.searched = state.searched.saturating_add(piece.bytes.len() as u64);
            if content.is_there(piece) { Step::Next(last) } else { Step::Never }
        }
        Check::Pcre(expression) => match_expression(expression, piece, state, place),
        Check::ByteTest(test) => keep(test.holds(piece, &state.variables, last)),
        Check::ByteJump(jump) => moved(jump.target(piece, &state.variables, last)),
        Check::ByteExtract(extract) => moved(extract.keep(piece, &mut state.variables, last)),
        Check::ByteMath(math) => moved(math.keep(piece, &mut state.variables, last)),
        Check::IsDataAt(at) => keep(at.holds(piece, &state.variables, last)),
        Check::Size(test) => {
            if size_holds(test, piece) {
                Step::Next(last)
            } else {
                Step::Never
            }
        }
        Check::Dataset(dataset) => {
            if let (true, Some(turn)) = (dataset.can_change(), &state.turn) {
                turn.wait();
            }
            keep(dataset.holds(piece.bytes))
        }
        Check::Entropy(test) => keep(test.holds(piece.bytes)),
        // Suricata looks at nothing behind it either.
        Check::Base64(decoded) => {
            if decoded_holds(decoded, piece, state, last) {
                Step::Holds
            } else {
                Step::Back
            }
        }
    }
}

/// Remembers that the test may match elsewhere.
fn choose(state: &mut State, place: &Place, resume: usize) {
    let captures = state.captures.len();
    state.choices.push(Choice { test: place.test, last: place.last, resume, captures });
}

fn match_expression(expression: &Expression, piece: &Piece<'_>, state: &mut State, place: &Place) -> Step {
    let bytes = piece.bytes.len().saturating_sub(place.resume) as u64;
    state.searched = state.searched.saturating_add(bytes.saturating_mul(EXPRESSION_COST));
    match expression.find(piece, place.last, place.resume, &mut state.groups) {
        Matched::At { .. } if expression.negated => Step::Back,
        Matched::Nowhere if expression.negated => Step::Next(place.last),
        Matched::Nowhere => Step::Back,
        Matched::Limit => {
            state.counts.expressions += 1;
            Step::Back
        }
        Matched::At { start, end, base } => {
            if expression.relative_next {
                choose(state, place, start.saturating_add(1));
            }
            for (group, capture) in (1..).zip(&expression.captures) {
                let Some((start, end)) = state.groups.get(group) else { continue };
                let bytes = piece.bytes.get(base.saturating_add(start)..base.saturating_add(end));
                if !state.captures.push(capture, bytes.unwrap_or_default()) {
                    state.counts.captures += 1;
                }
            }
            Step::Next(end)
        }
    }
}

fn decoded_holds(decoded: &Decoded, piece: &Piece<'_>, state: &mut State, last: usize) -> bool {
    let start = if decoded.relative { last } else { 0 };
    let Some(bytes) = start
        .checked_add(decoded.offset as usize)
        .and_then(|start| piece.bytes.get(start..))
        .filter(|bytes| !bytes.is_empty())
    else {
        return false;
    };
    let most = decoded.bytes.map_or(usize::MAX, |count| count as usize);
    let mut room = std::mem::take(&mut state.decoded);
    room.clear();
    base64::decode(bytes.get(..most).unwrap_or(bytes), base64::Mode::Rfc4648, &mut room);
    let inner = Piece { little_endian: piece.little_endian, ..Piece::whole(&room) };
    let holds = !room.is_empty() && !decoded.checks.is_empty() && walk(&decoded.checks, &inner, state);
    state.decoded = room;
    holds
}

#[cfg(test)]
#[path = "content_tests.rs"]
mod content_tests;
#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
