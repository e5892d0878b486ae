//! Internet messages (RFC 5322) and what MIME packs into them (RFC 2045 to 2047, RFC 2231), read while they stream.
//!
//! Nothing of a message is kept but the headers that an [`Email`] names: attachments are decoded and handed on piece by
//! piece. Our own reader, because libraries want the whole message in memory.

mod decode;
mod headers;
mod urls;

use wire::Direction;

use self::decode::Decoder;
use self::headers::{Header, Parameters};
use self::urls::Urls;
use crate::lines::{Piece, Pieces};
use crate::parser::{FileEvent, Sink};
use crate::transaction::Transaction;

/// Bytes of an unfolded header; what is longer is cut.
pub const MAX_HEADER: usize = 8 * 1024;
/// Multiparts and messages within each other; what is deeper is passed over.
pub const MAX_NESTING: usize = 16;
/// Addresses kept of each of To and Cc.
pub const MAX_ADDRESSES: usize = 64;
/// Received headers kept.
pub const MAX_RECEIVED: usize = 16;
/// Attachments that are handed on as files.
pub const MAX_ATTACHMENTS: usize = 64;
/// Characters of an attachment's name.
pub const MAX_FILENAME: usize = 255;
/// Bytes of a boundary (RFC 2046 allows 70).
const MAX_BOUNDARY: usize = 254;
/// Bytes of a line of a message without its end (RFC 5322 section 2.1.1).
const MAX_TEXT_LINE: usize = 998;
/// Bytes of a line of base64 without its end (RFC 2045 section 6.8).
const MAX_ENCODED_LINE: usize = 76;

/// What a message says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Email {
    /// From.
    pub from: Option<String>,
    /// Who else it says it is from: further From, Sender, Reply-To and the like.
    pub senders: Vec<String>,
    /// To, one by one.
    pub to: Vec<String>,
    /// Cc, one by one.
    pub cc: Vec<String>,
    /// Subject, decoded.
    pub subject: Option<String>,
    /// Date as sent.
    pub date: Option<String>,
    /// Message-ID.
    pub message_id: Option<String>,
    /// X-Mailer.
    pub x_mailer: Option<String>,
    /// Received, the newest first.
    pub received: Vec<String>,
    /// Names of the attachments.
    pub attachments: Vec<String>,
    /// Headers as sent (unfolded), where what they say above is written otherwise. Rules look at them.
    pub raw: Vec<(MailHeader, Vec<u8>)>,
    /// Links in its text, without their scheme.
    pub urls: Vec<String>,
    /// Its end was seen.
    pub complete: bool,
}

/// A header that an [`Email`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MailHeader {
    From,
    To,
    Cc,
    Subject,
    Date,
    MessageId,
    XMailer,
    /// And which of them.
    Received(usize),
}

impl Email {
    /// A header as sent, if it is not as it stands in the other fields.
    #[must_use]
    pub fn as_sent(&self, header: MailHeader) -> Option<&[u8]> {
        self.raw.iter().find(|(of, _)| *of == header).map(|(_, bytes)| bytes.as_slice())
    }
}

/// Makes the transaction that carries the message, for the events of its attachments.
pub(crate) type Carrier<'a> = &'a dyn Fn(&Email) -> Transaction;

/// Where in the message.
#[derive(Debug)]
enum Place {
    Headers,
    /// Between parts, and in what is of no interest.
    Skip,
    Text(Decoder),
    File(Decoder, u64),
}

/// A message that is being read.
#[derive(Debug)]
pub(crate) struct Mime {
    direction: Direction,
    pieces: Pieces,
    place: Place,
    header: Vec<u8>,
    entity: Parameters,
    boundaries: Vec<Vec<u8>>,
    /// Messages and multiparts around the place at hand.
    depth: usize,
    /// The headers are those of the message itself.
    outermost: bool,
    damaged: bool,
    line_length: usize,
    urls: Urls,
    decoded: Vec<u8>,
    email: Email,
    next_handle: u64,
    limits_hit: u32,
}

