//! xz streams, one behind the other.

use std::io::{self, BufRead, Read};

use liblzma::stream::{Action, CONCATENATED, Error, Status, Stream};

use crate::XZ_MEMORY;

/// How the input ends.
#[derive(Clone, Copy)]
enum End {
    Whole,
    Cut,
    Damaged(Error),
}

/// Reads what is in xz streams.
///
/// `liblzma::bufread::XzDecoder` does not do: an error takes with it what was decoded in the same call.
pub(crate) struct Streams<R> {
    input: R,
    stream: Stream,
    /// Told when what is before it has been handed out, and whenever more is asked for.
    end: Option<End>,
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
            match self.end {
                Some(End::Whole) => return Ok(0),
                Some(End::Cut) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Some(End::Damaged(err)) => return Err(err.into()),
                None => {}
            }
            let packed = self.input.fill_buf()?;
            let at_end = packed.is_empty();
            let action = if at_end { Action::Finish } else { Action::Run };
            let (read, written) = (self.stream.total_in(), self.stream.total_out());
            let done = self.stream.process(packed, buf, action);
            let consumed = self.stream.total_in() - read;
            let made = self.stream.total_out() - written;
            self.end = match done {
                Ok(Status::StreamEnd) => Some(End::Whole),
                Ok(_) if at_end && made == 0 => Some(End::Cut),
                Ok(_) => None,
                Err(err) => Some(End::Damaged(err)),
            };
            self.input.consume(usize::try_from(consumed).unwrap_or(usize::MAX));
            if made > 0 {
                return Ok(usize::try_from(made).unwrap_or(usize::MAX));
            }
        }
    }
}
