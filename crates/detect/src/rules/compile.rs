//! From rules to a set that is ready to be matched.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use alert::{RuleAction, RuleFacts, Severity};
use foldhash::fast::FixedState;
use proto::Keep;
use rules::{
    Action, App, BitOp, Buffer, BufferInfo, Field, FieldTest, FlowTest, Header, HeaderProto, PacketTest,
    Part, Rule, Side, Stage, StateOp, Test,
};
use wire::Direction;

use super::addresses::Ends;
use super::compiled::{Chains, Compiled, Effect, Kind, Memory, Section};
use super::fast;
use super::home::Home;
use super::magic;
use super::order;
use super::packet::Reputation;
use super::payload_build::PayloadBuilder;
use super::set::{RuleSet, mask};
use super::transaction::TransactionBuilder;
use super::verify::{Checks, DatasetStore};

/// A rule that was read but cannot be matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCompiled {
    /// Its file.
    pub file: Arc<str>,
    /// Its line.
    pub line: u32,
    /// Its id.
    pub sid: u32,
    /// The keyword at fault.
    pub keyword: &'static str,
    /// Why.
    pub why: String,
}

/// The number of a name: the same in every set, so that what is remembered outlives a reload. That two of some
/// thousand names have one number is less likely than a bit that flips in memory.
fn number(name: &str) -> u64 {
    FixedState::with_seed(0x666c_6f77_6269_7473).hash_one(name)
}

/// Compiles rules; those that cannot be are named.
#[must_use]
pub fn compile(mut rules: Vec<Rule>) -> (RuleSet, Vec<NotCompiled>) {
    rules.sort_by_key(order::of);
    let mut compiler = Compiler { home: Home::of(&rules), ..Compiler::default() };
    let mut refused = Vec::new();
    for rule in &rules {
        if let Err((keyword, why)) = compiler.add(rule) {
            refused.push(NotCompiled {
                file: rule.file.clone(),
                line: rule.line,
                sid: rule.sid,
                keyword,
                why,
            });
        }
    }
    (compiler.finish(), refused)
}

#[derive(Debug, Default)]
struct Compiler {
    home: Home,
    rules: Vec<Compiled>,
    headers: Vec<Ends>,
    known_headers: HashMap<Header, u32>,
    chains: Chains,
    datasets: DatasetStore,
    payload: PayloadBuilder,
    transactions: TransactionBuilder,
    addresses: Vec<u32>,
    carriers: Vec<u32>,
    applications: [Vec<u32>; 2],
    events: HashMap<Arc<str>, Vec<u32>>,
    bits: HashMap<u64, Arc<str>>,
    keep: Keep,
    file_content: bool,
    file_hashes: bool,
}

