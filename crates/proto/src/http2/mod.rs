//! HTTP/2 without TLS (RFC 9113): with prior knowledge or behind an upgrade.
//!
//! A stream is a transaction of the same type as an HTTP/1 exchange. SETTINGS and GOAWAY of the connection are
//! transactions of stream 0.

mod frame;
mod hpack;
mod parser;
mod static_table;
mod stream;

use wire::IpProto;

pub use self::hpack::MAX_TABLE;
pub use self::parser::Http2Parser;
pub use self::stream::MAX_STREAMS;
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// What a client says first.
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame's header.
const FRAME_HEADER: usize = 9;
/// Settings that a server's first frame may have to be believed.
const MAX_BELIEVED: usize = 10;

/// HTTP/2, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Http2,
    transport: IpProto::TCP,
    ports: crate::http1::PROTOCOL.ports,
    probe,
    open: Some(|_| Box::<Http2Parser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let client = opening.client();
    if !client.is_empty() {
        return match (client.starts_with(PREFACE), PREFACE.starts_with(client)) {
            (true, _) => Guess::Yes,
            (_, true) => Guess::More,
            _ => Guess::No,
        };
    }
    settings(opening.server())
}

/// Whether a server's first bytes are a SETTINGS frame with settings that there are.
fn settings(seen: &[u8]) -> Guess {
    let Some(head) = seen.first_chunk::<FRAME_HEADER>() else {
        let begins =
            [0, 0].starts_with(&seen[..seen.len().min(2)]) && seen.get(3).is_none_or(|&kind| kind == 4);
        return if begins { Guess::More } else { Guess::No };
    };
    let length = usize::from(head[2]);
    let plausible = head[..2] == [0, 0]
        && head[3..] == [4, 0, 0, 0, 0, 0]
        && length > 0
        && length.is_multiple_of(6)
        && length / 6 <= MAX_BELIEVED;
    if !plausible {
        return Guess::No;
    }
    let known = |setting: &[u8]| setting[0] == 0 && (1..=9).contains(&setting[1]);
    match seen.get(FRAME_HEADER..FRAME_HEADER + length) {
        Some(all) if all.chunks(6).all(known) => Guess::Yes,
        Some(_) => Guess::No,
        None => Guess::More,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

#[cfg(test)]
#[path = "progress_tests.rs"]
mod progress_tests;
