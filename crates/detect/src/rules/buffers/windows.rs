//! SMB and DCE/RPC, whether over TCP, in datagrams or in SMB's named pipes.

use proto::dcerpc::Interface;
use proto::smb::{Share, ShareKind};
use proto::{Dcerpc, Smb, Transaction};
use rules::{Buffer, Field, NumberTest};
use wire::Direction;

use super::text;
use crate::rules::view::Instances;

/// PDU type of a request (C706 chapter 12).
const REQUEST: u8 = 0;
/// SMB1's commands that connect a tree (MS-CIFS 2.2.2.1), and SMB2's (MS-SMB2 2.2.1).
const TREE_CONNECT_1: [u8; 2] = [0x70, 0x75];
const TREE_CONNECT_2: u8 = 3;

/// Buffers of an SMB exchange.
pub(super) fn smb<'a>(smb: &'a Smb, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    if let (Buffer::DceStubData, Some(call)) = (buffer, &smb.dcerpc) {
        return stub(call, direction, out);
    }
    if direction != Direction::ToServer {
        return;
    }
    let share = smb.share.as_ref().filter(|_| connects(smb));
    match buffer {
        Buffer::SmbNamedPipe => text(share.filter(|share| is_pipe(share)).map(|share| &share.name), out),
        Buffer::SmbShare => text(share.filter(|share| !is_pipe(share)).map(|share| &share.name), out),
        Buffer::SmbNtlmsspUser => text(smb.ntlm.as_ref().map(|ntlm| &ntlm.user), out),
        Buffer::SmbNtlmsspDomain => text(smb.ntlm.as_ref().map(|ntlm| &ntlm.domain), out),
        _ => {}
    }
}

/// Whether it connects a tree: other exchanges, too, tell which share they are on.
fn connects(smb: &Smb) -> bool {
    match smb.version {
        1 => TREE_CONNECT_1.contains(&smb.command),
        _ => smb.command == TREE_CONNECT_2,
    }
}

fn is_pipe(share: &Share) -> bool {
    match share.kind {
        ShareKind::Pipe => true,
        // SMB1's clients say what they expect.
        ShareKind::Unknown => share.service.as_ref().is_some_and(|(asked, _)| asked == "IPC"),
        ShareKind::Disk | ShareKind::Printer => false,
    }
}

/// Numbers of an SMB exchange.
pub(super) fn smb_numbers(smb: &Smb, field: Field, each: &mut dyn FnMut(u64)) {
    match field {
        Field::SmbVersion => each(smb.version.into()),
        _ => {
            if let Some(call) = &smb.dcerpc {
                numbers(call, field, each);
            }
        }
    }
}

/// The bodies of a call.
pub(super) fn stub<'a>(call: &'a Dcerpc, direction: Direction, out: &mut Instances<'a>) {
    let [request, response] = &call.stubs;
    let stub = match direction {
        Direction::ToServer => request,
        Direction::ToClient => response,
    };
    if !stub.is_empty() {
        out.borrow(stub);
    }
}

/// The operation of a call, which is asked for on both sides, as its interface is.
pub(super) fn numbers(call: &Dcerpc, field: Field, each: &mut dyn FnMut(u64)) {
    if let (Field::DcerpcOpnum, Some(request)) = (field, &call.req) {
        each(request.opnum.into());
    }
}

fn call(tx: &Transaction) -> Option<&Dcerpc> {
    match tx {
        Transaction::Dcerpc(call) => Some(call),
        Transaction::Smb(smb) => smb.dcerpc.as_ref(),
        _ => None,
    }
}

/// Whether a transaction is a request to this interface (`dcerpc.iface`): one that the server accepted when it was
/// bound, or that a datagram names. `version` is asked of the major version. A transaction is a call as a whole, which
/// has its first fragment: `any_frag` makes no difference.
#[must_use]
pub fn dce_interface(tx: &Transaction, uuid: &[u8; 16], version: Option<&NumberTest>) -> bool {
    let Some(call) = call(tx).filter(|call| call.request == Some(REQUEST)) else { return false };
    let accepted = |interface: &&Interface| match interface.ack {
        Some((result, _)) => result == 0,
        None => call.activity.is_some(),
    };
    call.interfaces
        .iter()
        .filter(accepted)
        .any(|i| i.uuid == *uuid && version.is_none_or(|test| test.holds(i.version.0.into())))
}

/// Whether numbers in a call's body have their low byte first, as `dce` asks in `byte_test` and its like; `None` if it
/// is no call.
#[must_use]
pub fn dce_little_endian(tx: &Transaction, direction: Direction) -> Option<bool> {
    let [request, response] = call(tx)?.little_endian;
    Some(match direction {
        Direction::ToServer => request,
        Direction::ToClient => response,
    })
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
