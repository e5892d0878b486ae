//! What payloads, proposals and transforms have in common, and the attributes of version 1.

use super::{Attributes, MAX_LIST, MAX_TRANSFORMS, MAX_VALUE};
use crate::cursor::Cursor;

/// A payload, a proposal or a transform: the kind of the next one, and the content.
pub(super) fn payload<'a>(at: &mut Cursor<'a>) -> Option<(u8, &'a [u8])> {
    let next = at.u8()?;
    at.u8()?;
    let len = usize::from(at.u16()?).checked_sub(4)?;
    Some((next, at.take(len)?))
}

/// The transforms of all proposals of a security association.
pub(super) fn transforms_v1(
    mut sa: Cursor<'_>,
    see: &mut impl FnMut(u8),
    limits_hit: &mut u32,
) -> Vec<Attributes> {
    let mut all = Vec::new();
    while let Some((_, proposal)) = payload(&mut sa) {
        see(2);
        let mut proposal = Cursor(proposal);
        let Some(&[_, _, spi, _]) = proposal.array::<4>() else { break };
        proposal.take(spi.into());
        while let Some((_, transform)) = payload(&mut proposal) {
            see(3);
            if all.len() >= MAX_TRANSFORMS {
                *limits_hit += 1;
                return all;
            }
            all.push(attributes(transform));
        }
    }
    all
}

fn attributes(transform: &[u8]) -> Attributes {
    let mut at = Cursor(transform);
    let mut out = Vec::new();
    at.take(4);
    while let Some(kind) = at.u16().filter(|_| out.len() < MAX_LIST) {
        // The value itself, or its length and then the value.
        let value = if kind & 0x8000 != 0 {
            at.u16().map(u32::from)
        } else {
            let number = |v: &[u8]| v.iter().fold(0_u32, |sum, &b| sum << 8 | u32::from(b));
            at.prefixed16().map(|v| if v.len() <= 4 { number(v) } else { u32::MAX })
        };
        let Some(value) = value else { break };
        out.push((kind & 0x7fff, value));
    }
    Attributes(out)
}

/// As much of a payload as is kept.
pub(super) fn bounded(content: &[u8]) -> &[u8] {
    content.get(..MAX_VALUE).unwrap_or(content)
}
