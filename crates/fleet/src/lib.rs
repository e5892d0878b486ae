//! Verdicts and events shared with other sensors and guards, over NATS JetStream.
//!
//! What the fleet knows is a key-value bucket: one [`Record`] per target, the newest wins ([`Table`]). Whoever joins reads the
//! whole bucket at once, whoever decides writes one key under the condition that nobody else has written it meanwhile, and
//! whoever was cut off does both again when it is back. Nothing depends on the order or the number of messages, so
//! duplicates and replays change nothing. Events go into a stream with limits, for whoever subscribes.
//!
//! docs/fleet.md has the format of the messages.
#![forbid(unsafe_code)]

mod apply;
mod connect;
mod counters;
mod events;
mod inbox;
mod node;
mod record;
mod session;
mod store;
mod table;

pub use apply::{Enforcer, Outcome};
pub use connect::{Credentials, Tls};
pub use counters::FLEET_COUNTERS;
pub use events::FleetEvent;
pub use node::{Fleet, FleetError, FleetOptions, Input};
pub use record::{BadRecord, Decision, MAX_SITE, Record, State, is_site};
pub use table::{Learned, Table};
