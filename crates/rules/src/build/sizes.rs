//! Contents that do not fit into what `bsize` or `dsize` allow.

use crate::buffer::Buffer;
use crate::fault::{Fault, wrong};
use crate::rule::Rule;
use crate::test::{Amount, NumberTest, PacketTest, Part, Test};

/// The largest number that passes, if there is one.
fn largest(test: &NumberTest) -> Option<u64> {
    match *test {
        NumberTest::Equal(value, false) | NumberTest::LessOrEqual(value) => Some(value),
        NumberTest::Less(value) | NumberTest::Between(_, value, false) => value.checked_sub(1),
        _ => None,
    }
}

fn fixed(amount: Option<Amount>) -> Option<i64> {
    match amount {
        None => Some(0),
        Some(Amount::Fixed(value)) => Some(value),
        Some(Amount::Variable(_)) => None,
    }
}

/// Bytes that a buffer needs to have for all contents to be in it. What cannot be known counts for nothing.
fn needed(part: &Part) -> i64 {
    let (mut most, mut end) = (0_i64, 0_i64);
    for test in &part.tests {
        let Test::Content(content) = test else {
            // Other tests move to where it cannot be told.
            end = 0;
            continue;
        };
        if content.negated {
            continue;
        }
        let length = i64::try_from(content.pattern.len()).unwrap_or(i64::MAX);
        let relative = content.distance.is_some() || content.within.is_some();
        let begin = match (relative, fixed(content.distance), fixed(content.offset)) {
            (true, Some(distance), _) => end.saturating_add(distance).max(0),
            (false, _, Some(offset)) => offset,
            _ => 0,
        };
        end = begin.saturating_add(length);
        most = most.max(end);
    }
    most
}

/// A rule whose contents need more bytes than it allows can never match.
pub(super) fn check(rule: &Rule) -> Result<(), (&'static str, Fault)> {
    let too_much = |needed: i64, allowed: u64| u64::try_from(needed).is_ok_and(|needed| needed > allowed);
    for part in &rule.parts {
        let needed = needed(part);
        for test in &part.tests {
            let Test::Size(size) = test else { continue };
            if let Some(allowed) = largest(size).filter(|&allowed| too_much(needed, allowed)) {
                let why = format!("the contents need {needed} bytes, but the buffer has {allowed} at most");
                return Err(("bsize", wrong(why)));
            }
        }
    }
    let payload = rule.parts.iter().find(|part| part.buffer == Buffer::Payload && part.transforms.is_empty());
    let Some(payload) = payload else { return Ok(()) };
    let needed = needed(payload);
    for test in &rule.packet {
        let PacketTest::PayloadSize(size) = test else { continue };
        if let Some(allowed) = largest(size).filter(|&allowed| too_much(needed, allowed)) {
            let why = format!("the contents need {needed} bytes, but the payload has {allowed} at most");
            return Err(("dsize", wrong(why)));
        }
    }
    Ok(())
}