impl Mime {
    /// A message begins. Its files are numbered from `first_handle` on.
    pub fn new(direction: Direction, first_handle: u64) -> Self {
        Mime {
            direction,
            pieces: Pieces::default(),
            place: Place::Headers,
            header: Vec::new(),
            entity: Parameters::default(),
            boundaries: Vec::new(),
            depth: 0,
            outermost: true,
            damaged: false,
            line_length: 0,
            urls: Urls::default(),
            decoded: Vec::new(),
            email: Email::default(),
            next_handle: first_handle,
            limits_hit: 0,
        }
    }

    /// The number of the next file.
    pub fn next_handle(&self) -> u64 {
        self.next_handle
    }

    /// How often one of its limits was met.
    pub fn limits_hit(&self) -> u32 {
        self.limits_hit
    }

    /// The next bytes, where the protocol counts bytes.
    pub fn bytes(&mut self, mut bytes: &[u8], carrier: Carrier<'_>, sink: &mut dyn Sink) {
        while !bytes.is_empty() {
            if let Some(piece) = self.pieces.next(&mut bytes) {
                self.piece(&piece.bytes, piece.starts, carrier, sink);
            }
        }
    }

    /// The next piece of a line with its end, where the protocol counts lines.
    pub fn piece(&mut self, bytes: &[u8], starts: bool, carrier: Carrier<'_>, sink: &mut dyn Sink) {
        let content = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let ends = content.len() < bytes.len();
        let content = if ends { content.strip_suffix(b"\r").unwrap_or(content) } else { content };
        self.line_length = if starts { 0 } else { self.line_length } + content.len();
        if self.line_length > MAX_TEXT_LINE {
            sink.anomaly("MIME_LONG_LINE");
        }
        if starts && content.starts_with(b"--") && self.boundary(&content[2..], carrier, sink) {
            return;
        }
        match &mut self.place {
            Place::Headers => self.header_piece(content, starts, sink),
            Place::Skip => {}
            Place::Text(decoder) => {
                decoder.piece(content, starts, ends, bytes, &mut self.decoded);
                self.urls.scan(&self.decoded, &mut self.email.urls);
                self.decoded.clear();
            }
            Place::File(decoder, handle) => {
                if decoder.is_base64() && self.line_length > MAX_ENCODED_LINE {
                    sink.anomaly("MIME_LONG_ENC_LINE");
                }
                decoder.piece(content, starts, ends, bytes, &mut self.decoded);
                if !self.decoded.is_empty() {
                    sink.file(FileEvent::Data { handle: *handle, bytes: &self.decoded });
                    self.decoded.clear();
                }
            }
        }
    }

    /// Bytes of the message were lost.
    pub fn gap(&mut self, missing: u64, carrier: Carrier<'_>, sink: &mut dyn Sink) {
        if let Some(rest) = self.pieces.lose() {
            self.piece(&rest.bytes, rest.starts, carrier, sink);
        }
        self.damaged = true;
        match &self.place {
            Place::File(_, handle) => sink.file(FileEvent::Gap { handle: *handle, missing }),
            Place::Headers => self.header.clear(),
            Place::Skip | Place::Text(_) => {}
        }
    }

    /// The message is over; `whole` if its end was seen.
    pub fn end(mut self, whole: bool, carrier: Carrier<'_>, sink: &mut dyn Sink) -> Email {
        if let Some(Piece { bytes, starts }) = self.pieces.rest() {
            self.piece(&bytes, starts, carrier, sink);
        }
        if matches!(self.place, Place::Headers) {
            self.flush_header(sink);
        }
        self.urls.end(&mut self.email.urls);
        self.damaged |= !whole;
        self.email.complete = whole;
        self.close_file(carrier, sink);
        self.email
    }

