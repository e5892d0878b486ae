//! A worker's rules at work: candidates are found, verified in the set's order, and what they want is done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use alert::Alert;
use proto::{Keep, Progress};
use rules::{HeaderProto, PacketTest};
use wire::{Direction, IpProto, Nanos};

use super::alerts::base;
use super::compiled::Effect;
use super::context::PacketContext;
use super::payload::PortGroup;
use super::prepared::Prepared;
use super::set::RuleSet;
use super::sizes::Standing;
use super::state::{FlowRules, HostBits, Window};
use super::transport::Transport;
use super::verifier::PayloadView;
use super::view::View;
use super::{packet, verify};
use crate::Turn;

/// A rule that matched and has something to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    pub(super) rule: u32,
    /// Which way what matched went.
    pub direction: Direction,
    /// The transaction that matched.
    pub transaction: Option<u64>,
}

/// What a matcher counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCounters {
    /// Rules whose literal was found, or that have none.
    pub candidates: u64,
    /// Rules that matched.
    pub matches: u64,
    /// Verifications that were given up because they took too many steps.
    pub given_up: u64,
    /// Rules that would have waited for the rest of their transaction, for which there was no room.
    pub pending_refused: u64,
    /// Bytes of streams that are kept for contents across segments.
    pub window_bytes: u64,
    /// Times that a window could not be kept because there was no memory for it.
    pub windows_refused: u64,
    /// Matches that were not told because of [`MAX_PACKET_ALERTS`](super::judge::MAX_PACKET_ALERTS).
    pub over_limit: u64,
    /// Bits and numbers not set on flows because of [`MAX_FLOW_BITS`](super::state::MAX_FLOW_BITS).
    pub flow_bits_refused: u64,
}

/// Bytes of all windows of a worker, unless [`Matcher::with_window_memory`] says otherwise.
pub const WINDOW_MEMORY: u64 = 256 * 1024 * 1024;

/// See the module's text. One per worker.
#[derive(Debug)]
pub struct Matcher {
    set: Arc<RuleSet>,
    /// How many sets there were before it.
    pub(super) generation: u32,
    pub(super) hosts: HostBits,
    pub(super) candidates: Vec<u32>,
    vectors: [Vec<u8>; 3],
    /// Bytes that all windows may take.
    window_memory: u64,
    pub(super) state: verify::State,
    pub(super) counters: RuleCounters,
    pub(super) profile: Option<(Vec<Profile>, Arc<Profiles>)>,
}

/// What rules have cost, over all workers that are gone: generator and signature id with the costs.
pub type Profiles = Mutex<BTreeMap<(u32, u32), Profile>>;

impl Drop for Matcher {
    fn drop(&mut self) {
        self.hand_over_profile();
    }
}

/// What one rule has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// How often it was verified.
    pub checks: u64,
    /// How often it matched.
    pub matches: u64,
    /// How often its verification was given up.
    pub limits: u64,
}

impl Matcher {
    /// With that set; `hosts` is shared by all workers.
    #[must_use]
    pub fn new(set: Arc<RuleSet>, hosts: HostBits) -> Self {
        Matcher {
            set,
            generation: 0,
            hosts,
            candidates: Vec::new(),
            vectors: Default::default(),
            state: verify::State::default(),
            counters: RuleCounters::default(),
            window_memory: WINDOW_MEMORY,
            profile: None,
        }
    }

    /// Keeps so many bytes of streams at most.
    #[must_use]
    pub fn with_window_memory(mut self, bytes: u64) -> Self {
        self.window_memory = bytes;
        self
    }

    /// What workers share is asked and changed in the order of the packets.
    #[must_use]
    pub fn in_turn(mut self, turn: Turn) -> Self {
        self.state.turn = Some(turn.clone());
        self.hosts = self.hosts.clone().in_turn(turn);
        self
    }

    /// Forgets what was remembered of hosts: another capture begins.
    pub fn forget_hosts(&mut self) {
        self.hosts.clear();
    }

