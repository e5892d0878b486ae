//! SSH (RFC 4253): who says to be what, and the fingerprints of what both offer (HASSH, Salesforce 2018).

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::parser::{Chunk, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use crate::tls::Fingerprint;

/// A banner's length with its line end (RFC 4253 4.2).
const MAX_BANNER: usize = 255;
/// Bytes of lines that a server may say before its banner.
const MAX_PREAMBLE: usize = 8 * 1024;
/// Bytes of a KEXINIT packet that are assembled (RFC 4253 6.1 has 35,000 for any packet).
const MAX_KEXINIT: usize = 35_000;
/// Packets before KEXINIT that are passed over.
const MAX_PACKETS: u8 = 8;
const KEXINIT: u8 = 20;

/// What one side says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshSide {
    /// "2.0".
    pub proto_version: String,
    /// "OpenSSH_9.7".
    pub software_version: String,
    /// HASSH of a client, HASSHServer of a server.
    pub hassh: Option<Fingerprint>,
}

/// An SSH connection's beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ssh {
    /// The client, if its banner was seen.
    pub client: Option<SshSide>,
    /// The server, if its banner was seen.
    pub server: Option<SshSide>,
}

/// SSH, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Ssh,
    transport: IpProto::TCP,
    ports: &[22, 2222],
    probe,
    open: Some(|_| Box::<SshParser>::default()),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let magic = b"SSH-";
    let seen = opening.fresh();
    let len = seen.len().min(magic.len());
    match seen.get(4) {
        _ if seen[..len] != magic[..len] => Guess::No,
        Some(b'1' | b'2') => Guess::Yes,
        Some(_) => Guess::No,
        None => Guess::More,
    }
}

#[derive(Debug, Default)]
struct Side {
    /// A line or a packet that is not whole yet.
    buffer: Vec<u8>,
    preamble: usize,
    packets: u8,
    said: Option<SshSide>,
    done: bool,
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct SshParser {
    sides: [Side; 2],
    logged: bool,
    limits_hit: u32,
}

impl SshParser {
    fn log(&mut self, sink: &mut dyn Sink) {
        let [client, server] = [0, 1].map(|side| self.sides[side].said.take());
        if !self.logged && (client.is_some() || server.is_some()) {
            crate::parser::complete(Ssh { client, server }.into(), sink);
        }
        self.logged = true;
    }

    /// A line up to its end; whether the side goes on.
    fn line(&mut self, side: usize, sink: &mut dyn Sink) {
        let s = &mut self.sides[side];
        let line = s.buffer.trim_ascii_end();
        let Some(banner) = line.strip_prefix(b"SSH-") else {
            // Only servers may say something else first.
            sink.anomaly("invalid_banner");
            s.preamble += s.buffer.len();
            s.buffer.clear();
            if s.preamble > MAX_PREAMBLE {
                self.limits_hit += 1;
                s.done = true;
            }
            return;
        };
        if line.len() > MAX_BANNER {
            sink.anomaly("long_banner");
        }
        let text = String::from_utf8_lossy(&banner[..banner.len().min(MAX_BANNER)]);
        match text.split_once('-') {
            Some((version, software)) => {
                let software = software.split(' ').next().unwrap_or_default();
                s.said = Some(SshSide {
                    proto_version: version.to_owned(),
                    software_version: software.to_owned(),
                    hassh: None,
                });
                // SSH 1 agrees on its algorithms in another way. 1.99 speaks both.
                s.done = version.starts_with("1.") && version != "1.99";
            }
            None => {
                sink.anomaly("invalid_banner");
                s.done = true;
            }
        }
        s.buffer.clear();
    }

    /// A whole packet.
    fn packet(&mut self, side: usize, sink: &mut dyn Sink) {
        let s = &mut self.sides[side];
        s.packets += 1;
        let mut at = Cursor(&s.buffer);
        let payload = at.u32().and_then(|_| at.u8()).and_then(|padding| {
            let len = at.0.len().checked_sub(padding.into())?;
            at.take(len)
        });
        match payload {
            Some([KEXINIT, rest @ ..]) => {
                let hassh = hassh(rest, side);
                if hassh.is_none() {
                    sink.anomaly("invalid_record");
                }
                if let Some(said) = &mut s.said {
                    said.hassh = hassh;
                }
                s.done = true;
            }
            Some(_) => s.done = s.packets >= MAX_PACKETS,
            None => {
                sink.anomaly("invalid_record");
                s.done = true;
            }
        }
        s.buffer.clear();
    }
}

/// The lists that count, and their MD5: key exchange, and cipher, MAC, compression of the side's own direction.
fn hassh(kexinit: &[u8], side: usize) -> Option<Fingerprint> {
    let mut at = Cursor(kexinit);
    at.take(16)?;
    let mut lists = [""; 8];
    for list in &mut lists {
        let len = at.u32()?;
        *list = std::str::from_utf8(at.take(len as usize)?).ok()?;
    }
    let own = [0, 2 + side, 4 + side, 6 + side].map(|list| lists[list]);
    Some(Fingerprint::md5(own.join(";")))
}

impl Parser for SshParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut bytes = chunk.bytes;
        while !bytes.is_empty() && !self.sides[side].done {
            let s = &mut self.sides[side];
            if s.said.is_none() {
                let end = memchr::memchr(b'\n', bytes).map(|at| at + 1);
                let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
                s.buffer.extend_from_slice(line);
                bytes = rest;
                if end.is_some() {
                    self.line(side, sink);
                } else if s.buffer.len() > MAX_PREAMBLE {
                    sink.anomaly("long_banner");
                    self.limits_hit += 1;
                    s.done = true;
                }
                continue;
            }
            let wanted = match s.buffer.first_chunk::<4>() {
                None => 4,
                Some(&len) => 4 + u32::from_be_bytes(len) as usize,
            };
            if wanted > MAX_KEXINIT || (s.buffer.len() >= 4 && wanted < 6) {
                sink.anomaly(if wanted < 6 { "invalid_record" } else { "long_kex_record" });
                self.limits_hit += u32::from(wanted > MAX_KEXINIT);
                s.done = true;
                break;
            }
            let (take, rest) = bytes.split_at((wanted - s.buffer.len()).min(bytes.len()));
            s.buffer.extend_from_slice(take);
            bytes = rest;
            if wanted > 4 && s.buffer.len() == wanted {
                self.packet(side, sink);
            }
        }
        if self.sides.iter().all(|s| s.done) {
            self.log(sink);
            return Step::Finished;
        }
        Step::More
    }

    /// Packets cannot be found again behind a hole.
    fn gap(&mut self, direction: Direction, _missing: u64, sink: &mut dyn Sink) -> Step {
        self.sides[direction.index()].done = true;
        if self.sides.iter().all(|s| s.done) {
            self.log(sink);
            return Step::Finished;
        }
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        self.log(sink);
    }

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

#[cfg(test)]
#[path = "ssh_tests.rs"]
mod tests;
