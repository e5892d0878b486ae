//! Alerts to verdicts.
//!
//! In: an alert, or an operator's wish. Out: a [`Verdict`]: isolate this host until then, or why not.
//! This room is pure: it writes no map, reads no clock (time comes with the alert) and remembers only
//! who is isolated until when. It errs on the side of leaving a wire alone: a protected host is never
//! isolated, whoever asks.
#![forbid(unsafe_code)]

mod judge;
mod policy;
mod protected;

pub use judge::{Judge, MAX_REMEMBERED, Verdict, Withheld};
pub use policy::{Mode, Policy};
pub use protected::Protected;
