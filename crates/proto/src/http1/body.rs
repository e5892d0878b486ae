//! Where a message's body ends (RFC 9112 section 6).

/// The body at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Body {
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

impl Body {
    /// Takes bytes of the body: how many are of it, and how many of those are content. Becomes `None`
    /// at its end.
    pub(super) fn consume(&mut self, bytes: &[u8]) -> (usize, u64) {
        match self {
            Body::None => (0, 0),
            Body::UntilClose => (bytes.len(), bytes.len() as u64),
            Body::Length(left) => {
                let take = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= take as u64;
                if *left == 0 {
                    *self = Body::None;
                }
                (take, take as u64)
            }
            Body::Chunked(_) => self.chunks(bytes),
        }
    }

    /// `missing` bytes were lost. False if it is not known where in the message we are now.
    pub(super) fn skip(&mut self, missing: u64) -> bool {
        match self {
            Body::UntilClose => true,
            Body::Length(left) if *left > missing => {
                *left -= missing;
                true
            }
            Body::Length(left) if *left == missing => {
                *self = Body::None;
                true
            }
            Body::Chunked(Chunked::Data(left)) if *left > missing => {
                *left -= missing;
                true
            }
            _ => false,
        }
    }

    fn chunks(&mut self, bytes: &[u8]) -> (usize, u64) {
        let Body::Chunked(mut state) = *self else { return (0, 0) };
        let mut at = 0;
        let mut content = 0;
        while let Some(&byte) = bytes.get(at) {
            state = match state {
                Chunked::Data(left) => {
                    let take = (bytes.len() - at).min(usize::try_from(left).unwrap_or(usize::MAX));
                    at += take;
                    content += take as u64;
                    let left = left - take as u64;
                    if left == 0 { Chunked::DataEnd } else { Chunked::Data(left) }
                }
                other => {
                    at += 1;
                    match (other, byte) {
                        (Chunked::Size(0) | Chunked::Extension(0), b'\n') => Chunked::Trailer(true),
                        (Chunked::Size(n) | Chunked::Extension(n), b'\n') => Chunked::Data(n),
                        (Chunked::Size(n), b) if b.is_ascii_hexdigit() => {
                            let digit = char::from(b).to_digit(16).unwrap_or(0);
                            Chunked::Size(n.saturating_mul(16).saturating_add(u64::from(digit)))
                        }
                        (Chunked::Size(n), _) => Chunked::Extension(n),
                        (Chunked::DataEnd, b'\n') => Chunked::Size(0),
                        (Chunked::Trailer(true), b'\n') => {
                            *self = Body::None;
                            return (at, content);
                        }
                        (Chunked::Trailer(_), b'\n') => Chunked::Trailer(true),
                        (Chunked::Trailer(empty), b'\r') => Chunked::Trailer(empty),
                        (Chunked::Trailer(_), _) => Chunked::Trailer(false),
                        (same, _) => same,
                    }
                }
            };
        }
        *self = Body::Chunked(state);
        (at, content)
    }
}
