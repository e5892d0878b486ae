//! The seeded hash of what names a flow.
//!
//! The number that names a flow in events and picks its worker ([`wire::FlowKey::stable_hash`]) is the same
//! everywhere and so can be aimed at; this one depends on a seed that nobody outside of the process knows.

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;

use foldhash::fast::RandomState;
use wire::{Endpoint, IpProto, Packet, Vlans};

use super::index::KeyHash;

/// An address as two words; IPv4 is v4-mapped.
#[inline]
pub(super) fn words(ip: IpAddr) -> [u64; 2] {
    match ip {
        IpAddr::V4(v4) => [0, 0xffff_0000_0000 | u64::from(v4.to_bits())],
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            [(bits >> 64) as u64, bits as u64]
        }
    }
}

/// Makes the hash of a flow's key, the same for both directions.
#[derive(Clone, Debug, Default)]
pub(super) struct Seed(RandomState);

impl Seed {
    #[inline]
    pub(super) fn of_packet(&self, packet: &Packet<'_>) -> KeyHash {
        self.of(&packet.source(), &packet.destination(), packet.proto, packet.vlans)
    }

    #[inline]
    pub(super) fn of(&self, a: &Endpoint, b: &Endpoint, proto: IpProto, vlans: Vlans) -> KeyHash {
        let (a, b) = ((words(a.ip), a.port), (words(b.ip), b.port));
        let (low, high) = if a <= b { (a, b) } else { (b, a) };
        let mut state = self.0.build_hasher();
        for word in low.0.into_iter().chain(high.0) {
            state.write_u64(word);
        }
        state.write_u64(u64::from(low.1) << 48 | u64::from(high.1) << 32 | u64::from(proto.0));
        state.write_u64(vlans.word());
        KeyHash(state.finish())
    }
}
