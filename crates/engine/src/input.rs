//! What a worker is given: a frame with its circumstances, and its own place among the workers.

use std::sync::Arc;

use flow::defrag::Frames;
use output::Source;
use wire::{LinkType, Nanos, worker_of};

use crate::owners::Owners;
use crate::reassembly::Merged;

/// A frame with everything that was noted when it was captured.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The frame.
    pub bytes: &'a [u8],
    /// How it begins.
    pub link: LinkType,
    /// Capture time (wall clock).
    pub time: Nanos,
    /// Arrival on the monotonic clock (live capture).
    pub arrival: Option<Nanos>,
    /// Length on the wire.
    pub wire_len: u32,
    /// The hash by which it was steered here (live capture).
    pub steered: Option<u32>,
    /// Ordinal in the capture file.
    pub ordinal: Option<u64>,
    /// What all frames before it cost in the lookback ring: their bytes and a fixed amount each.
    pub position: u64,
    /// Where it was read.
    pub source: &'a Source,
    /// Of a datagram put together from fragments: the frames that it came in. `time` is the last one's.
    pub merged: Option<Merged>,
}

impl<'a> Input<'a> {
    /// No frame: the time has come for something else.
    pub(crate) fn nothing(time: Nanos, position: u64, source: &'a Source) -> Self {
        Input {
            bytes: &[],
            link: LinkType::Ethernet,
            time,
            arrival: None,
            wire_len: 0,
            steered: None,
            ordinal: None,
            position,
            source,
            merged: None,
        }
    }

    /// What came on the wire of it.
    pub(crate) fn frames(&self) -> Frames {
        self.merged.map_or(Frames::one(self.time, self.wire_len), |merged| merged.frames)
    }
}

/// Which worker this is.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) index: u32,
    /// If the steering hash decides: of how many.
    pub(crate) of: Option<u32>,
    pub(crate) owners: Arc<Owners>,
}

impl Place {
    /// Whether a flow with this steering hash belongs here.
    pub(crate) fn is_right(&self, hash: u32) -> bool {
        self.of.is_none_or(|workers| worker_of(hash, workers) == self.index)
            && self.owners.claim(hash, self.index)
    }
}
