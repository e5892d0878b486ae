//! Content codings undone (RFC 9110 section 8.4): gzip, deflate, brotli, one within another.

use flate2::{Decompress, FlushDecompress, Status};

use super::brotli::Brotli;
use crate::parser::Sink;

/// Codings of one body, one within another.
pub const MAX_CODINGS: usize = 3;
/// Layers of brotli in one body: each may ask for a window of [`super::brotli::MAX_WINDOW_BITS`].
const MAX_BROTLI: usize = 1;
/// More than these are undone, but told of.
const USUAL_CODINGS: usize = 2;
/// What a layer of brotli counts for where one of gzip counts 1. It holds a hundred times as much, but is common.
const BROTLI_WEIGHT: usize = 4;
/// Bytes that a body may grow to when its codings are undone.
pub const MAX_DECODED: u64 = 256 << 20;
/// So many times its own size a body may grow to, once it is larger than [`RATIO_FROM`].
pub const MAX_RATIO: u64 = 512;
/// Size from which on the ratio counts.
const RATIO_FROM: u64 = 1 << 20;
/// Bytes that a layer gives to the next at once.
const PIECE: usize = 16 * 1024;
/// Bytes of input that are decoded at once.
const INPUT: usize = 1024;
/// Bytes kept of a layer's input while nothing came out of it.
const MAX_KEPT: usize = 1024;
/// Bytes of a gzip header's name, comment and extra field.
const MAX_GZIP_FIELD: u32 = 64 * 1024;

/// How one coding is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

/// Where in a gzip member we are (RFC 1952).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gzip {
    /// So many bytes of the fixed header were seen; its flags.
    Header(u8, u8),
    /// The length of the extra field: whether its first byte was seen.
    ExtraLength(Option<u8>, u8),
    /// So many bytes of a field are left, or it ends with a zero.
    Skip(u32, u8),
    Text(u32, u8),
    Data,
    /// So many bytes of the trailer were seen.
    Trailer(u8),
}

const FHCRC: u8 = 2;
const FEXTRA: u8 = 4;
const FNAME: u8 = 8;
const FCOMMENT: u8 = 16;

/// A layer, and its input so far while nothing came out of it: if it turns out not to be what it was said to be, its
/// bytes are passed on as they are, as clients do.
#[derive(Debug)]
struct Stage {
    layer: Layer,
    kept: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Layer {
    /// Which it is shows in its first bytes: so many are kept.
    Undecided(Coding, Vec<u8>),
    Gzip(Gzip, Box<Decompress>),
    Inflate(Box<Decompress>),
    Brotli(Brotli),
    /// It is not what it was said to be: passed on as it is.
    Plain,
    /// It is over; what follows is no part of it.
    Done,
}

impl Layer {
    /// The deflated data is over.
    fn end_stream(&mut self) {
        match self {
            Layer::Gzip(state, _) => *state = Gzip::Trailer(0),
            other => *other = Layer::Done,
        }
    }
}

/// Why decoding ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Broken,
    Bomb,
}

/// Undoes the codings of one body.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// The outermost first.
    layers: Vec<Stage>,
    taken: u64,
    given: u64,
    stopped: bool,
}

