//! Network Time Protocol (RFC 5905), versions 1 to 4.

use wire::{Direction, IpProto};

use crate::datagrams::Datagrams;
use crate::parser::Chunk;
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

const PORTS: &[u16] = &[123];
/// Bytes of the fixed header of a time message.
const HEADER: usize = 48;
/// The highest stratum that is not reserved.
const MAX_STRATUM: u8 = 16;
/// Seconds from 1900 to 2000: clocks off the usual port tell later times.
const YEAR_2000: u32 = 3_155_673_600;

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ntp {
    /// Which way it went.
    pub direction: Direction,
    /// 1 to 4.
    pub version: u8,
    /// 1 and 2 symmetric, 3 client, 4 server, 5 broadcast, 6 control, 7 private.
    pub mode: u8,
    /// Distance from a reference clock; `None` in control and private messages.
    pub stratum: Option<u8>,
    /// What the sender goes by: an address from stratum 2 on, four letters before.
    pub reference_id: Option<[u8; 4]>,
}

pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Ntp,
    transport: IpProto::UDP,
    ports: PORTS,
    probe,
    open: Some(|_| Datagrams::boxed(|chunk, _| message(chunk).map(Transaction::from))),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let bytes = opening.fresh();
    let chunk = Chunk { direction: opening.fresh, bytes, time: opening.tuple.start };
    let sound = message(chunk).is_some() && (opening.on_port(PORTS) || is_strict(bytes));
    if sound { Guess::Yes } else { Guess::No }
}

/// Off its port: a client's or server's message with values that occur, and a time of this century.
fn is_strict(bytes: &[u8]) -> bool {
    if bytes.len() != HEADER || !matches!(bytes[0] & 7, 3 | 4) || bytes[0] >> 3 & 7 < 3 {
        return false;
    }
    let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let precision = bytes[3].cast_signed();
    bytes[2] <= 17 && (-32..=0).contains(&precision) && word(4) >> 16 < 16 && word(40) > YEAR_2000
}

fn message(chunk: Chunk<'_>) -> Option<Ntp> {
    let (&first, rest) = chunk.bytes.split_first()?;
    let (version, mode) = (first >> 3 & 7, first & 7);
    if !(1..=4).contains(&version) || mode == 0 {
        return None;
    }
    let timed = mode < 6;
    // Mode 6 has a header of 12 bytes, mode 7 one of 8.
    if chunk.bytes.len() < if timed { HEADER } else { 8 } || (timed && rest[0] > MAX_STRATUM) {
        return None;
    }
    Some(Ntp {
        direction: chunk.direction,
        version,
        mode,
        stratum: timed.then_some(rest[0]),
        reference_id: timed.then(|| [rest[11], rest[12], rest[13], rest[14]]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Nanos;

    #[test]
    fn a_server_tells_its_reference() {
        let mut bytes = [0; HEADER];
        (bytes[0], bytes[1]) = (0x24, 1);
        bytes[12..16].copy_from_slice(b"GPS\0");
        bytes[40] = 0xe0;
        let read = |bytes: &[u8]| message(Chunk { direction: Direction::ToClient, bytes, time: Nanos(0) });
        let ntp = read(&bytes).unwrap();
        assert_eq!((ntp.version, ntp.mode, ntp.stratum, ntp.reference_id), (4, 4, Some(1), Some(*b"GPS\0")));
        assert!(is_strict(&bytes));
        bytes[40] = 0;
        assert!(!is_strict(&bytes), "a time before 2000");
        assert!(read(&bytes[..47]).is_none());
    }
}
