//! `snmp`.

use ::proto::snmp::Snmp;

use super::dns::put;

use crate::json::{Object, Value};

pub(super) fn body(snmp: &Snmp) -> Value {
    let mut out = Object::new();
    out.insert("version".into(), snmp.version.into());
    out.insert("pdu_type".into(), snmp.pdu.name().into());
    if let Some(trap) = &snmp.trap {
        out.insert("trap_type".into(), trap.name().into());
        out.insert("trap_oid".into(), trap.enterprise.clone().into());
        out.insert("trap_address".into(), trap.address.to_string().into());
    }
    put(&mut out, "vars", snmp.vars.iter().map(|oid| oid.clone().into()).collect());
    for (name, value) in [("community", &snmp.community), ("usm", &snmp.user)] {
        if let Some(value) = value {
            out.insert(name.into(), value.clone().into());
        }
    }
    out.into()
}
