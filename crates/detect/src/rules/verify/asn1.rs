//! `asn1`: signs in BER-encoded data of attempts to overflow a decoder's buffers (X.690).

use rules::PacketTest;

/// Elements looked at in one buffer (Suricata's `asn1-max-frames`).
const MAX_ELEMENTS: usize = 256;
/// Bytes of a length's long form that are looked at; longer ones are larger than any buffer.
const MAX_LENGTH_BYTES: usize = 8;
/// The tag of a bit string.
const BIT_STRING: u8 = 3;
/// The tag of a floating-point number.
const REAL: u8 = 9;
/// Characters of a floating-point number written in decimal above which decoders were known to overflow.
const MAX_REAL: u64 = 256;

/// An element's header, and where its content begins.
struct Element {
    universal: bool,
    constructed: bool,
    tag: u8,
    /// None: of indefinite length.
    length: Option<u64>,
    content: usize,
}

/// Whether any element shows one of the signs that the test asks for. `last` is where the last match ended, for a
/// relative offset.
#[must_use]
pub fn asn1(test: &PacketTest, bytes: &[u8], last: usize) -> bool {
    let &PacketTest::Asn1 { bitstring_overflow, double_overflow, oversize, offset, relative } = test else {
        return false;
    };
    let base = if relative { i64::try_from(last).unwrap_or(i64::MAX) } else { 0 };
    let Ok(mut at) = usize::try_from(base.saturating_add(i64::from(offset))) else { return false };
    for _ in 0..MAX_ELEMENTS {
        let Some(element) = header(bytes, at) else { return false };
        let content = bytes.get(element.content..).unwrap_or_default();
        if let Some(length) = element.length {
            let primitive = element.universal && !element.constructed;
            let first = content.first().copied().filter(|_| length > 0);
            let unused = first.map_or(0, u64::from);
            // Bits that are said not to be used are more than there are.
            if bitstring_overflow
                && primitive
                && element.tag == BIT_STRING
                && unused > (length.saturating_sub(1)).saturating_mul(8)
            {
                return true;
            }
            let decimal = first.is_some_and(|first| first & 0xc0 == 0);
            if double_overflow && primitive && element.tag == REAL && decimal && length > MAX_REAL + 1 {
                return true;
            }
            if oversize.is_some_and(|oversize| length > u64::from(oversize)) {
                return true;
            }
        }
        // What is constructed is looked into; what is not is passed.
        let skip = if element.constructed { 0 } else { element.length.unwrap_or(0) };
        let Some(next) = usize::try_from(skip).ok().and_then(|skip| element.content.checked_add(skip)) else {
            return false;
        };
        at = next;
    }
    false
}

fn header(bytes: &[u8], at: usize) -> Option<Element> {
    let mut rest = bytes.get(at..)?.iter();
    let identifier = *rest.next()?;
    let mut tag = identifier & 0x1f;
    if tag == 0x1f {
        // A tag of several bytes, none of which is looked for.
        while *rest.next()? & 0x80 != 0 {}
        tag = 0x1f;
    }
    let first = *rest.next()?;
    let count = usize::from(first & 0x7f);
    let length = if first & 0x80 == 0 {
        Some(u64::from(first))
    } else if count == 0 {
        None
    } else {
        let digits = rest.as_slice().get(..count)?;
        rest = rest.as_slice().get(count..)?.iter();
        let (high, low) = digits.split_at_checked(count.saturating_sub(MAX_LENGTH_BYTES))?;
        let low = low.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        Some(if high.iter().all(|byte| *byte == 0) { low } else { u64::MAX })
    };
    Some(Element {
        universal: identifier & 0xc0 == 0,
        constructed: identifier & 0x20 != 0,
        tag,
        length,
        content: bytes.len().checked_sub(rest.len())?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn test(bits: bool, double: bool, oversize: Option<u32>, offset: i32, relative: bool) -> PacketTest {
        PacketTest::Asn1 { bitstring_overflow: bits, double_overflow: double, oversize, offset, relative }
    }

    #[test]
    fn signs_are_found_wherever_they_are_nested() {
        let real = [&[9, 0x82, 1, 2, 3][..], &[b'1'; 0x101]].concat();
        let short_real = [&[9, 0x82, 1, 1, 3][..], &[b'1'; 0x100]].concat();
        let binary_real = [&[9, 0x82, 1, 2, 0x80][..], &[0; 0x101]].concat();
        for (test, bytes, expected) in [
            (test(true, false, None, 0, false), &[3, 2, 9, 0xff][..], true),
            (test(true, false, None, 0, false), &[3, 2, 8, 0xff], false),
            (test(false, true, Some(9), 0, false), &[3, 2, 9, 0xff], false),
            (test(true, false, None, 0, false), &[0x30, 6, 2, 1, 5, 3, 2, 9, 0xff], true),
            (test(true, false, None, 0, false), &[0x30, 0x80, 0x5f, 0x83, 1, 0, 3, 2, 9, 0xff], true),
            (test(true, false, None, 0, false), &[0x83, 2, 9, 0xff], false),
            (test(true, false, None, 1, false), &[0, 3, 2, 9, 0xff], true),
            (test(true, false, None, -1, true), &[0, 3, 2, 9, 0xff], true),
            (test(true, false, None, -3, true), &[3, 2, 9, 0xff], false),
            (test(false, true, None, 0, false), &real, true),
            (test(false, true, None, 0, false), &short_real, false),
            (test(false, true, None, 0, false), &binary_real, false),
            (test(false, false, Some(2048), 0, false), &[0x30, 0x82, 8, 1], true),
            (test(false, false, Some(2048), 0, false), &[0x30, 0x82, 8, 0], false),
            (test(false, false, Some(2048), 0, false), &[4, 0x89, 1, 0, 0, 0, 0, 0, 0, 0, 0], true),
            (test(false, false, Some(2048), 0, false), &[4, 0x89, 1], false),
            (test(true, true, Some(1), 0, false), &[], false),
        ] {
            assert_eq!(asn1(&test, bytes, 2), expected, "{test:?} on {bytes:?}");
        }
        assert!(!asn1(&PacketTest::SameIp, &[3, 2, 9, 0xff], 0));
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>, offset: i32, relative: bool, last: usize) {
            let _ = asn1(&test(true, true, Some(u32::MAX), offset, relative), &bytes, last);
        }
    }
}
