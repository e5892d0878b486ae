//! The machine that the sensor runs on, and what it and its neighbours need: never isolated.
//!
//! Read from the kernel's tables (Linux, Documentation/filesystems/proc.rst) and the resolver's configuration
//! (resolv.conf(5)) at the start and at each reload.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use verdict::Protected;

const ROUTES: &str = "/proc/net/route";
const ROUTES_V6: &str = "/proc/net/ipv6_route";
const NEIGHBOURS: &str = "/proc/net/arp";
/// The second is where systemd-resolved names its servers, behind the stub that the first has then.
const RESOLVERS: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// RTF_GATEWAY of the kernel's route.h: the next hop is a gateway.
const GATEWAY: u32 = 0x2;
/// RTF_REJECT of the same.
const REJECT: u32 = 0x200;

const OWN: &str = "the sensor's own address";
const A_GATEWAY: &str = "a gateway of this machine";
const A_RESOLVER: &str = "a DNS server of this machine";
const BROADCAST: &str = "a broadcast address of this machine's networks";

/// Protects this machine's addresses, gateways, DNS servers and broadcast addresses. What could not be read, line by line.
pub fn protect(protected: &mut Protected) -> Vec<String> {
    let mut unread = Vec::new();
    let mut noted = |what: &str, err: &io::Error| {
        unread.push(format!("{what}: cannot be read, so not everybody is protected who should be: {err}"));
    };
    match capture::own_addresses() {
        Ok(own) => {
            own.addresses.into_iter().for_each(|ip| protected.add(ip.into(), OWN));
            own.macs.into_iter().for_each(|mac| protected.add_station(mac, OWN));
        }
        Err(err) => noted("this machine's addresses", &err),
    }
    let mut read = |path: &str| match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(err) => {
            // A kernel without IPv6, a machine without a resolver.
            if err.kind() != io::ErrorKind::NotFound {
                noted(path, &err);
            }
            String::new()
        }
    };
    let routes = read(ROUTES);
    let gateways: Vec<IpAddr> = gateways(&routes).chain(gateways_v6(&read(ROUTES_V6))).collect();
    for mac in stations(&read(NEIGHBOURS), &gateways) {
        protected.add_station(mac, A_GATEWAY);
    }
    gateways.iter().for_each(|&ip| protected.add(ip.into(), A_GATEWAY));
    for path in RESOLVERS {
        resolvers(&read(path)).for_each(|ip| protected.add(ip.into(), A_RESOLVER));
    }
    broadcasts(&routes).for_each(|ip| protected.add(ip.into(), BROADCAST));
    unread
}

/// The networks that this machine has addresses in, those of captured ports among them.
pub fn networks() -> Vec<IpNet> {
    let read = |path: &str| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let (four, six) = (read(ROUTES).unwrap_or_default(), read(ROUTES_V6).unwrap_or_default());
    links(&four).chain(links_v6(&six)).collect()
}

/// Networks that are reached without a gateway.
fn links(text: &str) -> impl Iterator<Item = IpNet> {
    let direct = routes(text).filter(|route| route.flags & GATEWAY == 0 && route.mask != 0);
    direct.filter_map(|route| {
        let net = Ipv4Net::with_netmask(route.destination.into(), route.mask.into()).ok()?;
        Some(net.into())
    })
}

/// The same of `/proc/net/ipv6_route`: network, its length, two columns of the source, next hop, three numbers, flags.
fn links_v6(text: &str) -> impl Iterator<Item = IpNet> {
    text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let address = |i: usize| Some(Ipv6Addr::from(u128::from_str_radix(fields.get(i)?, 16).ok()?));
        let bits = u8::from_str_radix(fields.get(1)?, 16).ok()?;
        let flags = u32::from_str_radix(fields.get(8)?, 16).ok()?;
        let net = Ipv6Net::new(address(0)?, bits).ok()?;
        let is_link = address(4)?.is_unspecified() && flags & (GATEWAY | REJECT) == 0 && bits > 0;
        (is_link && !net.addr().is_multicast()).then_some(net.into())
    })
}

/// A row of `/proc/net/route`: addresses are the network's bytes, printed as a number of this machine.
struct Route {
    destination: u32,
    gateway: u32,
    flags: u32,
    mask: u32,
}

fn routes(text: &str) -> impl Iterator<Item = Route> {
    text.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let hex = |i: usize| u32::from_str_radix(fields.get(i)?, 16).ok();
        let address = |i| Some(u32::from_be_bytes(hex(i)?.to_ne_bytes()));
        Some(Route { destination: address(1)?, gateway: address(2)?, flags: hex(3)?, mask: address(7)? })
    })
}

fn gateways(text: &str) -> impl Iterator<Item = IpAddr> {
    let through = routes(text).filter(|route| route.flags & GATEWAY != 0 && route.gateway != 0);
    through.map(|route| Ipv4Addr::from_bits(route.gateway).into())
}

