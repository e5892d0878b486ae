//! Where a message's body ends (RFC 9112 section 6).

/// The body at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none, or it is over: a head comes next.
    #[default]
    None,
    /// So many bytes are left.
    Length(u64),
    /// Chunks.
    Chunked(Chunked),
    /// Everything up to the end of the connection.
    UntilClose,
}

/// Where in the chunked coding we are (RFC 9112 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// Before the size, in spaces or empty lines.
    Start,
    /// In the size; so much so far.
    Size(u64),
    /// In the rest of the size line.
    Extension(u64),
    /// So many bytes of data are left.
    Data(u64),
    /// Between the data and the next size.
    DataEnd,
    /// In the trailer; the line at hand is empty so far.
    Trailer(bool),
}

/// What a piece of body brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event<'a> {
    /// Bytes of content.
    Content(&'a [u8]),
    /// A chunk's size has an extension.
    Extension,
    /// A chunk has no size: what follows is taken as it is.
    BadLength,
}

impl Framing {
    /// Takes bytes of the body: how many are of it. Becomes `None` at its end.
    pub(super) fn consume(&mut self, bytes: &[u8], out: &mut dyn FnMut(Event<'_>)) -> usize {
        match self {
            Framing::None => 0,
            Framing::UntilClose => {
                out(Event::Content(bytes));
                bytes.len()
            }
            Framing::Length(left) => {
                let take = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                out(Event::Content(&bytes[..take]));
                *left -= take as u64;
                if *left == 0 {
                    *self = Framing::None;
                }
                take
            }
            Framing::Chunked(_) => self.chunks(bytes, out),
        }
    }

    /// Bytes that are certainly left, if a number says it.
    pub(super) fn left(&self) -> Option<u64> {
        match self {
            Framing::Length(left) | Framing::Chunked(Chunked::Data(left)) => Some(*left),
            _ => None,
        }
    }

    /// `missing` bytes were lost. False if it is not known where in the message we are now.
    pub(super) fn skip(&mut self, missing: u64) -> bool {
        match self {
            Framing::UntilClose => true,
            Framing::Length(left) if *left > missing => {
                *left -= missing;
                true
            }
            Framing::Length(left) if *left == missing => {
                *self = Framing::None;
                true
            }
            Framing::Chunked(Chunked::Data(left)) if *left > missing => {
                *left -= missing;
                true
            }
            _ => false,
        }
    }

    fn chunks(&mut self, bytes: &[u8], out: &mut dyn FnMut(Event<'_>)) -> usize {
        let Framing::Chunked(mut state) = *self else { return 0 };
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            state = match state {
                Chunked::Data(left) => {
                    let take = (bytes.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
                    out(Event::Content(&bytes[at..at + take]));
                    at += take;
                    let left = left - take as u64;
                    if left == 0 { Chunked::DataEnd } else { Chunked::Data(left) }
                }
                other => {
                    at += 1;
                    match (other, byte) {
                        (Chunked::Start, b' ' | b'\t' | b'\r' | b'\n') => Chunked::Start,
                        (Chunked::Start, b) if !b.is_ascii_hexdigit() => {
                            // Not chunked at all, whatever the head says: clients show it as it is.
                            out(Event::BadLength);
                            out(Event::Content(&bytes[at - 1..]));
                            *self = Framing::UntilClose;
                            return bytes.len();
                        }
                        (Chunked::Start, b) => {
                            Chunked::Size(u64::from(char::from(b).to_digit(16).unwrap_or(0)))
                        }
                        (Chunked::Size(0) | Chunked::Extension(0), b'\n') => Chunked::Trailer(true),
                        (Chunked::Size(n) | Chunked::Extension(n), b'\n') => Chunked::Data(n),
                        (Chunked::Size(n), b) if b.is_ascii_hexdigit() => {
                            let digit = char::from(b).to_digit(16).unwrap_or(0);
                            Chunked::Size(n.saturating_mul(16).saturating_add(u64::from(digit)))
                        }
                        (Chunked::Size(n), b'\r' | b' ' | b'\t') => Chunked::Extension(n),
                        (Chunked::Size(n), b';') => {
                            out(Event::Extension);
                            Chunked::Extension(n)
                        }
                        (Chunked::Size(n), _) => Chunked::Extension(n),
                        (Chunked::Extension(n), b';') => {
                            out(Event::Extension);
                            Chunked::Extension(n)
                        }
                        (Chunked::DataEnd, b'\n') => Chunked::Start,
                        (Chunked::Trailer(true), b'\n') => {
                            *self = Framing::None;
                            return at;
                        }
                        (Chunked::Trailer(_), b'\n') => Chunked::Trailer(true),
                        (Chunked::Trailer(empty), b'\r') => Chunked::Trailer(empty),
                        (Chunked::Trailer(_), _) => Chunked::Trailer(false),
                        (same, _) => same,
                    }
                }
            };
        }
        *self = Framing::Chunked(state);
        at
    }
}
