//! The order in which rules are asked.

use rules::{Action, BitOp, Rule, StateOp};

/// Rules that let pass go first; then those that only set bits, those that do both, those that only ask, and the rest;
/// then by priority, then as they stand in their files. `xbits` are asked before they are set: as in Suricata what a packet
/// sets is seen from the next one on.
pub(super) fn of(rule: &Rule) -> (u8, u8, bool, u8) {
    let action = match rule.action {
        Action::Pass => 0,
        Action::Drop => 1,
        Action::Reject(_) => 2,
        Action::Alert => 3,
    };
    let asks = |op: &StateOp| match op {
        StateOp::Flowbit { op, .. } | StateOp::Xbit { op, .. } => op.asks(),
        StateOp::Flowint { op, .. } => op.asks(),
    };
    let later = |op: &&StateOp| matches!(op, StateOp::Xbit { host: false, .. });
    let at_once = || rule.state.iter().filter(|op| !later(op));
    let (asking, setting) = (at_once().any(asks), at_once().any(|op| !asks(op)));
    let clears = |op: &StateOp| matches!(op, StateOp::Flowbit { op: BitOp::Unset, .. });
    let state = match (setting, asking) {
        // What is only cleared is there for the others before.
        (true, false) if at_once().all(clears) => 3,
        (true, false) => 0,
        (true, true) => 1,
        (false, true) => 2,
        (false, false) => 3,
    };
    let asks_xbits = rule.state.iter().filter(later).any(asks);
    (action, state, !asks_xbits, rule.priority)
}
