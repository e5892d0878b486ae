//! What was said and not understood yet, in protocols whose sides wait for each other.

/// Bytes that are kept of each side.
pub(crate) const MAX_BUFFER: usize = 4096;

/// Bytes of one side.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    /// Keeps more of them; how many there was no room for.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let fits = bytes.len().min(MAX_BUFFER - self.0.len());
        self.0.extend_from_slice(&bytes[..fits]);
        bytes.len() - fits
    }

    /// All that is there.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes so many off the front, if they are there.
    pub fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        (self.0.len() >= count).then(|| self.0.drain(..count).collect())
    }

    /// Takes so many off the front, if they are there.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let array = *self.0.first_chunk::<N>()?;
        self.0.drain(..N);
        Some(array)
    }
}