impl Compiler {
    fn add(&mut self, rule: &Rule) -> Result<(), (&'static str, String)> {
        let number = u32::try_from(self.rules.len()).map_err(|_| ("sid", "too many rules".to_owned()))?;
        if rule.packet.iter().any(|test| matches!(test, PacketTest::Variable { .. })) {
            return Err(("flowvar", "variables of expressions are not looked at".to_owned()));
        }
        if let Some(words) = magic::strange(rule) {
            return Err(("file.magic", format!("no kind of file that is known is called {words:?}")));
        }
        let in_payload: Vec<&Part> =
            rule.parts.iter().filter(|part| part.buffer == Buffer::Payload).collect();
        let in_packets: Vec<&Part> = rule.parts.iter().filter(|part| is_of_packet(part.buffer)).collect();
        let in_transactions: Vec<&Part> =
            rule.parts.iter().filter(|part| !part.buffer.info().apps.is_empty()).collect();
        let mut checks =
            |tests: &[Test]| Checks::new(tests, &mut self.datasets).map_err(|why| ("content", why));
        let payload = match in_payload.as_slice() {
            [] => None,
            parts => {
                let tests: Vec<Test> = parts.iter().flat_map(|part| part.tests.iter().cloned()).collect();
                Some(checks(&tests)?)
            }
        };
        let mut sections = |parts: &[&Part], chains: &mut Chains| {
            parts
                .iter()
                .map(|part| {
                    let transforms = chains.add(&part.transforms).map_err(|why| ("transform", why))?;
                    Ok(Section { buffer: part.buffer, transforms, checks: checks(&part.tests)? })
                })
                .collect::<Result<Box<[Section]>, _>>()
        };
        let headers = sections(&in_packets, &mut self.chains)?;
        let sections = sections(&in_transactions, &mut self.chains)?;
        let (packets, streams) = payload_of(rule, &in_payload);
        let kind = kind_of(rule, &in_transactions, &in_payload, &in_packets, streams);
        let mut flow = rule.flow;
        if let Some(hook) = rule.header.hook {
            let other_way = if hook.to_server { flow.to_client } else { flow.to_server };
            if other_way {
                return Err(("flow", "the rule's hook is on the other side".to_owned()));
            }
            (flow.to_server, flow.to_client) = (hook.to_server, !hook.to_server);
        }
        let compiled = Compiled {
            kind,
            header: self.header(&rule.header),
            flow,
            whole: rule.header.hook.is_some_and(|hook| hook.done),
            apps: apps(rule, &in_transactions)
                .as_deref()
                .map(mask)
                .ok_or(("protocol", "no protocol has all of its buffers".to_owned()))?,
            payload,
            headers,
            sections,
            fields: rule.fields.clone().into(),
            packet: rule.packet.clone().into(),
            packets,
            streams,
            apart: kind == Kind::Stream && packets,
            memory: rule.state.iter().map(memory).collect(),
            files: asks_for_files(rule),
            hashed: rule.packet.iter().any(|test| matches!(test, PacketTest::FileHash { .. })),
            effect: match (rule.action, rule.noalert) {
                (Action::Pass, _) => Effect::Pass,
                (_, true) => Effect::Nothing,
                _ => Effect::Tell,
            },
            threshold: rule.threshold,
            filter: rule.detection_filter,
            gid: rule.gid,
            sid: rule.sid,
            rev: rule.rev,
            msg: rule.msg.clone(),
            category: rule.class.as_ref().map_or_else(|| "".into(), |(_, description)| description.clone()),
            severity: severity(rule.priority),
            facts: facts(rule),
        };
        for op in &rule.state {
            if let StateOp::Flowbit { names, .. } = op {
                self.bits.extend(names.iter().map(|name| (self::number(name), name.clone())));
            }
        }
        self.index(number, &compiled, rule, &in_payload, &in_transactions);
        self.rules.push(compiled);
        Ok(())
    }

    /// Puts a rule where it will be found.
    fn index(
        &mut self,
        number: u32,
        compiled: &Compiled,
        rule: &Rule,
        in_payload: &[&Part],
        in_transactions: &[&Part],
    ) {
        let ways = [Direction::ToServer, Direction::ToClient].into_iter().filter(|&way| compiled.goes(way));
        match compiled.kind {
            Kind::Addresses => self.addresses.push(number),
            Kind::Application => {
                for way in ways {
                    self.applications[way.index()].push(number);
                }
            }
            Kind::Event => {
                for test in &rule.packet {
                    match test {
                        PacketTest::DecodeEvent(name) | PacketTest::StreamEvent(name) => {
                            self.events.entry(name.clone()).or_default().push(number);
                        }
                        // Events of HTTP/1 and of mail have upper case, those of others lower.
                        PacketTest::AppEvent(_, name) => {
                            for name in [name.to_ascii_uppercase(), name.to_ascii_lowercase()] {
                                self.events.entry(name.into()).or_default().push(number);
                            }
                        }
                        _ => {}
                    }
                }
            }
            Kind::Packet | Kind::AddressesLeftOut | Kind::Stream => {
                let literal = fast::choose(in_payload).map(|(_, literal)| literal);
                let fixed = fast::fixed(in_payload, literal.as_ref());
                let cases = self.home.cases(&rule.header);
                for way in ways {
                    let found_by = (literal.as_ref(), fixed.as_ref());
                    self.payload.add(number, compiled, rule, way, found_by, cases);
                }
            }
            Kind::Transaction => {
                let literal = fast::choose(in_transactions);
                let cases = self.home.cases(&rule.header);
                for way in ways {
                    let found_by = literal.as_ref().and_then(|&(at, ref literal)| {
                        compiled.sections.get(at).map(|section| (section.buffer, section.transforms, literal))
                    });
                    self.transactions.add(number, compiled, way, found_by, cases);
                }
            }
        }
        if compiled.asks_carrier_only() {
            self.carriers.push(number);
        }
        self.file_hashes |= compiled.hashed;
        let of_frames = |test: &FieldTest| matches!(test.field, Field::Http2FrameType | Field::Http2Window);
        if rule.packet.iter().any(|test| matches!(test, PacketTest::FileExtension(_))) {
            // A body makes a file of what has been asked for.
            self.keep.body = super::BODY_LIMIT;
        }
        self.keep.frames |= compiled.fields.iter().any(of_frames);
        for part in in_transactions {
            self.keep.heads |= part.buffer.info().apps.contains(&App::Http1);
            let BufferInfo { apps, stage, .. } = part.buffer.info();
            if apps.contains(&App::Http1) && *stage == Stage::Done || apps.contains(&App::Doh2) {
                self.keep.body = super::BODY_LIMIT;
            }
            self.keep.payloads = super::BODY_LIMIT;
            self.file_content |= matches!(part.buffer, Buffer::FileData | Buffer::FileMagic);
        }
    }

