//! `ftp`: a command with its replies; `ftp_data`: what a data connection carried.

use ::proto::{Ftp, FtpData};

use super::MASK;

use crate::json::{Object, Value};

/// With what `PASS` carries only where `clear` says so.
pub(super) fn body(ftp: &Ftp, clear: bool) -> Value {
    let mut out = Object::new();
    if let Some(command) = &ftp.command {
        out.insert("command".into(), command.clone().into());
    }
    if let Some(data) = &ftp.command_data {
        let masked = !clear && ftp.command.as_deref() == Some("PASS");
        out.insert("command_data".into(), if masked { MASK.into() } else { data.clone().into() });
        out.insert("command_truncated".into(), ftp.command_truncated.into());
    }
    if !ftp.codes.is_empty() {
        out.insert("completion_code".into(), ftp.codes.as_slice().into());
    }
    if !ftp.replies.is_empty() {
        out.insert("reply".into(), ftp.replies.as_slice().into());
    }
    if let Some(port) = ftp.dynamic_port {
        out.insert("dynamic_port".into(), port.into());
    }
    if let Some(mode) = ftp.mode {
        out.insert("mode".into(), mode.into());
    }
    let received = !ftp.replies.is_empty();
    out.insert("reply_received".into(), if received { "yes" } else { "no" }.into());
    if received {
        out.insert("reply_truncated".into(), ftp.reply_truncated.into());
    }
    out.into()
}

pub(super) fn data(data: &FtpData) -> Value {
    let mut out = Object::new();
    if let Some(filename) = &data.filename {
        out.insert("filename".into(), filename.clone().into());
    }
    if let Some(command) = &data.command {
        out.insert("command".into(), command.clone().into());
    }
    out.into()
}
