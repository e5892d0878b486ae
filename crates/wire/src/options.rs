//! TCP options (RFC 9293 section 3.1, RFC 7323, RFC 2018), read only when somebody asks.

/// One option. Lengths and numbers are in host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpOption<'a> {
    /// Maximum segment size in bytes.
    Mss(u16),
    /// Window scale: so many bits to the left. Values above 14 count as 14 (RFC 7323).
    WindowScale(u8),
    /// The sender understands selective acknowledgement.
    SackPermitted,
    /// Timestamp of the sender, and the one it echoes.
    Timestamps(u32, u32),
    /// Any other option, or one of those above with a wrong length: kind and contents.
    Other(u8, &'a [u8]),
}

/// The options of a segment in their order. Total: it ends at the end-of-list option, at the last byte, or at an
/// option that does not fit, and never looks at a byte twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOptions<'a> {
    rest: &'a [u8],
}

impl<'a> TcpOptions<'a> {
    /// Over the bytes between the fixed header and the payload.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        TcpOptions { rest: bytes }
    }
}

impl<'a> Iterator for TcpOptions<'a> {
    type Item = TcpOption<'a>;

    fn next(&mut self) -> Option<TcpOption<'a>> {
        while let [1, rest @ ..] = self.rest {
            self.rest = rest;
        }
        let all = core::mem::take(&mut self.rest);
        let &[kind, len, ..] = all else { return None };
        if kind == 0 {
            return None;
        }
        let body = all.get(2..usize::from(len))?;
        self.rest = &all[usize::from(len)..];
        Some(match (kind, body) {
            (2, &[a, b]) => TcpOption::Mss(u16::from_be_bytes([a, b])),
            (3, &[shift]) => TcpOption::WindowScale(shift.min(14)),
            (4, []) => TcpOption::SackPermitted,
            (8, &[a, b, c, d, e, f, g, h]) => {
                TcpOption::Timestamps(u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
            }
            _ => TcpOption::Other(kind, body),
        })
    }
}
