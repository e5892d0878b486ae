//! `mdns` as Suricata writes it, `llmnr` in the same form, and `nbns`.

use ::proto::dns::nbns::{self, Name, Nbns};
use ::proto::dns::{Dns, RData, Record, rtype_name};

use super::dns::{options, put, soa, srv, sshfp, text};

use crate::json::{Object, Value, json};

/// Bits of the flags word by the names of their flags.
const FLAGS: [(u16, &str); 7] = [
    (0x0400, "aa"),
    (0x0200, "tc"),
    (0x0100, "rd"),
    (0x0080, "ra"),
    (0x0040, "z"),
    (0x0020, "ad"),
    (0x0010, "cd"),
];

pub(super) fn body(message: &Dns) -> Value {
    let mut out = Object::new();
    out.insert("type".into(), if message.response { "response" } else { "request" }.into());
    out.insert("id".into(), message.id.into());
    let flags = FLAGS.iter().filter(|(bit, _)| message.flags & bit != 0).map(|&(_, name)| name.into());
    put(&mut out, "flags", flags.collect());
    out.insert("opcode".into(), message.opcode.into());
    out.insert("rcode".into(), message.rcode.into());
    let query = |q: &::proto::dns::Question| json!({"rrname": &q.name, "rrtype": small(q.rtype)});
    put(&mut out, "queries", message.questions.iter().map(query).collect());
    put(&mut out, "answers", message.answers.iter().map(record).collect());
    put(&mut out, "authorities", message.authorities.iter().map(record).collect());
    put(&mut out, "additionals", message.additionals.iter().map(record).collect());
    out.into()
}

fn small(rtype: u16) -> String {
    rtype_name(rtype).to_ascii_lowercase()
}

/// A record: its data under the name of its type.
fn record(record: &Record) -> Value {
    let mut out = Object::new();
    out.insert("rrname".into(), record.name.clone().into());
    let data = match &record.data {
        RData::Soa { .. } => soa(&record.data),
        RData::Srv { .. } => srv(&record.data),
        RData::Sshfp { .. } => sshfp(&record.data),
        RData::Opt(list) => options(list),
        RData::Txt(texts) => texts.clone().into(),
        RData::Raw(text) => text.clone().into(),
        other => text(other).map_or(Value::Null, Value::from),
    };
    let empty = data.is_void();
    if !empty {
        out.insert(small(record.rtype).into(), data);
    }
    out.into()
}

pub(super) fn nbns(message: &Nbns) -> Value {
    let mut out = Object::new();
    out.insert("type".into(), if message.response { "response" } else { "request" }.into());
    out.insert("id".into(), message.id.into());
    out.insert("opcode".into(), nbns::opcode_name(message.opcode).into());
    out.insert("rcode".into(), message.rcode.into());
    let queries = message.queries.iter().map(|(of, rtype)| name(of, *rtype).into()).collect();
    put(&mut out, "queries", queries);
    let answers = message.answers.iter().map(|(of, rtype, addresses)| {
        let mut answer = name(of, *rtype);
        let addresses = addresses.iter().map(|ip| ip.to_string().into()).collect();
        put(&mut answer, "addresses", addresses);
        answer.into()
    });
    put(&mut out, "answers", answers.collect());
    out.into()
}

fn name(of: &Name, rtype: u16) -> Object {
    let mut out = Object::new();
    out.insert("rrname".into(), of.name.clone().into());
    if let Some(suffix) = of.suffix {
        out.insert("suffix".into(), suffix.into());
    }
    out.insert("rrtype".into(), nbns::type_name(rtype).into());
    out
}
