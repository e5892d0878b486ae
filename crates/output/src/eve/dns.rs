//! `dns`: a query or a response, in version 3 of the format or, if wanted, in version 2.

use ::proto::dns::{Dns, Question, RData, Record, rcode_name, rtype_name};

use crate::json::{Object, Value, json};
use crate::text::{hex, pairs};

const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;
const Z: u16 = 0x0040;
const FLAGS: [(u16, &str); 5] = [(AA, "aa"), (TC, "tc"), (RD, "rd"), (RA, "ra"), (Z, "z")];

pub(super) fn body(dns: &Dns, tx_id: u64) -> Value {
    let mut out = Object::new();
    out.insert("version".into(), 3.into());
    out.insert("type".into(), if dns.response { "response" } else { "request" }.into());
    out.insert("tx_id".into(), tx_id.into());
    out.insert("id".into(), dns.id.into());
    out.insert("flags".into(), format!("{:x}", dns.flags).into());
    if dns.response {
        out.insert("qr".into(), true.into());
    }
    flags(&mut out, dns.flags);
    out.insert("opcode".into(), dns.opcode.into());
    out.insert("rcode".into(), rcode_name(dns.rcode).into());
    let queries: Vec<Value> =
        dns.questions.iter().map(|q| json!({"rrname": &q.name, "rrtype": rtype_name(q.rtype)})).collect();
    put(&mut out, "queries", queries);
    sections(&mut out, dns);
    out.into()
}

/// Version 2: one body for each question, one for the answer.
pub(super) fn bodies_v2(dns: &Dns, tx_id: u64) -> Vec<Value> {
    if !dns.response {
        let query = |question: &Question| {
            let mut out = Object::new();
            out.insert("version".into(), 2.into());
            out.insert("type".into(), "query".into());
            out.insert("id".into(), dns.id.into());
            if dns.flags & Z != 0 {
                out.insert("z".into(), true.into());
            }
            out.insert("rrname".into(), question.name.clone().into());
            out.insert("rrtype".into(), rtype_name(question.rtype).into());
            out.insert("tx_id".into(), tx_id.into());
            out.insert("opcode".into(), dns.opcode.into());
            out.into()
        };
        return dns.questions.iter().map(query).collect();
    }
    let mut out = Object::new();
    out.insert("version".into(), 2.into());
    out.insert("type".into(), "answer".into());
    out.insert("id".into(), dns.id.into());
    out.insert("flags".into(), format!("{:x}", dns.flags).into());
    out.insert("qr".into(), true.into());
    flags(&mut out, dns.flags);
    out.insert("opcode".into(), dns.opcode.into());
    if let Some(question) = dns.questions.first() {
        out.insert("rrname".into(), question.name.clone().into());
        out.insert("rrtype".into(), rtype_name(question.rtype).into());
    }
    out.insert("rcode".into(), rcode_name(dns.rcode).into());
    sections(&mut out, dns);
    vec![out.into()]
}

fn flags(out: &mut Object, flags: u16) {
    for (bit, name) in FLAGS {
        if flags & bit != 0 {
            out.insert(name.into(), true.into());
        }
    }
}

/// The sections behind the questions, and the answers by type. The schema knows no SRV among authorities and
/// additional records, and no forms but texts there.
fn sections(out: &mut Object, dns: &Dns) {
    put(out, "answers", dns.answers.iter().map(record).collect());
    put(out, "authorities", dns.authorities.iter().map(short_record).collect());
    put(out, "additionals", dns.additionals.iter().map(short_record).collect());
    if !dns.answers.is_empty() {
        out.insert("grouped".into(), grouped(&dns.answers).into());
    }
}

/// The schema wants no empty lists.
pub(super) fn put(out: &mut Object, name: &'static str, list: Vec<Value>) {
    if !list.is_empty() {
        out.insert(name.into(), list.into());
    }
}

fn head_of(record: &Record) -> Object {
    let mut out = Object::new();
    out.insert("rrname".into(), record.name.clone().into());
    out.insert("rrtype".into(), rtype_name(record.rtype).into());
    out.insert("ttl".into(), record.ttl.into());
    out
}

fn short_record(record: &Record) -> Value {
    let mut out = head_of(record);
    match &record.data {
        RData::Soa { .. } => {
            out.insert("soa".into(), soa(&record.data));
        }
        RData::Opt(list) if !list.is_empty() => {
            out.insert("opt".into(), options(list));
        }
        other => {
            if let Some(text) = text(other) {
                out.insert("rdata".into(), text.into());
            }
        }
    }
    out.into()
}

fn record(record: &Record) -> Value {
    let mut out = head_of(record);
    match &record.data {
        RData::Soa { .. } => out.insert("soa".into(), soa(&record.data)),
        RData::Srv { .. } => out.insert("srv".into(), srv(&record.data)),
        RData::Sshfp { .. } => out.insert("sshfp".into(), sshfp(&record.data)),
        other => text(other).and_then(|t| out.insert("rdata".into(), t.into())),
    };
    out.into()
}

pub(super) fn text(data: &RData) -> Option<String> {
    Some(match data {
        RData::A(ip) => ip.to_string(),
        RData::Aaaa(ip) => crate::text::eve_ip((*ip).into()),
        RData::Cname(name) | RData::Ns(name) | RData::Ptr(name) => name.clone(),
        RData::Mx { exchange, .. } => exchange.clone(),
        RData::Txt(texts) => texts.concat(),
        RData::Null(text) => text.clone(),
        RData::Told(told) => told.text.clone(),
        _ => return None,
    })
}

pub(super) fn soa(data: &RData) -> Value {
    let RData::Soa { mname, rname, numbers } = data else { return Value::Null };
    json!({
        "mname": mname, "rname": rname, "serial": numbers[0], "refresh": numbers[1],
        "retry": numbers[2], "expire": numbers[3], "minimum": numbers[4],
    })
}

pub(super) fn srv(data: &RData) -> Value {
    let RData::Srv { priority, weight, port, target } = data else { return Value::Null };
    json!({"priority": priority, "weight": weight, "port": port, "name": target})
}

pub(super) fn sshfp(data: &RData) -> Value {
    let RData::Sshfp { algorithm, kind, fingerprint } = data else { return Value::Null };
    json!({"fingerprint": pairs(fingerprint), "algo": algorithm, "type": kind})
}

/// EDNS options, their data in hexadecimal.
pub(super) fn options(list: &[(u16, Vec<u8>)]) -> Value {
    list.iter().map(|(code, data)| json!({"code": code, "data": hex(data)})).collect()
}

fn grouped(answers: &[Record]) -> Object {
    let mut out = Object::new();
    for answer in answers {
        let value = match &answer.data {
            RData::Soa { .. } => soa(&answer.data),
            RData::Srv { .. } => srv(&answer.data),
            RData::Sshfp { .. } => sshfp(&answer.data),
            // Suricata's schema names the types that are grouped, and these are not among them.
            RData::Told(_) => continue,
            other => match text(other) {
                Some(text) => text.into(),
                None => continue,
            },
        };
        match out.place(rtype_name(answer.rtype)) {
            Value::Array(list) => list.push(value),
            place => *place = Value::Array(vec![value]),
        }
    }
    out
}
