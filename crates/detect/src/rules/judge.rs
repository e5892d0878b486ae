//! What becomes of candidates: they wait for the rest of their transaction, or are verified and what those that hold want
//! is done.

use proto::Progress;

use super::compiled::{Compiled, Effect, Kind};
use super::context::PacketContext;
use super::matcher::{Hit, Matcher};
use super::prepared::Prepared;
use super::set::RuleSet;
use super::state::{self, FlowRules, MAX_PENDING, Pending};
use super::verifier::{PayloadView, Verifier};

/// Rules that speak of one packet at most, those first that go first (Suricata's `packet-alert-max`). Of the stream and
/// the transactions of TCP: of what one side has sent when the other answers, for Suricata looks at it then. Rules that
/// have thresholds are not counted: how many of them will be told is decided later.
pub const MAX_PACKET_ALERTS: u8 = 15;

impl Matcher {
    /// Rules that ask for more than a head wait for it; so do those that ask for a bit which is not as they want it: a rule
    /// on the rest may set it.
    pub(super) fn put_off(
        &mut self,
        set: &RuleSet,
        cx: &PacketContext<'_>,
        number: u64,
        flow: &mut Option<Box<FlowRules>>,
    ) {
        let generation = self.generation;
        let (refused, hosts) = (&mut self.counters.pending_refused, &self.hosts);
        self.candidates.retain(|&rule| {
            let now = set.rules.get(rule as usize).is_none_or(|rule| {
                let mut asked = rule.memory.iter().filter(|op| op.asks());
                rule.progress() == Progress::Head
                    && asked.all(|op| state::asks(op, flow.as_deref(), cx, hosts))
            });
            if !now {
                let pending = &mut flow.get_or_insert_default().pending;
                let entry = Pending { transaction: number, direction: cx.direction, generation, rule };
                if pending.contains(&entry) {
                } else if pending.len() < MAX_PENDING {
                    pending.push(entry);
                } else {
                    *refused += 1;
                }
            }
            now
        });
    }

    /// Verifies the candidates in the set's order; of a transaction with its number.
    pub(super) fn verify_all(
        &mut self,
        set: &RuleSet,
        cx: &PacketContext<'_>,
        transaction: Option<(&mut Prepared<'_>, u64)>,
        payload: PayloadView<'_>,
        flow: &mut Option<Box<FlowRules>>,
        out: &mut Vec<Hit>,
    ) {
        let (mut prepared, transaction) = transaction.unzip();
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.sort_unstable();
        candidates.dedup();
        self.counters.candidates += candidates.len() as u64;
        for &number in &candidates {
            let Some(rule) = set.rules.get(number as usize) else { continue };
            let steps = self.state.counts;
            let mut verifier = Verifier { set, state: &mut self.state, hosts: &self.hosts };
            let holds = verifier.holds(rule, cx, prepared.as_deref_mut(), payload, flow.as_deref());
            if let Some(profile) = self.profile.as_mut().and_then(|(costs, _)| costs.get_mut(number as usize))
            {
                profile.checks += 1;
                profile.matches += u64::from(holds);
                profile.limits += u64::from(self.state.counts != steps);
            }
            if !holds {
                continue;
            }
            self.counters.matches += 1;
            for op in &rule.memory {
                let refused = state::apply(op, flow, cx, &self.hosts);
                self.counters.flow_bits_refused += u64::from(refused);
            }
            match rule.effect {
                Effect::Tell if self.may_tell(rule, cx, flow, out.len()) => {
                    out.push(Hit { rule: number, direction: cx.direction, transaction });
                }
                Effect::Tell => self.counters.over_limit += 1,
                Effect::Nothing => {}
                Effect::Pass => {
                    // A packet alone passes alone; what is more than a packet passes with its flow.
                    if rule.kind != Kind::Packet {
                        flow.get_or_insert_default().passed = true;
                    }
                    break;
                }
            }
        }
        let counts = self.state.counts;
        self.counters.given_up = counts.steps + counts.searched + counts.expressions;
        self.candidates = candidates;
    }

    /// Whether one more rule may speak, when so many have spoken in the call at hand.
    fn may_tell(
        &self,
        rule: &Compiled,
        cx: &PacketContext<'_>,
        flow: &mut Option<Box<FlowRules>>,
        now: usize,
    ) -> bool {
        if rule.threshold.is_some() || rule.filter.is_some() {
            return true;
        }
        if matches!(rule.kind, Kind::Packet | Kind::AddressesLeftOut) {
            return now < usize::from(MAX_PACKET_ALERTS);
        }
        let told = &mut flow.get_or_insert_default().told[cx.direction.index()];
        let may = *told < MAX_PACKET_ALERTS;
        *told += u8::from(may);
        may
    }
}
