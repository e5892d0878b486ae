//! How rules see a session: its packets, its stream, its transactions, and what goes wrong in it.

use alert::Alert;
use detect::rules::{FileView, FlowRules, Hit, Matcher, PacketContext, View};
use flow::TcpConnection;
use proto::{AppLayer, AppProto, FileInfo, Progress, Transaction};
use wire::{Direction, IpProto};

use super::{Collector, Inspection, Session, Special};

/// How far the flow has come, with the packet at hand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    /// Both sides have spoken; of TCP, its handshake was seen.
    pub(crate) established: bool,
    /// What it carried was encrypted before this packet: what ends a handshake is not.
    pub(crate) encrypted: bool,
    /// It was known before this packet what it speaks.
    pub(crate) known_before: bool,
    /// Sequence numbers that each side has used, `[to server, to client]`.
    pub(crate) stream_sizes: [u64; 2],
    /// Packets of each side.
    pub(crate) packets: [u64; 2],
    /// Bytes on the wire of each side.
    pub(crate) bytes: [u64; 2],
}

impl Standing {
    /// Of a flow with these counters, `[to server, to client]`.
    pub(crate) fn new(
        proto: IpProto,
        tcp: &TcpConnection,
        layer: &AppLayer,
        packets: [u64; 2],
        bytes: [u64; 2],
    ) -> Self {
        let established = match proto {
            IpProto::TCP => tcp.was_opened(),
            _ => packets.iter().all(|&packets| packets > 0),
        };
        let stream_sizes = Self::stream_sizes(tcp);
        let known_before = layer.protocol().is_some();
        Standing { established, encrypted: is_encrypted(layer), known_before, stream_sizes, packets, bytes }
    }

    pub(crate) fn stream_sizes(tcp: &TcpConnection) -> [u64; 2] {
        [Direction::ToServer, Direction::ToClient].map(|way| tcp.stream_size(way))
    }
}

impl Inspection<'_> {
    /// Lets rules see the packet.
    pub(crate) fn packet_rules(&mut self, session: &mut Session) {
        if self.matcher.is_empty() {
            return;
        }
        RuleRoom::of(session).run(self, self.moment.direction, None, |matcher, cx, rules, hits| {
            matcher.packet(cx, rules, hits)
        });
    }

    /// Lets rules see what has come of the stream.
    pub(super) fn stream_rules(&mut self, session: &mut Session, direction: Direction) {
        RuleRoom::of(session)
            .run(self, direction, None, |matcher, cx, rules, hits| matcher.stream(cx, rules, hits));
    }
}

/// What a flow speaks, as far as it is known before its parser is called.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spoken {
    pub(super) app: Option<AppProto>,
    pub(super) original: Option<AppProto>,
}

/// Whether rules look at what a flow carries from now on: not at what is encrypted.
pub(crate) fn look_on(matcher: &Matcher, layer: &AppLayer) -> bool {
    !matcher.is_empty() && !is_encrypted(layer)
}

/// Whether what a flow carries from now on is encrypted.
fn is_encrypted(layer: &AppLayer) -> bool {
    matches!(layer.protocol(), Some(AppProto::Tls | AppProto::Ssh)) && layer.finished()
}

impl Spoken {
    pub(super) fn of(layer: &AppLayer) -> Self {
        Spoken { app: layer.protocol(), original: layer.original() }
    }
}

/// What rules may see and change of a session.
pub(super) struct RuleRoom<'a> {
    spoken: Spoken,
    special: &'a mut Option<Box<Special>>,
}

impl<'a> RuleRoom<'a> {
    pub(super) fn of(session: &'a mut Session) -> Self {
        let Session { layer, special, .. } = session;
        RuleRoom { spoken: Spoken::of(layer), special }
    }

    /// Runs rules; what they find goes to the findings, with the transaction that they looked at.
    pub(super) fn run(
        &mut self,
        inspection: &mut Inspection<'_>,
        direction: Direction,
        transaction: Option<(u64, &dyn Fn() -> Transaction)>,
        work: impl FnOnce(&mut Matcher, &PacketContext<'_>, &mut Option<Box<FlowRules>>, &mut Vec<Hit>),
    ) {
        let Inspection { packet, standing, matcher, tuple, moment, findings, home, .. } = inspection;
        // The packet at hand may go the other way than what it brought to light.
        let packet = packet.filter(|_| direction == moment.direction);
        let mut rules = self.special.as_mut().and_then(|special| special.rules.take());
        let cx = PacketContext {
            tuple,
            direction,
            time: moment.time,
            packet,
            encrypted: standing.encrypted,
            established: standing.established,
            app: self.spoken.app,
            known_before: standing.known_before,
            original: self.spoken.original,
            stream_sizes: standing.stream_sizes,
            packets: standing.packets,
            bytes: standing.bytes,
            events: self.special.as_ref().map_or(&[], |special| special.told.as_slice()),
        };
        let mut hits = std::mem::take(&mut findings.hits);
        work(matcher, &cx, &mut rules, &mut hits);
        for hit in hits.drain(..) {
            if let Some(alert) = matcher.alert(&hit, &cx, home) {
                let alert = Alert { arrival: moment.arrival, ..alert };
                findings.alerts.push((alert, transaction.map(|(id, make)| (id, make()))));
            }
        }
        findings.hits = hits;
        // A flow that rules remember nothing of needs no room for it.
        if rules.is_some() {
            self.special.get_or_insert_default().rules = rules;
        }
    }
}

impl Collector<'_, '_> {
    /// Lets rules see the events that wait, with the transaction that the parser has told them of.
    pub(super) fn events_of(
        &mut self,
        direction: Direction,
        transaction: Option<(u64, &dyn Fn() -> Transaction)>,
    ) {
        for event in std::mem::take(&mut self.events) {
            let mut room = RuleRoom { spoken: self.spoken, special: &mut *self.special };
            room.run(self.inspection, direction, transaction, |matcher, cx, rules, hits| {
                matcher.event(event, cx, rules, hits);
            });
        }
    }