    /// Goes on with another set; what is remembered of flows stays.
    pub fn set_rules(&mut self, set: Arc<RuleSet>) {
        let all = self.profile.as_ref().map(|(_, all)| all.clone());
        self.hand_over_profile();
        self.profile = all.map(|all| (vec![Profile::default(); set.len()], all));
        self.set = set;
        self.generation = self.generation.wrapping_add(1);
    }

    /// Counts what each rule costs, and adds it to these when it goes.
    #[must_use]
    pub fn with_profile(mut self, all: Arc<Profiles>) -> Self {
        self.profile = Some((vec![Profile::default(); self.set.len()], all));
        self
    }

    fn hand_over_profile(&mut self) {
        let Some((costs, all)) = self.profile.take() else { return };
        let mut sums = all.lock().unwrap_or_else(PoisonError::into_inner);
        for (rule, cost) in self.set.rules.iter().zip(costs).filter(|(_, cost)| cost.checks > 0) {
            let sum = sums.entry((rule.gid, rule.sid)).or_default();
            sum.checks += cost.checks;
            sum.matches += cost.matches;
            sum.limits += cost.limits;
        }
    }

    /// Whether there are no rules: then nothing else needs to be called.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// The set.
    #[must_use]
    pub fn set(&self) -> &Arc<RuleSet> {
        &self.set
    }