/// Broadcast addresses (RFC 919; and the old form, RFC 1122 section 3.3.6) of networks that this machine is in.
fn broadcasts(text: &str) -> impl Iterator<Item = IpAddr> {
    // A network of one or two hosts has none (RFC 3021).
    let near = routes(text)
        .filter(|route| route.flags & GATEWAY == 0 && (1..=30).contains(&route.mask.count_ones()));
    let both = near.flat_map(|route| [route.destination | !route.mask, route.destination & route.mask]);
    both.map(|bits| Ipv4Addr::from_bits(bits).into())
}

fn gateways_v6(text: &str) -> impl Iterator<Item = IpAddr> {
    text.lines().filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let hop = u128::from_str_radix(fields.nth(4)?, 16).ok()?;
        let flags = u32::from_str_radix(fields.nth(3)?, 16).ok()?;
        (flags & GATEWAY != 0 && hop != 0).then(|| Ipv6Addr::from_bits(hop).into())
    })
}

/// MAC addresses of the gateways: from the table of IPv4 neighbours, and out of IPv6 addresses that are made of them
/// (RFC 4291, appendix A).
fn stations(neighbours: &str, gateways: &[IpAddr]) -> Vec<[u8; 6]> {
    let known = neighbours.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let ip: IpAddr = fields.next()?.parse().ok()?;
        match fields.nth(2)?.parse() {
            Ok(wire::Target::Mac(mac)) if mac != [0; 6] && gateways.contains(&ip) => Some(mac),
            _ => None,
        }
    });
    let within = gateways.iter().filter_map(|gateway| match gateway {
        IpAddr::V6(v6) => match v6.octets()[8..] {
            [a, b, c, 0xff, 0xfe, d, e, f] => Some([a ^ 2, b, c, d, e, f]),
            _ => None,
        },
        IpAddr::V4(_) => None,
    });
    known.chain(within).collect()
}

fn resolvers(text: &str) -> impl Iterator<Item = IpAddr> {
    text.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let server = words.next().filter(|&word| word == "nameserver").and(words.next())?;
        // A link-local address may say of which link.
        let ip: IpAddr = server.split('%').next()?.parse().ok()?;
        // The machine's own are no business of ours.
        (!ip.is_loopback()).then_some(ip)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ips: impl Iterator<Item = IpAddr>) -> Vec<String> {
        ips.map(|ip| ip.to_string()).collect()
    }

    // As a little-endian machine prints them.
    #[cfg(target_endian = "little")]
    const TABLE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t0100000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        eth0\t0000000A\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n\
        ppp0\t0100A8C0\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n\
        eth0\t000010AC\tFE00000A\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
        torn\t0000\n";

    #[cfg(target_endian = "little")]
    #[test]
    fn gateways_and_broadcast_addresses_are_found_among_routes() {
        assert_eq!(texts(gateways(TABLE)), ["10.0.0.1", "10.0.0.254"]);
        assert_eq!(texts(broadcasts(TABLE)), ["10.0.0.255", "10.0.0.0"]);
    }

    #[test]
    fn gateways_are_found_among_ipv6_routes() {
        let table = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000afffe000001 00000400 00000001 00000000 00000003 eth0\n\
            00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe80000000000000020000fffe000001 00000400 00000001 00000000 00000003 eth0\n\
            fd770000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\n\
            torn\n";
        assert_eq!(texts(gateways_v6(table)), ["fe80::200:ff:fe00:1"]);
    }

    #[test]
    fn gateways_are_stations_too() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
            10.0.0.1         0x1         0x2         02:00:00:00:00:01     *        eth0\n\
            10.0.0.7         0x1         0x2         02:00:00:00:00:07     *        eth0\n\
            10.0.0.254       0x1         0x0         00:00:00:00:00:00     *        eth0\n";
        let gateways =
            ["10.0.0.1", "10.0.0.254", "fe80::a0b:cff:fe0d:e0f", "fe80::1"].map(|ip| ip.parse().unwrap());
        assert_eq!(stations(table, &gateways), [[2, 0, 0, 0, 0, 1], [0x08, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f]]);
    }

    #[test]
    fn resolvers_are_those_of_others() {
        let text = "# by hand\nsearch example\nnameserver 127.0.0.53\nnameserver 192.0.2.53 \nnameserver fe80::1%eth0\n\
            nameserver nobody\nnameserver\noptions edns0\nnameservers 192.0.2.54\n";
        assert_eq!(texts(resolvers(text)), ["192.0.2.53", "fe80::1"]);
    }

    #[test]
    fn this_machine_is_protected() {
        let mut protected = Protected::default();
        assert_eq!(protect(&mut protected), Vec::<String>::new());
        assert!(protected.iter().any(|(who, why)| who == "127.0.0.1" && why == OWN));
    }
}
