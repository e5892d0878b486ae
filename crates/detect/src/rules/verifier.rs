//! Whether one rule holds on what is at hand: cheap questions first, buffers and payload last.

use proto::AppProto;
use rules::{FlowTest, HeaderProto, PacketTest};
use wire::IpProto;

use super::compiled::Compiled;
use super::context::PacketContext;
use super::prepared::Prepared;
use super::set::RuleSet;
use super::state::{self, FlowRules, HostBits};
use super::verify::{self, Piece};
use super::view::View;
use super::{buffers, others, packet};

/// What a rule's payload tests look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct PayloadView<'a> {
    pub(super) stream: Option<(&'a [u8], u64)>,
    pub(super) packet: Option<&'a [u8]>,
}

/// See the module's text.
pub(super) struct Verifier<'a> {
    pub(super) set: &'a RuleSet,
    pub(super) state: &'a mut verify::State,
    pub(super) hosts: &'a HostBits,
}

impl Verifier<'_> {
    /// Whether all that the rule asks for holds.
    pub(super) fn holds(
        &mut self,
        rule: &Compiled,
        cx: &PacketContext<'_>,
        mut prepared: Option<&mut Prepared<'_>>,
        payload: PayloadView<'_>,
        flow: Option<&FlowRules>,
    ) -> bool {
        let set = self.set;
        let Some(header) = set.headers.get(rule.header as usize) else { return false };
        let ports = matches!(cx.tuple.proto, IpProto::TCP | IpProto::UDP | IpProto::SCTP);
        if rule.apps & set.app_mask(cx.app) == 0
            || !of_flow(rule.flow, cx)
            || !of_proto(header.proto, cx)
            || !header.take(cx.source(), cx.destination(), ports)
            || !rule.memory.iter().filter(|op| op.asks()).all(|op| state::asks(op, flow, cx, self.hosts))
        {
            return false;
        }
        let view = prepared.as_deref().map(|prepared| prepared.view);
        // Files of HTTP were looked at with their exchange; only their hashes were not known then.
        let known = matches!(cx.app, Some(AppProto::Http | AppProto::Http2));
        if matches!(view, Some(View::File(_))) && !(if known { rule.hashed } else { rule.files }) {
            return false;
        }
        if !rule.packet.iter().all(|test| packet_holds(test, cx, view.as_ref(), &set.reputation)) {
            return false;
        }
        for test in &rule.fields {
            let Some(view) = &view else { return false };
            if !others::field_holds(test, view, cx.direction) {
                return false;
            }
        }
        self.state.reset();
        if !self.in_packet(rule, cx) {
            return false;
        }
        let little_endian = match view {
            Some(View::Other(transaction)) => buffers::dce_little_endian(transaction, cx.direction),
            _ => None,
        };
        for section in &rule.sections {
            let Some(prepared) = prepared.as_deref_mut() else { return false };
            let places = prepared.places(section.buffer, section.transforms, &set.chains);
            if let Some(or_else) = section.checks.absent() {
                if places.is_empty() {
                    continue;
                }
                if !or_else {
                    return false;
                }
            }
            let state = &mut *self.state;
            let any = places.into_iter().any(|place| {
                let piece = Piece { little_endian, ..Piece::whole(prepared.get(place)) };
                verify::holds(&section.checks, &piece, state)
            });
            if !any {
                return false;
            }
        }
        // A packet that tells what its flow speaks is looked at with the stream only, as in Suricata.
        let of_app = matches!(header.proto, HeaderProto::App(_)) && cx.tuple.proto == IpProto::TCP;
        if rule.apart && of_app && payload.stream.is_none() && !cx.known_before {
            return false;
        }
        self.in_payload(rule, payload)
    }

    fn in_packet(&mut self, rule: &Compiled, cx: &PacketContext<'_>) -> bool {
        rule.headers.iter().all(|section| {
            let mut instances = super::Instances::default();
            packet::instances(cx, section.buffer, &mut instances);
            (0..instances.len())
                .any(|at| verify::holds(&section.checks, &Piece::whole(instances.get(at)), self.state))
        })
    }

    fn in_payload(&mut self, rule: &Compiled, payload: PayloadView<'_>) -> bool {
        let Some(checks) = &rule.payload else { return self.asn1(rule, payload.packet.unwrap_or_default()) };
        if rule.streams
            && let Some((bytes, stream_offset)) = payload.stream
        {
            let piece = Piece { stream_offset, ..Piece::whole(bytes) };
            if verify::holds(checks, &piece, self.state) && self.asn1(rule, bytes) {
                return true;
            }
            if !rule.packets || rule.apart {
                return false;
            }
            self.state.reset();
        }
        payload.packet.is_some_and(|bytes| {
            verify::holds(checks, &Piece::whole(bytes), self.state) && self.asn1(rule, bytes)
        })
    }

    fn asn1(&self, rule: &Compiled, bytes: &[u8]) -> bool {
        let mut tests = rule.packet.iter().filter(|test| matches!(test, PacketTest::Asn1 { .. }));
        tests.all(|test| verify::asn1(test, bytes, self.state.last))
    }
}

fn of_flow(test: FlowTest, cx: &PacketContext<'_>) -> bool {
    let fragment = cx.packet.is_some_and(|packet| packet.fragment);
    (!test.established || cx.established)
        && (!test.not_established || !cx.established)
        && (!test.only_frag || fragment)
        && (!test.no_frag || !fragment)
}

fn of_proto(proto: HeaderProto, cx: &PacketContext<'_>) -> bool {
    let number = cx.tuple.proto;
    match proto {
        HeaderProto::IpV4 => cx.tuple.client.ip.is_ipv4(),
        HeaderProto::IpV6 => cx.tuple.client.ip.is_ipv6(),
        HeaderProto::IcmpV4 => number == IpProto::ICMP,
        HeaderProto::IcmpV6 => number == IpProto::ICMPV6,
        HeaderProto::Icmp => matches!(number, IpProto::ICMP | IpProto::ICMPV6),
        HeaderProto::Tcp | HeaderProto::TcpPacket | HeaderProto::TcpStream => number == IpProto::TCP,
        HeaderProto::Udp => number == IpProto::UDP,
        HeaderProto::Sctp => number == IpProto::SCTP,
        HeaderProto::Igmp => number.0 == 2,
        HeaderProto::Gre => number.0 == 47,
        HeaderProto::Esp => number.0 == 50,
        HeaderProto::Ah => number.0 == 51,
        HeaderProto::Arp => false,
        HeaderProto::Ip | HeaderProto::PacketHeader | HeaderProto::App(_) => true,
    }
}

fn packet_holds(
    test: &PacketTest,
    cx: &PacketContext<'_>,
    view: Option<&View<'_>>,
    reputation: &packet::Reputation,
) -> bool {
    match test {
        // They were looked up by these, or are asked with the payload.
        PacketTest::DecodeEvent(_) | PacketTest::StreamEvent(_) | PacketTest::Asn1 { .. } => true,
        PacketTest::FileHash { .. }
        | PacketTest::FileExtension(_)
        | PacketTest::FileStore
        | PacketTest::DceInterface { .. } => {
            view.is_some_and(|view| others::view_holds(test, view, cx.direction))
        }
        _ => packet::holds(test, cx, reputation),
    }
}
