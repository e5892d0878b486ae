//! Encodings that are undone, and parts that are cut out.

use std::io::Read;

/// Bytes that are decompressed at most if the rule does not say (Suricata's default).
const DEFAULT_DECOMPRESSED: u32 = 1024;
/// Bytes that are decompressed at most, whatever the rule says.
const MAX_DECOMPRESSED: u32 = 4 << 20;

/// `%41` is "A" and `+` a space; what is not two digits of base 16 stays.
pub(super) fn url_decode(bytes: &[u8], out: &mut Vec<u8>) {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let mut rest = bytes;
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        match (first, digit(rest.first()), digit(rest.get(1))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                rest = rest.get(2..).unwrap_or_default();
            }
            (b'+', ..) => out.push(b' '),
            (other, ..) => out.push(other),
        }
    }
}

/// What of it can be decompressed; false if nothing.
pub(super) fn gunzip(bytes: &[u8], max: u32, out: &mut Vec<u8>) -> bool {
    decompress(flate2::read::GzDecoder::new(bytes), max, out)
}

/// What of it can be decompressed; false if nothing.
pub(super) fn zlib(bytes: &[u8], max: u32, out: &mut Vec<u8>) -> bool {
    decompress(flate2::read::ZlibDecoder::new(bytes), max, out)
}

fn decompress(decoder: impl Read, max: u32, out: &mut Vec<u8>) -> bool {
    let max = if max == 0 { DEFAULT_DECOMPRESSED } else { max.min(MAX_DECOMPRESSED) };
    // What came before an error is what there is.
    let _ = decoder.take(u64::from(max)).read_to_end(out);
    !out.is_empty()
}

/// `count` bytes from `offset`, which counts from the end if negative; a negative count leaves bytes off the end. What
/// is not all there is nothing, unless it may be truncated.
pub(super) fn subslice(bytes: &[u8], offset: i32, count: Option<i32>, truncate: bool) -> &[u8] {
    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let from_end = |number: i64| if number < 0 { length.saturating_add(number) } else { number };
    let start = from_end(i64::from(offset));
    let end = match count.map(i64::from) {
        None => length,
        Some(count) if count < 0 => length.saturating_add(count),
        Some(count) => start.saturating_add(count),
    };
    let (start, end) = if truncate { (start.clamp(0, length), end.clamp(0, length)) } else { (start, end) };
    match (usize::try_from(start), usize::try_from(end)) {
        (Ok(start), Ok(end)) => bytes.get(start..end).unwrap_or_default(),
        _ => &[],
    }
}
