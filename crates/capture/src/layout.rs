//! The other half of `bpf/contract.h`: sizes and offsets that the programs use.

/// Bytes of `struct frame_head` before every steered frame.
pub(crate) const FRAME_HEAD: usize = 16;

/// Sockets that one capture port can have (queues x workers).
pub const XSKS_CAPACITY: usize = 1024;

/// Queues of a port that are counted one by one.
pub(crate) const QUEUES_CAPACITY: usize = 256;

/// Flows that can be bypassed at once by default.
pub const BYPASS_CAPACITY: u32 = 65_536;

/// Bits of the number of one of the bits of the filter before the isolation map.
pub(crate) const FILTER_BITS: u32 = 21;

/// Targets (hosts, networks, stations) that can be isolated at once by default.
pub const ISOLATION_CAPACITY: u32 = 100_000;

/// Networks of them.
pub const NETWORKS_CAPACITY: u32 = 16_384;

/// Targets that can be cut off from named peers only.
pub const PEERS_CAPACITY: u32 = 4096;

/// Peers of such a target.
pub const MAX_PEERS: usize = 16;

/// Networks that isolated hosts still reach.
pub const REMEDIATION_CAPACITY: u32 = 1024;

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_ne_bytes)
}

/// `struct frame_head`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    /// CLOCK_MONOTONIC nanoseconds.
    pub(crate) arrival_ns: u64,
    /// The hash that picked the worker.
    pub(crate) hash: u32,
    /// Bytes of the frame on the wire.
    pub(crate) wire_len: u32,
}

/// Splits a steered frame into its head and the packet.
pub(crate) fn split_head(frame: &[u8]) -> Option<(FrameHead, &[u8])> {
    let (head, packet) = frame.split_first_chunk::<FRAME_HEAD>()?;
    let [a @ .., _, _, _, _, _, _, _, _] = *head;
    let [_, _, _, _, _, _, _, _, b @ .., _, _, _, _] = *head;
    let [_, _, _, _, _, _, _, _, _, _, _, _, c @ ..] = *head;
    let head = FrameHead {
        arrival_ns: u64::from_ne_bytes(a),
        hash: u32::from_ne_bytes(b),
        wire_len: u32::from_ne_bytes(c),
    };
    Some((head, packet))
}

/// How far an isolation goes, without the peers' names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScopeKind {
    /// Both ways.
    #[default]
    Both,
    /// Only what the target sends.
    Outbound,
    /// Only between the target and some peers ([`IsolationMap::scope`](crate::IsolationMap::scope) names them).
    Peers,
}

/// One isolation as the map has it. Times are CLOCK_MONOTONIC nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IsolationEntry {
    /// The kernel stops dropping at this time.
    pub expires_ns: u64,
    /// When the isolation began.
    pub since_ns: u64,
    /// Packets dropped from or to the target.
    pub dropped_packets: u64,
    /// Bytes of these packets.
    pub dropped_bytes: u64,
    /// When the first was dropped; 0 if none was.
    pub first_drop_ns: u64,
    /// When the last was dropped; 0 if none was.
    pub last_drop_ns: u64,
    /// How far it goes.
    pub scope: ScopeKind,
}

impl IsolationEntry {
    /// Bytes of `struct isolation_entry`.
    pub(crate) const LEN: usize = 64;
    /// Bytes of it in earlier versions, which knew one scope.
    pub(crate) const EARLIER_LEN: usize = 48;

    /// As the map has it.
    pub(crate) fn bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let words = [
            self.expires_ns,
            self.since_ns,
            self.dropped_packets,
            self.dropped_bytes,
            self.first_drop_ns,
            self.last_drop_ns,
            match self.scope {
                ScopeKind::Both => 0,
                ScopeKind::Outbound => 1,
                ScopeKind::Peers => 2,
            },
        ];
        for (slot, word) in bytes.chunks_exact_mut(8).zip(words) {
            slot.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// Of this version or an earlier one.
    pub(crate) fn parse(value: &[u8]) -> Self {
        IsolationEntry {
            expires_ns: u64_at(value, 0),
            since_ns: u64_at(value, 8),
            dropped_packets: u64_at(value, 16),
            dropped_bytes: u64_at(value, 24),
            first_drop_ns: u64_at(value, 32),
            last_drop_ns: u64_at(value, 40),
            scope: match u64_at(value, 48) {
                1 => ScopeKind::Outbound,
                2 => ScopeKind::Peers,
                _ => ScopeKind::Both,
            },
        }
    }
}

/// `struct isolation_request`, in and out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IsolationRequest([u8; 64]);

impl IsolationRequest {
    /// `ERROR_HELD`.
    pub(crate) const HELD: i64 = 1;

