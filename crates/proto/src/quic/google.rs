//! The client's hello of Google's QUIC: a list of tags with values (Q0xx).

use memchr::memmem;

use crate::cursor::Cursor;
use crate::tls::Fingerprint;

/// Tags of a hello that are looked at.
const MAX_TAGS: u16 = 64;
/// A stream frame's head is no longer than this.
const MAX_FRAME_HEAD: usize = 64;
/// Bytes of a value that are kept.
const MAX_VALUE: usize = 1024;

/// What a CHLO says.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientHello {
    pub sni: Option<String>,
    pub user_agent: Option<String>,
    /// Version and tags: CYU, a fingerprint of the client.
    pub cyu: Option<Fingerprint>,
}

/// The hello in the frames of a packet, if it is there.
pub(super) fn client_hello(frames: &[u8], version: u32) -> Option<ClientHello> {
    let begin = memmem::find(&frames[..frames.len().min(MAX_FRAME_HEAD)], b"CHLO")?;
    // Numbers within are little endian.
    let mut at = Cursor(&frames[begin + 4..]);
    let count = u16::from_le_bytes(*at.array()?);
    at.take(2)?;
    if count > MAX_TAGS {
        return None;
    }
    let mut entries = Cursor(at.take(usize::from(count) * 8)?);
    let (mut hello, mut tags, mut from) = (ClientHello::default(), Vec::new(), 0);
    while let (Some(tag), Some(&end)) = (entries.array::<4>(), entries.array::<4>()) {
        let end = u32::from_le_bytes(end) as usize;
        let value =
            at.0.get(from..end).map(|v| String::from_utf8_lossy(&v[..v.len().min(MAX_VALUE)]).into_owned());
        from = end;
        let tag: Vec<u8> = tag.iter().copied().filter(|b| b.is_ascii_graphic()).collect();
        match &tag[..] {
            b"SNI" => hello.sni = value.map(|v| v.to_ascii_lowercase()),
            b"UAID" => hello.user_agent = value,
            _ => {}
        }
        tags.push(String::from_utf8_lossy(&tag).into_owned());
    }
    let digits = version.to_be_bytes();
    let number = String::from_utf8_lossy(&digits[2..]).into_owned();
    hello.cyu = Some(Fingerprint::md5(format!("{number},{}", tags.join("-"))));
    Some(hello)
}
