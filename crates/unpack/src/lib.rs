//! Compressed input, read as it is: captures, rule files and indicator lists may be in gzip, zstd or xz.
//!
//! The first bytes tell the format, not the name. Several archives one behind the other are one input (gzip members,
//! zstd frames, xz streams). An archive that is cut or damaged gives what is before the damage, then an error. Memory
//! is bounded whatever an archive asks for: 32 KiB of history for gzip, 100 MiB for zstd (a limit of the decoder),
//! [`XZ_MEMORY`] for xz. How much comes out is not bounded here: that is up to who reads.
#![forbid(unsafe_code)]

mod xz;
mod zstd;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use xz::Streams;
use zstd::Frames;

/// Bytes that an xz archive may make the decoder hold: what `xz -9` asks for is 65 MiB.
pub const XZ_MEMORY: u64 = 256 << 20;
/// Looked at for the format; larger reads go past this buffer.
const PEEK: usize = 8 * 1024;

/// How an input is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Not at all, or in a way that is not known here.
    Plain,
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
    /// The .xz format of XZ Utils.
    Xz,
}

impl Format {
    /// The format that begins like this.
    #[must_use]
    pub fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Format::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Format::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Format::Xz,
            _ => Format::Plain,
        }
    }
}

/// The name without the ending that tells of a compression: "a.pcap" of "a.pcap.zst".
#[must_use]
pub fn bare_name(name: &str) -> &str {
    [".gz", ".zst", ".xz"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

/// Opens a file; what is read of it is unpacked.
///
/// # Errors
/// The file cannot be opened or its first bytes not be read.
pub fn open(path: &Path) -> io::Result<Box<dyn Read + Send>> {
    reader(BufReader::with_capacity(PEEK, File::open(path)?))
}

/// What is read of an input, unpacked.
///
/// # Errors
/// Its first bytes cannot be read.
///
/// # Examples
/// ```
/// use std::io::Read;
///
/// let mut text = String::new();
/// unpack::reader(&b"plain"[..])?.read_to_string(&mut text)?;
/// assert_eq!(text, "plain");
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn reader<'a>(mut input: impl BufRead + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match Format::of(input.fill_buf()?) {
        Format::Plain => Box::new(input),
        Format::Gzip => Box::new(MultiGzDecoder::new(input)),
        Format::Zstd => Box::new(Frames::new(input)),
        Format::Xz => Box::new(Streams::new(input)?),
    })
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
