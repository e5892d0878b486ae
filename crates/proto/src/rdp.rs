//! The beginning of Remote Desktop Protocol connections (MS-RDPBCGR sections 1.3.1.1 and 2.2.1): negotiation in X.224,
//! then the client's settings in T.125 where the connection is not handed to TLS.

use wire::{Direction, IpProto};

use crate::bytes::{self, Cut, Units, le16, le32, part};
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// Characters kept of a cookie.
const MAX_COOKIE: usize = 256;
/// Virtual channels read.
const MAX_CHANNELS: usize = 31;
/// Bytes of a TPKT header.
const TPKT: usize = 4;
/// X.224: connection request, connection confirm, data.
const CONNECT_REQUEST: u8 = 0xe0;
const CONNECT_CONFIRM: u8 = 0xd0;
const DATA: u8 = 0xf0;
/// First byte of a TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// What the client tells of itself in the clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RdpClient {
    /// Protocol version: major in the high half.
    pub version: u32,
    /// Width and height of the desktop in pixels.
    pub desktop: (u16, u16),
    /// Bits per pixel, if told.
    pub color_depth: Option<u16>,
    /// Keyboard layout: a Windows locale identifier.
    pub keyboard_layout: u32,
    /// Build number of the client's operating system.
    pub build: u32,
    /// The client's computer name.
    pub name: String,
    /// Keyboard type and number of function keys.
    pub keyboard: (u32, u32),
    /// Product identifier.
    pub product_id: Option<u16>,
    /// Early capability flags.
    pub capabilities: Option<u16>,
    /// The client's digital product identifier, if told.
    pub id: String,
    /// Virtual channels asked for.
    pub channels: Vec<String>,
}

/// A step of the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RdpStep {
    /// X.224 connection request.
    InitialRequest {
        /// The user's name in the routing cookie, as far as old clients tell it.
        cookie: Option<String>,
        /// Security protocols offered, as bits.
        protocols: Option<u32>,
    },
    /// X.224 connection confirm.
    InitialResponse {
        /// The security protocol chosen, or why none was.
        answer: Option<Result<u32, u32>>,
    },
    /// MCS connect-initial with the client's settings.
    ConnectRequest(Box<RdpClient>),
    /// MCS connect-response.
    ConnectResponse,
    /// TLS begins.
    TlsHandshake,
}

/// An RDP message of the connection's beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rdp {
    /// Its number on the flow, from 1.
    pub number: u32,
    /// What it is.
    pub step: RdpStep,
}

impl Rdp {
    /// Who sent it.
    #[must_use]
    pub fn direction(&self) -> Direction {
        match self.step {
            RdpStep::InitialResponse { .. } | RdpStep::ConnectResponse => Direction::ToClient,
            _ => Direction::ToServer,
        }
    }
}

/// RDP, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Rdp,
    transport: IpProto::TCP,
    ports: &[3389],
    probe,
    open: Some(|_| Box::<RdpParser>::default()),
};

/// A TPKT with an X.224 connection request (or confirm) that says something RDP says.
fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    let usual = opening.on_port(&[3389]);
    let fits = |at: usize, ok: &dyn Fn(u8) -> bool| seen.get(at).copied().is_none_or(ok);
    let possible = fits(0, &|b| b == 3)
        && fits(1, &|b| b == 0)
        && fits(2, &|b| b <= 4)
        && fits(5, &|b| b == CONNECT_REQUEST || b == CONNECT_CONFIRM)
        && fits(10, &|b| b == 0);
    if !possible {
        return Guess::No;
    }
    let Cut::Unit(len) = cut(seen) else { return Guess::More };
    if !(11..=1024).contains(&len) || seen.get(4).is_some_and(|&li| usize::from(li) + 5 > len) {
        return Guess::No;
    }
    if seen.len() < len {
        return Guess::More;
    }
    // S7 and other users of X.224 send parameters (0xc0 and up); RDP a cookie, a negotiation or, on its port, nothing.
    let told = &seen[11..len];
    let negotiation = |at: usize| told.len() >= at + 8 && matches!(told[at], 1..=3) && told[at + 2] == 8;
    let speaks = told.starts_with(b"Cookie: ") || told.starts_with(b"mstshash") || negotiation(0);
    if speaks || (usual && told.first().is_none_or(|&b| b < 0xc0)) { Guess::Yes } else { Guess::No }
}

