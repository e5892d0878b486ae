//! `dns`: a query or a response, version 3 of the format.

use crate::json::{Value, json};
use ::proto::dns::{Dns, RData, Record, rcode_name, rtype_name};

use crate::json::Object;

const AA: u16 = 0x0400;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;
const Z: u16 = 0x0040;

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
    for (bit, name) in [(AA, "aa"), (TC, "tc"), (RD, "rd"), (RA, "ra"), (Z, "z")] {
        if dns.flags & bit != 0 {
            out.insert(name.into(), true.into());
        }
    }
    out.insert("opcode".into(), dns.opcode.into());
    out.insert("rcode".into(), rcode_name(dns.rcode).into());
    let queries: Vec<Value> =
        dns.questions.iter().map(|q| json!({"rrname": &q.name, "rrtype": rtype_name(q.rtype)})).collect();
    put(&mut out, "queries", queries);
    put(&mut out, "answers", dns.answers.iter().map(record).collect());
    put(&mut out, "authorities", dns.authorities.iter().map(record).collect());
    let grouped = grouped(&dns.answers);
    if !grouped.is_empty() {
        out.insert("grouped".into(), grouped.into());
    }
    out.into()
}

/// The schema wants no empty lists.
fn put(out: &mut Object, name: &'static str, list: Vec<Value>) {
    if !list.is_empty() {
        out.insert(name.into(), list.into());
    }
}

fn record(record: &Record) -> Value {
    let mut out = Object::new();
    out.insert("rrname".into(), record.name.clone().into());
    out.insert("rrtype".into(), rtype_name(record.rtype).into());
    out.insert("ttl".into(), record.ttl.into());
    match &record.data {
        RData::Soa { .. } => out.insert("soa".into(), soa(&record.data)),
        RData::Srv { .. } => out.insert("srv".into(), srv(&record.data)),
        other => text(other).and_then(|t| out.insert("rdata".into(), t.into())),
    };
    out.into()
}

fn text(data: &RData) -> Option<String> {
    Some(match data {
        RData::A(ip) => ip.to_string(),
        RData::Aaaa(ip) => crate::text::eve_ip((*ip).into()),
        RData::Cname(name) | RData::Ns(name) | RData::Ptr(name) => name.clone(),
        RData::Mx { exchange, .. } => exchange.clone(),
        RData::Txt(texts) => texts.concat(),
        RData::Soa { .. } | RData::Srv { .. } | RData::Other => return None,
    })
}

fn soa(data: &RData) -> Value {
    let RData::Soa { mname, rname, numbers } = data else { return Value::Null };
    json!({
        "mname": mname, "rname": rname, "serial": numbers[0], "refresh": numbers[1],
        "retry": numbers[2], "expire": numbers[3], "minimum": numbers[4],
    })
}

fn srv(data: &RData) -> Value {
    let RData::Srv { priority, weight, port, target } = data else { return Value::Null };
    json!({"priority": priority, "weight": weight, "port": port, "name": target})
}

fn grouped(answers: &[Record]) -> Object {
    let mut out = Object::new();
    for answer in answers {
        let value = match &answer.data {
            RData::Soa { .. } => soa(&answer.data),
            RData::Srv { .. } => srv(&answer.data),
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
