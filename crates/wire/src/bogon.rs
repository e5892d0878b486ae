//! Addresses that nobody on the Internet can have.

use core::net::IpAddr;

/// Whether an address is private, of a link or a machine, a group's, or reserved. Addresses for documentation are none:
/// whoever lists one means it.
#[must_use]
pub fn is_bogon(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let reserved = matches!(v4.octets(), [0, ..] | [100, 64..=127, ..] | [224..=255, ..]);
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || reserved
        }
        IpAddr::V6(v6) => {
            v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.is_loopback()
                || v6.is_multicast()
                || v6.is_unspecified()
        }
    }
}