    pub(crate) fn new(target: &[u8; 24], scope: u64, expires_ns: u64) -> Self {
        let mut bytes = [0; 64];
        bytes[..24].copy_from_slice(target);
        bytes[24..32].copy_from_slice(&expires_ns.to_ne_bytes());
        bytes[32..40].copy_from_slice(&scope.to_ne_bytes());
        IsolationRequest(bytes)
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    pub(crate) fn written_ns(&self) -> u64 {
        u64_at(&self.0, 40)
    }

    /// 0, a negative errno or `HELD`.
    pub(crate) fn error(&self) -> i64 {
        u64_at(&self.0, 48).cast_signed()
    }

    pub(crate) fn extended(&self) -> bool {
        u64_at(&self.0, 56) != 0
    }
}

macro_rules! counters {
    ($(#[$doc:meta])* $name:ident: $($field:ident = $index:literal, $text:literal;)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $(#[doc = $text] pub $field: u64,)* }

        impl $name {
            pub(crate) fn from_values(values: &[u64]) -> Self {
                $name { $($field: values.get($index).copied().unwrap_or(0),)* }
            }

            /// Adds another set.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

counters! {
    /// `struct capture_counts` of a queue summed over CPUs.
    /// received = steered + passed + isolated + bypassed + shed + no_headroom + no_socket.
    CaptureCounters:
    received = 0, "Frames that entered the XDP program.";
    received_bytes = 1, "Bytes of these frames.";
    steered = 2, "Frames redirected to a worker's socket.";
    passed = 3, "Inline: frames that the kernel sent on, because no worker would or could take them.";
    isolated = 4, "Inline: frames dropped because they are from or to isolated hosts.";
    bypassed = 5, "Frames of flows that need no more inspection.";
    shed = 6, "Frames of flows that were given up under overload.";
    no_headroom = 7, "Frames dropped because the driver left no room for the frame head.";
    no_socket = 8, "Frames dropped because no worker listens on their queue.";
    nic_time = 9, "Frames stamped by the NIC.";
    too_deep = 10, "Inline: frames of isolated with more layers than are looked through.";
}

counters! {
    /// `struct guard_counts` summed over CPUs and guard ports.
    GuardCounters:
    passed = 0, "Frames handed to the kernel.";
    dropped = 1, "Frames of isolated hosts.";
    too_deep = 2, "Frames of these with more layers than are looked through.";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `#define NAME VALUE` of the header.
    fn define(name: &str) -> u64 {
        let header = include_str!("../../../bpf/contract.h");
        let line = header.lines().find(|l| l.starts_with(&format!("#define {name} "))).unwrap();
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
    }

    #[test]
    fn limits_are_those_of_the_header() {
        assert_eq!(define("ISOLATION_CAPACITY"), u64::from(ISOLATION_CAPACITY));
        assert_eq!(define("NETWORKS_CAPACITY"), u64::from(NETWORKS_CAPACITY));
        assert_eq!(define("PEERS_CAPACITY"), u64::from(PEERS_CAPACITY));
        assert_eq!(define("MAX_PEERS"), MAX_PEERS as u64);
        assert_eq!(define("REMEDIATION_CAPACITY"), u64::from(REMEDIATION_CAPACITY));
        assert_eq!(define("ERROR_HELD").cast_signed(), IsolationRequest::HELD);
        assert_eq!(define("XSKS_CAPACITY"), XSKS_CAPACITY as u64);
        assert_eq!(define("FILTER_BITS"), u64::from(FILTER_BITS));
        assert_eq!(define("FILTER_WORDS") * 64, 1 << FILTER_BITS);
        assert_eq!(define("QUEUES_CAPACITY"), QUEUES_CAPACITY as u64);
        assert_eq!(define("BYPASS_CAPACITY"), u64::from(BYPASS_CAPACITY));
    }

    #[test]
    fn a_frame_without_head_is_refused() {
        assert_eq!(split_head(&[0; 15]), None);
        let mut frame = [0; 18];
        frame[..8].copy_from_slice(&7_u64.to_ne_bytes());
        frame[8..12].copy_from_slice(&9_u32.to_ne_bytes());
        frame[12..16].copy_from_slice(&2_u32.to_ne_bytes());
        let head = FrameHead { arrival_ns: 7, hash: 9, wire_len: 2 };
        assert_eq!(split_head(&frame), Some((head, &[0, 0][..])));
    }
}
