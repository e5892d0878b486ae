//! `dcerpc`: a call with its answer.

use ::proto::Dcerpc;
use ::proto::dcerpc::{Interface, Stub, type_name, uuid_text};

use crate::json::{Object, Value, json};

pub(super) fn body(call: &Dcerpc) -> Value {
    let mut out = Object::new();
    head(&mut out, call);
    if let Some(req) = &call.req {
        out.insert(
            "req".into(),
            json!({"opnum": req.opnum, "frag_cnt": req.fragments, "stub_data_size": req.length}),
        );
    }
    // A datagram names its interface in every message, and an alter-context adds to what a bind began.
    if call.activity.is_none() && call.request != Some(ALTER_CONTEXT) && !call.interfaces.is_empty() {
        let list: Vec<Value> = call.interfaces.iter().map(|i| interface(i, true).into()).collect();
        out.insert("interfaces".into(), list.into());
    }
    if let Some(res) = &call.res {
        // Over TCP, Suricata counts what stands before a response's body as part of it.
        let before = if call.activity.is_none() { RESPONSE_HEAD * u64::from(res.fragments) } else { 0 };
        out.insert("res".into(), size(&Stub { length: res.length + before, ..*res }));
    }
    match &call.activity {
        Some((activity, seqnum)) => {
            out.insert("activityuuid".into(), uuid_text(activity).into());
            out.insert("seqnum".into(), (*seqnum).into());
        }
        None => {
            out.insert("call_id".into(), call.call_id.into());
        }
    }
    out.insert("rpc_version".into(), format!("{}.{}", call.rpc_version.0, call.rpc_version.1).into());
    out.into()
}

/// The same in a named pipe, as part of an `smb` event.
pub(super) fn in_pipe(call: &Dcerpc) -> Value {
    let mut out = Object::new();
    head(&mut out, call);
    let bind = call.request != Some(REQUEST);
    if let Some(req) = &call.req {
        out.insert("opnum".into(), req.opnum.into());
        out.insert("req".into(), size(req));
    }
    if call.request != Some(ALTER_CONTEXT) && !call.interfaces.is_empty() {
        let list = call.interfaces.iter().map(|i| {
            let mut one = interface(i, bind);
            if let Some((_, reason)) = i.ack.filter(|_| bind) {
                one.insert("ack_reason".into(), reason.into());
            }
            Value::from(one)
        });
        out.insert("interfaces".into(), list.collect::<Vec<_>>().into());
    }
    if let Some(res) = &call.res {
        out.insert("res".into(), size(res));
    }
    out.insert("call_id".into(), call.call_id.into());
    out.into()
}

/// Allocation hint, context and cancel count.
const RESPONSE_HEAD: u64 = 8;
const REQUEST: u8 = 0;
const ALTER_CONTEXT: u8 = 14;

fn head(out: &mut Object, call: &Dcerpc) {
    out.insert("request".into(), call.request.map_or("REQUEST_LOST", type_name).into());
    out.insert("response".into(), call.response.map_or("UNREPLIED", type_name).into());
}

fn size(stub: &Stub) -> Value {
    json!({"frag_cnt": stub.fragments, "stub_data_size": stub.length})
}

fn interface(interface: &Interface, ack: bool) -> Object {
    let mut out = Object::new();
    out.insert("uuid".into(), uuid_text(&interface.uuid).into());
    out.insert("version".into(), format!("{}.{}", interface.version.0, interface.version.1).into());
    if let Some((result, _)) = interface.ack.filter(|_| ack) {
        out.insert("ack_result".into(), result.into());
    }
    out
}
