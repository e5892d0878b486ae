//! Protocols with a few fields each: RFB, PostgreSQL, FTP, TFTP, NTP, DHCP, NFS.

use proto::dhcp::Dhcp;
use proto::ntp::Ntp;
use proto::tftp::Tftp;
use proto::{Ftp, FtpData, Nfs, Pgsql, PgsqlRequest, Rfb};
use rules::{Buffer, Field};
use wire::Direction;

use super::text;
use crate::rules::view::Instances;

/// The version of NFS that bundles operations in compounds.
const NFS_COMPOUNDS: u32 = 4;

/// The name of a desktop.
pub(super) fn rfb<'a>(rfb: &'a Rfb, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    if (direction, buffer) == (Direction::ToClient, Buffer::RfbName) {
        text(rfb.framebuffer.as_ref().map(|framebuffer| &framebuffer.name), out);
    }
}

/// How a client proves itself, and whether it did.
pub(super) fn rfb_numbers(rfb: &Rfb, direction: Direction, field: Field, each: &mut dyn FnMut(u64)) {
    let number = match (direction, field) {
        (Direction::ToServer, Field::RfbSecurityType) => rfb.security_type,
        (Direction::ToClient, Field::RfbSecurityResult) => rfb.security_result,
        _ => None,
    };
    number.into_iter().for_each(|number| each(number.into()));
}

/// A statement in PostgreSQL's simple form.
pub(super) fn pgsql<'a>(pgsql: &'a Pgsql, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    if let (Direction::ToServer, Buffer::PgsqlQuery, PgsqlRequest::Query(query)) =
        (direction, buffer, &pgsql.request)
    {
        text(Some(query), out);
    }
}

/// An FTP command and its replies: their text without the code, and the codes.
pub(super) fn ftp<'a>(ftp: &'a Ftp, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    match (direction, buffer) {
        (Direction::ToServer, Buffer::FtpCommand) => text(ftp.command.as_ref(), out),
        (Direction::ToServer, Buffer::FtpCommandData) => text(ftp.command_data.as_ref(), out),
        (Direction::ToClient, Buffer::FtpReply) => ftp.replies.iter().for_each(|r| text(Some(r), out)),
        (Direction::ToClient, Buffer::FtpCompletionCode) => {
            ftp.codes.iter().for_each(|code| text(Some(code), out));
        }
        _ => {}
    }
}

/// Numbers of an FTP command.
pub(super) fn ftp_numbers(ftp: &Ftp, direction: Direction, field: Field, each: &mut dyn FnMut(u64)) {
    match (direction, field) {
        // Of both directions, whoever names it.
        (_, Field::FtpDynamicPort) => ftp.dynamic_port.into_iter().for_each(|port| each(port.into())),
        (Direction::ToServer, Field::FtpMode) => {
            ftp.mode.into_iter().for_each(|mode| each((mode == "active").into()));
        }
        (Direction::ToClient, Field::FtpReplyReceived) => {
            each((!ftp.replies.is_empty() || !ftp.codes.is_empty()).into());
        }
        _ => {}
    }
}

/// The command that opened an FTP data connection: of both directions, whichever the file goes.
pub(super) fn ftp_data(transfer: &FtpData, field: Field, each: &mut dyn FnMut(u64)) {
    if field != Field::FtpDataCommand {
        return;
    }
    match transfer.command.as_deref() {
        Some("RETR") => each(1),
        Some("STOR") => each(2),
        _ => {}
    }
}

/// The file that a TFTP request asks for.
pub(super) fn tftp<'a>(tftp: &'a Tftp, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    if (direction, buffer) == (Direction::ToServer, Buffer::TftpFile) {
        text(Some(&tftp.file), out);
    }
}

/// The four bytes of an NTP reference.
pub(super) fn ntp<'a>(ntp: &'a Ntp, buffer: Buffer, out: &mut Instances<'a>) {
    if let (Buffer::NtpReferenceId, Some(id)) = (buffer, &ntp.reference_id) {
        out.borrow(id);
    }
}

/// Numbers of an NTP message.
pub(super) fn ntp_numbers(ntp: &Ntp, field: Field, each: &mut dyn FnMut(u64)) {
    match field {
        Field::NtpVersion => each(ntp.version.into()),
        Field::NtpMode => each(ntp.mode.into()),
        Field::NtpStratum => ntp.stratum.into_iter().for_each(|stratum| each(stratum.into())),
        _ => {}
    }
}

/// Times of a DHCP lease, in seconds.
pub(super) fn dhcp(dhcp: &Dhcp, field: Field, each: &mut dyn FnMut(u64)) {
    let [lease, renewal, rebinding] = dhcp.times;
    let time = match field {
        Field::DhcpLeaseTime => lease,
        Field::DhcpRenewalTime => renewal,
        Field::DhcpRebindingTime => rebinding,
        _ => None,
    };
    time.into_iter().for_each(|time| each(time.into()));
}

/// Numbers of an NFS call; of a compound its main operation.
pub(super) fn nfs(nfs: &Nfs, direction: Direction, field: Field, each: &mut dyn FnMut(u64)) {
    match (direction, field) {
        (Direction::ToServer, Field::NfsVersion) => each(nfs.call.version.into()),
        (Direction::ToServer, Field::NfsProcedure) => {
            let operation = nfs.operation.filter(|_| nfs.call.version == NFS_COMPOUNDS);
            each(operation.unwrap_or(nfs.call.procedure).into());
        }
        _ => {}
    }
}

#[cfg(test)]
#[path = "others_tests.rs"]
mod tests;
