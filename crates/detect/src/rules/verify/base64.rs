//! Base64 as Suricata decodes it: as far as it goes.

/// What is done with bytes that are not of the alphabet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// There may be none, and the padding has to be right: all or nothing.
    Strict,
    /// What comes before the first one is decoded.
    Rfc4648,
    /// They are skipped, as in mail.
    Rfc2045,
}

/// The value of a byte of the alphabet.
fn value(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

/// Appends what `bytes` decode to. Text that ends without its padding is decoded as far as its bits make bytes.
pub(crate) fn decode(bytes: &[u8], mode: Mode, out: &mut Vec<u8>) {
    if mode == Mode::Strict {
        use base64::Engine as _;
        // All or nothing: what was written before an error goes again.
        let before = out.len();
        if base64::engine::general_purpose::STANDARD.decode_vec(bytes, out).is_err() {
            out.truncate(before);
        }
        return;
    }
    let (mut bits, mut held) = (0_u32, 0_u32);
    for &byte in bytes {
        match value(byte) {
            Some(value) => {
                bits = bits << 6 | value;
                held += 6;
                if held >= 8 {
                    held -= 8;
                    out.push((bits >> held) as u8);
                }
            }
            // Padding ends it.
            None if byte == b'=' || mode == Mode::Rfc4648 => break,
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_decodes_as_far_as_it_goes() {
        for (text, strict, rfc4648, rfc2045) in [
            ("", "", "", ""),
            ("SGVsbG8=", "Hello", "Hello", "Hello"),
            ("SGVsbG8", "", "Hello", "Hello"),
            ("SGVs bG8=", "", "Hel", "Hello"),
            ("SGVs\r\nbG8=", "", "Hel", "Hello"),
            ("SGVsbG8=SGVs", "", "Hello", "Hello"),
            ("SG!", "", "H", "H"),
            ("S", "", "", ""),
            ("\u{e9}", "", "", ""),
        ] {
            for (mode, expected) in
                [(Mode::Strict, strict), (Mode::Rfc4648, rfc4648), (Mode::Rfc2045, rfc2045)]
            {
                let mut out = b">".to_vec();
                decode(text.as_bytes(), mode, &mut out);
                assert_eq!(out, [b">", expected.as_bytes()].concat(), "{text:?} as {mode:?}");
            }
        }
    }
}
