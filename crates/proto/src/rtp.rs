//! Real-time Transport Protocol and its control protocol (RFC 3550): found where a call has announced them; RTCP also
//! by its contents, whose lengths must all agree. One event at the end says what was sent.

use wire::{Direction, IpProto};

use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// Bytes of the fixed header.
const HEADER: usize = 12;
/// Packet types of RTCP.
const RTCP_TYPES: std::ops::RangeInclusive<u8> = 200..=207;

/// One side of a media stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Media {
    /// RTP packets.
    pub packets: u64,
    /// RTCP datagrams.
    pub reports: u64,
    /// Source and payload type of the first RTP packet.
    pub source: Option<(u32, u8)>,
    /// Packets that its numbers say are missing.
    pub lost: u64,
    last: u16,
}

/// What was sent over a flow, `[to server, to client]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rtp {
    /// The sides.
    pub sides: [Media; 2],
}

pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Rtp,
    transport: IpProto::UDP,
    ports: &[],
    probe,
    open: Some(|_| Box::<Flow>::default()),
};

/// One RTP packet is no sign: its header is two bits and many numbers. A compound of RTCP is.
fn probe(opening: &Opening<'_>) -> Guess {
    let bytes = opening.fresh();
    if matches!(bytes.get(1), Some(200 | 201)) && is_rtcp(bytes) { Guess::Yes } else { Guess::No }
}

/// A sender's or receiver's report first, then others, whose lengths fill the datagram.
fn is_rtcp(mut bytes: &[u8]) -> bool {
    let mut packets = 0;
    while let Some((&[first, kind, high, low], _)) = bytes.split_first_chunk::<4>() {
        let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let blocks = 24 * usize::from(first & 0x1f);
        let fits = match kind {
            200 => len >= 28 + blocks,
            201 => len >= 8 + blocks,
            _ => true,
        };
        if first >> 6 != 2 || !RTCP_TYPES.contains(&kind) || !fits || len > bytes.len() {
            return false;
        }
        packets += 1;
        bytes = &bytes[len..];
    }
    packets > 0 && bytes.is_empty()
}

#[derive(Debug, Default)]
struct Flow {
    sides: [Media; 2],
}

impl Parser for Flow {
    fn data(&mut self, chunk: Chunk<'_>, _: &mut dyn Sink) -> Step {
        let side = &mut self.sides[chunk.direction.index()];
        let Some((&head, _)) = chunk.bytes.split_first_chunk::<HEADER>() else { return Step::More };
        if head[0] >> 6 != 2 {
            return Step::More;
        }
        if RTCP_TYPES.contains(&head[1]) {
            side.reports += 1;
            return Step::More;
        }
        let number = u16::from_be_bytes([head[2], head[3]]);
        side.packets += 1;
        if side.source.is_none() {
            side.source = Some((u32::from_be_bytes([head[8], head[9], head[10], head[11]]), head[1] & 0x7f));
            side.last = number;
        }
        let ahead = number.wrapping_sub(side.last);
        if ahead < u16::MAX / 2 {
            side.lost += u64::from(ahead.saturating_sub(1));
            side.last = number;
        } else {
            // Late: it had been taken for lost.
            side.lost = side.lost.saturating_sub(1);
        }
        Step::More
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        if self.sides.iter().any(|side| side.packets + side.reports > 0) {
            complete(Rtp { sides: self.sides }.into(), sink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compound_of_rtcp_fills_its_datagram() {
        let mut compound = vec![0x80, 201, 0, 1, 1, 2, 3, 4, 0x81, 202, 0, 2, 1, 2, 3, 4, 1, 0, 0, 0];
        assert!(is_rtcp(&compound));
        compound.pop();
        assert!(!is_rtcp(&compound));
        assert!(!is_rtcp(&[]));
    }
}
