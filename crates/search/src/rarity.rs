//! How often a gram is met in traffic, roughly: the search looks for the rarest of each pattern.

use crate::gram::{FOLD, Hash, word};

/// What protocols, pages and names are full of. Grams of these are met all the time.
const COMMON: [&[u8]; 68] = [
    b"http://www.",
    b"https://www.",
    b".com",
    b".net",
    b".org",
    b".info",
    b".php",
    b".html",
    b".aspx",
    b".jsp",
    b"index.php",
    b".exe",
    b".dll",
    b"/index.html",
    b"/images/",
    b"/wp-content/plugins/",
    b"/wp-admin/",
    b"/wp-includes/",
    b"/cgi-bin/",
    b"&id=",
    b"?id=",
    b"user-agent: mozilla/5.0 (windows nt 10.0; win64; x64)",
    b"applewebkit/537.36",
    b"(khtml, like gecko) chrome/",
    b" safari/",
    b"(compatible; msie ",
    b"content-type: ",
    b"content-length: ",
    b"content-disposition: form-data; name=",
    b"content-encoding: ",
    b"transfer-encoding: chunked\r\n",
    b"application/x-www-form-urlencoded",
    b"application/octet-stream",
    b"application/json",
    b"text/html",
    b"text/plain",
    b"text/javascript",
    b"charset=utf-8",
    b" http/1.1\r\n",
    b" http/1.0\r\n",
    b"\r\nhost: ",
    b"\r\naccept: */*\r\n",
    b"accept-language: en-us",
    b"accept-encoding: gzip, deflate\r\n",
    b"connection: keep-alive\r\n",
    b"cache-control: ",
    b"no-cache",
    b"referer: ",
    b"cookie: ",
    b"server: ",
    b"last-modified: ",
    b"expires: ",
    b"\r\n\r\n",
    b"        ",
    b"\0\0\0\0\0\0\0\0",
    b"\xff\xff\xff\xff\xff\xff\xff\xff",
    b"aaaaaaaa",
    b"function",
    b"<script",
    b"</script>",
    b"<div class=\"",
    b"microsoft",
    b"windows",
    b"google",
    b"update",
    b"download",
    b"login",
    b"admin",
];

/// Two to the minus this many: how often a gram of [`COMMON`] is taken to be met.
const COMMON_BITS: f32 = 8.0;
/// Bytes depend on each other: a gram tells less than the sum of its bytes.
const DEPENDENCE: f32 = 0.8;
/// What a byte tells that is the same as the one before it. Padding and paintings are full of them, of zeros most.
const AGAIN_BITS: f32 = 1.2;
/// The same for zeros, and what folds to the same.
const ZERO_AGAIN_BITS: f32 = 0.5;
/// Bits of the filter of common grams, as a power of two.
const FILTER_LOG: u32 = 16;

/// What a byte tells, in bits: the less common, the more. Case has been folded (see [`FOLD`]), and with it zero and the
/// space, 1 and `!`, line feed and `*`, carriage return and `-`.
fn bits(byte: u8) -> f32 {
    match byte | FOLD {
        b' ' => 3.5,
        b'e' | b't' | b'a' => 4.4,
        b'i' | b'n' | b'o' | b's' | b'r' | b'c' => 4.7,
        b'l' | b'd' | b'p' | b'm' | b'/' | b'.' => 5.2,
        b'u' | b'h' | b'0' | b'1' | b'-' | b'!' => 5.6,
        b'b' | b'f' | b'g' | b'w' | b'2'..=b'9' | b'=' | 0xff => 6.2,
        b'v' | b'x' | b'y' | b'k' | b'_' | b'%' | b'&' | b':' | b';' | b',' | b'"' | b'*' | b'#' | b'$' => {
            6.7
        }
        b'j' | b'?' | b'<' | b'>' | b'(' | b')' => 7.3,
        _ => 7.8,
    }
}

/// Tells how often grams of one length are met.
#[derive(Debug)]
pub(crate) struct Rarity {
    hash: Hash,
    length: usize,
    common: Vec<u64>,
}

impl Rarity {
    /// Of grams of `length` bytes.
    pub(crate) fn new(length: usize) -> Self {
        let hash = Hash::new(length);
        let mut common = vec![0_u64; 1 << (FILTER_LOG - 6)];
        for gram in common_grams(length) {
            let bit = hash.of(gram) >> (64 - FILTER_LOG);
            if let Some(word) = common.get_mut((bit >> 6) as usize) {
                *word |= 1 << (bit & 63);
            }
        }
        Self { hash, length, common }
    }

    /// The share of a haystack's positions at which the gram is expected that these bytes begin with.
    pub(crate) fn share(&self, bytes: &[u8]) -> f32 {
        let bit = self.hash.of(word(bytes)) >> (64 - FILTER_LOG);
        let common = self.common.get((bit >> 6) as usize).is_some_and(|word| word >> (bit & 63) & 1 == 1);
        let (mut told, mut last) = (0.0, None);
        for byte in bytes.iter().take(self.length).map(|byte| byte | FOLD) {
            told += match last.replace(byte) == Some(byte) {
                false => bits(byte),
                true if byte == FOLD => ZERO_AGAIN_BITS,
                true => AGAIN_BITS,
            };
        }
        let told = told * DEPENDENCE;
        (-if common { told.min(COMMON_BITS) } else { told }).exp2()
    }
}

/// Grams of this length that are met all the time.
pub(crate) fn common_grams(length: usize) -> impl Iterator<Item = u64> {
    COMMON.iter().flat_map(move |text| text.windows(length)).map(word)
}
