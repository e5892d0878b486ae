//! Simple Service Discovery Protocol (UPnP Device Architecture 2.0 section 1): HTTP's headers in datagrams.

use wire::{Direction, IpProto};

use crate::datagrams::Datagrams;
use crate::dns::text;
use crate::parser::Chunk;
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::transaction::Transaction;

const PORTS: &[u16] = &[1900];
/// Bytes of a header's value.
const MAX_VALUE: usize = 256;
/// Header lines read of one message.
const MAX_LINES: usize = 64;

/// A message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ssdp {
    /// Which way it went.
    pub direction: Direction,
    /// "M-SEARCH" or "NOTIFY"; a response has none.
    pub method: Option<&'static str>,
    /// What is sought or told of: ST or NT.
    pub target: Option<String>,
    /// "ssdp:alive", "ssdp:discover" ...: NTS or MAN.
    pub kind: Option<String>,
    /// Unique name of the service.
    pub usn: Option<String>,
    /// Where its description is.
    pub location: Option<String>,
    /// Operating system and product of who offers it.
    pub server: Option<String>,
    /// The same of who seeks.
    pub user_agent: Option<String>,
}

pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Ssdp,
    transport: IpProto::UDP,
    ports: PORTS,
    probe,
    open: Some(|_| Datagrams::boxed(|chunk, limits| message(chunk, limits).map(Transaction::from))),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let chunk = Chunk { direction: opening.fresh, bytes: opening.fresh(), time: opening.tuple.start };
    // A response looks like any of HTTP's but for what it tells.
    let sound = message(chunk, &mut 0).is_some_and(|m| m.method.is_some() || m.usn.is_some());
    if sound { Guess::Yes } else { Guess::No }
}

fn message(chunk: Chunk<'_>, limits: &mut u32) -> Option<Ssdp> {
    let methods: [(&[u8], _); 3] = [
        (b"M-SEARCH * HTTP/1.", Some("M-SEARCH")),
        (b"NOTIFY * HTTP/1.", Some("NOTIFY")),
        (b"HTTP/1.1 200 ", None),
    ];
    let method = methods.into_iter().find(|(start, _)| chunk.bytes.starts_with(start))?.1;
    let mut ssdp = Ssdp { direction: chunk.direction, method, ..Ssdp::default() };
    for (at, line) in chunk.bytes.split(|&byte| byte == b'\n').skip(1).enumerate() {
        if at == MAX_LINES {
            *limits = limits.saturating_add(1);
            break;
        }
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let slot = match line[..colon].to_ascii_lowercase().as_slice() {
            b"st" | b"nt" => &mut ssdp.target,
            b"nts" | b"man" => &mut ssdp.kind,
            b"usn" => &mut ssdp.usn,
            b"location" => &mut ssdp.location,
            b"server" => &mut ssdp.server,
            b"user-agent" => &mut ssdp.user_agent,
            _ => continue,
        };
        let value = line[colon + 1..].trim_ascii();
        *slot = Some(text(&value[..value.len().min(MAX_VALUE)]));
    }
    Some(ssdp)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Nanos;

    #[test]
    fn a_search_tells_what_is_sought() {
        let bytes = b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nST: ssdp:all\r\n\r\n";
        let ssdp = message(Chunk { direction: Direction::ToServer, bytes, time: Nanos(0) }, &mut 0).unwrap();
        assert_eq!((ssdp.method, ssdp.target.as_deref()), (Some("M-SEARCH"), Some("ssdp:all")));
    }
}
