//! Header compression (RFC 7541), the decoder's half.
//!
//! Our own: the libraries give up on a block's first flaw, or build their Huffman table for every string. The
//! dynamic table is bounded, whatever the peers have agreed on.

use std::collections::VecDeque;

use httlib_huffman::{DecoderSpeed, decode as huffman};

use super::static_table::STATIC;

/// Bytes of a dynamic table, counted as RFC 7541 section 4.1 does.
pub const MAX_TABLE: usize = 64 * 1024;
/// What both sides begin with (RFC 9113 section 6.5.2).
const DEFAULT_TABLE: usize = 4096;
/// What an entry counts beside its bytes.
const ENTRY: usize = 32;
/// Bytes that the headers of a block may come to; an indexed header is one byte there and thousands here.
const MAX_LIST: usize = 64 * 1024;

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It ends within a header, or a string is no Huffman code.
    Malformed,
    /// An integer has more than 32 bits.
    Overflow,
    /// An index that is in no table: lost bytes, or nonsense.
    NoSuchIndex,
}

type Entry = (Box<[u8]>, Box<[u8]>);

/// The decoder of one direction.
#[derive(Debug)]
pub(super) struct Hpack {
    table: VecDeque<Entry>,
    size: usize,
    max_size: usize,
    /// The last size that was asked for.
    pub(super) table_size: Option<u32>,
    pub(super) limits_hit: u32,
}

impl Default for Hpack {
    fn default() -> Self {
        Hpack { table: VecDeque::new(), size: 0, max_size: DEFAULT_TABLE, table_size: None, limits_hit: 0 }
    }
}

/// Bytes of a block that are still to be read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8, Flaw> {
        let (&byte, rest) = self.0.split_first().ok_or(Flaw::Malformed)?;
        self.0 = rest;
        Ok(byte)
    }

    /// An integer whose first byte has `bits` bits of it (RFC 7541 section 5.1).
    fn integer(&mut self, first: u8, bits: u8) -> Result<usize, Flaw> {
        let most = (1u8 << bits) - 1;
        let mut value = u64::from(first & most);
        if value < u64::from(most) {
            return Ok(value as usize);
        }
        for shift in (0..).step_by(7) {
            let byte = self.byte()?;
            if shift > 28 {
                return Err(Flaw::Overflow);
            }
            value += u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        if value > u64::from(u32::MAX) { Err(Flaw::Overflow) } else { Ok(value as usize) }
    }

    /// A string (RFC 7541 section 5.2).
    fn string(&mut self) -> Result<Vec<u8>, Flaw> {
        let first = self.byte()?;
        let length = self.integer(first, 7)?;
        let (raw, rest) = self.0.split_at_checked(length).ok_or(Flaw::Malformed)?;
        self.0 = rest;
        if first & 0x80 == 0 {
            return Ok(raw.to_vec());
        }
        let mut out = Vec::with_capacity(length * 2);
        huffman(raw, &mut out, DecoderSpeed::FourBits).map_err(|_| Flaw::Malformed)?;
        Ok(out)
    }
}

impl Hpack {
    /// Decodes a whole block; `out` gets names and values in order.
    pub(super) fn decode(&mut self, block: &[u8], out: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Flaw> {
        let mut left = MAX_LIST;
        let mut full = false;
        let mut give = |name: &[u8], value: &[u8]| {
            match left.checked_sub(name.len() + value.len() + ENTRY) {
                Some(rest) => {
                    left = rest;
                    out(name, value);
                }
                None => full = true,
            };
        };
        let outcome = self.headers(&mut Input(block), &mut give);
        self.limits_hit += u32::from(full);
        outcome
    }

    fn headers(&mut self, input: &mut Input<'_>, give: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Flaw> {
        while let Ok(first) = input.byte() {
            if first & 0x80 != 0 {
                let (name, value) = self.entry(input.integer(first, 7)?)?;
                give(name, value);
            } else if first & 0xe0 == 0x20 {
                let size = input.integer(first, 5)?;
                self.limits_hit += u32::from(size > MAX_TABLE);
                self.table_size = u32::try_from(size).ok();
                self.max_size = size.min(MAX_TABLE);
                self.evict();
            } else {
                let indexed = first & 0x40 != 0;
                let index = input.integer(first, if indexed { 6 } else { 4 })?;
                let name = match index {
                    0 => input.string()?,
                    at => self.entry(at)?.0.to_vec(),
                };
                let value = input.string()?;
                give(&name, &value);
                if indexed {
                    self.add(name, value);
                }
            }
        }
        Ok(())
    }

    fn entry(&self, index: usize) -> Result<(&[u8], &[u8]), Flaw> {
        let at = index.checked_sub(1).ok_or(Flaw::NoSuchIndex)?;
        match STATIC.get(at) {
            Some(&(name, value)) => Ok((name.as_bytes(), value.as_bytes())),
            None => match self.table.get(at - STATIC.len()) {
                Some((name, value)) => Ok((name, value)),
                None => Err(Flaw::NoSuchIndex),
            },
        }
    }

    fn add(&mut self, name: Vec<u8>, value: Vec<u8>) {
        self.size += name.len() + value.len() + ENTRY;
        self.table.push_front((name.into(), value.into()));
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.max_size {
            let Some((name, value)) = self.table.pop_back() else { break };
            self.size -= name.len() + value.len() + ENTRY;
        }
    }

    /// Bytes were lost: what the table held is not what the peers have.
    pub(super) fn forget(&mut self) {
        self.table.clear();
        self.size = 0;
    }
}

#[cfg(test)]
mod tests {
    use loona_hpack::Encoder;
    use proptest::prelude::*;

