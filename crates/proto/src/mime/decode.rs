//! Transfer encodings (RFC 2045 section 6), undone piece by piece.

/// A transfer encoding with what it carries over from piece to piece.
#[derive(Debug)]
pub(super) enum Decoder {
    /// As it is. Holds back the end of a line: it may belong to the boundary that follows.
    Identity {
        /// The held back end.
        eol: &'static [u8],
    },
    /// Base64; what is not of its alphabet is passed over.
    Base64 {
        /// Bits that make no byte yet.
        bits: u32,
        /// How many.
        count: u8,
    },
    /// Quoted-printable.
    Quoted {
        /// Behind an equals sign, and the digit behind it.
        escape: Option<Option<u8>>,
        /// The held back end.
        eol: &'static [u8],
    },
}

impl Decoder {
    pub fn new(encoding: &str) -> Self {
        match encoding {
            "base64" => Decoder::Base64 { bits: 0, count: 0 },
            "quoted-printable" => Decoder::Quoted { escape: None, eol: b"" },
            _ => Decoder::Identity { eol: b"" },
        }
    }

    pub fn is_base64(&self) -> bool {
        matches!(self, Decoder::Base64 { .. })
    }

    /// Decodes a piece of a line: `content` is it without its end, `raw` with it.
    pub fn piece(&mut self, content: &[u8], starts: bool, ends: bool, raw: &[u8], out: &mut Vec<u8>) {
        let end: &'static [u8] = match (ends, raw.len() - content.len()) {
            (false, _) => b"",
            (true, 1) => b"\n",
            (true, _) => b"\r\n",
        };
        match self {
            Decoder::Identity { eol } => {
                if starts {
                    out.extend_from_slice(eol);
                }
                *eol = end;
                out.extend_from_slice(content);
            }
            Decoder::Base64 { bits, count } => {
                for &byte in content {
                    let Some(value) = base64(byte) else {
                        if byte == b'=' {
                            (*bits, *count) = (0, 0);
                        }
                        continue;
                    };
                    *bits = *bits << 6 | u32::from(value);
                    *count += 6;
                    if *count >= 8 {
                        *count -= 8;
                        out.push((*bits >> *count & 0xff) as u8);
                    }
                    *bits &= 0xff;
                }
            }
            Decoder::Quoted { escape, eol } => {
                if starts {
                    out.extend_from_slice(eol);
                }
                for &byte in content {
                    match *escape {
                        None if byte == b'=' => *escape = Some(None),
                        None => out.push(byte),
                        Some(None) if byte.is_ascii_hexdigit() => *escape = Some(Some(byte)),
                        // Spaces may follow the sign at the end of a line.
                        Some(None) if matches!(byte, b' ' | b'\t') => {}
                        Some(None) => {
                            out.extend([b'=', byte]);
                            *escape = None;
                        }
                        Some(Some(high)) => {
                            match (hex(high), hex(byte)) {
                                (Some(high), Some(low)) => out.push(high << 4 | low),
                                _ => out.extend([b'=', high, byte]),
                            }
                            *escape = None;
                        }
                    }
                }
                if ends {
                    let soft = *escape == Some(None);
                    if let Some(Some(high)) = *escape {
                        out.extend([b'=', high]);
                    }
                    *escape = None;
                    *eol = if soft { b"" } else { end };
                } else {
                    *eol = b"";
                }
            }
        }
    }
}

fn base64(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

pub(super) fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// Decodes a piece that is whole.
pub(super) fn whole(encoding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Decoder::new(encoding).piece(bytes, true, false, bytes, &mut out);
    out
}
