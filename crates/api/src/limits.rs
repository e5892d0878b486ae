//! What a client can take from the sensor at most.

use std::time::Duration;

/// Bytes of a request's line and header fields; more is answered with 431. Hyper's least.
pub const MAX_HEAD: usize = 8192;
/// Header fields of a request; more are answered with 431.
pub const MAX_FIELDS: usize = 64;
/// Bytes of a request's body; more is answered with 413.
pub const MAX_BODY: u64 = 16 * 1024;
/// Characters of a reason for an isolation.
pub const MAX_REASON: usize = 1024;
/// Greatest lifetime of an isolation, in seconds: ten years.
pub const MAX_TTL_S: u64 = 3650 * 86_400;
/// Clients of the UNIX socket at once, root's aside. When there are more, those that ask for nothing are hung up on.
pub const MAX_LOCAL: usize = 32;
/// Root's clients of the UNIX socket at once: places that nobody else can take.
pub const MAX_ROOT: usize = 16;
/// Clients over TCP at once, and of one source (an IPv4 address, an IPv6 /64). When there are more, those that ask for
/// nothing are hung up on, first those that have not said who they are.
pub const MAX_REMOTE: usize = 64;
/// See [`MAX_REMOTE`].
pub const MAX_REMOTE_OF_SOURCE: usize = 16;
/// Requests that the sensor is asked at once, reloads aside. More wait.
pub const MAX_ASKED: usize = 8;
/// Reloads at once, beside those: one that runs, four that the desk lets wait, one that it refuses.
pub const MAX_RELOADS: usize = 6;
/// Time for a TLS handshake.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
/// Time for a request's head, and between two requests of a connection.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for a request's body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that takes nothing of its answer for so long is hung up on.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Wrong tokens, or failed handshakes, of one source within [`BLOCKED_FOR`] before it is answered with 429.
pub const MAX_FAILURES: u32 = 10;
/// How long a source is blocked then.
pub const BLOCKED_FOR: Duration = Duration::from_secs(60);
/// Sources whose failures are remembered; the one that failed longest ago goes first.
pub const MAX_SOURCES: usize = 4096;
/// Refusals that are put on record one by one within [`SUMMARY_AFTER`], and of one source; more are counted.
pub const MAX_TOLD: u32 = 20;
/// See [`MAX_TOLD`].
pub const MAX_TOLD_OF_SOURCE: u32 = 3;
/// When what was only counted is put on record.
pub const SUMMARY_AFTER: Duration = Duration::from_secs(60);
/// A token or certificate that was not used from a source for so long logs in anew.
pub const LOGIN_IDLE: Duration = Duration::from_secs(3600);
/// How long clients have at the end to take their answers.
pub const STOP_PATIENCE: Duration = Duration::from_millis(500);
/// A client's limit: bytes of an answer. A list of 100,000 isolated hosts has some 30 MB.
pub const MAX_ANSWER: usize = 512 * 1024 * 1024;