    /// Lets rules see the events that are of no transaction.
    pub(super) fn events_left(&mut self) {
        self.events_of(self.inspection.moment.direction, None);
    }

    /// Lets rules see a side of a transaction; `id` is its ordinal in the flow.
    pub(super) fn match_rules(
        &mut self,
        id: u64,
        view: View<'_>,
        direction: Direction,
        progress: Progress,
        transaction: &dyn Fn() -> Transaction,
    ) {
        let before = self.inspection.findings.alerts.len();
        let mut room = RuleRoom { spoken: self.spoken, special: &mut *self.special };
        room.run(self.inspection, direction, Some((id, transaction)), |matcher, cx, rules, hits| {
            matcher.transaction(cx, view, progress, id, rules, hits);
        });
        self.inspection.note_bodies(before, view);
    }

    /// A file is over, its event not written yet: rules may look at it.
    pub(super) fn file_ready(&mut self, file: FileView<'_>) {
        let matcher = &self.inspection.matcher;
        // Files of HTTP were shown with their exchange; only their hashes were not known then.
        let shown = matches!(self.spoken.app, Some(AppProto::Http | AppProto::Http2));
        if matcher.is_empty() || (shown && !matcher.set().wants_hashes()) {
            return;
        }
        let id = u64::from(self.counts.logged);
        let transaction = || Transaction::from(FileInfo { tx_id: id, ..file.info.clone() });
        for progress in [Progress::Head, Progress::Done] {
            self.match_rules(id, View::File(file), file.info.direction, progress, &transaction);
        }
    }

    /// Whether rules see it when it is inspected and logged. Of HTTP they see how far it has come.
    pub(super) fn by_inspection(&self, transaction: &Transaction) -> bool {
        !self.inspection.matcher.is_empty()
            && !matches!(transaction, Transaction::Http(_) | Transaction::FileInfo(_) | Transaction::Login(_))
    }

    /// Lets rules see a transaction that makes no event.
    pub(super) fn rules_alone(&mut self, transaction: &Transaction) {
        let id = u64::from(self.counts.logged);
        let view = View::Other(transaction);
        if !is_message(transaction) {
            self.match_rules(id, view, Direction::ToServer, Progress::Head, &|| transaction.clone());
        }
        self.rules_at_end(transaction);
    }

    /// Lets rules see all that they have not seen when it was inspected.
    pub(super) fn rules_at_end(&mut self, transaction: &Transaction) {
        let id = u64::from(self.counts.logged);
        let view = View::Other(transaction);
        let make = || transaction.clone();
        if is_message(transaction) {
            let direction = transaction.direction();
            self.events_of(direction, Some((id, &make)));
            self.match_rules(id, view, direction, Progress::Head, &make);
            return self.match_rules(id, view, direction, Progress::Done, &make);
        }
        self.events_of(self.inspection.moment.direction, Some((id, &make)));
        self.match_rules(id, view, Direction::ToServer, Progress::Done, &make);
        self.match_rules(id, view, Direction::ToClient, Progress::Head, &make);
        self.match_rules(id, view, Direction::ToClient, Progress::Done, &make);
    }
}

/// Whether it is a message that goes one way, and is inspected and logged at once.
pub(super) fn is_message(transaction: &Transaction) -> bool {
    use Transaction as T;
    matches!(
        transaction,
        T::Dns(_)
            | T::Mdns(_)
            | T::Llmnr(_)
            | T::Nbns(_)
            | T::Dhcp(_)
            | T::Dhcpv6(_)
            | T::Snmp(_)
            | T::Ntp(_)
            | T::Ike(_)
            | T::Quic(_)
            | T::Krb5(_)
            | T::WebSocket(_)
            | T::Dnp3(_)
            | T::Sip(_)
            | T::BitTorrentDht(_)
            | T::Tftp(_)
    )
}
