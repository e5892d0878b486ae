//! The control protocol: one HTTP/1.1 and JSON API, over a UNIX socket and, if wanted, over TLS; and its client.
//!
//! In comes a request from somebody outside, out goes [`engine::Request`] to whoever answers it (the sensor's desk);
//! the reply goes back as JSON, a refusal as a problem (RFC 9457). Nothing here knows the sensor's inside. Everything
//! that a client can send is bounded ([`limits`]), what is refused is counted ([`API_COUNTERS`]).
//!
//! [`Bound::bind`] takes the addresses before anything else is started, [`Bound::serve`] answers on them, on a thread
//! of its own that sleeps while nobody asks. Routes are in [`routes`]: a handler with its `utoipa::path` is both the
//! route and its description in `openapi.json`.
#![forbid(unsafe_code)]

mod access;
mod client;
mod connection;
mod counters;
mod extract;
pub mod limits;
mod listen;
mod options;
mod peer;
mod problem;
mod record;
pub mod routes;
mod seats;
mod server;
mod socket;
mod throttle;
mod tls;

pub use client::{Client, ClientError, Remote};
pub use counters::{API_COUNTERS, ApiCounters};
pub use listen::Bound;
pub use options::{ApiError, HttpsOptions, Options, Scope, SocketOptions, Token};
pub use problem::Problem;
pub use routes::openapi;
pub use server::{Ask, Server};