    fn header(&mut self, header: &Header) -> u32 {
        if let Some(&known) = self.known_headers.get(header) {
            return known;
        }
        let number = u32::try_from(self.headers.len()).unwrap_or(u32::MAX);
        self.headers.push(Ends::new(header));
        self.known_headers.insert(header.clone(), number);
        number
    }

    fn finish(self) -> RuleSet {
        RuleSet {
            home: self.home,
            payload: self.payload.build(),
            transactions: self.transactions.build(),
            rules: self.rules,
            headers: self.headers,
            chains: self.chains,
            addresses: self.addresses,
            carriers: self.carriers,
            applications: self.applications,
            events: self.events,
            bits: self.bits,
            keep: self.keep,
            reputation: Reputation::default(),
            ours: None,
            datasets: self.datasets,
            file_content: self.file_content,
            file_hashes: self.file_hashes,
            masks: super::set::masks(),
        }
    }
}

fn memory(op: &StateOp) -> Memory {
    match op {
        StateOp::Flowbit { op, names } => {
            Memory::Flowbit(*op, names.iter().map(|name| number(name)).collect())
        }
        StateOp::Xbit { op, name, track, expire, .. } => Memory::Hostbit(*op, number(name), *track, *expire),
        StateOp::Flowint { op, name, value } => {
            Memory::Flowint(*op, number(name), value.as_ref().map(|&n| n).map_err(|other| number(other)))
        }
    }
}

/// Buffers of packets, the payload not counted.
fn is_of_packet(buffer: Buffer) -> bool {
    buffer != Buffer::Payload && buffer.info().apps.is_empty()
}

/// Whether the payload of packets and that of the stream count.
fn payload_of(rule: &Rule, in_payload: &[&Part]) -> (bool, bool) {
    let FlowTest { only_stream, no_stream, .. } = rule.flow;
    if only_stream || rule.header.proto == HeaderProto::TcpStream {
        return (false, true);
    }
    let of_packets = rule.packet.iter().any(needs_packet);
    if no_stream || rule.header.proto == HeaderProto::TcpPacket || of_packets {
        return (true, false);
    }
    // Where a place is given it may be one in the packet.
    let placed = in_payload.iter().flat_map(|part| &part.tests).any(
        |test| matches!(test, Test::Content(content) if content.depth.is_some() || content.offset.is_some() || content.starts_with),
    );
    // The state of a stream is that at a packet.
    let sized = rule.packet.iter().any(|test| matches!(test, PacketTest::StreamSize { .. }));
    (placed || sized, true)
}

/// Tests that only a packet can answer.
fn needs_packet(test: &PacketTest) -> bool {
    !matches!(
        test,
        PacketTest::AppProtocol { .. }
            | PacketTest::AppEvent(..)
            | PacketTest::StreamEvent(_)
            | PacketTest::StreamSize { .. }
            | PacketTest::FlowAge(_)
            | PacketTest::FlowPackets(..)
            | PacketTest::FlowBytes(..)
            | PacketTest::IpRep(_)
            | PacketTest::SameIp
            | PacketTest::Asn1 { .. }
            | PacketTest::DceInterface { .. }
            | PacketTest::FileHash { .. }
            | PacketTest::FileExtension(_)
            | PacketTest::FileStore
            | PacketTest::FtpBounce
            | PacketTest::Variable { .. }
    )
}

/// Whether a rule asks for a file's content or for what is known of it.
fn asks_for_files(rule: &Rule) -> bool {
    rule.parts
        .iter()
        .any(|part| matches!(part.buffer, Buffer::FileData | Buffer::FileName | Buffer::FileMagic))
        || rule.fields.iter().any(|test| test.field == Field::FileSize)
        || rule.packet.iter().any(|test| {
            matches!(test, PacketTest::FileHash { .. } | PacketTest::FileExtension(_) | PacketTest::FileStore)
        })
}

