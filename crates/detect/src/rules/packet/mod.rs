//! What rules ask of the packet at hand, its flow and its stream, and the buffers that are parts of a packet.

mod buffers;
mod checksum;
mod payload;
mod reputation;

use rules::{App, FlagTest, IpRep, NumberTest, PacketTest, Side, Which};
use wire::{Direction, IpProto, Packet, TcpHeader, TcpOption, Transport};

pub use buffers::instances;
pub use reputation::{
    LineFault, MAX_CATEGORY, MAX_ENTRIES, MAX_FAULTS, MAX_FILE, MAX_SCORE, Reputation, ReputationFault,
};

use super::{PacketContext, speaks};

/// Whether [`holds`] answers for this test. What it does not answer for is of a transaction, a file, a content before
/// it, or a variable.
#[must_use]
pub fn is_of_packet(test: &PacketTest) -> bool {
    !matches!(
        test,
        PacketTest::DceInterface { .. }
            | PacketTest::Asn1 { .. }
            | PacketTest::Variable { .. }
            | PacketTest::FileHash { .. }
            | PacketTest::FileExtension(_)
            | PacketTest::FileStore
    )
}

/// Whether the packet at hand and its flow are as `test` wants them. As in Suricata, what asks for a header does not
/// hold where there is no such header (no packet at the end of a flow, a fragment, whose
/// transport header is looked at when the datagram is whole, an IPv4 keyword on IPv6), not even if it is negated. False for what [`is_of_packet`] does not name.
#[must_use]
pub fn holds(test: &PacketTest, cx: &PacketContext<'_>, reputation: &Reputation) -> bool {
    let number = |value: Option<u64>, test: &NumberTest| value.is_some_and(|value| test.holds(value));
    let packet = cx.packet;
    match test {
        PacketTest::Ttl(test) => number(packet.and_then(Packet::ttl).map(u64::from), test),
        PacketTest::Tos(test) => {
            number(packet.filter(|p| p.src.is_ipv4()).and_then(Packet::tos).map(u64::from), test)
        }
        PacketTest::IpId(test) => number(packet.and_then(Packet::identification).map(u64::from), test),
        PacketTest::IpProto(test) => number(packet.map(|p| p.proto.0.into()), test),
        PacketTest::IpOption(option) => packet.is_some_and(|p| has_option(p, *option)),
        PacketTest::SameIp => packet.is_some_and(|p| p.src == p.dst),
        PacketTest::FragBits(test) => {
            packet.and_then(Packet::fragment_bits).is_some_and(|bits| flags(*test, bits))
        }
        PacketTest::FragOffset(test) => number(packet.and_then(Packet::fragment_offset).map(u64::from), test),
        PacketTest::TcpFlags(test) => tcp(cx).is_some_and(|header| flags(*test, header.flags.0)),
        PacketTest::TcpSeq(wanted) => tcp(cx).is_some_and(|header| header.seq == *wanted),
        PacketTest::TcpAck(wanted) => tcp(cx).is_some_and(|header| header.ack == *wanted),
        PacketTest::TcpWindow(test) => number(tcp(cx).map(|header| header.window.into()), test),
        PacketTest::TcpMss(test) => number(option(cx, mss), test),
        PacketTest::TcpWindowScale(test) => number(option(cx, window_scale), test),
        PacketTest::IcmpType(test) => number(icmp(cx).map(|(kind, _)| kind.into()), test),
        PacketTest::IcmpCode(test) => number(icmp(cx).map(|(_, code)| code.into()), test),
        PacketTest::IcmpId(wanted) => query_word(cx, 4) == Some(*wanted),
        PacketTest::IcmpSeq(wanted) => query_word(cx, 6) == Some(*wanted),
        PacketTest::IcmpV6Mtu(test) => number(packet_too_big(cx), test),
        PacketTest::IgmpType(test) => number(packet.and_then(igmp).map(|message| message[0].into()), test),
        PacketTest::PayloadSize(test) => {
            // An empty payload is no other size: what is asked to be different has to be there.
            let other = matches!(test, NumberTest::Equal(_, true));
            let size = packet.map(payload_size).filter(|size| !other || *size > 0);
            number(size.map(u64::from), test)
        }
        PacketTest::StreamSize { side, both, test } => {
            cx.tuple.proto == IpProto::TCP && of_sides(*side, *both, cx.stream_sizes, test)
        }
        PacketTest::FlowAge(test) => test.holds(cx.time.seconds().saturating_sub(cx.tuple.start.seconds())),
        PacketTest::FlowPackets(side, test) => of_sides(*side, false, cx.packets, test),
        PacketTest::FlowBytes(side, test) => of_sides(*side, false, cx.bytes, test),
        PacketTest::VlanId(which, test) => vlan_id(cx, *which, test),
        PacketTest::VlanLayers(test) => test.holds(packet.map_or(cx.tuple.vlans, |p| p.vlans).count() as u64),
        PacketTest::DecodeEvent(name) => {
            let inner = packet.and_then(|p| p.inner_error);
            inner.is_some_and(|reason| reason.event().eq_ignore_ascii_case(name)) || told(cx, name)
        }
        PacketTest::StreamEvent(name) => told(cx, name),
        PacketTest::AppEvent(app, name) => app.is_none_or(|app| spoke(cx, app)) && told(cx, name),
        PacketTest::AppProtocol { app, negated, mode } => app_protocol(cx, *app, *negated, *mode),
        PacketTest::Checksum(layer, right) => {
            packet.and_then(|p| checksum::is_right(p, *layer)) == Some(*right)
        }
        PacketTest::Rpc(program, version, procedure) => {
            whole(cx).is_some_and(|p| payload::is_rpc_call(p, *program, *version, *procedure))
        }
        PacketTest::FtpBounce => {
            cx.direction == Direction::ToServer
                && spoke(cx, App::Ftp)
                && whole(cx).is_some_and(|p| payload::is_ftp_bounce(p.payload, cx.tuple.client.ip))
        }
        PacketTest::IpRep(test) => has_reputation(cx, test, reputation),
        PacketTest::Addresses(list) => list.contains(&cx.source().ip) || list.contains(&cx.destination().ip),
        PacketTest::DceInterface { .. }
        | PacketTest::Asn1 { .. }
        | PacketTest::Variable { .. }
        | PacketTest::FileHash { .. }
        | PacketTest::FileExtension(_)
        | PacketTest::FileStore => false,
    }
}

