//! Frames from a capture file: pcap (micro- and nanoseconds, either byte order) and pcapng, compressed or not.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use pcap_parser::pcapng::Block;
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{InterfaceDescriptionBlock, PcapBlockOwned, PcapError, create_reader};
use wire::{LinkType, Nanos};

use crate::error::CaptureError;

/// Read at once; grows for larger blocks up to [`MAX_BLOCK`].
const BUFFER: usize = 256 * 1024;
/// A block larger than this is taken for damage.
const MAX_BLOCK: usize = 64 * 1024 * 1024;
/// As a path: standard input. A file of that name is "./-".
pub const STANDARD_INPUT: &str = "-";
/// The link type in a file header's last field.
const LINK_TYPE_BITS: i32 = 0xffff;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// One frame of a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Ordinal in the file, from 1.
    pub ordinal: u64,
    /// Capture time.
    pub time: Nanos,
    /// How the frame begins; the file's own number if this sensor does not decode it.
    pub link: Result<LinkType, i32>,
    /// Length on the wire; larger than `bytes` if the capture cut it.
    pub wire_len: u32,
    /// The bytes captured.
    pub bytes: &'a [u8],
}

/// An open capture file.
pub struct CaptureFile {
    path: PathBuf,
    reader: Box<dyn PcapReaderIterator + Send>,
}

impl std::fmt::Debug for CaptureFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaptureFile").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What is needed to read an interface's packets.
#[derive(Clone, Copy)]
struct Interface {
    link: Result<LinkType, i32>,
    units_per_second: u64,
    offset_seconds: i64,
}

/// What holds for the blocks up to the next section header.
#[derive(Default)]
struct Section {
    interfaces: Vec<Interface>,
    big_endian: bool,
}

/// if_tsresol: a negative power of ten or, with the highest bit set, of two. (pcap-parser's own reading of
/// it refuses every power of two.) What does not fit is read as microseconds, the format's default.
fn units_per_second(resolution: u8) -> u64 {
    let exponent = u32::from(resolution & 0x7f);
    let units =
        if resolution & 0x80 == 0 { 10_u64.checked_pow(exponent) } else { 1_u64.checked_shl(exponent) };
    units.unwrap_or(1_000_000)
}

impl Interface {
    fn legacy(network: i32, nanoseconds: bool) -> Self {
        let units_per_second = if nanoseconds { NANOS_PER_SECOND } else { 1_000_000 };
        // The upper bits tell the length of the frame check sequence (draft-ietf-opsawg-pcap).
        Interface { link: link(network & LINK_TYPE_BITS), units_per_second, offset_seconds: 0 }
    }

    fn pcapng(block: &InterfaceDescriptionBlock<'_>) -> Self {
        Interface {
            link: link(block.linktype.0),
            units_per_second: units_per_second(block.if_tsresol),
            offset_seconds: block.if_tsoffset,
        }
    }

    fn time(&self, units: u64) -> Nanos {
        let seconds = (units / self.units_per_second).saturating_add_signed(self.offset_seconds);
        let rest = u128::from(units % self.units_per_second) * u128::from(NANOS_PER_SECOND)
            / u128::from(self.units_per_second);
        Nanos(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(rest as u64))
    }
}

/// Whether a file begins as a capture does, unpacked.
#[must_use]
pub fn is_capture(path: &Path) -> bool {
    let mut head = [0; 4];
    let known = |head| {
        // Micro- and nanoseconds in either byte order, and the section header of pcapng.
        matches!(
            u32::from_be_bytes(head),
            0xa1b2_c3d4 | 0xd4c3_b2a1 | 0xa1b2_3c4d | 0x4d3c_b2a1 | 0x0a0d_0d0a
        )
    };
    unpack::open(path).and_then(|mut input| input.read_exact(&mut head)).is_ok() && known(head)
}

fn link(number: i32) -> Result<LinkType, i32> {
    LinkType::from_pcap(number).ok_or(number)
}

