//! What becomes of a body: its codings undone, files told of, forms kept for the logins in them.

use wire::Direction;

use super::coding::Decoder;
use super::headers::Headers;
use super::multipart::{Multipart, Part, boundary};
use crate::parser::{FileEvent, Sink};

/// Files of one exchange whose end is told with the exchange; more are told of at once.
pub const MAX_HELD_OF_ONE: usize = 8;
/// The same of all exchanges on a connection.
pub const MAX_HELD_FILES: usize = 32;
/// Bytes kept of a form, for the login in it.
const MAX_FORM: usize = 8 * 1024;

/// A file that is over, and whether its end was missing.
pub(crate) type Ended = (u64, bool);

/// What a parser lends to its bodies.
pub(crate) struct Room<'a> {
    pub(crate) sink: &'a mut dyn Sink,
    /// The next file's handle.
    pub(crate) handles: &'a mut u64,
    pub(crate) limits_hit: &'a mut u32,
}

/// The first bytes of a body, decoded.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) bytes: Vec<u8>,
    /// Bytes that are kept at most; 0: none, and nothing is said of how much came.
    limit: usize,
    /// The same, because of what is kept of other bodies.
    room: usize,
    /// More came.
    pub(crate) cut: bool,
}

impl Kept {
    fn take(&mut self, piece: &[u8]) {
        if self.limit == 0 {
            return;
        }
        let had = self.bytes.len();
        let fits = piece.len().min(self.limit.min(self.room).saturating_sub(had));
        self.bytes.extend_from_slice(&piece[..fits]);
        self.cut |= fits < piece.len();
    }
}

/// A message's body while it passes.
#[derive(Debug)]
pub(crate) struct Body {
    direction: Direction,
    decoder: Decoder,
    name: Option<String>,
    multipart: Option<Box<Multipart>>,
    open: Option<u64>,
    /// Bytes could not be decoded: the file is not whole.
    cut: bool,
    form: Option<Vec<u8>>,
    ended: Vec<Ended>,
    kept: Kept,
}

impl Body {
    /// The body of a message with these headers. `name` is what its file is called unless a header says it.
    pub(crate) fn new(
        direction: Direction,
        headers: &Headers,
        name: Option<String>,
        room: &mut Room<'_>,
    ) -> Self {
        let coding = joined(headers, "content-encoding");
        let decoder = match &coding {
            Some(coding) => Decoder::new(coding, room.limits_hit, room.sink),
            None => Decoder::default(),
        };
        let kind = headers.get("content-type").unwrap_or_default();
        let request = direction == Direction::ToServer;
        let multipart =
            if request { boundary(kind).and_then(|b| Multipart::new(&b)).map(Box::new) } else { None };
        let form = request && starts_with_ignoring_case(kind, b"application/x-www-form-urlencoded");
        let name = if request { None } else { super::named::said(headers) }.or(name);
        let form = form.then(Vec::new);
        let kept = Kept { limit: room.sink.keep().body, room: usize::MAX, ..Kept::default() };
        Body { direction, decoder, name, multipart, open: None, cut: false, form, ended: Vec::new(), kept }
    }

    /// The next bytes.
    pub(crate) fn feed(&mut self, bytes: &[u8], room: &mut Room<'_>) {
        let Body { direction, decoder, name, multipart, open, form, ended, kept, .. } = self;
        let Room { sink, handles, limits_hit } = room;
        let mut pass = |piece: &[u8], sink: &mut dyn Sink| {
            kept.take(piece);
            if let Some(form) = form {
                form.extend_from_slice(&piece[..piece.len().min(MAX_FORM - form.len())]);
            }
            match multipart {
                Some(multipart) => multipart.feed(piece, &mut |part| match part {
                    Part::Begin(name) => *open = Some(begin(sink, handles, *direction, Some(name))),
                    Part::Data(bytes) => data(sink, *open, bytes),
                    Part::End => ended.extend(open.take().map(|handle| (handle, false))),
                }),
                None if piece.is_empty() => {}
                None => {
                    let handle =
                        *open.get_or_insert_with(|| begin(sink, handles, *direction, name.as_deref()));
                    data(sink, Some(handle), piece);
                }
            }
        };
        if !decoder.feed(bytes, limits_hit, *sink, &mut pass) {
            self.cut = true;
        }
    }