/// Whether a rule's `decode-event` is about a frame that could not be decoded, of which there is neither packet nor
/// flow; `event` by its name in anomaly events ("decoder.ipv4.trunc_pkt").
#[must_use]
pub fn is_decode_event(test: &PacketTest, event: &str) -> bool {
    matches!(test, PacketTest::DecodeEvent(name) if name.eq_ignore_ascii_case(event))
}

/// Bits as `tcp.flags` and `fragbits` want them. No bit at all wanted is no bit at all there, those included that
/// do not matter; and `!` is not all of them.
fn flags(test: FlagTest, there: u8) -> bool {
    let (bits, mask) = match test {
        FlagTest::Exactly { bits, mask } => (bits, mask),
        FlagTest::All(bits, mask) | FlagTest::Any(bits, mask) | FlagTest::Not(bits, mask) => (bits, mask),
    };
    if bits == 0 && there != 0 {
        return matches!(test, FlagTest::Not(..));
    }
    let there = there & mask;
    match test {
        FlagTest::Exactly { .. } => there == bits,
        FlagTest::All(..) => there & bits == bits,
        FlagTest::Any(..) => there & bits != 0,
        FlagTest::Not(..) => there & bits != bits,
    }
}

/// Options of IPv4 that have a name in rules; others do not count as options.
const IP_OPTIONS: [u8; 12] = [0, 1, 7, 25, 68, 130, 131, 133, 134, 136, 137, 148];

fn has_option(packet: &Packet<'_>, wanted: Option<u8>) -> bool {
    packet.ip_options().any(|option| wanted.map_or(IP_OPTIONS.contains(&option), |wanted| option == wanted))
}

/// The packet, unless it is a fragment: its transport header is looked at when the datagram is whole.
fn whole<'a>(cx: &PacketContext<'a>) -> Option<&'a Packet<'a>> {
    cx.packet.filter(|packet| !packet.fragment)
}

fn tcp(cx: &PacketContext<'_>) -> Option<TcpHeader> {
    match whole(cx)?.transport {
        Transport::Tcp(header) => Some(header),
        _ => None,
    }
}

fn option(cx: &PacketContext<'_>, read: fn(TcpOption<'_>) -> Option<u64>) -> Option<u64> {
    whole(cx)?.tcp_options().find_map(read)
}

fn mss(option: TcpOption<'_>) -> Option<u64> {
    match option {
        TcpOption::Mss(bytes) => Some(bytes.into()),
        _ => None,
    }
}

fn window_scale(option: TcpOption<'_>) -> Option<u64> {
    match option {
        TcpOption::WindowScale(shift) => Some(shift.into()),
        _ => None,
    }
}

/// Type and code of ICMP or ICMPv6.
fn icmp(cx: &PacketContext<'_>) -> Option<(u8, u8)> {
    match whole(cx)?.transport {
        Transport::Icmp { kind, code } => Some((kind, code)),
        _ => None,
    }
}

