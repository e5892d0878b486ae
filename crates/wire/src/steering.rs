//! The hash that picks a worker, computed as the XDP program does (bpf/flow.h).

use crate::host::HostKey;

/// The fraction of the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// From the finaliser of MurmurHash3.
const MURMUR: u64 = 0xff51_afd7_ed55_8ccd;

/// An endpoint's part. `port` in host byte order; the program has it in network order, like the address.
pub(crate) fn endpoint(host: HostKey, port: u16) -> u64 {
    let octets = host.octets();
    let half = |from: usize| octets[from..from + 8].try_into().map_or(0, u64::from_ne_bytes);
    let mut h = half(0).wrapping_mul(GOLDEN);
    h = (h ^ (h >> 32) ^ half(8)).wrapping_mul(MURMUR);
    h = (h ^ (h >> 32) ^ u64::from(port.to_be())).wrapping_mul(GOLDEN);
    h ^ (h >> 32)
}

/// The hash of both endpoints' parts and the protocol, added up.
pub(crate) fn finish(sum: u64) -> u32 {
    (sum.wrapping_mul(MURMUR) >> 32) as u32
}

/// Which of `workers` gets packets with this steering hash: the hash scaled to their number.
#[must_use]
pub fn worker_of(hash: u32, workers: u32) -> u32 {
    ((u64::from(hash) * u64::from(workers)) >> 32) as u32
}
