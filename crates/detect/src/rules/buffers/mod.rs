//! What rules look at in transactions of protocols other than HTTP: bytes ([`instances`]) and numbers ([`numbers`]),
//! in the forms that Suricata 8 gives them.
//!
//! One file per family of protocols. A side of a transaction is asked for by its direction; what the side did not say
//! has no instance.

mod dns;
mod ssh;
#[cfg(test)]
mod testing;
mod tls;
mod windows;

use proto::Transaction;
use rules::{Buffer, Field};
use wire::Direction;

use super::view::Instances;
pub use windows::{dce_interface, dce_little_endian};

/// The instances of a buffer that one side of a transaction has.
pub fn instances<'a>(tx: &'a Transaction, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    // A message is of the side that sent it.
    let own = tx.direction() == direction;
    match tx {
        Transaction::Dns(dns) if own => dns::instances(dns, buffer, out),
        Transaction::Mdns(mdns) if own => dns::local(&mdns.message, buffer, out),
        Transaction::Tls(tls) => tls::instances(tls, direction, buffer, out),
        Transaction::Quic(quic) if own => tls::quic(quic, direction, buffer, out),
        Transaction::Ssh(ssh) => ssh::instances(ssh, direction, buffer, out),
        Transaction::Smb(smb) => windows::smb(smb, direction, buffer, out),
        Transaction::Dcerpc(call) if buffer == Buffer::DceStubData => windows::stub(call, direction, out),
        _ => {}
    }
}

/// Hands each number that a field has on one side of a transaction to `each`.
pub fn numbers(tx: &Transaction, direction: Direction, field: Field, each: &mut dyn FnMut(u64)) {
    let own = tx.direction() == direction;
    match tx {
        Transaction::Dns(dns) if own => dns::numbers(dns, field, each),
        Transaction::Tls(tls) => tls::numbers(tls, direction, field, each),
        Transaction::Ssh(ssh) => ssh::numbers(ssh, direction, field, each),
        Transaction::Smb(smb) => windows::smb_numbers(smb, direction, field, each),
        Transaction::Dcerpc(call) => windows::numbers(call, direction, field, each),
        _ => {}
    }
}

/// A text that may be there.
fn text<'a>(text: Option<&'a String>, out: &mut Instances<'a>) {
    if let Some(text) = text {
        out.borrow(text.as_bytes());
    }
}
