//! Writing pcapng (draft-ietf-opsawg-pcapng): a section, one interface, packets with nanoseconds.
//!
//! Three block types in little-endian order: less code than feeding a library's structures.

use std::io::{self, Write};

use crate::event::EvidencePacket;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const OPT_COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_TSRESOL: u16 = 9;
const NANOSECONDS: u8 = 9;

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&len.to_le_bytes());
    body.extend_from_slice(&value[..usize::from(len)]);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let total = u32::try_from(body.len() + 12).map_err(io::Error::other)?;
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&total.to_le_bytes())?;
    out.write_all(body)?;
    out.write_all(&total.to_le_bytes())
}

/// The section and its interface.
pub(crate) fn header(out: &mut impl Write, link: u16, comment: &str) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend_from_slice(&BYTE_ORDER_MAGIC.to_le_bytes());
    body.extend_from_slice(&1_u16.to_le_bytes());
    body.extend_from_slice(&0_u16.to_le_bytes());
    body.extend_from_slice(&u64::MAX.to_le_bytes());
    option(&mut body, OPT_COMMENT, comment.as_bytes());
    option(&mut body, SHB_USERAPPL, concat!("Ringward ", env!("CARGO_PKG_VERSION")).as_bytes());
    option(&mut body, 0, &[]);
    block(out, SECTION_HEADER, &body)?;
    let mut body = Vec::new();
    body.extend_from_slice(&link.to_le_bytes());
    body.extend_from_slice(&[0; 6]);
    option(&mut body, IF_TSRESOL, &[NANOSECONDS]);
    option(&mut body, 0, &[]);
    block(out, INTERFACE, &body)
}

/// One packet.
pub(crate) fn packet(out: &mut impl Write, packet: &EvidencePacket) -> io::Result<()> {
    let captured = u32::try_from(packet.frame.len()).map_err(io::Error::other)?;
    let mut body = Vec::with_capacity(packet.frame.len() + 24);
    body.extend_from_slice(&0_u32.to_le_bytes());
    body.extend_from_slice(&((packet.time.0 >> 32) as u32).to_le_bytes());
    body.extend_from_slice(&(packet.time.0 as u32).to_le_bytes());
    body.extend_from_slice(&captured.to_le_bytes());
    body.extend_from_slice(&packet.wire_len.max(captured).to_le_bytes());
    body.extend_from_slice(&packet.frame);
    pad(&mut body);
    block(out, ENHANCED_PACKET, &body)
}
