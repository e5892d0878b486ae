//! What rules do to a buffer before they look at it: Suricata's transformation keywords.
//!
//! A transform that cannot be done (no such domain, nothing decoded, an expression that does not match) leaves the
//! buffer as it is.

mod decode;
mod names;
mod text;

use pcre2::bytes::{Regex, RegexBuilder};
use rules::Transform;
use sha2::Digest as _;

use super::verify::{Base64Mode, base64_decode};

/// A chain of transforms made ready.
#[derive(Debug)]
pub struct Transforms {
    list: Box<[Ready]>,
}

/// One transform made ready.
#[derive(Debug)]
enum Ready {
    Plain(Transform),
    /// `pcrexform`
    Group(Box<Regex>),
    /// `from_base64`
    Base64 {
        bytes: Option<u32>,
        offset: u32,
        mode: Base64Mode,
    },
}

impl Transforms {
    /// Makes the transforms of a part ready.
    ///
    /// # Errors
    /// Why the rule cannot be run.
    pub fn new(transforms: &[Transform]) -> Result<Self, String> {
        let ready = |transform: &Transform| {
            Ok(match transform {
                Transform::PcreXform(pattern) => Ready::Group(Box::new(group(pattern)?)),
                Transform::Xor(key) if key.is_empty() => return Err("xor with an empty key".to_owned()),
                &Transform::FromBase64 { bytes, offset, mode } => {
                    let mode = match mode {
                        0 => Base64Mode::Rfc4648,
                        1 => Base64Mode::Rfc2045,
                        2 => Base64Mode::Strict,
                        _ => return Err(format!("from_base64 of mode {mode}")),
                    };
                    Ready::Base64 { bytes, offset, mode }
                }
                other => Ready::Plain(other.clone()),
            })
        };
        Ok(Transforms { list: transforms.iter().map(ready).collect::<Result<_, String>>()? })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Puts into `out` what becomes of the bytes. `spare` is room that is used again and again.
    pub fn apply(&self, bytes: &[u8], out: &mut Vec<u8>, spare: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(bytes);
        for transform in &self.list {
            spare.clear();
            let changed = match transform {
                Ready::Group(regex) => first_group(regex, out, spare),
                Ready::Base64 { bytes, offset, mode } => {
                    let from = out.get(*offset as usize..).unwrap_or_default();
                    let most = bytes.map_or(usize::MAX, |count| count as usize);
                    base64_decode(from.get(..most).unwrap_or(from), *mode, spare);
                    !spare.is_empty()
                }
                Ready::Plain(transform) => plain(transform, out, spare),
            };
            if changed {
                std::mem::swap(out, spare);
            }
        }
    }
}

/// Writes what becomes of `bytes` to `out`, which is empty; false if nothing does.
fn plain(transform: &Transform, bytes: &[u8], out: &mut Vec<u8>) -> bool {
    match transform {
        Transform::DotPrefix => {
            out.push(b'.');
            out.extend_from_slice(bytes);
        }
        Transform::Domain => return names::domain(bytes, out),
        Transform::Tld => return names::tld(bytes, out),
        Transform::StripWhitespace => text::strip_whitespace(bytes, out),
        Transform::CompressWhitespace => text::compress_whitespace(bytes, out),
        Transform::StripPseudoHeaders => text::strip_pseudo_headers(bytes, out),
        Transform::HeaderLowercase => text::header_lowercase(bytes, out),
        Transform::ToLowercase => out.extend(bytes.iter().map(u8::to_ascii_lowercase)),
        Transform::ToUppercase => out.extend(bytes.iter().map(u8::to_ascii_uppercase)),
        Transform::Md5 => out.extend_from_slice(&md5::Md5::digest(bytes)),
        Transform::Sha1 => out.extend_from_slice(&sha1::Sha1::digest(bytes)),
        Transform::Sha256 => out.extend_from_slice(&sha2::Sha256::digest(bytes)),
        Transform::UrlDecode => decode::url_decode(bytes, out),
        Transform::Xor(key) => out.extend(bytes.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key)),
        Transform::Gunzip { max } => return decode::gunzip(bytes, *max, out),
        Transform::ZlibDeflate { max } => return decode::zlib(bytes, *max, out),
        Transform::Subslice { offset, bytes: count, truncate } => {
            out.extend_from_slice(decode::subslice(bytes, *offset, *count, *truncate));
        }
        // Made ready as something else.
        Transform::PcreXform(_) | Transform::FromBase64 { .. } => return false,
    }
    true
}

/// How far an expression may go back; the limits of `pcre`.
const LIMITS: &str = "(*LIMIT_MATCH=3500)(*LIMIT_DEPTH=1500)";

fn group(pattern: &str) -> Result<Regex, String> {
    let regex = RegexBuilder::new()
        .jit_if_available(true)
        .build(&format!("{LIMITS}{pattern}"))
        .map_err(|error| error.to_string())?;
    match regex.captures_len() {
        2 => Ok(regex),
        groups => Err(format!("pcrexform with {} groups; it needs one", groups - 1)),
    }
}

/// What the first group matched. Few rules ask for it, so that room for the groups is made each time.
fn first_group(regex: &Regex, bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let found = regex.captures(bytes).ok().flatten().and_then(|groups| {
        let group = groups.get(1)?;
        bytes.get(group.start()..group.end())
    });
    out.extend_from_slice(found.unwrap_or_default());
    found.is_some()
}

#[cfg(test)]
mod tests;
