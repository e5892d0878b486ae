//! What is counted of a receiver. One declaration gives the counter, its name in stats and its meaning.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($field:ident => $doc:literal;)*) => {
        /// Counters of one receiver. Its threads write them, anybody may read them at any time.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(#[doc = $doc] pub(crate) $field: AtomicU64,)*
        }

        /// Name and meaning of the counters of each receiver.
        pub const COUNTERS: &[(&str, &str)] = &[$((concat!("push.NAME.", stringify!($field)), $doc),)*];

        impl Counters {
            /// The present values, by dotted name.
            #[must_use]
            pub fn read(&self, name: &str) -> Vec<(String, u64)> {
                vec![$((
                    format!("push.{name}.{}", stringify!($field)),
                    self.$field.load(Ordering::Relaxed),
                ),)*]
            }
        }
    };
}

counters! {
    sent => "Events that the receiver took (syslog: that were sent to it).";
    failed => "Attempts to connect or to send that failed.";
    retried => "Attempts to send an event that were not the first.";
    refused => "Webhook: events that the receiver refused for good (HTTP 4xx but 408, 425 and 429).";
    dropped => "Events lost before they could be sent: the oldest of a full queue, what a syslog receiver was not told before the sensor stopped, a datagram larger than the kernel takes.";
    expired => "Webhook: events that waited for longer than max_age.";
    damaged => "Webhook: events that the queue's files no longer tell; where that is not known, places at which they were damaged.";
    not_written => "Webhook: events that could not be written into the queue; the log says why.";
    shortened => "Events sent without their protocol's details because they were too large.";
    queued => "Webhook: events that wait in the queue now.";
    queued_bytes => "Webhook: bytes of these.";
}

pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}