fn kind_of(
    rule: &Rule,
    in_transactions: &[&Part],
    in_payload: &[&Part],
    in_packets: &[&Part],
    streams: bool,
) -> Kind {
    let of_files = |test: &PacketTest| {
        matches!(
            test,
            PacketTest::FileHash { .. }
                | PacketTest::FileExtension(_)
                | PacketTest::FileStore
                | PacketTest::DceInterface { .. }
        )
    };
    if rule.header.hook.is_some()
        || !in_transactions.is_empty()
        || !rule.fields.is_empty()
        || rule.packet.iter().any(of_files)
    {
        return Kind::Transaction;
    }
    let event = |test: &PacketTest| {
        matches!(test, PacketTest::DecodeEvent(_) | PacketTest::StreamEvent(_) | PacketTest::AppEvent(..))
    };
    if rule.packet.iter().any(event) {
        return Kind::Event;
    }
    if !in_payload.is_empty() {
        return if streams { Kind::Stream } else { Kind::Packet };
    }
    let only_protocol = rule.packet.iter().all(|test| matches!(test, PacketTest::AppProtocol { .. }));
    let application = matches!(rule.header.proto, HeaderProto::App(_)) || !rule.packet.is_empty();
    if in_packets.is_empty() && only_protocol && application {
        return Kind::Application;
    }
    let FlowTest { to_server, to_client, established, not_established, .. } = rule.flow;
    let of_flow = to_server || to_client || established || not_established;
    let ports = !rule.header.src_ports.is_any() || !rule.header.dst_ports.is_any();
    // Bits that are asked for may come with any packet.
    let of_packets = rule.state.iter().any(|op| match op {
        StateOp::Flowbit { op, .. } => *op != BitOp::Set,
        StateOp::Xbit { .. } => false,
        StateOp::Flowint { .. } => true,
    });
    let of_addresses = rule.packet.iter().all(|test| matches!(test, PacketTest::IpRep(_)));
    if !of_addresses || !in_packets.is_empty() || of_flow || ports || of_packets {
        return Kind::Packet;
    }
    if rule.header.leaves_out { Kind::AddressesLeftOut } else { Kind::Addresses }
}

/// The protocols that have everything that the rule asks for; `None` if there are none. Empty: any.
fn apps(rule: &Rule, in_transactions: &[&Part]) -> Option<Box<[App]>> {
    let mut all: Option<Vec<App>> = match rule.header.proto {
        HeaderProto::App(app) => Some(vec![app]),
        _ => None,
    };
    let buffers = in_transactions.iter().map(|part| part.buffer.info().apps);
    let fields = rule.fields.iter().map(|test| test.field.info().apps);
    for carriers in buffers.chain(fields) {
        match &mut all {
            None => all = Some(carriers.to_vec()),
            Some(all) => all.retain(|app| {
                carriers.contains(app)
                    || matches!(app, App::Doh2 if carriers.contains(&App::Dns))
                    || matches!(app, App::Http if carriers.contains(&App::Http2))
            }),
        }
    }
    match all {
        None => Some(Box::default()),
        Some(all) if all.is_empty() => None,
        Some(all) => Some(all.into()),
    }
}

fn severity(priority: u8) -> Severity {
    match priority {
        0 | 1 => Severity::High,
        2 => Severity::Medium,
        3 => Severity::Low,
        _ => Severity::Informational,
    }
}

fn facts(rule: &Rule) -> Arc<RuleFacts> {
    let mut metadata: Vec<(Arc<str>, Vec<Arc<str>>)> = Vec::new();
    for (key, value) in &rule.metadata {
        match metadata.iter_mut().find(|(known, _)| known == key) {
            Some((_, values)) => values.push(value.clone()),
            None => metadata.push((key.clone(), vec![value.clone()])),
        }
    }
    Arc::new(RuleFacts {
        action: match rule.action {
            Action::Drop => RuleAction::Drop,
            Action::Reject(_) => RuleAction::Reject,
            Action::Alert | Action::Pass => RuleAction::Alert,
        },
        target: rule.target.map(|side| match side {
            Side::Source => alert::Side::Source,
            Side::Destination => alert::Side::Destination,
        }),
        zones: rule.zones.map(|zone| match zone {
            rules::Zone::Home => alert::Zone::Home,
            rules::Zone::Outside => alert::Zone::Outside,
            rules::Zone::Any => alert::Zone::Any,
        }),
        class: rule.class.as_ref().map_or_else(|| "".into(), |(name, _)| name.clone()),
        tagged: rule.tag.is_some(),
        limited: rule.threshold.is_some() || rule.detection_filter.is_some(),
        metadata,
        references: rule.references.iter().map(|reference| reference.url.clone()).collect(),
        source: format!("{}:{}", rule.file, rule.line).into(),
    })
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