/// Two bytes of the header of a query or reply, which alone have an identifier and a sequence number.
fn query_word(cx: &PacketContext<'_>, at: usize) -> Option<u16> {
    let packet = whole(cx)?;
    packet.icmp()?.id?;
    let word = packet.header.get(at..at + 2)?.first_chunk()?;
    Some(u16::from_be_bytes(*word))
}

/// The size that fits, of ICMPv6's "packet too big" (RFC 4443 section 3.2).
fn packet_too_big(cx: &PacketContext<'_>) -> Option<u64> {
    const PACKET_TOO_BIG: u8 = 2;
    let packet = whole(cx)?;
    match packet.transport {
        Transport::Icmp { kind: PACKET_TOO_BIG, .. } if packet.proto == IpProto::ICMPV6 => {
            packet.header.get(4..)?.first_chunk().map(|mtu| u32::from_be_bytes(*mtu).into())
        }
        _ => None,
    }
}

/// A message of IGMP (RFC 2236, RFC 3376): eight bytes at least.
fn igmp<'a>(packet: &Packet<'a>) -> Option<&'a [u8; 8]> {
    (is_igmp(packet)).then(|| packet.payload.first_chunk())?
}

fn is_igmp(packet: &Packet<'_>) -> bool {
    const IGMP: IpProto = IpProto(2);
    packet.proto == IGMP && !packet.fragment && packet.src.is_ipv4()
}

/// Bytes of payload that the headers promise. A fragment has none: nobody knows yet what its bytes are.
pub(super) fn payload_size(packet: &Packet<'_>) -> u32 {
    let there = u32::try_from(packet.payload.len()).unwrap_or(u32::MAX);
    if packet.fragment { 0 } else { there.saturating_add(packet.missing) }
}

/// A number that each side has: of one of them, of both, or of any. `Source` is the client.
fn of_sides(side: Option<Side>, both: bool, [client, server]: [u64; 2], test: &NumberTest) -> bool {
    match side {
        Some(Side::Source) => test.holds(client),
        Some(Side::Destination) => test.holds(server),
        None if both => test.holds(client) && test.holds(server),
        None => test.holds(client) || test.holds(server),
    }
}

fn vlan_id(cx: &PacketContext<'_>, which: Which, test: &NumberTest) -> bool {
    let vlans = cx.packet.map_or(cx.tuple.vlans, |packet| packet.vlans);
    let count = vlans.count();
    let holds = |id: u16| test.holds(id.into());
    match which {
        Which::Any => vlans.ids().any(holds),
        Which::All => count > 0 && vlans.ids().all(holds),
        Which::AllOrNone => vlans.ids().all(holds),
        Which::Count => test.holds(count as u64),
        Which::At(at) => {
            let from_end = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
            let at = if at < 0 { count.checked_sub(from_end) } else { Some(from_end) };
            at.and_then(|at| vlans.ids().nth(at)).is_some_and(holds)
        }
    }
}

fn told(cx: &PacketContext<'_>, name: &str) -> bool {
    cx.events.iter().any(|event| event.eq_ignore_ascii_case(name))
}

/// Whether the flow speaks this, or did before it changed over.
fn spoke(cx: &PacketContext<'_>, app: App) -> bool {
    let is = |flow| speaks(app, Some(flow));
    cx.app.is_some_and(is) || cx.original.is_some_and(is)
}

/// `original` of `app-layer-protocol`'s modes; the others ask what sides or parsers were found to speak, and here both
/// sides of a flow speak one protocol.
const MODE_ORIGINAL: u8 = 4;

/// A protocol that is not known yet is not another one.
fn app_protocol(cx: &PacketContext<'_>, app: App, negated: bool, mode: u8) -> bool {
    let spoken = if mode == MODE_ORIGINAL { cx.original } else { cx.app };
    match spoken {
        None if negated => false,
        spoken => speaks(app, spoken) != negated,
    }
}

fn has_reputation(cx: &PacketContext<'_>, test: &IpRep, reputation: &Reputation) -> bool {
    let of = |ip| {
        let score = reputation.score(&test.category, ip);
        match &test.score {
            Some(wanted) => score.is_some_and(|score| wanted.holds(score.into())),
            None => score.is_some() != test.negated,
        }
    };
    let (source, destination) = (cx.source().ip, cx.destination().ip);
    match test.side {
        Some(Side::Source) => of(source),
        Some(Side::Destination) => of(destination),
        None if test.both => of(source) && of(destination),
        None => of(source) || of(destination),
    }
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
