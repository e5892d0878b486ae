//! What rules look at in transactions of protocols other than HTTP: bytes ([`instances`]) and numbers ([`numbers`]),
//! in the forms that Suricata 8 gives them.
//!
//! One file per family of protocols. A side of a transaction is asked for by its direction; what the side did not say
//! has no instance.

mod directory;
mod dns;
mod ike;
mod industrial;
mod mail;
mod messages;
mod others;
mod sip;
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
    match tx {
        Transaction::Tls(tls) => tls::instances(tls, direction, buffer, out),
        Transaction::Ssh(ssh) => ssh::instances(ssh, direction, buffer, out),
        Transaction::Smb(smb) => windows::smb(smb, direction, buffer, out),
        Transaction::Dcerpc(call) if buffer == Buffer::DceStubData => windows::stub(call, direction, out),
        Transaction::Ldap(ldap) => directory::ldap(ldap, direction, buffer, out),
        Transaction::Enip(enip) => industrial::enip(enip, direction, buffer, out),
        Transaction::Rfb(rfb) => others::rfb(rfb, direction, buffer, out),
        Transaction::Pgsql(pgsql) => others::pgsql(pgsql, direction, buffer, out),
        Transaction::Ftp(ftp) => others::ftp(ftp, direction, buffer, out),
        Transaction::Tftp(tftp) => others::tftp(tftp, direction, buffer, out),
        // A message is of the side that sent it.
        _ if tx.direction() != direction => {}
        Transaction::Dns(dns) => dns::instances(dns, buffer, out),
        Transaction::Mdns(mdns) => dns::local(&mdns.message, buffer, out),
        Transaction::Quic(quic) => tls::quic(quic, direction, buffer, out),
        Transaction::Krb5(krb5) => directory::krb5(krb5, buffer, out),
        Transaction::Snmp(snmp) => directory::snmp(snmp, buffer, out),
        Transaction::Sip(sip) => sip::instances(sip, buffer, out),
        Transaction::Mqtt(mqtt) => messages::mqtt(mqtt, buffer, out),
        Transaction::WebSocket(frame) => messages::websocket(frame, buffer, out),
        Transaction::Ike(ike) => ike::instances(ike, buffer, out),
        Transaction::Dnp3(dnp3) => industrial::dnp3(dnp3, buffer, out),
        Transaction::Ntp(ntp) => others::ntp(ntp, buffer, out),
        Transaction::Smtp(smtp) => mail::smtp(smtp, buffer, out),
        _ => {}
    }
}

/// Hands each number that a field has on one side of a transaction to `each`.
pub fn numbers(tx: &Transaction, direction: Direction, field: Field, each: &mut dyn FnMut(u64)) {
    match tx {
        Transaction::Tls(tls) => tls::numbers(tls, direction, field, each),
        Transaction::Ssh(ssh) => ssh::numbers(ssh, direction, field, each),
        Transaction::Smb(smb) => windows::smb_numbers(smb, field, each),
        Transaction::Dcerpc(call) => windows::numbers(call, field, each),
        Transaction::Ldap(ldap) => directory::ldap_numbers(ldap, direction, field, each),
        Transaction::Enip(enip) => industrial::enip_numbers(enip, direction, field, each),
        Transaction::Modbus(modbus) => industrial::modbus(modbus, direction, field, each),
        Transaction::Rfb(rfb) => others::rfb_numbers(rfb, direction, field, each),
        Transaction::Ftp(ftp) => others::ftp_numbers(ftp, direction, field, each),
        Transaction::FtpData(transfer) => others::ftp_data(transfer, field, each),
        Transaction::Nfs(nfs) => others::nfs(nfs, direction, field, each),
        // A message is of the side that sent it.
        _ if tx.direction() != direction => {}
        Transaction::Dns(dns) => dns::numbers(dns, field, each),
        Transaction::Krb5(krb5) => directory::krb5_numbers(krb5, field, each),
        Transaction::Snmp(snmp) => directory::snmp_numbers(snmp, field, each),
        Transaction::Mqtt(mqtt) => messages::mqtt_numbers(mqtt, field, each),
        Transaction::WebSocket(frame) => messages::websocket_numbers(frame, field, each),
        Transaction::Ike(ike) => ike::numbers(ike, field, each),
        Transaction::Dnp3(dnp3) => industrial::dnp3_numbers(dnp3, field, each),
        Transaction::Dhcp(dhcp) => others::dhcp(dhcp, field, each),
        Transaction::Ntp(ntp) => others::ntp_numbers(ntp, field, each),
        _ => {}
    }
}

/// A text that may be there.
fn text<'a>(text: Option<&'a String>, out: &mut Instances<'a>) {
    if let Some(text) = text {
        out.borrow(text.as_bytes());
    }
}
