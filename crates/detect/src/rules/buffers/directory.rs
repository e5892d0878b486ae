//! Who is who: Kerberos, LDAP, SNMP.

use proto::ldap::{Attribute, Ldap, LdapResponse, Operation, Reply};
use proto::snmp::{PduType, Snmp};
use proto::{Krb5, krb5};
use rules::{Buffer, Field};
use wire::Direction;

use super::text;
use crate::rules::view::Instances;

/// Names in a Kerberos message, part by part.
pub(super) fn krb5<'a>(krb5: &'a Krb5, buffer: Buffer, out: &mut Instances<'a>) {
    let name = match buffer {
        Buffer::Krb5Cname => &krb5.cname,
        Buffer::Krb5Sname => &krb5.sname,
        _ => return,
    };
    for part in name.iter().flat_map(|name| name.split('/')) {
        out.borrow(part.as_bytes());
    }
}

/// Numbers of a Kerberos message. Negative ones are in two's complement of 64 bits.
pub(super) fn krb5_numbers(krb5: &Krb5, field: Field, each: &mut dyn FnMut(u64)) {
    let mut number = |number: Option<i32>| number.into_iter().for_each(|n| each(i64::from(n) as u64));
    match field {
        Field::Krb5MessageType => number(Some(krb5.msg_type.into())),
        Field::Krb5ErrorCode => number(krb5.error_code),
        Field::Krb5TicketEncryption => number(krb5.ticket_encryption),
        Field::Krb5WeakEncryption => number(krb5.encryption.map(|e| krb5::is_weak(e).into())),
        // What is malformed makes no transaction.
        Field::Krb5Malformed => number(Some(0)),
        _ => {}
    }
}

/// Names and texts of an LDAP operation.
pub(super) fn ldap<'a>(ldap: &'a Ldap, direction: Direction, buffer: Buffer, out: &mut Instances<'a>) {
    match direction {
        Direction::ToServer => {
            let Some(operation) = ldap.request.as_ref().map(|request| &request.operation) else { return };
            match buffer {
                Buffer::LdapRequestDn => text(requested(operation), out),
                Buffer::LdapRequestAttribute => attributes(operation, out),
                _ => {}
            }
        }
        Direction::ToClient => {
            for response in &ldap.responses {
                match buffer {
                    Buffer::LdapResponsesDn => text(answered(response), out),
                    Buffer::LdapResponsesMessage => text(response.result().map(|r| &r.message), out),
                    Buffer::LdapResponsesAttribute => {
                        if let Reply::Entry { attributes, .. } = &response.reply {
                            types(attributes, out);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The entry that a request is about.
fn requested(operation: &Operation) -> Option<&String> {
    match operation {
        Operation::Bind { name, .. } => Some(name),
        Operation::Search { base, .. } => Some(base),
        Operation::Modify { object, .. } => Some(object),
        Operation::Delete { dn } => Some(dn),
        Operation::Add { entry, .. }
        | Operation::ModifyDn { entry, .. }
        | Operation::Compare { entry, .. } => Some(entry),
        Operation::Unbind | Operation::Abandon { .. } | Operation::Extended { .. } => None,
    }
}

fn answered(response: &LdapResponse) -> Option<&String> {
    match &response.reply {
        Reply::Entry { dn, .. } => Some(dn),
        _ => response.result().map(|result| &result.matched_dn),
    }
}

fn types<'a>(attributes: &'a [Attribute], out: &mut Instances<'a>) {
    for attribute in attributes {
        out.borrow(attribute.name.as_bytes());
    }
}

fn attributes<'a>(operation: &'a Operation, out: &mut Instances<'a>) {
    match operation {
        Operation::Search { attributes, .. } => attributes.iter().for_each(|a| text(Some(a), out)),
        Operation::Modify { changes, .. } => changes.iter().for_each(|(_, a)| text(Some(&a.name), out)),
        Operation::Add { attributes, .. } => types(attributes, out),
        Operation::Compare { attribute, .. } => text(Some(attribute), out),
        _ => {}
    }
}

/// Numbers of an LDAP operation: what it is by its tag (RFC 4511 appendix B).
pub(super) fn ldap_numbers(ldap: &Ldap, direction: Direction, field: Field, each: &mut dyn FnMut(u64)) {
    match (direction, field) {
        (Direction::ToServer, Field::LdapRequestOperation) => {
            if let Some(request) = &ldap.request {
                each(match request.operation {
                    Operation::Bind { .. } => 0,
                    Operation::Unbind => 2,
                    Operation::Search { .. } => 3,
                    Operation::Modify { .. } => 6,
                    Operation::Add { .. } => 8,
                    Operation::Delete { .. } => 10,
                    Operation::ModifyDn { .. } => 12,
                    Operation::Compare { .. } => 14,
                    Operation::Abandon { .. } => 16,
                    Operation::Extended { .. } => 23,
                });
            }
        }
        (Direction::ToClient, Field::LdapResponsesOperation) => {
            ldap.responses.iter().filter_map(tag).for_each(each);
        }
        (Direction::ToClient, Field::LdapResponsesCount) => {
            each(ldap.responses.len() as u64 + u64::from(ldap.more_responses));
        }
        (Direction::ToClient, Field::LdapResponsesResultCode) => {
            ldap.responses.iter().filter_map(LdapResponse::result).for_each(|r| each(r.code.into()));
        }
        _ => {}
    }
}

fn tag(response: &LdapResponse) -> Option<u64> {
    Some(match &response.reply {
        Reply::Bind(..) => 1,
        Reply::Entry { .. } => 4,
        Reply::Reference => 19,
        Reply::Extended(..) => 24,
        Reply::Intermediate(..) => 25,
        Reply::Done(name, _) => match *name {
            "search_result_done" => 5,
            "modify_response" => 7,
            "add_response" => 9,
            "del_response" => 11,
            "mod_dn_response" => 13,
            "compare_response" => 15,
            _ => return None,
        },
    })
}

/// Who sent an SNMP message. Of an encrypted one the user is told as well.
pub(super) fn snmp<'a>(snmp: &'a Snmp, buffer: Buffer, out: &mut Instances<'a>) {
    match buffer {
        Buffer::SnmpCommunity => text(snmp.community.as_ref(), out),
        Buffer::SnmpUsm => text(snmp.user.as_ref().or(snmp.sealed_user.as_ref()), out),
        _ => {}
    }
}

/// Numbers of an SNMP message.
pub(super) fn snmp_numbers(snmp: &Snmp, field: Field, each: &mut dyn FnMut(u64)) {
    match (field, snmp.pdu) {
        (Field::SnmpVersion, _) => each(snmp.version.into()),
        (Field::SnmpPduType, PduType::Known(kind)) => each(kind.into()),
        _ => {}
    }
}

#[cfg(test)]
#[path = "directory_tests.rs"]
mod tests;
