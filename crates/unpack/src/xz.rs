//! xz streams, one behind the other.

use std::io::{self, BufRead, Read};
use std::mem;

use liblzma::stream::{Action, CONCATENATED, Status, Stream};

use crate::XZ_MEMORY;

/// Reads what is in xz streams.
///
/// `liblzma::bufread::XzDecoder` does not do: an error takes with it what was decoded in the same call.
pub(crate) struct Streams<R> {
    input: R,
    stream: Stream,
    /// Told when what is before it has been handed out.
    end: Option<io::Result<()>>,
}

impl<R: BufRead> Streams<R> {
    pub fn new(input: R) -> io::Result<Self> {
        let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
        Ok(Streams { input, stream, end: None })
    }
}

impl<R: BufRead> Read for Streams<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(end) = &mut self.end {
                return mem::replace(end, Ok(())).map(|()| 0);
            }
            let packed = self.input.fill_buf()?;
            let at_end = packed.is_empty();
            let action = if at_end { Action::Finish } else { Action::Run };
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            let done = self.stream.process(packed, buf, action);
            let consumed = self.stream.total_in() - read;
            let made = self.stream.total_out() - written;
            self.end = match done {
                Ok(Status::StreamEnd) => Some(Ok(())),
                Ok(_) if at_end && made == 0 => Some(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => None,
                Err(err) => Some(Err(err.into())),
            };
            self.input.consume(usize::try_from(consumed).unwrap_or(usize::MAX));
            if made > 0 {
                return Ok(usize::try_from(made).unwrap_or(usize::MAX));
            }
        }
    }
}