fn cut(seen: &[u8]) -> Cut {
    match seen {
        [3, _, high, low, ..] => match usize::from(*high) << 8 | usize::from(*low) {
            len if len > TPKT => Cut::Unit(len),
            _ => Cut::Bad,
        },
        [3, ..] | [] => Cut::More,
        _ => Cut::Bad,
    }
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct RdpParser {
    units: [Units; 2],
    count: u32,
    /// TLS was agreed on.
    secured: bool,
    finished: bool,
}

impl RdpParser {
    fn tell(&mut self, step: RdpStep, sink: &mut dyn Sink) {
        self.count += 1;
        complete(Rdp { number: self.count, step }.into(), sink);
    }

    fn packet(&mut self, packet: &[u8], sink: &mut dyn Sink) {
        let body = packet.get(TPKT..).unwrap_or_default();
        let Some((&length, x224)) = body.split_first() else { return };
        let (header, user) = x224.split_at(usize::from(length).min(x224.len()));
        match header.first().map(|code| code & 0xf0) {
            Some(CONNECT_REQUEST) => {
                let (cookie, protocols) = request(header.get(6..).unwrap_or_default());
                self.tell(RdpStep::InitialRequest { cookie, protocols }, sink);
            }
            Some(CONNECT_CONFIRM) => {
                let told = header.get(6..).unwrap_or_default();
                let answer = match (told.first(), le32(told, 4)) {
                    (Some(2), Some(chosen)) => Some(Ok(chosen)),
                    (Some(3), Some(code)) => Some(Err(code)),
                    _ => None,
                };
                self.secured = matches!(answer, Some(Ok(chosen)) if chosen != 0);
                self.tell(RdpStep::InitialResponse { answer }, sink);
            }
            Some(DATA) => self.mcs(user, sink),
            _ => {}
        }
    }

    fn mcs(&mut self, user: &[u8], sink: &mut dyn Sink) {
        match user {
            [0x7f, 0x65, ..] => {
                self.tell(RdpStep::ConnectRequest(Box::new(settings(user))), sink);
            }
            [0x7f, 0x66, ..] => {
                self.tell(RdpStep::ConnectResponse, sink);
                // What follows is encrypted or tells nothing.
                self.finished = true;
            }
            _ => {}
        }
    }
}

/// Cookie and offered protocols of a connection request.
fn request(mut told: &[u8]) -> (Option<String>, Option<u32>) {
    const HASH: &[u8] = b"mstshash=";
    let mut cookie = None;
    if let Some(end) = memchr::memmem::find(told, b"\r\n") {
        let line = &told[..end];
        if let Some(at) = memchr::memmem::find(line, HASH) {
            cookie = Some(bytes::text(&line[at + HASH.len()..], false, MAX_COOKIE));
        }
        told = &told[end + 2..];
    }
    let protocols = if told.first() == Some(&1) { le32(told, 4) } else { None };
    (cookie, protocols)
}

/// The client's data blocks (MS-RDPBCGR section 2.2.1.3), found behind the conference request's key "Duca".
fn settings(mcs: &[u8]) -> RdpClient {
    let mut client = RdpClient::default();
    let Some(at) = memchr::memmem::find(mcs, b"Duca") else { return client };
    let mut blocks = &mcs[at + 4..];
    // Their length, in PER: one or two bytes.
    let skip = if blocks.first().is_some_and(|b| b & 0x80 != 0) { 2 } else { 1 };
    blocks = blocks.get(skip..).unwrap_or_default();
    while let (Some(kind), Some(len)) = (le16(blocks, 0), le16(blocks, 2)) {
        let Some(block) = blocks.get(4..usize::from(len)) else { break };
        match kind {
            0xc001 => core(block, &mut client),
            0xc003 => {
                let names = block.get(4..).unwrap_or_default().chunks_exact(12).take(MAX_CHANNELS);
                let name = |raw: &[u8]| bytes::take_text(&mut &raw[..8], false, 8);
                client.channels = names.map(name).collect();
            }
            _ => {}
        }
        blocks = &blocks[usize::from(len)..];
    }
    client
}

/// The core data block, without its header.
fn core(block: &[u8], client: &mut RdpClient) {
    let short = |at| le16(block, at).unwrap_or(0);
    let long = |at| le32(block, at).unwrap_or(0);
    client.version = long(0);
    client.desktop = (short(4), short(6));
    client.keyboard_layout = long(12);
    client.build = long(16);
    client.name = part(block, 20, 32).map(|mut raw| bytes::take_text(&mut raw, true, 16)).unwrap_or_default();
    client.keyboard = (long(52), long(60));
    client.product_id = le16(block, 130);
    client.color_depth = le16(block, 136);
    client.capabilities = le16(block, 140);
    client.id = part(block, 142, 64).map(|mut raw| bytes::take_text(&mut raw, true, 32)).unwrap_or_default();
}

impl Parser for RdpParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        let side = chunk.direction.index();
        let mut rest = chunk.bytes.len();
        if !self.secured {
            let mut units = std::mem::take(&mut self.units[side]);
            rest = 0;
            // What is lost is not looked for: all of it stands at the beginning.
            let understood = units.feed(
                chunk.bytes,
                cut,
                |_| Guess::No,
                |packet, behind| {
                    self.packet(packet, sink);
                    rest = behind;
                    !self.finished && !self.secured
                },
            );
            self.units[side] = units;
            if !self.secured {
                return if understood { Step::More } else { Step::Finished };
            }
        }
        match chunk.bytes[chunk.bytes.len() - rest..].first() {
            None => Step::More,
            Some(&TLS_HANDSHAKE) => {
                self.tell(RdpStep::TlsHandshake, sink);
                Step::Switch { rest, to: Some(AppProto::Tls) }
            }
            Some(_) => Step::Finished,
        }
    }

    fn gap(&mut self, _direction: Direction, _missing: u64, _sink: &mut dyn Sink) -> Step {
        Step::Finished
    }

    fn close(&mut self, _sink: &mut dyn Sink) {}
}

#[cfg(test)]
#[path = "rdp_tests.rs"]
mod tests;
