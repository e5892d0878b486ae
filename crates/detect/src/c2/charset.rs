//! Which characters bytes stand for: UTF-8 if they are that, else UTF-16 or the code page of a Windows in Asia or Europe.
//!
//! A host name is a handful of bytes, too few to tell GBK from Big5 by themselves. So the encoding is chosen in two
//! passes: the first collects every text of a message that is not UTF-8, the second reads each of them in the
//! encoding that fits all of them best. What reads like no language in any encoding is no text.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    BIG5, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS, UTF_16BE, UTF_16LE, WINDOWS_1250, WINDOWS_1251,
    WINDOWS_1252, WINDOWS_1253, WINDOWS_1254, WINDOWS_1255, WINDOWS_1256,
};

use super::script;

/// Bytes of the texts that the encoding is chosen by.
const MAX_SAMPLE: usize = 4096;

/// The encodings besides UTF-8 and UTF-16 that are looked for.
const LEGACY: [&Encoding; 11] = [
    GBK,
    BIG5,
    SHIFT_JIS,
    EUC_KR,
    WINDOWS_1252,
    WINDOWS_1251,
    WINDOWS_1250,
    WINDOWS_1254,
    WINDOWS_1253,
    WINDOWS_1255,
    WINDOWS_1256,
];

/// Asked about in this order where the bytes alone lead to no text.
const COUNTRIES: [&str; 10] = ["cn", "tw", "jp", "kr", "ru", "pl", "tr", "gr", "il", "eg"];

/// A text, and its encoding unless that is UTF-8.
pub(super) type Text = (String, Option<&'static str>);

/// The encodings of one message.
#[derive(Debug, Default)]
pub(super) struct Charsets {
    sample: Vec<u8>,
    texts: usize,
    wide: Option<&'static Encoding>,
    preferred: Option<&'static Encoding>,
}

impl Charsets {
    /// After the first pass: whether a second one may read something in another way.
    pub fn settle(&mut self) -> bool {
        self.preferred = self.wide.or_else(|| legacy(&self.sample).map(|(encoding, _)| encoding));
        self.wide.is_some() || (self.texts > 1 && self.preferred.is_some())
    }

    /// The text that these bytes are. Without control characters other than white space, but for NUL in UTF-8, which
    /// separates fields in messages that are not HTTP.
    pub fn text(&mut self, bytes: &[u8]) -> Option<Text> {
        if let Some(encoding) = wide(bytes) {
            self.wide.get_or_insert(encoding);
            return in_encoding(encoding, bytes);
        }
        // Ideographs of UTF-16 may be UTF-8, too; beside texts in UTF-16 they are not.
        if let Some(wide) = self.preferred.filter(|preferred| self.wide == Some(preferred))
            && !bytes.is_ascii()
            && let Some(text) = in_encoding(wide, bytes)
        {
            return Some(text);
        }
        let plain = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if let Ok(text) = std::str::from_utf8(plain) {
            return (!text.chars().any(is_binary)).then(|| (text.to_owned(), None));
        }
        if self.preferred.is_none() && self.sample.len() + bytes.len() < MAX_SAMPLE {
            self.texts += 1;
            self.sample.extend_from_slice(bytes);
            self.sample.push(b'\n');
        }
        let preferred = self.preferred.and_then(|encoding| in_encoding(encoding, bytes));
        preferred.or_else(|| legacy(bytes).map(|(_, text)| text)).or_else(|| {
            [UTF_16LE, UTF_16BE].into_iter().find_map(|wide| {
                let text = in_encoding(wide, bytes).filter(|(text, _)| text.chars().count() > 1)?;
                text.0.chars().all(script::is_common_han).then_some(text)
            })
        })
    }
}

fn is_binary(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\0')
}

/// UTF-16 shows by its byte order mark, or by the zeros in its letters of ASCII.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    if bytes.len() < 4 || !bytes.len().is_multiple_of(2) {
        return None;
    }
    match bytes {
        [0xff, 0xfe, ..] => return Some(UTF_16LE),
        [0xfe, 0xff, ..] => return Some(UTF_16BE),
        _ => {}
    }
    let zeros = |at: usize| bytes.iter().skip(at).step_by(2).filter(|&&b| b == 0).count();
    let (first, second) = (zeros(0), zeros(1));
    // A text may end with a NUL of its own.
    let (little, most) = if second > first { (true, second) } else { (false, first) };
    let least = first.min(second);
    if most == 0 || least > 1 || most <= least {
        return None;
    }
    let encoding = if little { UTF_16LE } else { UTF_16BE };
    // A run of ASCII with NULs in it that happen to lie at the same places is no UTF-16.
    in_encoding(encoding, bytes).map(|_| encoding)
}

/// The bytes read strictly in an encoding, if that gives a text that somebody may have written.
fn in_encoding(encoding: &'static Encoding, bytes: &[u8]) -> Option<Text> {
    let bytes = match bytes {
        [0xff, 0xfe, rest @ ..] if encoding == UTF_16LE => rest,
        [0xfe, 0xff, rest @ ..] if encoding == UTF_16BE => rest,
        _ => bytes,
    };
    // GB18030 holds GBK, and is what a Chinese Windows makes of characters outside it.
    let decoder = if encoding == GBK { GB18030 } else { encoding };
    let text = decoder.decode_without_bom_handling_and_without_replacement(bytes)?.into_owned();
    if text.chars().any(is_binary) || script::plausibility(&text, encoding).is_none() {
        return None;
    }
    let name = match encoding.name() {
        "GBK" if GBK.encode(&text).2 => "gb18030",
        "GBK" => "gbk",
        "Big5" => "big5",
        "Shift_JIS" => "shift_jis",
        "EUC-KR" => "euc-kr",
        "UTF-16LE" => "utf-16le",
        "UTF-16BE" => "utf-16be",
        other => other,
    };
    Some((text, Some(name)))
}

/// The legacy encoding that fits bytes best, with their text: what the detector takes them for, or would take them
/// for on a site of one of these countries.
fn legacy(bytes: &[u8]) -> Option<(&'static Encoding, Text)> {
    if bytes.is_ascii() {
        return None;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let countries = COUNTRIES.iter().map(|country| Some(country.as_bytes()));
    let mut best: Option<(usize, &'static Encoding, Text)> = None;
    for country in std::iter::once(None).chain(countries) {
        let encoding = detector.guess(country, Utf8Detection::Deny);
        if !LEGACY.contains(&encoding) || best.as_ref().is_some_and(|(_, known, _)| *known == encoding) {
            continue;
        }
        let Some(text) = in_encoding(encoding, bytes) else { continue };
        let share = script::plausibility(&text.0, encoding).unwrap_or_default();
        if best.as_ref().is_none_or(|(most, ..)| share > *most) {
            best = Some((share, encoding, text));
        }
    }
    best.map(|(_, encoding, text)| (encoding, text))
}
