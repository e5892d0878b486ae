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
/// Bits of the filter of common grams, as a power of two.
const FILTER_LOG: u32 = 16;

/// What a byte tells, in bits: the less common, the more. Case has been folded (see [`FOLD`]), and with it line feed
/// and `*`, carriage return and `-`, zero and the space.
fn bits(byte: u8) -> f32 {
    match byte | FOLD {
        b'e' | b't' | b' ' => 4.3,
        b'a' | b'i' | b'n' | b'o' | b's' => 4.6,
        b'r' | b'c' | b'l' => 4.9,
        b'd' | b'p' | b'm' | b'/' | b'.' => 5.3,
        b'u' | b'h' | b'0' | b'1' | b'-' => 5.6,
        b'b' | b'f' | b'g' | b'w' | b'2'..=b'9' | b'=' => 6.2,
        b'v' | b'x' | b'y' | b'k' | b'_' | b'%' | b'&' | b':' | b';' | b',' | b'"' | b'*' | 0xff => 6.7,
        b'j' | b'?' | b'<' | b'>' | b'(' | b')' => 7.5,
        b'q' | b'z' => 8.2,
        _ => 8.6,
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
        for gram in COMMON.iter().flat_map(|text| text.windows(length)) {
            let bit = hash.of(word(gram)) >> (64 - FILTER_LOG);
            if let Some(word) = common.get_mut((bit >> 6) as usize) {
                *word |= 1 << (bit & 63);
            }
        }
        Self { hash, length, common }
    }

    /// The share of a haystack's positions at which this gram is expected.
    pub(crate) fn share(&self, gram: &[u8]) -> f32 {
        let bit = self.hash.of(word(gram)) >> (64 - FILTER_LOG);
        let common = self.common.get((bit >> 6) as usize).is_some_and(|word| word >> (bit & 63) & 1 == 1);
        let told: f32 = gram.iter().take(self.length).map(|&byte| bits(byte)).sum();
        (-if common { COMMON_BITS } else { told * DEPENDENCE }).exp2()
    }
}
