//! FTP data connections: what an announced connection carries. Nothing else tells them from other bytes.

use wire::{Direction, IpProto};

use crate::parser::{Chunk, FileEvent, Parser, Sink, Step};
use crate::registry::{AppProto, Guess, Protocol};
use crate::transaction::Transaction;

/// A transfer over a data connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FtpData {
    /// The command that moved it.
    pub command: Option<String>,
    /// The name of the file, if it is one.
    pub filename: Option<String>,
    /// Which way its contents go, once they do.
    pub direction: Option<Direction>,
}

/// Announced connections only.
pub(crate) static DATA: Protocol = Protocol {
    app: AppProto::FtpData,
    transport: IpProto::TCP,
    ports: &[],
    probe: |_| Guess::No,
    open: Some(|_| Box::<FtpDataParser>::default()),
};

/// The one file of a connection.
const HANDLE: u64 = 0;

/// See [`crate::Parser`].
#[derive(Debug, Default)]
struct FtpDataParser {
    transfer: FtpData,
    /// Which way the contents go, from their first byte on.
    open: Option<Direction>,
    damaged: bool,
}

impl FtpDataParser {
    fn begin(&mut self, direction: Direction, sink: &mut dyn Sink) {
        if self.open.is_some() {
            return;
        }
        self.open = Some(direction);
        self.transfer.direction = Some(direction);
        sink.inspect(&Transaction::from(self.transfer.clone()));
        if let Some(name) = self.transfer.filename.as_deref() {
            sink.file(FileEvent::Open {
                handle: HANDLE,
                direction,
                name: Some(name),
                size: None,
                in_body: false,
            });
        }
    }
}

impl Parser for FtpDataParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        self.begin(chunk.direction, sink);
        if self.open == Some(chunk.direction) && self.transfer.filename.is_some() {
            sink.file(FileEvent::Data { handle: HANDLE, bytes: chunk.bytes });
        }
        Step::More
    }

    fn gap(&mut self, direction: Direction, missing: u64, sink: &mut dyn Sink) -> Step {
        self.begin(direction, sink);
        if self.open == Some(direction) && self.transfer.filename.is_some() {
            self.damaged = true;
            sink.file(FileEvent::Gap { handle: HANDLE, missing });
        }
        Step::More
    }

    fn close(&mut self, sink: &mut dyn Sink) {
        if self.open.take().is_none() {
            return;
        }
        let transaction = Transaction::from(std::mem::take(&mut self.transfer));
        if matches!(&transaction, Transaction::FtpData(data) if data.filename.is_some()) {
            let carrier = Some(&transaction);
            sink.file(FileEvent::Close { handle: HANDLE, truncated: self.damaged, carrier });
        }
        sink.log(transaction);
    }

    fn announced(&mut self, note: Option<&str>) {
        let Some(note) = note else { return };
        let (command, name) = note.split_once(' ').unwrap_or((note, ""));
        self.transfer.command = Some(command.to_owned());
        self.transfer.filename = (!name.is_empty()).then(|| name.to_owned());
    }
}
