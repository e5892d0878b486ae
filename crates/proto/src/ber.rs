//! Basic Encoding Rules (ITU-T X.690), as far as LDAP, Kerberos and SPNEGO use them: one-byte tags, definite lengths.

/// Bytes of the longest length field that is read.
const MAX_LENGTH_BYTES: usize = 4;

/// An element: its identifier octet and its contents.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tlv<'a> {
    /// Class, constructed bit and number in one octet.
    pub tag: u8,
    /// What it holds.
    pub body: &'a [u8],
}

/// What the beginning of an element says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// Bytes are missing.
    More,
    /// Tag, length of the head, length of the body.
    Is(u8, usize, usize),
    /// No element of the kind that is read here.
    Bad,
}

/// Reads an element's tag and length.
pub(crate) fn head(bytes: &[u8]) -> Head {
    let (Some(&tag), Some(&first)) = (bytes.first(), bytes.get(1)) else { return Head::More };
    if tag & 0x1f == 0x1f {
        return Head::Bad;
    }
    if first < 0x80 {
        return Head::Is(tag, 2, usize::from(first));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > MAX_LENGTH_BYTES {
        return Head::Bad;
    }
    let Some(length) = bytes.get(2..2 + count) else { return Head::More };
    let length = length.iter().fold(0_u64, |sum, &b| sum << 8 | u64::from(b));
    usize::try_from(length).map_or(Head::Bad, |body| Head::Is(tag, 2 + count, body))
}

/// Takes the next element off `bytes`.
pub(crate) fn take<'a>(bytes: &mut &'a [u8]) -> Option<Tlv<'a>> {
    let Head::Is(tag, head, body) = head(bytes) else { return None };
    let end = head.checked_add(body)?;
    let tlv = Tlv { tag, body: bytes.get(head..end)? };
    *bytes = &bytes[end..];
    Some(tlv)
}

/// Takes the next element if it has this tag.
pub(crate) fn expect<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let mut rest = *bytes;
    let tlv = take(&mut rest).filter(|tlv| tlv.tag == tag)?;
    *bytes = rest;
    Some(tlv.body)
}

/// The first element with this tag among those that follow one another in `bytes`.
pub(crate) fn find(mut bytes: &[u8], tag: u8) -> Option<&[u8]> {
    while let Some(tlv) = take(&mut bytes) {
        if tlv.tag == tag {
            return Some(tlv.body);
        }
    }
    None
}

/// An INTEGER's contents as a number; `None` if it is longer than 64 bits.
pub(crate) fn integer(body: &[u8]) -> Option<i64> {
    if body.is_empty() || body.len() > 8 {
        return None;
    }
    let sign = if body[0] & 0x80 == 0 { 0 } else { -1 };
    Some(body.iter().fold(sign, |sum: i64, &b| sum << 8 | i64::from(b)))
}
