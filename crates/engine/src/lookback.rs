//! The packets seen before an alert.
//!
//! An alert comes packets after the ones that explain it. So each worker copies the packets of flows
//! that are still being inspected into a ring of fixed size; a packet's entry points back to the
//! previous one of its flow. When a flow is alerted on, its chain is walked back as far as the ring
//! still has it. This is the one copy that a packet can suffer on its way, and flows that nobody
//! inspects any more (after a TLS handshake, say) do not suffer it.

use output::EvidencePacket;
use wire::Nanos;

/// Bytes of an entry's header: previous entry, position, time, lengths.
const HEADER: usize = 32;
/// The largest frame: a reassembled datagram, with room for its link header.
const MAX_FRAME: usize = wire::MAX_DATAGRAM + 1024;
/// Frames of a flow that [`Lookback::latest`] shows.
const LATEST: usize = 64;
/// "No previous entry."
const NONE: u64 = u64::MAX;

/// The last entry of a flow in the ring; kept with the flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain(u64);

impl Default for Chain {
    fn default() -> Self {
        Chain(NONE)
    }
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Lookback {
    ring: Box<[u8]>,
    /// Bytes ever written; the ring holds the last `ring.len()` of them.
    head: u64,
    /// How far back, in [`Lookback::cost`], an entry counts.
    window: u64,
}

/// How much room a frame takes. Callers add these up to make the positions they pass.
pub(crate) fn cost(captured: usize) -> u64 {
    (HEADER + captured) as u64
}

impl Lookback {
    /// A ring that holds the last `bytes`.
    pub(crate) fn new(bytes: usize) -> Self {
        // An entry is never split at the end of the ring: the part skipped there costs at most one frame.
        let slack = MAX_FRAME + HEADER;
        Lookback { ring: vec![0; bytes + slack].into_boxed_slice(), head: 0, window: bytes as u64 }
    }

    /// Copies a frame in and makes it the last of its flow's chain. `position` is the cost of all frames
    /// before it, of all workers that share a capture: so what is kept does not depend on their number.
    pub(crate) fn keep(
        &mut self,
        chain: &mut Chain,
        position: u64,
        time: Nanos,
        wire_len: u32,
        frame: &[u8],
    ) {
        let size = HEADER + frame.len();
        if size as u64 > self.window {
            return;
        }
        let len = self.ring.len();
        let mut at = (self.head % len as u64) as usize;
        if at + size > len {
            self.head += (len - at) as u64;
            at = 0;
        }
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&chain.0.to_le_bytes());
        header[8..16].copy_from_slice(&position.to_le_bytes());
        header[16..24].copy_from_slice(&time.0.to_le_bytes());
        header[24..28].copy_from_slice(&wire_len.to_le_bytes());
        header[28..].copy_from_slice(&(frame.len() as u32).to_le_bytes());
        self.ring[at..at + HEADER].copy_from_slice(&header);
        self.ring[at + HEADER..at + size].copy_from_slice(frame);
        chain.0 = self.head;
        self.head += size as u64;
    }

    /// Shows the latest frames of a flow that still count at `position`, the last one first.
    pub(crate) fn latest(&self, chain: Chain, position: u64, mut show: impl FnMut(&[u8])) {
        let mut at = chain.0;
        for _ in 0..LATEST {
            let Some((header, frame)) = self.entry(at, position) else { break };
            show(frame);
            at = word(header, 0);
        }
    }

    /// Header and frame of an entry, if it still counts.
    fn entry(&self, at: u64, position: u64) -> Option<(&[u8], &[u8])> {
        if at == NONE || self.head - at > self.ring.len() as u64 {
            return None;
        }
        let start = (at % self.ring.len() as u64) as usize;
        let header = self.ring.get(start..start + HEADER)?;
        if position.saturating_sub(word(header, 8)) > self.window {
            return None;
        }
        let frame = self.ring.get(start + HEADER..start + HEADER + (word(header, 24) >> 32) as usize)?;
        Some((header, frame))
    }

    /// The kept frames of a flow that still count at `position`, oldest first.
    pub(crate) fn collect(&self, chain: Chain, position: u64) -> Vec<EvidencePacket> {
        let mut found = Vec::new();
        let mut at = chain.0;
        while let Some((header, frame)) = self.entry(at, position) {
            found.push(EvidencePacket {
                time: Nanos(word(header, 16)),
                wire_len: word(header, 24) as u32,
                frame: frame.to_vec(),
            });
            at = word(header, 0);
        }
        found.reverse();
        found
    }
}

/// Eight bytes of an entry's header.
fn word(header: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|i| header[at + i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(packets: &[EvidencePacket]) -> Vec<usize> {
        packets.iter().map(|p| p.frame.len()).collect()
    }

    #[test]
    fn chains_do_not_mix_and_come_oldest_first() {
        let mut ring = Lookback::new(10_000);
        let (mut a, mut b) = (Chain::default(), Chain::default());
        let mut position = 0;
        for (i, len) in [10, 20, 30, 40].into_iter().enumerate() {
            let chain = if i % 2 == 0 { &mut a } else { &mut b };
            ring.keep(chain, position, Nanos(i as u64), 100 + len as u32, &vec![i as u8; len]);
            position += cost(len);
        }
        let kept = ring.collect(a, position);
        assert_eq!(lengths(&kept), [10, 30]);
        assert_eq!((kept[1].time, kept[1].wire_len, kept[1].frame[0]), (Nanos(2), 130, 2));
        assert_eq!(lengths(&ring.collect(b, position)), [20, 40]);
        assert!(ring.collect(Chain::default(), position).is_empty());
    }

    #[test]
    fn old_entries_are_gone_wherever_the_ring_wrapped() {
        for frame in [1, 333, 1500] {
            let mut ring = Lookback::new(100_000);
            let mut chain = Chain::default();
            let mut position = 0;
            for i in 0..5000_u64 {
                ring.keep(&mut chain, position, Nanos(i), 1, &vec![i as u8; frame]);
                position += cost(frame);
                let kept = ring.collect(chain, position);
                let expected = (100_000 / cost(frame)).min(i + 1);
                assert_eq!(kept.len() as u64, expected, "frame {frame}, packet {i}");
                assert_eq!(kept.last().unwrap().time, Nanos(i));
                assert!(kept.iter().all(|p| p.frame.iter().all(|&b| b == p.time.0 as u8)));
            }
        }
    }
}
