//! What an SMB exchange says.

use super::names;
use crate::dcerpc::Dcerpc;
use crate::ntlm::Ntlm;

/// How the server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// An NTSTATUS.
    Nt(u32),
    /// A DOS error: class and code.
    Dos(u8, u16),
}

impl Status {
    /// The name in events.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Status::Nt(code) => names::status_name(code),
            Status::Dos(class, code) => names::dos_name(class, code),
        }
    }

    /// The number in events.
    #[must_use]
    pub fn code(self) -> String {
        match self {
            Status::Nt(code) => format!("0x{code:x}"),
            Status::Dos(_, code) => format!("0x{code:04x}"),
        }
    }

    /// Whether it says yes.
    #[must_use]
    pub fn is_success(self) -> bool {
        matches!(self, Status::Nt(0) | Status::Dos(0, 0))
    }
}

/// What a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShareKind {
    /// Files.
    Disk,
    /// Named pipes.
    Pipe,
    /// A printer.
    Printer,
    /// The server did not say.
    Unknown,
}

impl ShareKind {
    /// The name in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ShareKind::Disk => "FILE",
            ShareKind::Pipe => "PIPE",
            ShareKind::Printer => "PRINT",
            ShareKind::Unknown => "UNKNOWN",
        }
    }
}

/// A share that a client connects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its path as asked for.
    pub name: String,
    /// What it is.
    pub kind: ShareKind,
    /// SMB1: the service asked for, and the one given.
    pub service: Option<(String, Option<String>)>,
}

/// Times of a file, seconds since 1970; 0 if not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Creation.
    pub created: i64,
    /// Last access.
    pub accessed: i64,
    /// Last change of its contents.
    pub modified: i64,
    /// Last change of its attributes.
    pub changed: i64,
}

/// A file that is opened, or made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Create {
    /// What to do if it exists or does not.
    pub disposition: u32,
    /// It goes when it is closed.
    pub delete_on_close: bool,
    /// Its times, if it was opened.
    pub times: Times,
    /// Its size in bytes, if it was opened.
    pub size: u64,
}

impl Create {
    /// The disposition's name in events.
    #[must_use]
    pub fn disposition_name(&self) -> &'static str {
        names::disposition(self.disposition)
    }
}

/// A file identifier: 16 bytes of SMB2, 2 of SMB1, as they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileId {
    /// SMB1.
    One(u16),
    /// SMB2 and 3.
    Two([u8; 16]),
}

impl FileId {
    /// In a compound: the file that the message before opened.
    pub(super) const RELATED: FileId = FileId::Two([0xff; 16]);

    /// The text in events.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            FileId::One(id) => format!("{id:04x}"),
            FileId::Two(raw) => guid_text(raw),
        }
    }
}

/// A GUID in the form of Suricata's `smb` events: its last numbers, too, have their low byte first.
#[must_use]
pub fn guid_text(raw: &[u8; 16]) -> String {
    let mut guid = *raw;
    guid[..4].reverse();
    guid[4..6].reverse();
    guid[6..8].reverse();
    guid[8..10].reverse();
    guid[10..12].reverse();
    guid[12..].reverse();
    crate::dcerpc::uuid_text(&guid)
}

/// What a negotiation says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiate {
    /// Dialects that the client offers.
    pub dialects: Vec<String>,
    /// The client's GUID (SMB2).
    pub client_guid: Option<[u8; 16]>,
    /// The server's GUID, if it answered.
    pub server_guid: Option<[u8; 16]>,
    /// Largest read and write, bytes (SMB2).
    pub max_read_write: Option<(u32, u32)>,
}

/// An SMB request with its response, or the transfer of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Smb {
    /// Its number on the flow, from 1.
    pub id: u64,
    /// 1, or 2 for SMB2 and SMB3.
    pub version: u8,
    /// Command code.
    pub command: u8,
    /// The dialect agreed on; empty if not known.
    pub dialect: String,
    /// How the server answered.
    pub status: Option<Status>,
    /// The session (SMB1: user identifier).
    pub session_id: u64,
    /// The tree.
    pub tree_id: u32,
    /// Negotiation.
    pub negotiate: Option<Negotiate>,
    /// Who logs in with NTLM.
    pub ntlm: Option<Ntlm>,
    /// Who logs in with Kerberos: realm and parts of the service's name.
    pub kerberos: Option<(String, Vec<String>)>,
    /// SMB1: operating system and LAN manager of client and server.
    pub native: [Option<(String, String)>; 2],
    /// The share that is connected, or that the file is on.
    pub share: Option<Share>,
    /// A file's name.
    pub filename: Option<String>,
    /// A file's identifier.
    pub file_id: Option<FileId>,
    /// Opening a file.
    pub create: Option<Create>,
    /// A file is to be deleted when it is closed.
    pub delete: bool,
    /// Old and new name.
    pub rename: Option<(String, String)>,
    /// Control code of an IOCTL.
    pub function: Option<u32>,
    /// A call in a named pipe.
    pub dcerpc: Option<Dcerpc>,
}

impl Smb {
    /// The command's name in events.
    #[must_use]
    pub fn command_name(&self) -> String {
        names::command_name(self.version, self.command)
    }

    /// The control code's name in events.
    #[must_use]
    pub fn function_name(&self) -> Option<String> {
        self.function.map(names::function)
    }
}

/// A FILETIME (100 ns since 1601) as seconds since 1970; 0 if it is not set.
pub(super) fn seconds(filetime: u64) -> i64 {
    const SECONDS_1601_TO_1970: i64 = 11_644_473_600;
    if filetime == 0 {
        return 0;
    }
    i64::try_from(filetime / 10_000_000).unwrap_or(i64::MAX) - SECONDS_1601_TO_1970
}
