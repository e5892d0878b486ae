//! Keys and values of the isolation maps (bpf/contract.h).

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use wire::{HostKey, Scope, Target};

use super::WriteError;
use crate::layout::{MAX_PEERS, u64_at};

/// Bytes of `struct target_key`.
pub(super) const TARGET_LEN: usize = 24;
/// Bytes of the key of earlier versions: a host.
pub(super) const EARLIER_TARGET_LEN: usize = 16;
/// Bytes of `struct network_key`.
pub(super) const NETWORK_LEN: usize = 24;
/// Bytes of `struct isolation_peers`.
pub(super) const PEERS_LEN: usize = 8 + 16 * MAX_PEERS;
/// `EVERY_VLAN`.
const EVERY_VLAN: u16 = 0xffff;
const HOST: u8 = 0;
const NETWORK: u8 = 1;
const MAC: u8 = 2;
/// `NETWORK_FAMILY_BITS`.
const FAMILY_BITS: u32 = 32;
/// Bits of an IPv4-mapped address before the IPv4 address.
const MAPPED_BITS: u8 = 96;

/// `struct target_key`.
pub(super) fn target_key(target: Target) -> [u8; TARGET_LEN] {
    let (addr, vlan, kind, prefix) = match target {
        Target::Host { host, vlan } => (host.octets(), vlan.unwrap_or(EVERY_VLAN), HOST, 0),
        Target::Network(net) => {
            let (addr, prefix) = mapped(net);
            (addr, EVERY_VLAN, NETWORK, prefix)
        }
        Target::Mac(mac) => {
            let mut addr = [0; 16];
            addr[..6].copy_from_slice(&mac);
            (addr, EVERY_VLAN, MAC, 0)
        }
    };
    let mut key = [0; TARGET_LEN];
    key[..16].copy_from_slice(&addr);
    key[16..18].copy_from_slice(&vlan.to_ne_bytes());
    (key[18], key[19]) = (kind, prefix);
    key
}

/// Whom a key means: this version's, or an earlier one's, which knew hosts alone.
pub(super) fn target(key: &[u8]) -> Option<Target> {
    let (addr, rest) = key.split_first_chunk::<16>()?;
    let host = HostKey::from_octets(*addr);
    let [vlan @ .., kind, prefix] = match rest {
        [] => return Some(host.into()),
        _ => *rest.first_chunk::<4>()?,
    };
    match (kind, u16::from_ne_bytes(vlan)) {
        (HOST, EVERY_VLAN) => Some(host.into()),
        (HOST, vlan) => Some(Target::Host { host, vlan: Some(vlan) }),
        (NETWORK, _) => Some(Target::Network(unmapped(*addr, prefix)?)),
        (MAC, _) => Some(Target::Mac(*addr.first_chunk()?)),
        _ => None,
    }
}

/// `struct network_key` of a network.
pub(super) fn network_key(net: IpNet) -> [u8; NETWORK_LEN] {
    let (addr, prefix) = mapped(net);
    let mapped = addr.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]) && prefix >= MAPPED_BITS;
    let mut key = [0; NETWORK_LEN];
    key[..4].copy_from_slice(&(FAMILY_BITS + u32::from(prefix)).to_ne_bytes());
    key[4..8].copy_from_slice(&(if mapped { 4_u32 } else { 6 }).to_ne_bytes());
    key[8..].copy_from_slice(&addr);
    key
}

/// The network's first address, IPv4 as a mapped one, and its prefix, counted from the first bit of that.
fn mapped(net: IpNet) -> ([u8; 16], u8) {
    match net.trunc() {
        IpNet::V4(net) => (net.addr().to_ipv6_mapped().octets(), MAPPED_BITS + net.prefix_len()),
        IpNet::V6(net) => (net.addr().octets(), net.prefix_len()),
    }
}

fn unmapped(addr: [u8; 16], prefix: u8) -> Option<IpNet> {
    let addr = Ipv6Addr::from(addr);
    match (addr.to_ipv4_mapped(), prefix.checked_sub(MAPPED_BITS)) {
        (Some(addr), Some(prefix)) => Some(IpNet::V4(Ipv4Net::new(addr, prefix).ok()?)),
        _ => Some(IpNet::V6(Ipv6Net::new(addr, prefix).ok()?)),
    }
}

/// `struct isolation_peers`.
pub(super) fn peers_value(peers: &[IpAddr]) -> Result<[u8; PEERS_LEN], WriteError> {
    if !(1..=MAX_PEERS).contains(&peers.len()) {
        return Err(WriteError::Peers(peers.len()));
    }
    let mut value = [0; PEERS_LEN];
    value[..8].copy_from_slice(&(peers.len() as u64).to_ne_bytes());
    for (slot, peer) in value[8..].chunks_exact_mut(16).zip(peers) {
        slot.copy_from_slice(&HostKey::from(peer.to_canonical()).octets());
    }
    Ok(value)
}

pub(super) fn peers(value: &[u8]) -> Vec<IpAddr> {
    let count = usize::try_from(u64_at(value, 0)).map_or(MAX_PEERS, |count| count.min(MAX_PEERS));
    let (slots, _) = value.get(8..).unwrap_or_default().as_chunks::<16>();
    slots.iter().take(count).map(|slot| HostKey::from_octets(*slot).ip()).collect()
}

/// `SCOPE_*`.
pub(super) fn scope_code(scope: &Scope) -> u64 {
    match scope {
        Scope::Both => 0,
        Scope::Outbound => 1,
        Scope::Peers(_) => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        for text in [
            "10.0.0.5",
            "10.0.0.5@0",
            "2001:db8::5@4094",
            "10.0.0.0/8",
            "0.0.0.0/0",
            "::/0",
            "2001:db8::/32",
            "02:00:00:00:00:01",
        ] {
            let whom: Target = text.parse().unwrap();
            assert_eq!(target(&target_key(whom)), Some(whom), "{text}");
        }
        let host: Target = "10.0.0.5".parse().unwrap();
        assert_eq!(target(&target_key(host)[..EARLIER_TARGET_LEN]), Some(host));
        for len in (0..TARGET_LEN).filter(|&len| len != EARLIER_TARGET_LEN && len < 20) {
            assert_eq!(target(&[9; TARGET_LEN][..len]), None);
        }
        assert_eq!(target(&[9; TARGET_LEN]), None);
    }

    #[test]
    fn ipv4_is_a_family_of_its_own() {
        let key = |net: &str| network_key(net.parse().unwrap());
        assert_ne!(key("::/0")[4..8], key("0.0.0.0/0")[4..8]);
        assert_eq!(key("::ffff:10.0.0.0/104"), key("10.0.0.0/8"));
    }

    #[test]
    fn peers_are_read_as_they_are_written() {
        let some: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(peers(&peers_value(&some).unwrap()), some);
        assert_eq!(peers_value(&[]), Err(WriteError::Peers(0)));
        assert_eq!(peers_value(&vec![some[0]; 17]), Err(WriteError::Peers(17)));
        assert_eq!(peers(&[0xff; PEERS_LEN]).len(), MAX_PEERS);
        assert!(peers(&[1]).is_empty());
    }
}
