//! Who wins where fragments overlap. Operating systems differ, and who attacks one hides behind that: the sensor
//! must see what the receiver sees (Novak, "Target-Based Fragmentation Reassembly", 2005; Shankar and Paxson, "Active
//! Mapping", 2003).

use std::ops::Range;

/// How a receiver settles overlapping fragments. "Old" is what came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// Old data stays.
    First,
    /// New data replaces old.
    Last,
    /// Old data stays unless the new fragment begins before it.
    Bsd,
    /// New data replaces old unless the new fragment begins before it.
    BsdRight,
    /// Old data stays if it begins before the new fragment (Linux before 4.18).
    Linux,
    /// Old data stays unless the new fragment reaches beyond it at both ends.
    Windows,
    /// Old data stays unless the new fragment begins before it and ends with or after it.
    Solaris,
    /// The whole datagram is dropped, with what may still come of it (IPv6 by RFC 5722; IPv4 in Linux since 4.18).
    /// Exact copies of a fragment are no overlap.
    Discard,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Policy; 8] = [
        Policy::First,
        Policy::Last,
        Policy::Bsd,
        Policy::BsdRight,
        Policy::Linux,
        Policy::Windows,
        Policy::Solaris,
        Policy::Discard,
    ];

    /// Whether the data of a `new` fragment replaces that of an `old` one where they overlap.
    pub(super) fn newer_wins(self, old: &Range<u32>, new: &Range<u32>) -> bool {
        match self {
            Policy::First | Policy::Discard => false,
            Policy::Last => true,
            Policy::Bsd => new.start < old.start,
            Policy::BsdRight => old.start <= new.start,
            Policy::Linux => new.start <= old.start,
            Policy::Windows => new.start < old.start && new.end > old.end,
            Policy::Solaris => new.start < old.start && new.end >= old.end,
        }
    }
}