impl Decoder {
    /// One for a Content-Encoding header; `limits` counts limits that were met.
    pub(super) fn new(header: &[u8], limits: &mut u32, sink: &mut dyn Sink) -> Self {
        let mut layers = Vec::new();
        let codings = header.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|c| !c.is_empty());
        for coding in codings {
            let is = |name: &str| coding.eq_ignore_ascii_case(name.as_bytes());
            let known = if is("gzip") || is("x-gzip") {
                Coding::Gzip
            } else if is("deflate") || is("x-deflate") {
                Coding::Deflate
            } else if is("br") {
                Coding::Brotli
            } else {
                if is("identity") || is("none") || is("zstd") {
                    continue;
                }
                sink.anomaly("ABNORMAL_CE_HEADER");
                let lower = coding.to_ascii_lowercase();
                let has = |name: &str| memchr::memmem::find(&lower, name.as_bytes()).is_some();
                match () {
                    () if has("gzip") => Coding::Gzip,
                    () if has("deflate") => Coding::Deflate,
                    () => continue,
                }
            };
            if layers.len() >= USUAL_CODINGS {
                sink.anomaly("TOO_MANY_ENCODING_LAYERS");
            }
            let same = |stage: &&Stage| matches!(&stage.layer, Layer::Undecided(Coding::Brotli, _));
            let windows = layers.iter().filter(same).count();
            if layers.len() >= MAX_CODINGS || (known == Coding::Brotli && windows >= MAX_BROTLI) {
                *limits += 1;
                break;
            }
            layers.push(Stage { layer: Layer::Undecided(known, Vec::new()), kept: Some(Vec::new()) });
        }
        // What was done last is undone first.
        layers.reverse();
        Decoder { layers, ..Decoder::default() }
    }

    /// Whether bytes come out as they go in.
    pub(super) fn is_plain(&self) -> bool {
        self.layers.is_empty()
    }

    /// What it may hold, in units of what a layer of gzip holds.
    pub(super) fn weight(&self) -> usize {
        let weigh = |stage: &Stage| match &stage.layer {
            Layer::Brotli(_) | Layer::Undecided(Coding::Brotli, _) => BROTLI_WEIGHT,
            Layer::Plain | Layer::Done => 0,
            _ => 1,
        };
        self.layers.iter().map(weigh).sum()
    }

    /// Nothing more is decoded, and nothing held for it.
    pub(super) fn give_up(&mut self) {
        self.stopped = true;
        self.layers = vec![Stage { layer: Layer::Done, kept: None }];
    }

    /// Takes bytes of the body and gives what they decode to. False once nothing more can be decoded.
    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        limits: &mut u32,
        sink: &mut dyn Sink,
        out: &mut dyn FnMut(&[u8], &mut dyn Sink),
    ) -> bool {
        if self.is_plain() {
            out(bytes, sink);
            return true;
        }
        if self.stopped {
            return false;
        }
        let Decoder { layers, taken, given, .. } = self;
        // In small pieces, so that what a piece of input gives is judged by all input before it.
        let outcome = bytes.chunks(INPUT).try_for_each(|input| {
            *taken += input.len() as u64;
            let mut give = |piece: &[u8]| {
                *given += piece.len() as u64;
                if *given > MAX_DECODED || (*given > RATIO_FROM && *given / MAX_RATIO > *taken) {
                    return Err(Stop::Bomb);
                }
                out(piece, sink);
                Ok(())
            };
            feed(layers, input, &mut give)
        });
        match outcome {
            Ok(()) => return true,
            Err(Stop::Bomb) => {
                *limits += 1;
                sink.anomaly("COMPRESSION_BOMB");
            }
            Err(Stop::Broken) => sink.anomaly("GZIP_DECOMPRESSION_FAILED"),
        }
        self.give_up();
        false
    }

    /// The body is over: gives bytes that were kept to see what they are.
    pub(super) fn finish(&mut self, sink: &mut dyn Sink, out: &mut dyn FnMut(&[u8], &mut dyn Sink)) {
        let kept = self.layers.first_mut().and_then(|stage| stage.kept.take()).unwrap_or_default();
        if let [Stage { layer: Layer::Undecided(..), .. }] = self.layers.as_slice() {
            out(&kept, sink);
        }
        self.layers = vec![Stage { layer: Layer::Done, kept: None }];
    }
}

type Give<'a> = dyn FnMut(&[u8]) -> Result<(), Stop> + 'a;

fn feed(stages: &mut [Stage], bytes: &[u8], out: &mut Give<'_>) -> Result<(), Stop> {
    let Some((Stage { layer, kept }, inner)) = stages.split_first_mut() else { return out(bytes) };
    if let Some(kept) = kept {
        kept.extend_from_slice(&bytes[..bytes.len().min(MAX_KEPT - kept.len())]);
    }
    let mut made = 0;
    let outcome = decode(layer, bytes, &mut |piece| {
        made += piece.len();
        feed(inner, piece, out)
    });
    if made > 0 || kept.as_ref().is_some_and(|k| k.len() == MAX_KEPT) {
        *kept = None;
    }
    match (outcome, kept.take_if(|_| outcome == Err(Stop::Broken))) {
        (Err(Stop::Broken), Some(raw)) => {
            *layer = Layer::Plain;
            feed(inner, &raw, out)
        }
        (outcome, _) => outcome,
    }
}

fn decode(layer: &mut Layer, mut bytes: &[u8], out: &mut Give<'_>) -> Result<(), Stop> {
    if let Layer::Undecided(coding, begun) = layer {
        // Two bytes tell; few servers send them one by one.
        let coding = *coding;
        if coding == Coding::Brotli {
            *layer = Layer::Brotli(Brotli::new());
        } else {
            let take = bytes.len().min(2 - begun.len());
            begun.extend_from_slice(&bytes[..take]);
            bytes = &bytes[take..];
            if begun.len() < 2 {
                return Ok(());
            }
            let first = [begun[0], begun[1]];
            *layer = decide(coding, first);
            step(layer, &first, out)?;
        }
    }
    step(layer, bytes, out)
}

