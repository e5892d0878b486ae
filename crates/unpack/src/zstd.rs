//! zstd frames, one behind the other.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Bytes that are decoded ahead of what is asked for.
const AHEAD: usize = 128 * 1024;

/// A frame with nothing in it: a window of 1 KiB, and one raw block of no bytes, the last.
const EMPTY: [u8; 9] = [0x28, 0xb5, 0x2f, 0xfd, 0, 0, 1, 0, 0];

/// Reads what is in zstd frames and passes over skippable ones.
pub(crate) struct Frames<R> {
    input: R,
    decoder: FrameDecoder,
    /// Whether a frame is being read.
    open: bool,
}

impl<R: BufRead> Frames<R> {
    pub fn new(input: R) -> Self {
        let mut decoder = FrameDecoder::new();
        // The decoder (0.8.3) bounds the window of every frame but the first that it is given.
        let first = decoder.reset(&EMPTY[..]);
        debug_assert!(first.is_ok());
        Frames { input, decoder, open: false }
    }

    /// Goes to the next frame; false at the end of the input.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.input.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.input) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let skipped = io::copy(&mut self.input.by_ref().take(length.into()), &mut io::sink())?;
                    if skipped < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(err) => return Err(io::Error::other(err)),
            }
        }
    }

    /// The checksum behind a frame must be that of what was in it.
    fn check(&self) -> io::Result<()> {
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(said), Some(is)) if said != is => {
                Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum of a zstd frame is wrong"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.open {
                if !self.next_frame()? {
                    return Ok(0);
                }
                self.open = true;
            }
            // While the frame goes on, its window is held back.
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buf);
            }
            if self.decoder.is_finished() {
                self.check()?;
                self.open = false;
                continue;
            }
            let ahead = BlockDecodingStrategy::UptoBytes(AHEAD);
            if let Err(err) = self.decoder.decode_blocks(&mut self.input, ahead) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, err));
            }
        }
    }
}
