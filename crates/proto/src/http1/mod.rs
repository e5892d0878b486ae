//! HTTP/1 requests and responses (RFC 9110, RFC 9112), and HTTP/0.9.
//!
//! The heads are read by our own lenient reader and not by a library for clients and servers: those
//! refuse what implants send (raw spaces in the target, bare line feeds, broken header lines), and a
//! sensor must see it. Bodies are passed on as they come, never kept.

mod bodies;
mod exchange;
mod framing;
mod head;
mod headless;
mod parser;
mod side;

use wire::IpProto;

pub(crate) use self::exchange::Exchange;
pub use self::parser::HttpParser;
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// Bytes of a head; what is longer is read as far as this.
pub const MAX_HEAD: usize = 16 * 1024;
/// Requests that may wait for their response; those behind them are logged without.
pub const MAX_PENDING: usize = 64;
/// Characters of a method.
const MAX_METHOD: usize = 32;

const METHODS: [&[u8]; 34] = [
    b"GET ",
    b"POST ",
    b"HEAD ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"CONNECT ",
    b"TRACE ",
    b"PROPFIND ",
    b"PROPPATCH ",
    b"MKCOL ",
    b"COPY ",
    b"MOVE ",
    b"LOCK ",
    b"UNLOCK ",
    b"SEARCH ",
    b"REPORT ",
    b"CHECKOUT ",
    b"CHECKIN ",
    b"UNCHECKOUT ",
    b"MKWORKSPACE ",
    b"MKACTIVITY ",
    b"UPDATE ",
    b"LABEL ",
    b"MERGE ",
    b"VERSION-CONTROL ",
    b"BASELINE-CONTROL ",
    b"ACL ",
    b"BIND ",
    b"REBIND ",
    b"UNBIND ",
    b"SUBSCRIBE ",
    b"UNSUBSCRIBE ",
];
const RESPONSE: &[u8] = b"HTTP/1.";

/// Whether one of these begins what was seen; line ends before it do not count.
fn begins<'a>(seen: &[u8], mut any_of: impl Iterator<Item = &'a [u8]>) -> Guess {
    let start = seen.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(seen.len());
    let seen = &seen[start..];
    let mut verdict = Guess::No;
    let found = any_of.any(|known| {
        if known.starts_with(seen) {
            verdict = Guess::More;
        }
        seen.starts_with(known)
    });
    if found { Guess::Yes } else { verdict }
}

fn guess_request(seen: &[u8]) -> Guess {
    begins(seen, METHODS.iter().copied())
}

fn guess_response(seen: &[u8]) -> Guess {
    begins(seen, [RESPONSE].into_iter())
}

/// HTTP/1, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Http,
    transport: IpProto::TCP,
    ports: &[80, 8000, 8080, 8888, 3128],
    probe,
    open: Some(|_| Box::<HttpParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    match begins(seen, METHODS.iter().copied().chain([RESPONSE])) {
        // SIP and RTSP have some methods of the same names; what they ask for tells them from HTTP.
        Guess::Yes => match seen.iter().position(|&b| b == b' ').map(|space| &seen[space + 1..]) {
            Some(target) if [&b"sip:"[..], b"sips:", b"rtsp:"].iter().any(|of| target.starts_with(of)) => {
                Guess::No
            }
            Some(target) if b"sip:".starts_with(target) || b"rtsp:".starts_with(target) => Guess::More,
            _ => Guess::Yes,
        },
        other => other,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "progress_tests.rs"]
mod progress_tests;
