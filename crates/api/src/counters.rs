//! What the API counts. One declaration gives the counter, its name and its meaning.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($field:ident => $name:literal, $doc:literal;)*) => {
        /// Counters of a server.
        #[derive(Debug, Default)]
        pub struct ApiCounters {
            $(#[doc = $doc] pub(crate) $field: Count,)*
        }

        /// Name and meaning of every counter of the API.
        pub const API_COUNTERS: &[(&str, &str)] = &[$(($name, $doc),)*];

        impl ApiCounters {
            /// The present values by name.
            #[must_use]
            pub fn read(&self) -> Vec<(String, u64)> {
                vec![$(($name.to_owned(), self.$field.get()),)*]
            }
        }
    };
}

counters! {
    requests => "api.requests", "Requests to the control API, those that were refused among them.";
    connections => "api.connections", "Connections to it.";
    handshakes => "api.refused.handshake", "Connections without a TLS handshake: no TLS, no certificate that was asked for, one of somebody else, too slow.";
    crowded => "api.refused.connections", "Connections hung up on because there were too many, all together or of their source, and all were being answered.";
    idle => "api.refused.idle", "Connections hung up on while they asked for nothing, because others needed their place.";
    unauthorized => "api.refused.unauthorized", "Requests with no token, a wrong one, or one that may not do this.";
    throttled => "api.refused.throttled", "Requests refused unseen because their source had shown too many wrong tokens.";
    malformed => "api.refused.malformed", "Requests that are none of the API's: no such path or method, bad JSON, values out of bounds.";
    too_large => "api.refused.too_large", "Requests whose body is too large.";
    timeouts => "api.refused.timeout", "Requests that did not come whole in time.";
    broken => "api.refused.broken", "Connections that ended in the middle: no HTTP, a head too large or too slow, a client that went or took nothing of its answer.";
    unavailable => "api.unavailable", "Requests that the sensor had no time for.";
}

/// A counter that any thread may add to.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
