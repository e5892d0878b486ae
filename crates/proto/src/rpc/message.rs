//! ONC RPC messages (RFC 5531) in XDR (RFC 4506).

use crate::cursor::Cursor;

/// Names in credentials and arguments are kept up to so many bytes (RFC 1813: 255).
pub(crate) const MAX_NAME: usize = 255;

/// Who calls, as the call says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Authentication flavour (RFC 5531, 8.2).
    pub flavour: u32,
    /// The caller's host name, with AUTH_SYS.
    pub machine: Option<String>,
    /// The caller's user, with AUTH_SYS.
    pub uid: u32,
    /// The caller's group, with AUTH_SYS.
    pub gid: u32,
}

impl Credentials {
    /// The flavour as EVE writes it.
    #[must_use]
    pub fn flavour_name(&self) -> String {
        match self.flavour {
            0 => "NULL".to_owned(),
            1 => "UNIX".to_owned(),
            2 => "SHORT".to_owned(),
            3 => "DH".to_owned(),
            6 => "GSS".to_owned(),
            other => format!("{other}"),
        }
    }
}

/// A procedure call without its arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RpcCall {
    /// Joins call and reply.
    pub xid: u32,
    /// Program number.
    pub program: u32,
    /// The program's version.
    pub version: u32,
    /// Procedure number.
    pub procedure: u32,
    /// Who calls.
    pub credentials: Credentials,
    /// Whether the server accepted the call; `None` without a reply.
    pub accepted: Option<bool>,
}

/// A message and where its arguments or results begin.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    Call(RpcCall, Cursor<'a>),
    Reply { xid: u32, accepted: bool, results: Option<Cursor<'a>> },
}

/// Bytes behind their length, padded to four.
pub(crate) fn opaque<'a>(from: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let mut rest = *from;
    let len = rest.u32()? as usize;
    let bytes = rest.take(len)?;
    rest.take(len.wrapping_neg() & 3)?;
    *from = rest;
    Some(bytes)
}

/// A name.
pub(crate) fn text(from: &mut Cursor<'_>) -> Option<String> {
    let bytes = opaque(from)?;
    Some(String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_NAME)]).into_owned())
}

/// A whole message; `None` if it is none, or cut off before its arguments.
pub(crate) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let mut at = Cursor(bytes);
    let xid = at.u32()?;
    match at.u32()? {
        0 => {
            if at.u32()? != 2 {
                return None;
            }
            let (program, version, procedure) = (at.u32()?, at.u32()?, at.u32()?);
            let flavour = at.u32()?;
            let mut credentials = Credentials { flavour, ..Credentials::default() };
            let mut body = Cursor(opaque(&mut at)?);
            if flavour == 1 {
                body.u32()?;
                credentials.machine = Some(text(&mut body)?);
                (credentials.uid, credentials.gid) = (body.u32()?, body.u32()?);
            }
            at.u32()?;
            opaque(&mut at)?;
            let call = RpcCall { xid, program, version, procedure, credentials, accepted: None };
            Some(Message::Call(call, at))
        }
        1 => {
            if at.u32()? != 0 {
                return Some(Message::Reply { xid, accepted: false, results: None });
            }
            at.u32()?;
            opaque(&mut at)?;
            let success = at.u32()? == 0;
            Some(Message::Reply { xid, accepted: true, results: success.then_some(at) })
        }
        _ => None,
    }
}
