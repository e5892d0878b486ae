//! Which copy of a byte the receiver keeps when segments overlap.
//!
//! Hosts differ (Shankar and Paxson, "Active Mapping", 2003; Novak and Sturges, "Target-Based TCP Stream
//! Reassembly", 2007), and who knows how a host decides can show it other bytes than a sensor that decides
//! otherwise. So the policy is that of the receiving host.

use super::seq::distance;

/// How a host decides between the bytes it waits with and those of a new segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OverlapPolicy {
    /// The first copy stays, always.
    First,
    /// The last copy stays, always.
    Last,
    /// The new segment wins if it begins before the old one.
    Bsd,
    /// As BSD, and the new segment wins if both begin at the same byte and it is longer.
    #[default]
    Linux,
    /// Linux up to 2.2: as Linux, and the new segment wins if both are the same range.
    OldLinux,
    /// Windows up to Server 2003: as BSD.
    Windows,
    /// Windows since Vista: the first copy stays.
    Vista,
    /// The new segment wins unless the old one goes on behind it, or begins before and ends with it.
    Solaris,
    /// HP-UX 11: as Solaris.
    HpUx,
    /// As BSD.
    MacOs,
}

impl OverlapPolicy {
    /// Every policy.
    pub const ALL: [OverlapPolicy; 10] = [
        OverlapPolicy::First,
        OverlapPolicy::Last,
        OverlapPolicy::Bsd,
        OverlapPolicy::Linux,
        OverlapPolicy::OldLinux,
        OverlapPolicy::Windows,
        OverlapPolicy::Vista,
        OverlapPolicy::Solaris,
        OverlapPolicy::HpUx,
        OverlapPolicy::MacOs,
    ];

    /// Whether the old segment is compared as it came. Linux keeps segments whole in its queue and lets the
    /// one that begins first win when it reads; BSD cuts off what a new segment covers, so that the rest
    /// begins later.
    #[must_use]
    pub fn compares_whole_segments(self) -> bool {
        matches!(self, OverlapPolicy::Linux | OverlapPolicy::OldLinux)
    }

    /// Whether bytes of a new segment replace those of an old one where they overlap. Ranges are sequence
    /// numbers, the end exclusive.
    #[must_use]
    pub fn new_wins(self, old: (u32, u32), new: (u32, u32)) -> bool {
        // Positive: the new segment begins, or ends, behind the old one.
        let (begins, ends) = (distance(new.0, old.0), distance(new.1, old.1));
        match self {
            OverlapPolicy::First | OverlapPolicy::Vista => false,
            OverlapPolicy::Last => true,
            OverlapPolicy::Bsd | OverlapPolicy::Windows | OverlapPolicy::MacOs => begins < 0,
            OverlapPolicy::Linux => begins < 0 || (begins == 0 && ends > 0),
            OverlapPolicy::OldLinux => begins < 0 || (begins == 0 && ends >= 0),
            OverlapPolicy::Solaris | OverlapPolicy::HpUx => ends > 0 || (ends == 0 && begins <= 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// New against old: begins before, with, behind; ends before, with, behind.
    #[test]
    fn each_way_to_overlap_is_decided_as_the_host_does() {
        let cases = [
            ((5, 12), "begins before, ends before"),
            ((5, 15), "begins before, ends with"),
            ((5, 18), "begins before, ends behind"),
            ((10, 12), "begins with, ends before"),
            ((10, 15), "the same"),
            ((10, 18), "begins with, ends behind"),
            ((12, 14), "inside"),
            ((12, 15), "begins behind, ends with"),
            ((12, 18), "begins behind, ends behind"),
        ];
        // One column per policy: N the new bytes, o the old.
        let expected = [
            (OverlapPolicy::First, "ooooooooo"),
            (OverlapPolicy::Last, "NNNNNNNNN"),
            (OverlapPolicy::Bsd, "NNNoooooo"),
            (OverlapPolicy::Windows, "NNNoooooo"),
            (OverlapPolicy::MacOs, "NNNoooooo"),
            (OverlapPolicy::Linux, "NNNooNooo"),
            (OverlapPolicy::OldLinux, "NNNoNNooo"),
            (OverlapPolicy::Vista, "ooooooooo"),
            (OverlapPolicy::Solaris, "oNNoNNooN"),
            (OverlapPolicy::HpUx, "oNNoNNooN"),
        ];
        assert_eq!(expected.len(), OverlapPolicy::ALL.len());
        for (policy, row) in expected {
            for ((new, what), want) in cases.into_iter().zip(row.chars()) {
                // Also across the wrap.
                for base in [0, u32::MAX - 11] {
                    let at = |n: u32| base.wrapping_add(n);
                    let wins = policy.new_wins((at(10), at(15)), (at(new.0), at(new.1)));
                    assert_eq!(wins, want == 'N', "{policy:?}: {what}");
                }
            }
        }
    }
}
