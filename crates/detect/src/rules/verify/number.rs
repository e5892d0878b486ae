//! Numbers in a buffer: binary ones of either byte order, and written ones.

use rules::{Endian, NumberBase};

use super::Piece;

/// Bytes of a binary number at most.
pub(super) const MAX_BINARY: usize = 8;
/// Digits of a written number at most: 2^64 - 1 in octal with a leading zero, Suricata's limit.
pub(super) const MAX_WRITTEN: usize = 23;

/// How a number is taken from a buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    /// Order of the bytes of a binary one.
    pub(super) endian: Endian,
    /// How it is written.
    pub(super) base: NumberBase,
}

impl Form {
    /// Bytes of a number of this form at most.
    pub(super) fn most(self) -> usize {
        if self.base == NumberBase::Binary { MAX_BINARY } else { MAX_WRITTEN }
    }

    /// The number in `count` bytes from `at`, and how many bytes it took: a written one may end before. Of a written one
    /// `count` may be 0: as many digits as there are.
    pub(super) fn take(self, piece: &Piece<'_>, at: usize, count: usize) -> Option<(u64, usize)> {
        if count > self.most() || (count == 0 && self.base == NumberBase::Binary) {
            return None;
        }
        let bytes = match count {
            0 => piece.bytes.get(at..)?,
            _ => piece.bytes.get(at..at.checked_add(count)?)?,
        };
        let radix = match self.base {
            NumberBase::Binary => return Some((self.binary(bytes, piece.little_endian), count)),
            NumberBase::Hex => 16,
            NumberBase::Decimal => 10,
            NumberBase::Octal => 8,
        };
        written(bytes, radix)
    }

    fn binary(self, bytes: &[u8], little: Option<bool>) -> u64 {
        let push = |number: u64, &byte: &u8| number << 8 | u64::from(byte);
        let little = match self.endian {
            Endian::Big => false,
            Endian::Little => true,
            Endian::Dce => little.unwrap_or(false),
        };
        if little { bytes.iter().rev().fold(0, push) } else { bytes.iter().fold(0, push) }
    }
}

/// A written number as C's `strtoull` reads it: white space, a sign and, in base 16, "0x" may stand before it, and it
/// ends with the first byte that is no digit. None if there is no digit or it is too large.
fn written(bytes: &[u8], radix: u32) -> Option<(u64, usize)> {
    let digit = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(radix));
    let mut at = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    let negative = bytes.get(at) == Some(&b'-');
    if negative || bytes.get(at) == Some(&b'+') {
        at += 1;
    }
    let prefix = radix == 16
        && bytes.get(at) == Some(&b'0')
        && matches!(bytes.get(at + 1), Some(b'x' | b'X'))
        && digit(at + 2).is_some();
    if prefix {
        at += 2;
    }
    let first = at;
    let mut number: u64 = 0;
    while let Some(next) = digit(at) {
        number = number.checked_mul(u64::from(radix))?.checked_add(u64::from(next))?;
        at += 1;
    }
    (at > first).then_some((if negative { number.wrapping_neg() } else { number }, at))
}

/// The bits of `number` under the mask, moved down by the zeros at the mask's end; a mask of 0 is none.
pub(super) fn masked(number: u64, mask: u32) -> u64 {
    if mask == 0 { number } else { (number & u64::from(mask)) >> mask.trailing_zeros() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_numbers_are_read_like_c_does() {
        for (text, radix, expected) in [
            ("12", 10, Some((12, 2))),
            ("12a", 10, Some((12, 2))),
            ("  12", 10, Some((12, 4))),
            ("\t\n\x0b\x0c\r 7", 10, Some((7, 7))),
            ("+5", 10, Some((5, 2))),
            ("-1", 10, Some((u64::MAX, 2))),
            ("-", 10, None),
            ("", 10, None),
            ("x", 10, None),
            ("1 2", 10, Some((1, 1))),
            ("0x1F", 16, Some((31, 4))),
            ("0xg", 16, Some((0, 1))),
            ("0x", 16, Some((0, 1))),
            ("fFg", 16, Some((255, 2))),
            ("0778", 8, Some((63, 3))),
            ("0x10", 10, Some((0, 1))),
            ("18446744073709551615", 10, Some((u64::MAX, 20))),
            ("18446744073709551616", 10, None),
            ("01777777777777777777777", 8, Some((u64::MAX, 23))),
        ] {
            assert_eq!(written(text.as_bytes(), radix), expected, "{text:?} in base {radix}");
        }
    }

    #[test]
    fn a_written_number_of_no_length_has_as_many_digits_as_there_are() {
        let form = |base| Form { endian: Endian::Big, base };
        let piece = Piece::whole(b"n=4711;");
        assert_eq!(form(NumberBase::Decimal).take(&piece, 2, 0), Some((4711, 4)));
        assert_eq!(form(NumberBase::Decimal).take(&piece, 0, 0), None);
        assert_eq!(form(NumberBase::Decimal).take(&piece, 7, 0), None);
        assert_eq!(form(NumberBase::Binary).take(&piece, 2, 0), None);
    }

    #[test]
    fn binary_numbers_have_an_order_and_a_size() {
        let piece = Piece { little_endian: Some(true), ..Piece::whole(&[1, 2, 3, 4, 5, 6, 7, 8, 9]) };
        let form = |endian| Form { endian, base: NumberBase::Binary };
        assert_eq!(form(Endian::Big).take(&piece, 0, 4), Some((0x0102_0304, 4)));
        assert_eq!(form(Endian::Little).take(&piece, 1, 2), Some((0x0302, 2)));
        assert_eq!(form(Endian::Dce).take(&piece, 1, 2), Some((0x0302, 2)));
        let piece = Piece { little_endian: None, ..piece };
        assert_eq!(form(Endian::Dce).take(&piece, 1, 2), Some((0x0203, 2)));
        assert_eq!(form(Endian::Big).take(&piece, 1, 8), Some((0x0203_0405_0607_0809, 8)));
        assert_eq!(form(Endian::Big).take(&piece, 2, 8), None);
        assert_eq!(form(Endian::Big).take(&piece, 0, 9), None);
        assert_eq!(form(Endian::Big).take(&piece, 0, 0), None);
        assert_eq!(form(Endian::Big).take(&piece, usize::MAX, 2), None);
    }

    #[test]
    fn a_mask_moves_its_bits_down() {
        assert_eq!(masked(0xabcd, 0x0ff0), 0xbc);
        assert_eq!(masked(0xabcd, 0), 0xabcd);
        assert_eq!(masked(u64::MAX, 0x8000_0000), 1);
    }
}
