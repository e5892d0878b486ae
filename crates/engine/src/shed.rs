//! Which flows to give up when there is more traffic than the worker can take: the heaviest, because each of them
//! buys the most for the others.
//!
//! Heavy hitters are found by the algorithm of Misra and Gries ("Finding repeated elements", 1982): with k counters,
//! no flow that has more than 1/k of the sampled packets is missed.

/// Flows that are counted at once.
const COUNTERS: usize = 32;
/// One packet in so many is looked at.
const SAMPLE: u32 = 8;
/// Samples after which the heaviest flows are named.
const WINDOW: u32 = 512;
/// A flow with so many of a window's samples is heavy: 1/16 of the traffic.
const HEAVY: u32 = WINDOW / 16;

/// A flow: its slot in the table and its number.
pub(crate) type Candidate = (u32, u64);

/// Counts packets while the worker is overloaded.
#[derive(Debug, Default)]
pub(crate) struct HeavyFlows {
    counters: [(Candidate, u32); COUNTERS],
    skipped: u32,
    sampled: u32,
}

impl HeavyFlows {
    /// Forgets everything: the overload is over.
    pub(crate) fn reset(&mut self) {
        if self.sampled > 0 {
            *self = Self::default();
        }
    }

    /// A packet of a flow. At the end of a window the heavy flows.
    pub(crate) fn note(&mut self, flow: Candidate) -> Option<[Option<Candidate>; COUNTERS]> {
        self.skipped += 1;
        if self.skipped < SAMPLE {
            return None;
        }
        self.skipped = 0;
        self.count(flow);
        self.sampled += 1;
        if self.sampled < WINDOW {
            return None;
        }
        let counters = std::mem::take(self).counters;
        Some(counters.map(|(flow, n)| (n >= HEAVY).then_some(flow)))
    }

    fn count(&mut self, flow: Candidate) {
        let mut free = None;
        for (index, (other, n)) in self.counters.iter_mut().enumerate() {
            if *n > 0 && *other == flow {
                *n += 1;
                return;
            }
            if *n == 0 {
                free = Some(index);
            }
        }
        match free {
            Some(index) => self.counters[index] = (flow, 1),
            None => self.counters.iter_mut().for_each(|(_, n)| *n -= 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which flows are named after traffic of `share` percent of flow 7 among many small ones.
    fn named(share: u64) -> Vec<Candidate> {
        let mut heavy = HeavyFlows::default();
        for n in 0..u64::from(SAMPLE * WINDOW) {
            // Samples are every eighth packet: spread the share over them.
            let small = 1000 + ((n as u32).wrapping_mul(2_654_435_761) >> 8);
            let flow = if (n / u64::from(SAMPLE)) * share % 100 < share { (7, 7) } else { (small, n) };
            if let Some(flows) = heavy.note(flow) {
                return flows.into_iter().flatten().collect();
            }
        }
        panic!("a window has passed");
    }

    #[test]
    fn the_heavy_flow_is_named_and_small_ones_are_not() {
        assert_eq!(named(50), [(7, 7)]);
        assert_eq!(named(20), [(7, 7)]);
        assert_eq!(named(1), []);
    }

    #[test]
    fn nothing_is_named_within_a_window() {
        let mut heavy = HeavyFlows::default();
        for _ in 0..SAMPLE * WINDOW - 1 {
            assert!(heavy.note((1, 1)).is_none());
        }
        heavy.reset();
        assert!(heavy.note((1, 1)).is_none());
    }
}
