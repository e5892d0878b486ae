//! Names and numbers of DNS messages, and of those of its local relatives.

use proto::dns::{Dns, RData, Record};
use rules::{Buffer, Field};

use crate::rules::view::Instances;

/// Names of a message. They have no dot at the end, and the case that they were sent in.
pub(super) fn instances<'a>(dns: &'a Dns, buffer: Buffer, out: &mut Instances<'a>) {
    match buffer {
        Buffer::DnsQuery if !dns.response => questions(dns, out),
        Buffer::DnsQueriesName => questions(dns, out),
        Buffer::DnsAnswersName => owners(&dns.answers, out),
        Buffer::DnsAuthoritiesName => owners(&dns.authorities, out),
        Buffer::DnsAdditionalsName => owners(&dns.additionals, out),
        Buffer::DnsResponseName if dns.response => {
            questions(dns, out);
            for record in dns.answers.iter().chain(&dns.authorities).chain(&dns.additionals) {
                name(&record.name, out);
                if let Some(target) = target(&record.data) {
                    name(target, out);
                }
            }
        }
        _ => {}
    }
}

/// Names of a Multicast DNS message.
pub(super) fn local<'a>(dns: &'a Dns, buffer: Buffer, out: &mut Instances<'a>) {
    let same = match buffer {
        Buffer::MdnsQueriesName => Buffer::DnsQueriesName,
        Buffer::MdnsAnswersName => Buffer::DnsAnswersName,
        Buffer::MdnsAuthoritiesName => Buffer::DnsAuthoritiesName,
        Buffer::MdnsAdditionalsName => Buffer::DnsAdditionalsName,
        Buffer::MdnsResponseName => Buffer::DnsResponseName,
        _ => return,
    };
    instances(dns, same, out);
}

/// Numbers of a message.
pub(super) fn numbers(dns: &Dns, field: Field, each: &mut dyn FnMut(u64)) {
    match field {
        Field::DnsOpcode => each(dns.opcode.into()),
        Field::DnsRcode => each(dns.rcode.into()),
        // What is asked for, or what is answered.
        Field::DnsRrtype if dns.response => dns.answers.iter().for_each(|r| each(r.rtype.into())),
        Field::DnsRrtype => dns.questions.iter().for_each(|q| each(q.rtype.into())),
        _ => {}
    }
}

fn questions<'a>(dns: &'a Dns, out: &mut Instances<'a>) {
    for question in &dns.questions {
        name(&question.name, out);
    }
}

fn owners<'a>(records: &'a [Record], out: &mut Instances<'a>) {
    for record in records {
        name(&record.name, out);
    }
}

/// What a record says, if that is a name.
fn target(data: &RData) -> Option<&str> {
    match data {
        RData::Cname(name) | RData::Ns(name) | RData::Ptr(name) => Some(name),
        RData::Mx { exchange, .. } => Some(exchange),
        RData::Soa { mname, .. } => Some(mname),
        _ => None,
    }
}

/// A name as it was sent: events write bytes that are no UTF-8 as `\xNN`, and dots and backslashes inside of labels with
/// a backslash; rules look at the bytes.
fn name<'a>(name: &'a str, out: &mut Instances<'a>) {
    if name.contains('\\') {
        let bytes = unescaped(name.as_bytes());
        return out.build(|out| out.extend_from_slice(&bytes));
    }
    out.borrow(name.as_bytes());
}

fn unescaped(mut text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    while let Some((&first, rest)) = text.split_first() {
        let escaped = match text {
            // A dot or a backslash inside a label.
            [b'\\', byte @ (b'.' | b'\\'), ..] => {
                bytes.push(*byte);
                text = text.get(2..).unwrap_or_default();
                continue;
            }
            [b'\\', b'x', high, low, ..] => digit(*high).zip(digit(*low)).map(|(h, l)| h << 4 | l),
            _ => None,
        };
        // Only what is not ASCII is ever escaped.
        match escaped.filter(|byte| !byte.is_ascii()) {
            Some(byte) => {
                bytes.push(byte);
                text = text.get(4..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                text = rest;
            }
        }
    }
    bytes
}

fn digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
#[path = "dns_tests.rs"]
mod tests;
