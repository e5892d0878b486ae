use super::{Instances, PacketContext, speaks};
use rules::{Buffer, FlagTest, PacketTest};
use wire::{IpProto, Transport};
pub fn holds(test: &PacketTest, cx: &PacketContext<'_>) -> bool {
    let Some(packet) = cx.packet else { return matches!(test, PacketTest::AppProtocol { .. }) };
    let tcp = if let Transport::Tcp(h) = packet.transport { Some(h) } else { None };
    match test {
        PacketTest::PayloadSize(t) => t.holds(packet.payload.len() as u64),
        PacketTest::TcpFlags(t) => tcp.is_some_and(|h| {
            let f = h.flags.0 as u8;
            match *t {
                FlagTest::Exactly { bits, mask } => f & mask == bits & mask,
                FlagTest::All(b, m) => f & m & b == b,
                FlagTest::Any(b, m) => f & m & b != 0,
                FlagTest::Not(b, m) => f & m & b == 0,
            }
        }),
        PacketTest::IcmpType(t) => {
            matches!(packet.transport, Transport::Icmp{kind,..} if t.holds(kind.into()))
        }
        PacketTest::IcmpCode(t) => {
            matches!(packet.transport, Transport::Icmp{code,..} if t.holds(code.into()))
        }
        PacketTest::IpProto(t) => t.holds(packet.proto.0.into()),
        PacketTest::SameIp => packet.src == packet.dst,
        PacketTest::StreamSize { side, both, test } => {
            let [a, b] = cx.stream_bytes;
            match (side, both) {
                (Some(rules::Side::Source), _) => test.holds(a),
                (Some(_), _) => test.holds(b),
                (None, true) => test.holds(a) && test.holds(b),
                _ => test.holds(a) || test.holds(b),
            }
        }
        PacketTest::AppProtocol { app, negated, .. } => speaks(*app, cx.app) != *negated,
        PacketTest::AppEvent(_, name) => cx.events.contains(&&**name),
        _ => {
            let _ = IpProto::TCP;
            false
        }
    }
}
pub fn instances<'a>(_: &PacketContext<'a>, _: Buffer, _: &mut Instances<'a>) {}
