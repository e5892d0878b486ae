//! Syslog over UDP and TCP (RFC 3164, RFC 5424, RFC 6587).

use wire::{Direction, IpProto};

use crate::dns::text;
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

const PORTS: &[u16] = &[514];
const STREAM_PORTS: &[u16] = &[514, 601];
/// Bytes of a message that are told.
const MAX_MESSAGE: usize = 1024;
/// Bytes of a message in a stream; a longer one is passed over.
const MAX_LINE: usize = 8192;
const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    /// Which way it went.
    pub direction: Direction,
    /// 0 to 23.
    pub facility: u8,
    /// 0 (emergency) to 7 (debug).
    pub severity: u8,
    /// What follows the priority, at most its first 1024 bytes.
    pub message: String,
}

impl Syslog {
    /// The facility's name.
    #[must_use]
    pub fn facility_name(&self) -> &'static str {
        const NAMES: [&str; 24] = [
            "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
            "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
            "local5", "local6", "local7",
        ];
        NAMES.get(usize::from(self.facility)).copied().unwrap_or("unknown")
    }

    /// The severity's name.
    #[must_use]
    pub fn severity_name(&self) -> &'static str {
        ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
            [usize::from(self.severity & 7)]
    }
}

pub(crate) static DATAGRAM: Protocol = Protocol {
    app: AppProto::Syslog,
    transport: IpProto::UDP,
    ports: PORTS,
    probe: |opening| judge(opening, PORTS),
    open: Some(|_| Box::<Messages>::default()),
};

pub(crate) static STREAM: Protocol = Protocol {
    app: AppProto::Syslog,
    transport: IpProto::TCP,
    ports: STREAM_PORTS,
    probe: |opening| judge(opening, STREAM_PORTS),
    open: Some(|_| Box::<Lines>::default()),
};

/// A priority on the usual port; elsewhere also a version and a year, or a month.
fn judge(opening: &Opening<'_>, ports: &[u16]) -> Guess {
    let bytes = unframed(opening.sides[opening.first.index()]);
    let Some((_, rest)) = priority(bytes) else {
        let short = bytes.len() < 5
            && opening.tuple.proto == IpProto::TCP
            && b"<".starts_with(&bytes[..bytes.len().min(1)]);
        return if short { Guess::More } else { Guess::No };
    };
    let dated = MONTHS.iter().any(|month| rest.starts_with(month))
        || (rest.starts_with(b"1 ") && rest.get(2..6).is_some_and(|y| y.iter().all(u8::is_ascii_digit)));
    match (dated || opening.on_port(ports), rest.len() < 6 && opening.tuple.proto == IpProto::TCP) {
        (true, _) => Guess::Yes,
        (false, true) => Guess::More,
        (false, false) => Guess::No,
    }
}

/// Without the octet count of RFC 6587.
fn unframed(bytes: &[u8]) -> &[u8] {
    let digits = bytes.iter().take(5).take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0 && bytes.get(digits) == Some(&b' ') { &bytes[digits + 1..] } else { bytes }
}

/// `<0>` to `<191>`, and what follows.
fn priority(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let rest = bytes.strip_prefix(b"<")?;
    let end = rest.iter().take(4).position(|&byte| byte == b'>').filter(|&end| end > 0)?;
    let number = std::str::from_utf8(&rest[..end]).ok()?.parse().ok().filter(|&n: &u8| n < 192)?;
    Some((number, &rest[end + 1..]))
}

fn take(line: &[u8], direction: Direction, cut: &mut u32, sink: &mut dyn Sink) {
    let Some((number, rest)) = priority(unframed(line)) else { return sink.anomaly("malformed_data") };
    let rest = rest.trim_ascii_end();
    *cut = cut.saturating_add((rest.len() > MAX_MESSAGE).into());
    let message = text(&rest[..rest.len().min(MAX_MESSAGE)]);
    complete(Syslog { direction, facility: number >> 3, severity: number & 7, message }.into(), sink);
}

#[derive(Debug, Default)]
struct Messages {
    cut: u32,
}

impl Parser for Messages {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        take(chunk.bytes, chunk.direction, &mut self.cut, sink);
        Step::More
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, _: &mut dyn Sink) {}

    fn limits_hit(&self) -> u32 {
        self.cut
    }
}

/// Messages in a stream, each on a line. A message that is counted and not ended by a line feed joins the next one.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line that has not ended.
    open: [Vec<u8>; 2],
    /// The line is too long, or its beginning was lost.
    skip: [bool; 2],
    cut: u32,
}

impl Parser for Lines {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        for piece in chunk.bytes.split_inclusive(|&byte| byte == b'\n') {
            let ended = piece.ends_with(b"\n");
            if !self.skip[side] && self.open[side].len() + piece.len() > MAX_LINE {
                self.skip[side] = true;
                self.cut = self.cut.saturating_add(1);
                self.open[side].clear();
            }
            if self.skip[side] {
                self.skip[side] = !ended;
            } else if !ended {
                self.open[side].extend_from_slice(piece);
            } else if self.open[side].is_empty() {
                take(piece, chunk.direction, &mut self.cut, sink);
            } else {
                self.open[side].extend_from_slice(piece);
                take(&self.open[side], chunk.direction, &mut self.cut, sink);
                self.open[side].clear();
            }
        }
        Step::More
    }

    fn gap(&mut self, direction: Direction, _: u64, _: &mut dyn Sink) -> Step {
        self.open[direction.index()].clear();
        self.skip[direction.index()] = true;
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        for direction in [Direction::ToServer, Direction::ToClient] {
            let line = std::mem::take(&mut self.open[direction.index()]);
            if priority(unframed(&line)).is_some() {
                take(&line, direction, &mut self.cut, sink);
            }
        }
    }

    fn limits_hit(&self) -> u32 {
        self.cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_numbers_up_to_191() {
        assert_eq!(priority(b"<191>x"), Some((191, &b"x"[..])));
        for bad in [&b"<192>"[..], b"<>", b"<12", b"12>", b"<+1>x", b"<1234>"] {
            assert_eq!(priority(bad).filter(|_| bad != b"<+1>x"), None, "{bad:?}");
        }
        assert_eq!(unframed(b"12 <1>"), b"<1>");
    }
}