    /// What has to be kept of transactions.
    #[must_use]
    pub fn keep(&self) -> Keep {
        self.set.keep
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> RuleCounters {
        self.counters
    }

    /// A packet of a flow. For TCP its part in the stream is given to [`Matcher::stream`] besides.
    pub fn packet(&mut self, cx: &PacketContext<'_>, flow: &mut Option<Box<FlowRules>>, out: &mut Vec<Hit>) {
        if flow.as_ref().is_some_and(|flow| flow.passed) {
            return;
        }
        let Some(packet) = cx.packet else { return };
        let set = self.set.clone();
        let way = cx.direction;
        // Its stream and its transactions were looked at before.
        let tcp = cx.tuple.proto == IpProto::TCP;
        if let Some(flow) = flow {
            flow.told[way.reverse().index()] = 0;
            if !tcp {
                flow.told[way.index()] = 0;
            }
        }
        self.candidates.clear();
        if cx.packets[way.index()] == 1 {
            self.candidates.extend_from_slice(&set.addresses);
            if let Some(tunnel) = packet.tunnel.as_ref().filter(|_| !set.carriers.is_empty()) {
                self.carrier(cx, tunnel, out);
            }
        }
        let transport = Transport::of(cx.tuple.proto);
        let flags = if let wire::Transport::Tcp(header) = packet.transport { header.flags.0 } else { 0 };
        let size = u32::try_from(packet.payload.len()).unwrap_or(u32::MAX).saturating_add(packet.missing);
        let (asked, standing) =
            (packet::payload_size(packet), Standing::new(cx.established, cx.stream_sizes));
        let case = set.home.case(cx.source(), cx.destination());
        for group in set.payload.of(transport, way, case).at(cx.tuple.server.port) {
            self.candidates.extend(group.of_size(size));
            if !packet.payload.is_empty() && !cx.encrypted {
                if let Some(group) = group.packet.of(asked, standing) {
                    group.candidates(packet.payload, 0, &mut self.candidates);
                }
                group.packet_fixed.candidates(packet.payload, 0, &mut self.candidates);
            }
            let always = group.packet_always.iter().filter(|always| always.may(flags, size));
            self.candidates.extend(always.map(|always| always.rule));
        }
        self.application(cx, flow);
        if !self.candidates.is_empty() {
            let payload = PayloadView { stream: None, packet: Some(packet.payload) };
            self.verify_all(&set, cx, None, payload, flow, out);
        }
    }

    /// Rules on what a tunnel is made of, asked of its outermost packet as the flow in it begins.
    fn carrier(&mut self, cx: &PacketContext<'_>, tunnel: &wire::Tunnel<'_>, out: &mut Vec<Hit>) {
        let outer = tunnel.outermost();
        for &number in &self.set.carriers {
            let Some(rule) = self.set.rules.get(number as usize) else { continue };
            let Some(header) = self.set.headers.get(rule.header as usize) else { continue };
            let family = match header.proto {
                HeaderProto::Ip | HeaderProto::PacketHeader => true,
                HeaderProto::IpV4 => outer.source.ip.is_ipv4(),
                HeaderProto::IpV6 => outer.source.ip.is_ipv6(),
                _ => false,
            };
            let asked = rule.packet.iter().all(|test| match test {
                PacketTest::IpProto(test) => test.holds(outer.proto.0.into()),
                _ => false,
            });
            if family
                && asked
                && rule.effect == Effect::Tell
                && header.take(outer.source, outer.destination, false)
            {
                self.counters.matches += 1;
                out.push(Hit { rule: number, direction: cx.direction, transaction: None });
            }
        }
    }

    /// Rules on what a flow speaks, once it is known.
    fn application(&mut self, cx: &PacketContext<'_>, flow: &mut Option<Box<FlowRules>>) {
        let way = cx.direction.index();
        if cx.app.is_none() || self.set.applications[way].is_empty() {
            return;
        }
        let applied = &mut flow.get_or_insert_default().applied[way];
        if !std::mem::replace(applied, true) {
            self.candidates.extend_from_slice(&self.set.applications[way]);
        }
    }

    /// The next bytes of a stream are at hand: they are kept until [`Matcher::stream`] has searched them, so that rules on
    /// transactions that look at the payload too can see them.
    pub fn stream_bytes(&mut self, direction: Direction, bytes: &[u8], flow: &mut Option<Box<FlowRules>>) {
        let flow = flow.get_or_insert_default();
        if flow.passed {
            return;
        }
        let before = flow.window_bytes() as u64;
        let window = &mut flow.windows[direction.index()];
        let room = self.counters.window_bytes.saturating_add(bytes.len() as u64) <= self.window_memory;
        if !room && !window.bytes.is_empty() {
            self.counters.windows_refused += 1;
            window.let_go();
        }
        flow.windows[direction.index()].push(bytes);
        self.counters.window_bytes =
            self.counters.window_bytes.saturating_add(flow.window_bytes() as u64).saturating_sub(before);
    }

    /// Bytes of a stream were lost.
    pub fn gap(&mut self, direction: Direction, missing: u64, flow: &mut Option<Box<FlowRules>>) {
        if let Some(flow) = flow {
            flow.windows[direction.index()].gap(missing);
        }
    }

    /// Looks at what has come since the last time.
    pub fn stream(&mut self, cx: &PacketContext<'_>, flow: &mut Option<Box<FlowRules>>, out: &mut Vec<Hit>) {
        let way = cx.direction.index();
        let Some(window) = flow.as_mut().filter(|flow| !flow.passed).map(|flow| &mut flow.windows[way])
        else {
            return;
        };
        let window = std::mem::take(window);
        let set = self.set.clone();
        self.candidates.clear();
        let case = set.home.case(cx.source(), cx.destination());
        for group in set.payload.of(Transport::Tcp, cx.direction, case).at(cx.tuple.server.port) {
            let PortGroup { stream, stream_fixed, stream_always, .. } = group;
            if window.start == 0 {
                stream_fixed.candidates(&window.bytes, window.searched, &mut self.candidates);
            }
            stream.candidates(&window.bytes, window.searched, &mut self.candidates);
            self.candidates.extend_from_slice(stream_always);
        }
        if !self.candidates.is_empty() {
            let packet = cx.packet.map(|packet| packet.payload);
            let payload = PayloadView { stream: Some((&window.bytes, window.start)), packet };
            self.verify_all(&set, cx, None, payload, flow, out);
        }
        if let Some(flow) = flow {
            let searched = window.bytes.len();
            flow.windows[way] = Window { searched, ..window };
            if self.counters.window_bytes > self.window_memory {
                let freed = flow.windows[way].bytes.capacity() as u64;
                flow.windows[way].let_go();
                self.counters.windows_refused += 1;
                self.counters.window_bytes = self.counters.window_bytes.saturating_sub(freed);
            }
        }
    }

    /// A side of a transaction has come to this.
    pub fn transaction(
        &mut self,
        cx: &PacketContext<'_>,
        view: View<'_>,
        progress: Progress,
        number: u64,
        flow: &mut Option<Box<FlowRules>>,
        out: &mut Vec<Hit>,
    ) {
        if flow.as_ref().is_some_and(|flow| flow.passed) {
            return;
        }
        let set = self.set.clone();
        let app = set.app_mask(cx.app);
        let point = set.transactions.at(cx.direction, progress);
        let case = set.home.case(cx.source(), cx.destination());
        let mut prepared = Prepared::new(view, cx.direction, std::mem::take(&mut self.vectors));
        self.candidates.clear();
        for group in point.buffers.iter().filter(|group| group.apps & app != 0) {
            for place in prepared.places(group.buffer, group.transforms, &set.chains) {
                group.of(case).candidates(prepared.get(place), 0, &mut self.candidates);
            }
        }
        self.candidates
            .extend(point.always.iter().filter(|(apps, _)| apps & app != 0).map(|&(_, rule)| rule));
        if progress == Progress::Head {
            self.put_off(&set, cx, number, flow);
        } else if let Some(flow) = flow {
            flow.pending.retain(|pending| {
                let ours = (pending.transaction, pending.direction) == (number, cx.direction);
                if ours && pending.generation == self.generation {
                    self.candidates.push(pending.rule);
                }
                !ours
            });
        }
        if !self.candidates.is_empty() {
            let way = cx.direction.index();
            let window = flow.as_mut().map(|flow| std::mem::take(&mut flow.windows[way]));
            let payload = PayloadView {
                stream: window.as_ref().map(|window| (window.bytes.as_slice(), window.start)),
                packet: cx.packet.map(|packet| packet.payload),
            };
            self.verify_all(&set, cx, Some((&mut prepared, number)), payload, flow, out);
            if let (Some(flow), Some(window)) = (flow, window) {
                flow.windows[way] = window;
            }
        }
        self.vectors = prepared.into_vectors();
    }

    /// The decoder, the stream or a parser found something wrong.
    pub fn event(
        &mut self,
        name: &'static str,
        cx: &PacketContext<'_>,
        flow: &mut Option<Box<FlowRules>>,
        out: &mut Vec<Hit>,
    ) {
        let set = self.set.clone();
        let Some(rules) = set.events.get(name) else { return };
        self.candidates.clear();
        self.candidates.extend_from_slice(rules);
        let payload = PayloadView { stream: None, packet: cx.packet.map(|packet| packet.payload) };
        self.verify_all(&set, cx, None, payload, flow, out);
    }

    /// A frame could not be decoded, and so belongs to no flow: the alerts of rules that ask for just that.
    pub fn frame(&mut self, name: &str, time: Nanos, out: &mut Vec<Alert>) {
        let set = self.set.clone();
        for number in set.events.get(name).into_iter().flatten() {
            let Some(rule) = set.rules.get(*number as usize) else { continue };
            let any = set.headers.get(rule.header as usize).is_some_and(|header| {
                matches!(header.proto, HeaderProto::PacketHeader | HeaderProto::Ip) && header.is_any()
            });
            let alone = rule.payload.is_none() && rule.headers.is_empty() && rule.memory.is_empty();
            let asked = rule.packet.iter().all(|test| packet::is_decode_event(test, name));
            self.counters.candidates += 1;
            if any && alone && asked && rule.effect == Effect::Tell {
                self.counters.matches += 1;
                out.push(base(rule, time));
            }
        }
    }

    /// The names of the bits that are set on a flow.
    #[must_use]
    pub fn bits(&self, flow: &FlowRules) -> Vec<Arc<str>> {
        flow.bits().iter().filter_map(|bit| self.set.bits.get(bit).cloned()).collect()
    }

    /// Whether any rule asks for things that go wrong by that name.
    #[must_use]
    pub fn wants_event(&self, name: &str) -> bool {
        self.set.events.contains_key(name)
    }

    /// A flow is over.
    pub fn end(&mut self, flow: Option<Box<FlowRules>>) {
        if let Some(flow) = flow {
            self.counters.window_bytes =
                self.counters.window_bytes.saturating_sub(flow.window_bytes() as u64);
        }
    }
}
