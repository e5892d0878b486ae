//! Whether a decoded text is one: in one language's script, mostly of its common characters.

use encoding_rs::{BIG5, EUC_KR, Encoding, GBK, SHIFT_JIS};

/// Fewer common signs than these, in percent, and a text is none.
const LEAST_COMMON: usize = 60;

/// The writing systems that are told from one another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Script {
    Han,
    Kana,
    HalfKana,
    Hangul,
    Latin,
    Cyrillic,
    Greek,
    Arabic,
    Hebrew,
}

fn script(c: char) -> Option<Script> {
    Some(match c {
        '\u{3005}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' => {
            Script::Han
        }
        '\u{20000}'..='\u{3134f}' => Script::Han,
        '\u{3041}'..='\u{30ff}' => Script::Kana,
        '\u{ff66}'..='\u{ff9f}' => Script::HalfKana,
        '\u{ac00}'..='\u{d7a3}' => Script::Hangul,
        '\u{c0}'..='\u{24f}' if c.is_alphabetic() => Script::Latin,
        '\u{400}'..='\u{52f}' => Script::Cyrillic,
        '\u{386}'..='\u{3ff}' => Script::Greek,
        '\u{620}'..='\u{6ff}' => Script::Arabic,
        '\u{5d0}'..='\u{5ea}' => Script::Hebrew,
        _ => return None,
    })
}

/// Punctuation of no script: what names and titles of East Asia and Europe have.
fn is_neutral(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{ff01}'..='\u{ff5e}' | '\u{2010}'..='\u{2026}')
        || matches!(c, '\u{b7}' | '\u{ae}' | '\u{a0}' | '\u{2122}' | '\u{30fb}')
}

/// An ideograph that texts are mostly made of, in whichever language.
pub(super) fn is_common_han(c: char) -> bool {
    let lead = |encoding: &'static Encoding| {
        let mut buffer = [0; 4];
        let (bytes, _, failed) = encoding.encode(c.encode_utf8(&mut buffer));
        if failed { None } else { <[u8; 2]>::try_from(&*bytes).ok() }
    };
    matches!(lead(GBK), Some([0xb0..=0xd7, 0xa1..=0xff]))
        || matches!(lead(BIG5), Some([0xa4..=0xc6, _]))
        || matches!(lead(SHIFT_JIS), Some([0x88..=0x97, _]))
}

/// Whether it is among the characters that the encoding's authors put first because they are common.
fn is_common(c: char, encoding: &'static Encoding) -> bool {
    let mut buffer = [0; 4];
    let (bytes, _, failed) = encoding.encode(c.encode_utf8(&mut buffer));
    let Ok(pair) = <[u8; 2]>::try_from(&*bytes) else { return false };
    let first = match encoding {
        e if e == GBK => matches!(pair, [0xb0..=0xd7, 0xa1..=0xff]),
        e if e == BIG5 => matches!(pair, [0xa4..=0xc6, _]),
        e if e == SHIFT_JIS => matches!(pair, [0x88..=0x97, _]),
        e if e == EUC_KR => matches!(pair, [0xb0..=0xc8, 0xa1..=0xff]),
        _ => true,
    };
    first && !failed
}

/// How likely somebody has written this text, which was read in that encoding: the share of its signs that are common,
/// in percent. `None` if nobody has.
pub(super) fn plausibility(text: &str, encoding: &'static Encoding) -> Option<usize> {
    let mut scripts: Vec<Script> = Vec::new();
    let (mut signs, mut common, mut latin, mut ascii) = (0_usize, 0_usize, 0_usize, 0_usize);
    let wide = encoding.name().starts_with("UTF-16");
    let mut before = None;
    for c in text.chars() {
        let before = before.replace(c);
        if c.is_ascii() {
            ascii += usize::from(c.is_ascii_alphabetic());
            if c.is_ascii_alphabetic() && before.is_some_and(is_apart) {
                return None;
            }
            continue;
        }
        let Some(script) = script(c) else {
            if is_neutral(c) {
                continue;
            }
            return None;
        };
        if is_apart(c) && before.is_some_and(|b| b.is_ascii_alphabetic()) {
            return None;
        }
        if !scripts.contains(&script) {
            scripts.push(script);
        }
        match script {
            Script::Han | Script::Hangul => {
                signs += 1;
                let hangul = wide && script == Script::Hangul;
                common += usize::from(hangul || if wide { is_common_han(c) } else { is_common(c, encoding) });
            }
            Script::Latin => latin += 1,
            _ => {}
        }
    }
    let only = |allowed: &[Script]| scripts.iter().all(|s| allowed.contains(s));
    let one_language = scripts.len() <= 1
        || only(&[Script::Han, Script::Kana])
        || (only(&[Script::Han, Script::Hangul]) && encoding != GBK && encoding != BIG5);
    // Kana are in the Chinese encodings, too, but no Chinese text is written in them.
    let at_home = match encoding {
        e if e == GBK || e == BIG5 => only(&[Script::Han]),
        e if e == SHIFT_JIS => only(&[Script::Han, Script::Kana]) || only(&[Script::HalfKana]),
        // Names in ideographs are written with Hangul beside them, or not at all.
        e if e == EUC_KR => scripts.contains(&Script::Hangul),
        _ => true,
    };
    // European words have more plain letters than accented ones.
    let share = (common * 100).checked_div(signs).unwrap_or(100);
    (one_language && at_home && share >= LEAST_COMMON && latin <= ascii).then_some(share)
}

/// Letters of these scripts do not stand within a Latin word.
fn is_apart(c: char) -> bool {
    matches!(script(c), Some(Script::Cyrillic | Script::Greek | Script::Arabic | Script::Hebrew))
}