    use super::*;

    type Header = (Vec<u8>, Vec<u8>);

    fn decoded(hpack: &mut Hpack, block: &[u8]) -> (Vec<Header>, Result<(), Flaw>) {
        let mut found = Vec::new();
        let outcome = hpack.decode(block, &mut |n, v| found.push((n.to_vec(), v.to_vec())));
        (found, outcome)
    }

    #[test]
    fn the_examples_of_the_rfc_are_understood() {
        // RFC 7541 C.4: three requests with Huffman coding.
        let mut hpack = Hpack::default();
        let blocks: [&[u8]; 3] = [
            &[
                0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90,
                0xf4, 0xff,
            ],
            &[0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf],
            &[
                0x82, 0x87, 0x85, 0xbf, 0x40, 0x88, 0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f, 0x89,
                0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf,
            ],
        ];
        let all: Vec<_> = blocks.iter().map(|block| decoded(&mut hpack, block)).collect();
        assert!(all.iter().all(|(_, outcome)| outcome.is_ok()));
        assert_eq!(all[0].0[3], (b":authority".to_vec(), b"www.example.com".to_vec()));
        assert_eq!(all[1].0[3], (b":authority".to_vec(), b"www.example.com".to_vec()));
        assert_eq!(all[1].0[4], (b"cache-control".to_vec(), b"no-cache".to_vec()));
        assert_eq!(all[2].0[4], (b"custom-key".to_vec(), b"custom-value".to_vec()));
        assert_eq!(hpack.size, 164);
    }

    #[test]
    fn tables_and_lists_are_bounded() {
        let mut hpack = Hpack::default();
        // Size update to 2^32 - 1.
        let (_, outcome) = decoded(&mut hpack, &[0x3f, 0xe0, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!((outcome, hpack.max_size, hpack.limits_hit), (Ok(()), MAX_TABLE, 1));
        // A long header, then a thousand times the same by its index.
        let mut block = vec![0x40, 0x01, b'a', 0x7f, 0xa1, 0x1e];
        block.extend(vec![b'v'; 4000]);
        block.extend(vec![0xbe; 1000]);
        let (found, outcome) = decoded(&mut hpack, &block);
        assert_eq!(outcome, Ok(()));
        assert!(found.len() < 20, "{}", found.len());
        assert_eq!(hpack.limits_hit, 2);
        assert_eq!(decoded(&mut hpack, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]).1, Err(Flaw::Overflow));
        assert_eq!(decoded(&mut hpack, &[0xc0]).1, Err(Flaw::NoSuchIndex));
        hpack.forget();
        assert_eq!(decoded(&mut hpack, &[0xbe]).1, Err(Flaw::NoSuchIndex));
    }

    proptest! {
        #[test]
        fn what_an_encoder_says_is_understood(blocks: Vec<Vec<(Vec<u8>, Vec<u8>)>>) {
            let (mut encoder, mut hpack) = (Encoder::new(), Hpack::default());
            for block in blocks {
                let headers = block.iter().map(|(n, v)| (n.as_slice(), v.as_slice()));
                let bytes = encoder.encode(headers);
                prop_assert_eq!(decoded(&mut hpack, &bytes), (block, Ok(())));
            }
        }

        #[test]
        fn any_bytes_do_no_harm(blocks: Vec<Vec<u8>>) {
            let mut hpack = Hpack::default();
            for block in blocks {
                let _ = decoded(&mut hpack, &block);
                prop_assert!(hpack.size <= MAX_TABLE);
            }
        }
    }
}