/// What a body that begins like this is, whatever it was said to be.
fn decide(said: Coding, first: [u8; 2]) -> Layer {
    let zlib = first[0] & 0x0f == 8 && u16::from_be_bytes(first).is_multiple_of(31);
    match said {
        _ if first == [0x1f, 0x8b] => Layer::Gzip(Gzip::Header(0, 0), Box::new(Decompress::new(false))),
        _ if zlib => Layer::Inflate(Box::new(Decompress::new(true))),
        Coding::Deflate => Layer::Inflate(Box::new(Decompress::new(false))),
        _ => Layer::Plain,
    }
}

fn step(layer: &mut Layer, mut bytes: &[u8], out: &mut Give<'_>) -> Result<(), Stop> {
    let mut piece = [0; PIECE];
    while !bytes.is_empty() {
        match layer {
            Layer::Done | Layer::Undecided(..) => return Ok(()),
            Layer::Plain => return out(bytes),
            Layer::Gzip(Gzip::Data, _) | Layer::Inflate(_) | Layer::Brotli(_) => {
                let (read, made) = pass(layer, bytes, &mut piece, out)?;
                bytes = &bytes[read..];
                if read == 0 && made == 0 {
                    return Ok(());
                }
            }
            Layer::Gzip(state, inflate) => {
                *state = header(*state, bytes[0]).ok_or(Stop::Broken)?;
                bytes = &bytes[1..];
                if *state == Gzip::Data {
                    inflate.reset(false);
                }
            }
        }
    }
    // What was swallowed already may still give more than one piece.
    while matches!(layer, Layer::Gzip(Gzip::Data, _) | Layer::Inflate(_) | Layer::Brotli(_)) {
        if pass(layer, &[], &mut piece, out)?.1 == 0 {
            break;
        }
    }
    Ok(())
}

/// Decodes one piece and passes it on: bytes read, bytes made. What was made before a flaw is passed on too.
fn pass(
    layer: &mut Layer,
    bytes: &[u8],
    piece: &mut [u8],
    out: &mut Give<'_>,
) -> Result<(usize, usize), Stop> {
    let (read, made, ended) = match layer {
        Layer::Gzip(_, inflate) | Layer::Inflate(inflate) => {
            let before = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(bytes, piece, FlushDecompress::None);
            // Differences of two counters: never more than the slices are long.
            let (read, made) = (inflate.total_in() - before.0, inflate.total_out() - before.1);
            (read as usize, made as usize, status.map(|s| s == Status::StreamEnd).map_err(|_| Stop::Broken))
        }
        Layer::Brotli(brotli) => {
            let (read, made, sound) = brotli.decode(bytes, piece);
            (read, made, if sound { Ok(false) } else { Err(Stop::Broken) })
        }
        _ => (0, 0, Ok(false)),
    };
    if made > 0 {
        out(&piece[..made])?;
    }
    if ended? {
        layer.end_stream();
    }
    Ok((read, made))
}

/// The next byte of a gzip header or trailer.
fn header(state: Gzip, byte: u8) -> Option<Gzip> {
    Some(match state {
        Gzip::Header(at, flags) => {
            let right = match at {
                0 => byte == 0x1f,
                1 => byte == 0x8b,
                2 => byte == 8,
                _ => true,
            };
            let flags = if at == 3 { byte } else { flags };
            match at {
                _ if !right => return None,
                9 => field(flags),
                _ => Gzip::Header(at + 1, flags),
            }
        }
        Gzip::ExtraLength(None, flags) => Gzip::ExtraLength(Some(byte), flags),
        Gzip::ExtraLength(Some(low), flags) => skip(u32::from(u16::from_le_bytes([low, byte])), flags),
        Gzip::Skip(left, flags) => skip(left - 1, flags),
        Gzip::Text(so_far, flags) => match byte {
            0 => field(flags),
            _ if so_far >= MAX_GZIP_FIELD => return None,
            _ => Gzip::Text(so_far + 1, flags),
        },
        Gzip::Data => Gzip::Data,
        Gzip::Trailer(7) => Gzip::Header(0, 0),
        Gzip::Trailer(at) => Gzip::Trailer(at + 1),
    })
}

/// Which part of the header comes next; `flags` says which are still to come.
fn field(flags: u8) -> Gzip {
    if flags & FEXTRA != 0 {
        Gzip::ExtraLength(None, flags & !FEXTRA)
    } else if flags & FNAME != 0 {
        Gzip::Text(0, flags & !FNAME)
    } else if flags & FCOMMENT != 0 {
        Gzip::Text(0, flags & !FCOMMENT)
    } else if flags & FHCRC != 0 {
        Gzip::Skip(2, flags & !FHCRC)
    } else {
        Gzip::Data
    }
}

fn skip(left: u32, flags: u8) -> Gzip {
    if left == 0 { field(flags) } else { Gzip::Skip(left, flags) }
}

#[cfg(test)]
#[path = "coding_tests.rs"]
mod tests;
