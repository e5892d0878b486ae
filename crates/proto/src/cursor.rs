//! Reading numbers and length-prefixed fields from bytes that may end anywhere.

/// Bytes not read yet. Every read that does not fit gives `None` and takes nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    pub fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (head, tail) = self.0.split_first_chunk::<N>()?;
        self.0 = tail;
        Some(head)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|b| b[0])
    }

    /// Big endian, like all that follow.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().copied().map(u16::from_be_bytes)
    }

    pub fn u24(&mut self) -> Option<usize> {
        self.array::<3>().map(|&[a, b, c]| usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.array().copied().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().copied().map(u64::from_be_bytes)
    }

    /// Little endian, like the next.
    pub fn u16_le(&mut self) -> Option<u16> {
        self.array().copied().map(u16::from_le_bytes)
    }

    pub fn u32_le(&mut self) -> Option<u32> {
        self.array().copied().map(u32::from_le_bytes)
    }

    /// Bytes up to a zero, which is taken too.
    pub fn c_string(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.0)?;
        let field = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Some(field)
    }

    /// A field behind its length in one byte.
    pub fn prefixed8(&mut self) -> Option<&'a [u8]> {
        let mut rest = *self;
        let len = rest.u8()?;
        let field = rest.take(len.into())?;
        *self = rest;
        Some(field)
    }

    /// A field behind its length in two bytes.
    pub fn prefixed16(&mut self) -> Option<&'a [u8]> {
        let mut rest = *self;
        let len = rest.u16()?;
        let field = rest.take(len.into())?;
        *self = rest;
        Some(field)
    }

    /// A field behind its length in three bytes.
    pub fn prefixed24(&mut self) -> Option<&'a [u8]> {
        let mut rest = *self;
        let len = rest.u24()?;
        let field = rest.take(len)?;
        *self = rest;
        Some(field)
    }
}

/// 16-bit numbers in a row; a lone last byte is no number.
pub(crate) fn u16s(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}
