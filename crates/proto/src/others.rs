//! Protocols that are told from others by their first bytes, and not parsed.

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::registry::{AppProto, Guess, Opening, Protocol};

const fn told(
    app: AppProto,
    transport: IpProto,
    ports: &'static [u16],
    probe: fn(&Opening<'_>) -> Guess,
) -> Protocol {
    Protocol { app, transport, ports, probe, open: None }
}

/// RTSP (RFC 2326). Asked before HTTP, whose request line looks alike.
pub(crate) static RTSP: Protocol = told(AppProto::Rtsp, IpProto::TCP, &[554, 8554], rtsp);
/// XMPP (RFC 6120).
pub(crate) static XMPP: Protocol = told(AppProto::Xmpp, IpProto::TCP, &[5222, 5269], xmpp);
/// Git's own transport.
pub(crate) static GIT: Protocol = told(AppProto::Git, IpProto::TCP, &[9418], git);
/// Rsync's daemon.
pub(crate) static RSYNC: Protocol =
    told(AppProto::Rsync, IpProto::TCP, &[873], |opening| begins(opening.fresh(), &[b"@RSYNCD: "]));
/// Bitcoin between peers.
pub(crate) static BITCOIN: Protocol = told(AppProto::Bitcoin, IpProto::TCP, &[8333], bitcoin);
/// Zabbix between server, proxy and agent.
pub(crate) static ZABBIX: Protocol = told(AppProto::Zabbix, IpProto::TCP, &[10_050, 10_051], zabbix);
/// Cassandra's native protocol.
pub(crate) static CASSANDRA: Protocol = told(AppProto::Cassandra, IpProto::TCP, &[9042], cassandra);
/// Kafka's protocol.
pub(crate) static KAFKA: Protocol = told(AppProto::Kafka, IpProto::TCP, &[9092], kafka);
/// RADIUS (RFC 2865, RFC 2866).
pub(crate) static RADIUS: Protocol =
    told(AppProto::Radius, IpProto::UDP, &[1645, 1646, 1812, 1813, 3799], radius);
/// NetFlow 5 and 9, IPFIX (RFC 3954, RFC 7011).
pub(crate) static NETFLOW: Protocol =
    told(AppProto::NetFlow, IpProto::UDP, &[2055, 4739, 9995, 9996], netflow);

/// Whether the bytes begin with one of these.
fn begins(seen: &[u8], with: &[&[u8]]) -> Guess {
    if with.iter().any(|w| seen.starts_with(w)) {
        return Guess::Yes;
    }
    let open = !seen.is_empty() && with.iter().any(|w| w.starts_with(seen));
    if open { Guess::More } else { Guess::No }
}

fn rtsp(opening: &Opening<'_>) -> Guess {
    const BEGINNINGS: &[&[u8]] = &[
        b"RTSP/1.0 ",
        b"OPTIONS rtsp://",
        b"DESCRIBE rtsp://",
        b"ANNOUNCE rtsp://",
        b"SETUP rtsp://",
        b"PLAY rtsp://",
        b"GET_PARAMETER rtsp://",
    ];
    begins(opening.fresh(), BEGINNINGS)
}

fn xmpp(opening: &Opening<'_>) -> Guess {
    const ENOUGH: usize = 256;
    let seen = opening.fresh();
    let seen = &seen[..seen.len().min(ENOUGH)];
    match begins(seen, &[b"<?xml ", b"<stream:stream"]) {
        Guess::Yes if memchr::memmem::find(seen, b"<stream:stream").is_some() => Guess::Yes,
        Guess::Yes if seen.len() < ENOUGH => Guess::More,
        Guess::Yes => Guess::No,
        other => other,
    }
}

fn git(opening: &Opening<'_>) -> Guess {
    let seen = opening.client();
    if seen.iter().take(4).any(|b| !b.is_ascii_hexdigit()) {
        return Guess::No;
    }
    match seen.get(4..) {
        Some(rest) if !rest.is_empty() => {
            begins(rest, &[b"git-upload-pack /", b"git-receive-pack /", b"git-upload-archive /"])
        }
        _ if seen.is_empty() => Guess::No,
        _ => Guess::More,
    }
}

fn bitcoin(opening: &Opening<'_>) -> Guess {
    const NAMES: [&[u8]; 2] = [b"version\0\0\0\0\0", b"verack\0\0\0\0\0\0"];
    let seen = opening.fresh();
    match begins(seen, &[&[0xf9, 0xbe, 0xb4, 0xd9], &[0x0b, 0x11, 0x09, 0x07]]) {
        Guess::Yes if seen.len() == 4 => Guess::More,
        Guess::Yes => begins(&seen[4..], &NAMES),
        other => other,
    }
}

fn zabbix(opening: &Opening<'_>) -> Guess {
    match (begins(opening.fresh(), &[b"ZBXD"]), opening.fresh().get(4)) {
        (Guess::Yes, Some(1..=7)) => Guess::Yes,
        (Guess::Yes, Some(_)) => Guess::No,
        (Guess::Yes, None) => Guess::More,
        (other, _) => other,
    }
}

/// A STARTUP names the version of the language; OPTIONS is empty.
fn cassandra(opening: &Opening<'_>) -> Guess {
    match opening.client() {
        [3..=5, _, _, _, 5, 0, 0, 0, 0, ..] if opening.on_port(CASSANDRA.ports) => Guess::Yes,
        [3..=5, _, _, _, 1, 0, 0, _, _, rest @ ..] => match memchr::memmem::find(rest, b"CQL_VERSION") {
            Some(_) => Guess::Yes,
            None if rest.len() < 64 => Guess::More,
            None => Guess::No,
        },
        [3..=5] | [3..=5, _] | [3..=5, _, _] | [3..=5, _, _, _] => Guess::More,
        [3..=5, _, _, _, 1, rest @ ..] if rest.len() < 4 => Guess::More,
        [3..=5, _, _, _, 5, rest @ ..] if rest.len() < 4 && opening.on_port(CASSANDRA.ports) => Guess::More,
        _ => Guess::No,
    }
}

/// The first request asks which versions the server speaks, and names the client.
fn kafka(opening: &Opening<'_>) -> Guess {
    let seen = opening.client();
    let mut at = Cursor(seen);
    let (len, key, version) = (at.u32(), at.u16(), at.u16());
    let possible = len.is_none_or(|len| (10..1024).contains(&len))
        && key.is_none_or(|key| key == 18 || key == 3)
        && version.is_none_or(|version| version <= 15);
    if !possible || seen.is_empty() {
        return Guess::No;
    }
    let (Some(len), Some(_), Some(name)) = (len, at.u32(), at.u16()) else { return Guess::More };
    if name == 0 || u32::from(name) + 10 > len {
        return Guess::No;
    }
    match at.take(name.into()) {
        Some(name) if name.iter().all(u8::is_ascii_graphic) => Guess::Yes,
        Some(_) => Guess::No,
        None => Guess::More,
    }
}

/// The length is the datagram's, and attributes fill it.
fn radius(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    let [1..=5 | 11 | 12 | 40..=45, _, high, low, ..] = seen else { return Guess::No };
    if usize::from(*high) << 8 | usize::from(*low) != seen.len() || seen.len() < 20 {
        return Guess::No;
    }
    let (mut at, mut count) = (Cursor(&seen[20..]), 0);
    while let Some(kind) = at.u8() {
        let fits =
            at.u8().and_then(|len| len.checked_sub(2)).is_some_and(|len| at.take(len.into()).is_some());
        if kind == 0 || !fits {
            return Guess::No;
        }
        count += 1;
    }
    if count >= 2 || opening.on_port(RADIUS.ports) { Guess::Yes } else { Guess::No }
}

fn netflow(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    if opening.fresh != Direction::ToServer && !opening.on_port(NETFLOW.ports) {
        return Guess::No;
    }
    let Some(&[version, count]) = seen.as_chunks::<2>().0.first_chunk::<2>() else { return Guess::No };
    let (version, count) = (u16::from_be_bytes(version), usize::from(u16::from_be_bytes(count)));
    let sets = |header: usize| {
        let mut at = Cursor(seen.get(header..).unwrap_or_default());
        let mut found = 0;
        while let (Some(_), Some(len)) = (at.u16(), at.u16()) {
            if len < 4 || at.take(usize::from(len) - 4).is_none() {
                return 0;
            }
            found += 1;
        }
        found
    };
    let fits = match version {
        5 => (1..=30).contains(&count) && seen.len() == 24 + 48 * count,
        9 => count > 0 && opening.on_port(NETFLOW.ports) && sets(20) > 0,
        10 => count == seen.len() && sets(16) > 0,
        _ => false,
    };
    if fits { Guess::Yes } else { Guess::No }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::Nanos;

    use super::*;
    use crate::app::AppLayer;
    use crate::parser::Chunk;
    use crate::text_testing::{Log, ToClient, ToServer, talk, tuple};

    fn datagram(bytes: &[u8]) -> Option<AppProto> {
        let flow = tuple(IpProto::UDP, 9999);
        let mut layer = AppLayer::new(&flow);
        layer.datagram(&flow, Chunk { direction: ToServer, bytes, time: Nanos(0) }, &mut Log::default());
        layer.protocol()
    }

    #[test]
    fn streams_are_told_by_their_first_bytes_in_any_pieces() {
        let cases: [(AppProto, Direction, &[u8]); 9] = [
            (AppProto::Rtsp, ToServer, b"OPTIONS rtsp://cam/1 RTSP/1.0\r\n"),
            (AppProto::Xmpp, ToServer, b"<?xml version='1.0'?><stream:stream to='x'>"),
            (AppProto::Git, ToServer, b"0032git-upload-pack /project.git\0host=x\0"),
            (AppProto::Rsync, ToClient, b"@RSYNCD: 31.0\n"),
            (AppProto::Bitcoin, ToServer, b"\xf9\xbe\xb4\xd9version\0\0\0\0\0\x64\0\0\0"),
            (AppProto::Zabbix, ToServer, b"ZBXD\x01\x05\0\0\0\0\0\0\0hello"),
            (AppProto::Cassandra, ToServer, b"\x04\0\0\0\x01\0\0\0\x16\0\x01\0\x0bCQL_VERSION\0\x053.0.0"),
            (AppProto::Kafka, ToServer, b"\0\0\0\x12\0\x12\0\0\0\0\0\x01\0\x08producer"),
            (AppProto::Rtsp, ToClient, b"RTSP/1.0 200 OK\r\n"),
        ];
        for (app, direction, bytes) in cases {
            for step in [1, 2, 7, 100] {
                let (_, layer) = talk(9999, step, &[(direction, bytes)]);
                assert_eq!(layer.protocol(), Some(app), "pieces of {step}");
            }
        }
    }

    #[test]
    fn datagrams_are_told_by_lengths_that_fit() {
        let mut radius = vec![1, 7, 0, 28];
        radius.resize(20, 9);
        radius.extend_from_slice(&[1, 4, b'm', b'e', 6, 4, 0, 1]);
        assert_eq!(datagram(&radius), Some(AppProto::Radius));
        radius[21] = 5;
        assert_eq!(datagram(&radius), None);
        let mut netflow = vec![0, 5, 0, 1];
        netflow.resize(24 + 48, 0);
        assert_eq!(datagram(&netflow), Some(AppProto::NetFlow));
        netflow.push(0);
        assert_eq!(datagram(&netflow), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 1..100), step in 1usize..20) {
            talk(9999, step, &[(ToServer, &bytes), (ToClient, &bytes)]);
            datagram(&bytes);
        }
    }
}
