//! Datagrams that were fragmented: from their fragments to a frame that goes on like any other.

use flow::defrag::{Anomaly, DefragCounters, DefragOptions, Defragmenter, Frames};
use wire::Decoded;

use crate::counters::WorkerCounters;
use crate::input::Input;
use crate::worker::decode_as;

/// Reassembled datagrams within reassembled datagrams (tunnels in fragments) that are opened.
const MAX_NESTED: u8 = 4;

/// What a frame stands for that was put together from several, or was counted before it came to its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The frames that came on the wire.
    pub frames: Frames,
    /// How many times it was put together.
    depth: u8,
}

impl Merged {
    /// Of a frame that was put together from none.
    pub(crate) fn alone(frames: Frames) -> Self {
        Merged { frames, depth: 0 }
    }
}

/// Fragments on their way to become datagrams.
#[derive(Debug)]
pub(crate) struct Reassembly {
    table: Defragmenter,
    tunnels: bool,
    /// The last datagram's frame.
    pub(crate) whole: Vec<u8>,
}

impl Reassembly {
    /// `tunnels`: whether fragments in tunnels count, and not the tunnel's own.
    pub(crate) fn new(options: DefragOptions, tunnels: bool) -> Self {
        Reassembly { table: Defragmenter::new(options), tunnels, whole: Vec::new() }
    }

    /// Takes a frame that decodes to a fragment. If that makes a datagram whole, `whole` is its frame.
    pub(crate) fn take(&mut self, input: &Input<'_>, counters: &WorkerCounters) -> Option<Merged> {
        let depth = input.merged.map_or(0, |merged| merged.depth);
        let frames = input.frames();
        let fragment = wire::fragment(input.link, input.bytes, self.tunnels);
        let Some(fragment) = fragment.filter(|_| depth < MAX_NESTED) else {
            self.table.nothing_found();
            counters.defrag_nested.add(u64::from(frames.packets));
            return None;
        };
        let merged = self.table.take(&fragment, frames, input.time, &mut self.whole);
        publish(self.table.counters(), counters);
        merged.map(|frames| Merged { frames, depth: depth + 1 })
    }

    /// What was wrong with the last fragment.
    pub(crate) fn anomalies(&self) -> impl Iterator<Item = Anomaly> + use<> {
        self.table.anomalies()
    }

    /// As [`Reassembly::take`], until what comes out is no fragment itself. What is wrong on the way goes to `tell`.
    pub(crate) fn take_through(
        &mut self,
        input: &Input<'_>,
        counters: &WorkerCounters,
        tell: &mut impl FnMut(Anomaly),
    ) -> Option<Merged> {
        let mut merged = self.take(input, counters);
        self.anomalies().for_each(&mut *tell);
        while merged.is_some()
            && let Ok(Decoded::Ip(packet)) = decode_as(self.tunnels, input.link, &self.whole)
            && packet.fragment
        {
            let frame = std::mem::take(&mut self.whole);
            merged = self.take(&Input { bytes: &frame, merged, ..*input }, counters);
            self.anomalies().for_each(&mut *tell);
        }
        merged
    }

    /// Gives up what was not whole in time.
    pub(crate) fn expire(&mut self, now: wire::Nanos, counters: &WorkerCounters) {
        if !self.table.is_empty() {
            self.table.expire(now);
            publish(self.table.counters(), counters);
        }
    }

    /// No more fragments come.
    pub(crate) fn flush(&mut self, counters: &WorkerCounters) {
        self.table.flush();
        publish(self.table.counters(), counters);
    }
}

/// Makes the table's counters readable.
fn publish(table: &DefragCounters, counters: &WorkerCounters) {
    counters.defrag_reassembled.set(table.reassembled);
    counters.defrag_reassembled_packets.set(table.reassembled_packets);
    counters.defrag_timed_out.set(table.timed_out_packets);
    counters.defrag_evicted.set(table.evicted_packets);
    counters.defrag_discarded.set(table.discarded_packets);
    counters.defrag_flushed.set(table.flushed_packets);
    counters.defrag_held.set(table.held_packets());
    for (counter, &count) in counters.fragment_anomalies.iter().zip(&table.anomalies) {
        counter.set(count);
    }
    debug_assert_eq!(counters.fragment_anomalies.len(), Anomaly::ALL.len());
}
