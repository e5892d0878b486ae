//! Taking one layer of encoding off bytes.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode;

use super::charset::{Charsets, Text};

/// Shorter texts are taken for base64 only with padding.
pub(super) const MIN_BASE64: usize = 8;
const MIN_HEX: usize = 8;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Without percent signs (`%D6` and JavaScript's `%u8D22`) and, in a query, with spaces for plus signs. `None` if
/// nothing changes.
pub(super) fn percent(bytes: &[u8], plus: bool) -> Option<Vec<u8>> {
    let mut spaced = bytes.to_vec();
    if plus {
        spaced.iter_mut().filter(|b| **b == b'+').for_each(|b| *b = b' ');
    }
    let unescaped = escapes(&spaced).unwrap_or(spaced);
    let decoded: Vec<u8> = percent_decode(&unescaped).collect();
    (decoded != bytes).then_some(decoded)
}

/// `%uXXXX`, code units of UTF-16, as UTF-8.
fn escapes(bytes: &[u8]) -> Option<Vec<u8>> {
    let unit = |at: usize| -> Option<u16> {
        let digits = bytes.get(at..at + 6)?.strip_prefix(b"%u")?;
        let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let mut at = bytes.windows(2).position(|pair| pair == b"%u")?;
    let mut out = bytes[..at].to_vec();
    while at < bytes.len() {
        let mut units = Vec::new();
        while let Some(next) = unit(at) {
            units.push(next);
            at += 6;
        }
        if units.is_empty() {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend_from_slice(String::from_utf16_lossy(&units).as_bytes());
        }
    }
    Some(out)
}

/// The text in base64, standard or URL-safe, padded or not.
pub(super) fn base64(text: &str, charsets: &mut Charsets) -> Option<Text> {
    // A space was a plus sign before the query was decoded.
    let text = text.trim().replace(' ', "+");
    let bare = text.trim_end_matches('=');
    if bare.len() < if bare.len() < text.len() { 3 } else { MIN_BASE64 } || bare.len() % 4 == 1 {
        return None;
    }
    let bytes = STANDARD.decode(&text).or_else(|_| URL_SAFE.decode(&text)).ok()?;
    // Many a word of eight letters is GBK in base64; few are written in mixed case.
    let mixed =
        bare.chars().skip(1).any(|c| c.is_ascii_uppercase()) && bare.chars().any(|c| c.is_ascii_lowercase());
    let encoded = mixed || bare.len() < text.len() || bare.contains(['+', '/']);
    readable(&bytes, charsets).filter(|(_, charset)| encoded || charset.is_none())
}

/// A text too short to be known for base64 by itself; to be asked when its neighbours are in base64.
pub(super) fn short_base64(text: &str, charsets: &mut Charsets) -> Option<Text> {
    let bare = text.trim_end_matches('=').len();
    let fits = (4..MIN_BASE64).contains(&text.len()) && bare >= 2 && bare % 4 != 1;
    let bytes = STANDARD.decode(text).ok().filter(|_| fits)?;
    readable(&bytes, charsets).filter(|(text, _)| !text.contains(char::is_control))
}

/// The text in hexadecimal.
pub(super) fn hex(text: &str, charsets: &mut Charsets) -> Option<Text> {
    if text.len() < MIN_HEX || !text.len().is_multiple_of(2) {
        return None;
    }
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let bytes: Vec<u8> = digits?.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    readable(&bytes, charsets).filter(|(text, _)| text.chars().any(char::is_alphabetic))
}

/// Bytes as a text that a person wrote: no control characters, not a random jumble.
fn readable(bytes: &[u8], charsets: &mut Charsets) -> Option<Text> {
    let (text, charset) = charsets.text(bytes)?;
    let text = text.trim_end_matches(['\0', '\r', '\n']).to_owned();
    (!text.is_empty() && !text.contains('\0')).then_some((text, charset))
}
