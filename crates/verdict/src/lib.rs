//! Alerts to verdicts.
//!
//! In: an alert, or an operator's wish. Out: a [`Verdict`]: isolate this host until then, or why not.
//! This room is pure: it writes no map, reads no clock (time comes with the alert) and remembers only
//! who is isolated until when, who was, who was spared, and what hosts do for others. It errs on the side of leaving a wire alone: a protected
//! host is never isolated, whoever asks, and a brake keeps alerts from isolating a whole network.
#![forbid(unsafe_code)]

mod brake;
mod judge;
mod memory;
mod nets;
mod network;
mod policy;
mod protected;
mod repeats;
mod rule;
mod scope;
mod verdict;

pub use brake::{BrakeChange, Limit, Limits, MAX_LIMIT, Victim};
pub use judge::Judge;
pub use memory::MAX_REMEMBERED;
pub use network::{
    FORWARD_WINDOW, GATEWAY_ADDRESSES, Infrastructure, MAX_BINDINGS, MAX_CANDIDATES, MAX_CLIENTS, MAX_HOSTS,
    MAX_OPENINGS, MAX_QUESTIONS, MAX_ROLES, MAX_STATIONS, NetworkTally, NewRole,
};
pub use policy::{Mode, Policy, RuleName};
pub use protected::Protected;
pub use repeats::{MAX_COUNTED, MAX_REPEAT, Repeat};
pub use rule::{Evidence, Group, Reach, Rule, Source, Techniques, Then, When};
pub use scope::MAX_PEERS;
pub use verdict::{Tally, Verdict, Withheld};