    /// Whether less is kept of it than is wanted, because of other bodies.
    pub(crate) fn lacks_room(&self) -> bool {
        self.kept.cut && self.kept.bytes.len() < self.kept.limit
    }

    /// What is kept of it.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Lets go of what is kept, and keeps no more.
    pub(crate) fn take_kept(&mut self) -> Kept {
        std::mem::take(&mut self.kept)
    }

    /// Keeps no more now than what is kept already and so many bytes.
    pub(crate) fn keep_at_most(&mut self, more: usize) {
        self.kept.room = self.kept.bytes.len().saturating_add(more);
    }

    /// What undoing its codings may hold, in units of what a layer of gzip holds.
    pub(crate) fn weight(&self) -> usize {
        self.decoder.weight()
    }

    /// Its codings are not undone any more.
    pub(crate) fn give_up(&mut self) {
        self.decoder.give_up();
        self.cut = true;
    }

    /// So many bytes were lost.
    pub(crate) fn gap(&mut self, missing: u64, room: &mut Room<'_>) {
        if self.open.is_none() && self.multipart.is_none() {
            self.open = Some(begin(room.sink, room.handles, self.direction, self.name.as_deref()));
        }
        if let Some(handle) = self.open {
            room.sink.file(FileEvent::Gap { handle, missing });
        }
        if !self.decoder.is_plain() {
            self.decoder.finish(room.sink, &mut |_, _| {});
            self.cut = true;
        }
    }

    /// The body is over; `truncated` if its end was not seen. What it held of a form is returned.
    pub(crate) fn finish(&mut self, truncated: bool, room: &mut Room<'_>) -> Option<Vec<u8>> {
        let mut kept = Vec::new();
        self.decoder.finish(room.sink, &mut |piece, _| kept.extend_from_slice(piece));
        self.decoder = Decoder::default();
        if !kept.is_empty() {
            self.feed(&kept, room);
        }
        let mut unended = false;
        if let Some(mut multipart) = self.multipart.take() {
            let open = self.open;
            unended = multipart.finish(&mut |part| {
                if let Part::Data(bytes) = part {
                    data(room.sink, open, bytes);
                }
            });
            *room.limits_hit += multipart.limits_hit;
        }
        if let Some(handle) = self.open.take() {
            self.ended.push((handle, truncated || unended || self.cut));
        }
        self.form.take()
    }

    /// Files that are over and that nobody was told of.
    pub(crate) fn ended(&mut self) -> std::vec::Drain<'_, Ended> {
        self.ended.drain(..)
    }
}

fn begin(sink: &mut dyn Sink, handles: &mut u64, direction: Direction, name: Option<&str>) -> u64 {
    let handle = *handles;
    *handles += 1;
    sink.file(FileEvent::Open {
        handle,
        direction,
        name: name.filter(|n| !n.is_empty()),
        size: None,
        in_body: true,
    });
    handle
}

fn data(sink: &mut dyn Sink, handle: Option<u64>, bytes: &[u8]) {
    if let Some(handle) = handle.filter(|_| !bytes.is_empty()) {
        sink.file(FileEvent::Data { handle, bytes });
    }
}

/// All values of a header, with commas between them.
pub(crate) fn joined(headers: &Headers, name: &str) -> Option<Vec<u8>> {
    let mut all: Option<Vec<u8>> = None;
    for (_, value) in headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())) {
        match &mut all {
            None => all = Some(value.to_vec()),
            Some(all) => {
                all.extend_from_slice(b", ");
                all.extend_from_slice(value);
            }
        }
    }
    all
}

pub(crate) fn starts_with_ignoring_case(bytes: &[u8], with: &[u8]) -> bool {
    bytes.get(..with.len()).is_some_and(|b| b.eq_ignore_ascii_case(with))
}
