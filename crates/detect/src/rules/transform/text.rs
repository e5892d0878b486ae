//! White space and header lines.

/// White space as C's `isspace` has it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Everything but white space.
pub(super) fn strip_whitespace(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.iter().filter(|byte| !is_space(**byte)));
}

/// The first of each run of white space.
pub(super) fn compress_whitespace(bytes: &[u8], out: &mut Vec<u8>) {
    let mut before = false;
    for &byte in bytes {
        let space = is_space(byte);
        if !(space && before) {
            out.push(byte);
        }
        before = space;
    }
}

/// Header lines without those of HTTP/2's pseudo headers, which begin with a colon.
pub(super) fn strip_pseudo_headers(bytes: &[u8], out: &mut Vec<u8>) {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.first() != Some(&b':') {
            out.extend_from_slice(line);
        }
    }
}

/// Header lines with names in lower case; values stay as they are. A pseudo header's name has its first colon before it.
pub(super) fn header_lowercase(bytes: &[u8], out: &mut Vec<u8>) {
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let colon = line.iter().skip(1).position(|byte| *byte == b':').map_or(line.len(), |at| at + 1);
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
        out.extend(name.iter().map(u8::to_ascii_lowercase));
        out.extend_from_slice(value);
    }
}