impl CaptureFile {
    /// Opens a file, compressed (gzip, zstd, xz) or not, and reads its header; `-` is standard input.
    ///
    /// # Errors
    /// The path and what is wrong: not there, empty, not a capture.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let fail = |err: std::io::Error| CaptureError::File { path: path.to_owned(), what: err.to_string() };
        let input = if path == Path::new(STANDARD_INPUT) {
            unpack::reader(BufReader::new(std::io::stdin()))
        } else {
            unpack::open(path)
        };
        Self::from_reader(path, input.map_err(fail)?)
    }

    fn from_reader(path: &Path, input: Box<dyn Read + Send>) -> Result<Self, CaptureError> {
        let fail = |what: String| CaptureError::File { path: path.to_owned(), what };
        let reader = create_reader(BUFFER, Whole(input)).map_err(|err| {
            fail(match err {
                PcapError::Eof => "the file is empty".into(),
                PcapError::HeaderNotRecognized => "not a pcap or pcapng file".into(),
                PcapError::Incomplete(_) => "truncated in the file header".into(),
                other => format!("{other:?}"),
            })
        })?;
        Ok(CaptureFile { path: path.to_owned(), reader })
    }

    /// Hands every frame to `work` in file order. The number of frames.
    ///
    /// # Errors
    /// Damage or truncation, after all frames before it have been handed out; the text says where.
    pub fn read(mut self, mut work: impl FnMut(Record<'_>)) -> Result<u64, CaptureError> {
        let mut ordinal = 0;
        let mut section = Section::default();
        let mut last = Nanos::default();
        let mut capacity = BUFFER;
        loop {
            let stop = match self.reader.next() {
                Ok((used, block)) => {
                    match packet(&block, &mut section, last) {
                        Ok(Some((time, link, wire_len, bytes))) => {
                            ordinal += 1;
                            last = time;
                            work(Record { ordinal, time, link, wire_len, bytes });
                        }
                        Ok(None) => {}
                        Err(UnknownInterface) => {
                            let what = "a packet of an interface that the file does not describe";
                            return Err(damage(&self.path, ordinal, what));
                        }
                    }
                    self.reader.consume(used);
                    continue;
                }
                Err(PcapError::Eof) => return Ok(ordinal),
                Err(err) => Stop::from(&err),
            };
            match stop {
                Stop::Incomplete if !self.reader.reader_exhausted() => {}
                Stop::TooLarge if capacity < MAX_BLOCK && self.reader.grow(capacity * 2) => capacity *= 2,
                Stop::Incomplete => return Err(damage(&self.path, ordinal, "the file is truncated")),
                Stop::Unreadable => return Err(damage(&self.path, ordinal, "cannot be read on")),
                Stop::TooLarge | Stop::Damaged => {
                    return Err(damage(&self.path, ordinal, "the file is damaged"));
                }
            }
            if self.reader.refill().is_err() {
                return Err(damage(&self.path, ordinal, "cannot be read on"));
            }
        }
    }
}

/// Why the reader stopped between two blocks.
enum Stop {
    /// More bytes are wanted.
    Incomplete,
    /// The block does not fit into the buffer.
    TooLarge,
    /// The file or its compression failed.
    Unreadable,
    /// Not a block.
    Damaged,
}

impl<I: Sized> From<&PcapError<I>> for Stop {
    fn from(err: &PcapError<I>) -> Self {
        match err {
            PcapError::Incomplete(_) | PcapError::UnexpectedEof => Stop::Incomplete,
            PcapError::BufferTooSmall => Stop::TooLarge,
            PcapError::ReadError => Stop::Unreadable,
            _ => Stop::Damaged,
        }
    }
}

fn damage(path: &Path, ordinal: u64, what: &str) -> CaptureError {
    CaptureError::File { path: path.to_owned(), what: format!("{what} after packet {ordinal}") }
}

type Found<'a> = (Nanos, Result<LinkType, i32>, u32, &'a [u8]);

/// Without its interface nobody knows how a packet begins and in what units its time is.
struct UnknownInterface;

