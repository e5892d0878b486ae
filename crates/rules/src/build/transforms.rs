//! Transforms: what is asked behind them is asked of what they make of the sticky buffer.

use crate::fault::{Done, unsupported, wrong};
use crate::number;
use crate::options::{quoted, unquoted};
use crate::test::{Pcre, Transform};

use super::Builder;

/// Transforms of one buffer.
const MAX_TRANSFORMS: usize = 16;
/// Bytes that decompression yields at most if nothing is said.
const INFLATED: u32 = 1024;
/// Bytes that can be asked of it.
const MAX_INFLATED: u64 = 64 << 20;

impl Builder<'_> {
    pub(super) fn transform(&mut self, transform: Transform) -> Done {
        if self.sticky.is_none() {
            return Err(wrong("it does not stand behind a sticky buffer"));
        }
        if let Some(part) = self.open.take().and_then(|open| self.rule.parts.get(open)) {
            // What was asked before is asked of the buffer as it was then; the rest is asked of what comes out of
            // this transform.
            self.transforms.clone_from(&part.transforms);
        }
        if self.transforms.len() >= MAX_TRANSFORMS {
            return Err(wrong(format!("more than {MAX_TRANSFORMS} transforms")));
        }
        self.transforms.push(transform);
        Ok(())
    }

    pub(super) fn xor(&mut self, value: &str) -> Done {
        let digits: Vec<u8> = unquoted(value).bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let key: Option<Vec<u8>> = digits
            .chunks(2)
            .map(|pair| {
                let text = std::str::from_utf8(pair).ok().filter(|t| t.len() == 2 && !t.starts_with('+'))?;
                u8::from_str_radix(text, 16).ok()
            })
            .collect();
        match key {
            Some(key) if !key.is_empty() && key.len() <= 255 => self.transform(Transform::Xor(key)),
            _ if value.contains("extract") => Err(unsupported("keys that are taken from the buffer")),
            _ => Err(wrong("the key has to be of 1 to 255 bytes in hexadecimal")),
        }
    }

    pub(super) fn pcre_xform(&mut self, value: &str) -> Done {
        let pattern = self.expression(quoted(value)?);
        let compiled = super::pcre::compile(&pattern, &Pcre::default())?;
        if compiled.captures_len() < 2 {
            return Err(wrong("the expression has no group"));
        }
        let pattern = self.cx.text(&pattern);
        self.transform(Transform::PcreXform(pattern))
    }

    pub(super) fn base64_transform(&mut self, value: Option<&str>) -> Done {
        let (mut bytes, mut offset, mut mode) = (None, 0, 0);
        for word in value.into_iter().flat_map(|v| unquoted(v).split(',')).map(str::trim) {
            match word.split_once(char::is_whitespace).map(|(name, value)| (name, value.trim())) {
                Some(("bytes", value)) => {
                    bytes = Some(number::small(value)?);
                    if bytes == Some(0) {
                        return Err(wrong("0 bytes are nothing to decode"));
                    }
                }
                Some(("offset", value)) => offset = number::small::<u16>(value)?.into(),
                Some(("mode", "rfc4648")) => mode = 0,
                Some(("mode", "rfc2045")) => mode = 1,
                Some(("mode", "strict")) => mode = 2,
                _ => return Err(wrong(format!("{word:?} is not one of its words"))),
            }
        }
        self.transform(Transform::FromBase64 { bytes, offset, mode })
    }

    fn inflated(value: Option<&str>) -> Result<u32, crate::fault::Fault> {
        let Some(value) = value else { return Ok(INFLATED) };
        let size =
            unquoted(value).trim().strip_prefix("max-size").ok_or_else(|| wrong("expected max-size N"))?;
        match number::test(size, MAX_INFLATED)? {
            crate::test::NumberTest::Equal(size, false) if size > 0 => {
                u32::try_from(size).map_err(|_| wrong("too large"))
            }
            _ => Err(wrong("expected max-size N")),
        }
    }

    pub(super) fn gunzip(&mut self, value: Option<&str>) -> Done {
        let max = Self::inflated(value)?;
        self.transform(Transform::Gunzip { max })
    }

    pub(super) fn zlib_deflate(&mut self, value: Option<&str>) -> Done {
        let max = Self::inflated(value)?;
        self.transform(Transform::ZlibDeflate { max })
    }

    pub(super) fn subslice(&mut self, value: &str) -> Done {
        let mut words = unquoted(value).split(',').map(str::trim).peekable();
        let int = |text: &str| i32::try_from(number::signed(text)?).map_err(|_| wrong("too far"));
        let offset = int(words.next().unwrap_or(""))?;
        let mut transform = (offset, None, false);
        if words.peek().is_some_and(|w| *w != "truncate") {
            transform.1 = Some(int(words.next().unwrap_or(""))?);
        }
        match (words.next(), words.next()) {
            (None, _) => {}
            (Some("truncate"), None) => transform.2 = true,
            _ => return Err(wrong("expected offset[,bytes][,truncate]")),
        }
        let (offset, bytes, truncate) = transform;
        self.transform(Transform::Subslice { offset, bytes, truncate })
    }
}