    /// What is behind the hyphens at the beginning of a line: whether it is a boundary.
    fn boundary(&mut self, line: &[u8], carrier: Carrier<'_>, sink: &mut dyn Sink) -> bool {
        let mut found = None;
        for (index, boundary) in self.boundaries.iter().enumerate().rev() {
            let Some(rest) = line.strip_prefix(boundary.as_slice()) else { continue };
            match rest.trim_ascii_end() {
                b"" => found = Some((index, false)),
                b"--" => found = Some((index, true)),
                _ => continue,
            }
            break;
        }
        let Some((index, last)) = found else { return false };
        if matches!(self.place, Place::Headers) {
            self.flush_header(sink);
        }
        self.close_file(carrier, sink);
        self.urls.end(&mut self.email.urls);
        self.boundaries.truncate(if last { index } else { index + 1 });
        self.depth = self.boundaries.len();
        self.outermost = false;
        self.entity = Parameters::default();
        self.place = if last { Place::Skip } else { Place::Headers };
        true
    }

    fn header_piece(&mut self, content: &[u8], starts: bool, sink: &mut dyn Sink) {
        if starts && content.is_empty() {
            self.flush_header(sink);
            self.begin_body(sink);
            return;
        }
        if starts && !matches!(content[0], b' ' | b'\t') {
            self.flush_header(sink);
        }
        let room = MAX_HEADER.saturating_sub(self.header.len());
        self.limits_hit += u32::from(content.len() > room);
        self.header.extend_from_slice(&content[..content.len().min(room)]);
    }

    fn flush_header(&mut self, sink: &mut dyn Sink) {
        if let Some(header) = Header::parse(&self.header) {
            self.entity.take(&header);
            if self.outermost {
                self.limits_hit += header.into_email(&mut self.email);
            }
        }
        if self.entity.boundary().is_some_and(|boundary| boundary.len() > MAX_BOUNDARY) {
            sink.anomaly("MIME_LONG_BOUNDARY");
        }
        self.header.clear();
    }

    /// The headers are over.
    fn begin_body(&mut self, sink: &mut dyn Sink) {
        let entity = std::mem::take(&mut self.entity);
        self.place = Place::Skip;
        let boundary = entity.boundary().filter(|b| !b.is_empty() && b.len() <= MAX_BOUNDARY);
        if let Some(boundary) = boundary.filter(|_| entity.is("multipart/")) {
            if self.deeper(sink) {
                self.boundaries.push(boundary.as_bytes().to_vec());
            }
            return;
        }
        let decoder = Decoder::new(entity.encoding());
        if let Some(mut name) = entity.filename() {
            if let Some((end, _)) = name.char_indices().nth(MAX_FILENAME) {
                sink.anomaly("MIME_LONG_FILENAME");
                name.truncate(end);
            }
            if self.email.attachments.len() >= MAX_ATTACHMENTS {
                self.limits_hit += 1;
                return;
            }
            let handle = self.next_handle;
            self.next_handle += 1;
            sink.file(FileEvent::Open {
                handle,
                direction: self.direction,
                name: Some(&name),
                size: None,
                in_body: false,
            });
            self.email.attachments.push(name);
            self.place = Place::File(decoder, handle);
        } else if entity.is("message/rfc822") {
            if self.deeper(sink) {
                self.outermost = false;
                self.place = Place::Headers;
            }
        } else if entity.is("text/") {
            self.place = Place::Text(decoder);
        }
    }

    fn deeper(&mut self, sink: &mut dyn Sink) -> bool {
        if self.depth >= MAX_NESTING {
            self.limits_hit += 1;
            sink.anomaly("MIME_TOO_DEEP");
            return false;
        }
        self.depth += 1;
        true
    }

    fn close_file(&mut self, carrier: Carrier<'_>, sink: &mut dyn Sink) {
        if let Place::File(_, handle) = std::mem::replace(&mut self.place, Place::Skip) {
            let carrier = carrier(&self.email);
            sink.file(FileEvent::Close { handle, truncated: self.damaged, carrier: Some(&carrier) });
        }
    }
}

#[cfg(test)]
#[path = "mime_tests.rs"]
mod tests;