/// The frame in a block, if it has one; keeps track of interfaces.
fn packet<'a>(
    block: &PcapBlockOwned<'a>,
    section: &mut Section,
    last: Nanos,
) -> Result<Option<Found<'a>>, UnknownInterface> {
    let Section { interfaces, big_endian } = section;
    let found = match block {
        PcapBlockOwned::LegacyHeader(header) => {
            *interfaces = vec![Interface::legacy(header.network.0, header.is_nanosecond_precision())];
            None
        }
        PcapBlockOwned::Legacy(packet) => {
            let interface = interfaces.first().ok_or(UnknownInterface)?;
            let units = u64::from(packet.ts_sec) * interface.units_per_second + u64::from(packet.ts_usec);
            let bytes = cut(packet.data, packet.caplen);
            Some((interface.time(units), interface.link, packet.origlen, bytes))
        }
        PcapBlockOwned::NG(Block::SectionHeader(header)) => {
            interfaces.clear();
            *big_endian = header.big_endian();
            None
        }
        PcapBlockOwned::NG(Block::InterfaceDescription(block)) => {
            interfaces.push(Interface::pcapng(block));
            None
        }
        PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
            let interface = interfaces.get(packet.if_id as usize).ok_or(UnknownInterface)?;
            let units = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
            let bytes = cut(packet.data, packet.caplen);
            Some((interface.time(units), interface.link, packet.origlen, bytes))
        }
        PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
            // Has no time of its own; its length is the smaller of the original and the snap length.
            let interface = interfaces.first().ok_or(UnknownInterface)?;
            Some((last, interface.link, packet.origlen, cut(packet.data, packet.origlen)))
        }
        PcapBlockOwned::NG(Block::Unknown(block)) if is_packet_block(block.block_type, *big_endian) => {
            let packet = PacketBlock::read(block.data, *big_endian).ok_or(UnknownInterface)?;
            let interface = interfaces.get(packet.interface).ok_or(UnknownInterface)?;
            Some((interface.time(packet.units), interface.link, packet.wire_len, packet.bytes))
        }
        PcapBlockOwned::NG(_) => None,
    };
    Ok(found)
}

/// pcapng's first form of a packet, before the Enhanced Packet Block (draft-ietf-opsawg-pcapng, appendix A). Files that
/// old programs wrote have it, and pcap-parser takes it for a block that it does not know.
const PACKET_BLOCK: u32 = 2;

/// pcap-parser hands on the type of such a block as if all sections were little endian.
fn is_packet_block(kind: u32, big_endian: bool) -> bool {
    kind == if big_endian { PACKET_BLOCK.swap_bytes() } else { PACKET_BLOCK }
}

struct PacketBlock<'a> {
    interface: usize,
    units: u64,
    wire_len: u32,
    bytes: &'a [u8],
}

impl<'a> PacketBlock<'a> {
    /// Interface and drops of 16 bits each, then time, captured length and length of 32 bits; `None` if it is shorter.
    fn read(data: &'a [u8], big_endian: bool) -> Option<Self> {
        let (head, bytes) = data.split_first_chunk::<20>()?;
        let number = |at: usize| {
            let four = [head[at], head[at + 1], head[at + 2], head[at + 3]];
            if big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
        };
        let two = [head[0], head[1]];
        let interface = if big_endian { u16::from_be_bytes(two) } else { u16::from_le_bytes(two) };
        Some(PacketBlock {
            interface: interface.into(),
            units: u64::from(number(4)) << 32 | u64::from(number(8)),
            wire_len: number(16),
            bytes: cut(bytes, number(12)),
        })
    }
}

/// Without the padding to 32 bits.
fn cut(data: &[u8], len: u32) -> &[u8] {
    &data[..data.len().min(len as usize)]
}

/// Fills the buffer it is given as far as the input goes. pcap-parser takes a short read for the end,
/// and decompressors read short all the time.
struct Whole<R>(R);

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len() {
            match self.0.read(&mut buf[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(err) if err.kind() == std::io::ErrorKind::Interrupted => {}
                // What came before the damage is still good: it is reported at the next read.
                Err(_) if filled > 0 => break,
                Err(err) => return Err(err),
            }
        }
        Ok(filled)
    }
}

#[cfg(test)]
#[path = "pcap_tests.rs"]
mod tests;
