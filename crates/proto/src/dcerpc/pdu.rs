//! DCE/RPC's protocol data units (C706 chapter 12, MS-RPCE), connection-oriented and connectionless.

use crate::bytes::part;

/// Bytes of a connection-oriented header.
pub(crate) const HEADER: usize = 16;
/// Bytes of a connectionless header.
pub(crate) const HEADER_CL: usize = 80;
/// Presentation contexts read of one bind.
const MAX_CONTEXTS: usize = 32;

pub(crate) const REQUEST: u8 = 0;
pub(crate) const RESPONSE: u8 = 2;
pub(crate) const FAULT: u8 = 3;
pub(crate) const REJECT: u8 = 6;
pub(crate) const BIND: u8 = 11;
pub(crate) const BIND_ACK: u8 = 12;
pub(crate) const BIND_NAK: u8 = 13;
pub(crate) const ALTER_CONTEXT: u8 = 14;
pub(crate) const ALTER_CONTEXT_RESP: u8 = 15;
pub(crate) const AUTH3: u8 = 16;
pub(crate) const MAX_TYPE: u8 = 20;

const FIRST_FRAG: u8 = 0x01;
const LAST_FRAG: u8 = 0x02;
const OBJECT: u8 = 0x80;
const LITTLE_ENDIAN: u8 = 0x10;

/// The name of a PDU type in events.
#[must_use]
pub fn type_name(kind: u8) -> &'static str {
    const NAMES: [&str; 21] = [
        "REQUEST",
        "PING",
        "RESPONSE",
        "FAULT",
        "WORKING",
        "NOCALL",
        "REJECT",
        "ACK",
        "CL_CANCEL",
        "FACK",
        "CANCEL_ACK",
        "BIND",
        "BINDACK",
        "BINDNAK",
        "ALTER_CONTEXT",
        "ALTER_CONTEXT_RESP",
        "AUTH3",
        "SHUTDOWN",
        "CO_CANCEL",
        "ORPHANED",
        "RTS",
    ];
    NAMES.get(usize::from(kind)).copied().unwrap_or("UNKNOWN")
}

/// An interface that a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Presentation context that stands for it.
    pub context: u16,
    /// Its UUID, the first byte of its text first.
    pub uuid: [u8; 16],
    /// Major and minor.
    pub version: (u16, u16),
    /// Result (0 accepted) and reason, if the server answered.
    pub ack: Option<(u16, u16)>,
}

/// A UUID's text, the first byte first.
#[must_use]
pub fn uuid_text(uuid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in uuid.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
        }
    }
    text
}

/// A UUID on the wire in the order of its text: its first three numbers may have their low byte first.
pub(crate) fn uuid(raw: &[u8], little: bool) -> Option<[u8; 16]> {
    let mut uuid = *raw.first_chunk::<16>()?;
    if little {
        uuid[..4].reverse();
        uuid[4..6].reverse();
        uuid[6..8].reverse();
    }
    Some(uuid)
}

/// A connection-oriented PDU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pdu<'a> {
    pub version: (u8, u8),
    pub kind: u8,
    flags: u8,
    little: bool,
    pub length: usize,
    auth_length: usize,
    pub call_id: u32,
    /// What is there of it, header included; may be cut short.
    bytes: &'a [u8],
}

