//! Taking one layer of encoding off a text.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode_str;

/// Shorter texts are taken for base64 only with padding.
const MIN_BASE64: usize = 8;
const MIN_HEX: usize = 8;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Without percent signs and, in a query, with spaces for plus signs. `None` if nothing changes.
pub(super) fn percent(text: &str, plus: bool) -> Option<String> {
    let spaced = if plus { text.replace('+', " ") } else { text.to_owned() };
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?.into_owned();
    (decoded != text).then_some(decoded)
}

/// The text in base64, standard or URL-safe, padded or not; UTF-8 or UTF-16LE inside.
pub(super) fn base64(text: &str) -> Option<String> {
    // A space was a plus sign before the query was decoded.
    let text = text.trim().replace(' ', "+");
    let bare = text.trim_end_matches('=');
    if bare.len() < if bare.len() < text.len() { 3 } else { MIN_BASE64 } || bare.len() % 4 == 1 {
        return None;
    }
    let bytes = STANDARD.decode(&text).or_else(|_| URL_SAFE.decode(&text)).ok()?;
    readable(&bytes)
}

/// A text too short to be known for base64 by itself; to be asked when its neighbours are in base64.
pub(super) fn short_base64(text: &str) -> Option<String> {
    let bare = text.trim_end_matches('=').len();
    let fits = (4..MIN_BASE64).contains(&text.len()) && bare >= 2 && bare % 4 != 1;
    readable(&STANDARD.decode(text).ok().filter(|_| fits)?).filter(|t| !t.contains(char::is_control))
}

/// The text in hexadecimal.
pub(super) fn hex(text: &str) -> Option<String> {
    if text.len() < MIN_HEX || !text.len().is_multiple_of(2) {
        return None;
    }
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect();
    let bytes: Vec<u8> = digits?.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    readable(&bytes).filter(|t| t.chars().any(char::is_alphabetic))
}

/// Bytes as a text that a person wrote: no control characters, not a random jumble.
fn readable(bytes: &[u8]) -> Option<String> {
    let wide = bytes.len() >= 4
        && bytes.len().is_multiple_of(2)
        && bytes.chunks_exact(2).all(|c| c[1] == 0 && c[0] != 0);
    let text = if wide {
        bytes.chunks_exact(2).map(|c| char::from(c[0])).collect()
    } else {
        String::from_utf8(bytes.to_vec()).ok()?
    };
    let text = text.trim_end_matches(['\0', '\r', '\n']).to_owned();
    let fine = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    (!text.is_empty() && text.chars().all(fine)).then_some(text)
}
