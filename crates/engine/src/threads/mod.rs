//! The threads of a live sensor: workers, warden, recorder, keeper of bypassed flows, watch over the ports, and
//! what travels between them.

mod alerts;
mod busy_poll;
mod cores;
mod guards;
mod keeper;
mod on_record;
mod recorder;
mod reload;
mod ticker;
mod warden;
mod watch;
mod worker;

use std::time::Duration;

use output::{Event, Stamp};

pub(crate) use alerts::AlertInbox;
pub(crate) use busy_poll::Watchdog;
pub(crate) use cores::Cores;
pub(crate) use guards::GuardWatch;
pub(crate) use keeper::keep;
pub(crate) use recorder::record;
pub use reload::{Load, Loaded};
pub(crate) use reload::{ReloadThread, Wish};
pub(crate) use ticker::{Ticker, Ticks, tick};
pub(crate) use warden::WardenThread;
pub(crate) use watch::{PortWatch, Watched, WatchedPorts};
pub(crate) use worker::{Port, WorkerThread};

/// What travels to the recorder.
pub(crate) type Record = (Stamp, Event);

/// How long threads run at a time where others want their core: those that are urgent wait no longer for their turn, and
/// those that are not urgent keep nobody waiting.
const SLICE: Duration = Duration::from_micros(100);

/// Events that may wait for the recorder.
pub(crate) const EVENT_QUEUE: usize = 65_536;
/// The part of it that workers leave free: a slow disk must never hold the warden up, who has alerts and
/// isolations to tell.
const WARDEN_SHARE: usize = 4096;