impl<'a> Pdu<'a> {
    /// Reads a header; whatever follows the PDU is left out of it.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let head = bytes.first_chunk::<HEADER>()?;
        let little = head[4] & 0xf0 == LITTLE_ENDIAN;
        let plausible =
            head[0] == 5 && head[1] <= 1 && head[2] <= MAX_TYPE && matches!(head[4] & 0xf0, 0 | 0x10);
        let number = |at: usize| u16_at(head, at, little).map(usize::from);
        let length = number(8)?;
        if !plausible || length < HEADER {
            return None;
        }
        Some(Pdu {
            version: (head[0], head[1]),
            kind: head[2],
            flags: head[3],
            little,
            length,
            auth_length: number(10)?,
            call_id: u32_at(head, 12, little)?,
            bytes: &bytes[..bytes.len().min(length)],
        })
    }

    /// Whether it begins a message.
    pub fn is_first(&self) -> bool {
        self.flags & FIRST_FRAG != 0
    }

    /// Whether it ends a message.
    pub fn is_last(&self) -> bool {
        self.flags & LAST_FRAG != 0
    }

    fn u16(&self, at: usize) -> Option<u16> {
        u16_at(self.bytes, at, self.little)
    }

    /// A request's presentation context.
    pub fn context(&self) -> Option<u16> {
        self.u16(20)
    }

    /// A request's operation number.
    pub fn opnum(&self) -> Option<u16> {
        self.u16(22)
    }

    /// Bytes behind the header of a request or response, the authentication trailer included.
    pub fn stub_length(&self) -> usize {
        let object = if self.kind == REQUEST && self.flags & OBJECT != 0 { 16 } else { 0 };
        self.length.saturating_sub(HEADER + 8 + object)
    }

    /// Whether its numbers have their low byte first.
    pub fn little(&self) -> bool {
        self.little
    }

    /// As much of a request's or response's body as is there.
    pub fn stub(&self) -> &'a [u8] {
        let start = self.length.saturating_sub(self.stub_length());
        self.bytes.get(start..).unwrap_or_default()
    }

    /// The authentication token, if there is one.
    pub fn auth(&self) -> Option<&'a [u8]> {
        let start = self.length.checked_sub(self.auth_length)?;
        if self.auth_length == 0 { None } else { self.bytes.get(start..) }
    }

    /// Interfaces of a bind or alter-context.
    pub fn interfaces(&self) -> Vec<Interface> {
        let mut list = Vec::new();
        let count = self.bytes.get(24).copied().map_or(0, usize::from);
        let mut at = HEADER + 12;
        for _ in 0..count.min(MAX_CONTEXTS) {
            let Some(found) = self.interface(at) else { break };
            list.push(found);
            // Each transfer syntax has a UUID and a version.
            at += 24 + 20 * usize::from(self.bytes.get(at + 2).copied().unwrap_or(0));
        }
        list
    }

    fn interface(&self, at: usize) -> Option<Interface> {
        let uuid = uuid(part(self.bytes, at + 4, 16)?, self.little)?;
        let version = (self.u16(at + 20)?, self.u16(at + 22)?);
        Some(Interface { context: self.u16(at)?, uuid, version, ack: None })
    }

    /// Results and reasons of a bind-ack or alter-context-response, in the order of the contexts.
    pub fn acks(&self) -> impl Iterator<Item = (u16, u16)> + use<'a> {
        let address = self.u16(24).map_or(0, usize::from);
        // The results stand on the next multiple of four.
        let at = (26 + address).next_multiple_of(4);
        let count = self.bytes.get(at).copied().map_or(0, usize::from).min(MAX_CONTEXTS);
        let (bytes, little) = (self.bytes, self.little);
        (0..count).map_while(move |n| {
            let item = at + 4 + n * 24;
            Some((u16_at(bytes, item, little)?, u16_at(bytes, item + 2, little)?))
        })
    }
}

/// A connectionless PDU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Datagram {
    pub kind: u8,
    pub activity: [u8; 16],
    pub interface: Interface,
    pub seqnum: u32,
    pub opnum: u16,
    pub body: usize,
    pub fragment: u16,
    pub little: bool,
}

impl Datagram {
    /// Reads a header and checks it against the datagram's length.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let head = bytes.first_chunk::<HEADER_CL>()?;
        let little = head[4] & 0xf0 == LITTLE_ENDIAN;
        let body = usize::from(u16_at(head, 74, little)?);
        let plausible = head[0] == 4
            && head[1] <= 10
            && head[3] & 0xfc == 0
            && matches!(head[4], 0 | 1 | 0x10 | 0x11)
            && head[5] <= 3
            && head[6] == 0
            && body <= bytes.len() - HEADER_CL;
        if !plausible {
            return None;
        }
        let version = (u16_at(head, 60, little)?, u16_at(head, 62, little)?);
        let version = if little { version } else { (version.1, version.0) };
        let interface = Interface { context: 0, uuid: uuid(&head[24..], little)?, version, ack: None };
        Some(Datagram {
            kind: head[1],
            // Whatever the sender says of its byte order, as Suricata reads it: the identifier means nothing else.
            activity: uuid(&head[40..], true)?,
            interface,
            seqnum: u32_at(head, 64, little)?,
            opnum: u16_at(head, 68, little)?,
            body,
            fragment: u16_at(head, 76, little)?,
            little,
        })
    }
}

fn u16_at(bytes: &[u8], at: usize, little: bool) -> Option<u16> {
    let raw = *bytes.get(at..)?.first_chunk()?;
    Some(if little { u16::from_le_bytes(raw) } else { u16::from_be_bytes(raw) })
}

fn u32_at(bytes: &[u8], at: usize, little: bool) -> Option<u32> {
    let raw = *bytes.get(at..)?.first_chunk()?;
    Some(if little { u32::from_le_bytes(raw) } else { u32::from_be_bytes(raw) })
}
