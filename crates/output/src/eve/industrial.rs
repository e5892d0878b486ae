//! `modbus`, `dnp3`, `enip` in Suricata's forms; `s7`, `bacnet` in our own: what was asked of controllers.

use crate::json::{Object, Value, json};
use crate::text::hex;
use ::proto::{Bacnet, Cip, Dnp3, Enip, EnipMessage, Modbus, ModbusMessage, S7};

fn put(out: &mut Object, name: &'static str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        out.insert(name.into(), value.into());
    }
}

pub(super) fn modbus(modbus: &Modbus, tx_id: u64) -> Value {
    let mut out = Object::new();
    // Counted from 1.
    out.insert("id".into(), tx_id.saturating_add(1).into());
    put(&mut out, "request", modbus.request.as_ref().map(|m| modbus_message(m, false)));
    put(&mut out, "response", modbus.response.as_ref().map(|m| modbus_message(m, true)));
    out.into()
}

fn modbus_message(message: &ModbusMessage, response: bool) -> Value {
    let function = message.function & 0x7f;
    let mut out = Object::new();
    out.insert("transaction_id".into(), message.transaction_id.into());
    out.insert("protocol_id".into(), 0.into());
    out.insert("unit_id".into(), message.unit.into());
    out.insert("function_raw".into(), message.function.into());
    out.insert("function_code".into(), message.function_name().into());
    let access = match function {
        1 => "READ | COILS",
        2 => "READ | DISCRETES",
        3 => "READ | HOLDING",
        4 => "READ | INPUT",
        5 => "WRITE | SINGLE | COILS",
        6 => "WRITE | SINGLE | HOLDING",
        15 => "WRITE | MULTIPLE | COILS",
        16 | 22 => "WRITE | MULTIPLE | HOLDING",
        23 => "READ | WRITE | MULTIPLE | HOLDING",
        _ => "",
    };
    put(&mut out, "access_type", Some(access).filter(|a| !a.is_empty()));
    out.insert("category".into(), message.category().1.into());
    match (message.range, function) {
        (Some((address, value)), 5 | 6) => {
            out.insert("write".into(), json!({"address": address, "data": value}));
        }
        (Some((address, quantity)), 1..=4 | 23) => {
            out.insert("read".into(), json!({"address": address, "quantity": quantity}));
        }
        (Some((address, _)), _) => {
            out.insert("write".into(), json!({"address": address}));
        }
        (None, 1..=4 | 23) if response && message.exception.is_none() => {
            out.insert("read".into(), json!({"data": hex(&message.data)}));
        }
        _ => {}
    }
    if let (Some(raw), Some(code), true) = (message.exception, message.exception_name(), response) {
        out.insert("exception".into(), json!({"raw": raw, "code": code}));
    }
    let told = message.data.is_empty() || response && matches!(function, 1..=4 | 23);
    put(&mut out, "data", (!told).then(|| hex(&message.data)));
    out.into()
}

pub(super) fn dnp3(dnp3: &Dnp3) -> Value {
    let bit = |of: u8, bit: u8| of & bit != 0;
    let control = json!({
        "dir": bit(dnp3.link_control, 0x80),
        "pri": bit(dnp3.link_control, 0x40),
        "fcb": bit(dnp3.link_control, 0x20),
        "fcv": bit(dnp3.link_control, 0x10),
        "function_code": dnp3.link_control & 0x0f,
    });
    let objects: Vec<Value> = dnp3
        .objects
        .iter()
        .map(|object| {
            let (start, stop) = object.range.unwrap_or_default();
            json!({
                "group": object.group,
                "variation": object.variation,
                "qualifier": object.qualifier,
                "prefix_code": object.qualifier >> 4 & 7,
                "range_code": object.qualifier & 0x0f,
                "start": start,
                "stop": stop,
                "count": object.count,
            })
        })
        .collect();
    let mut application = json!({
        "control": json!({
            "fir": bit(dnp3.control, 0x80),
            "fin": bit(dnp3.control, 0x40),
            "con": bit(dnp3.control, 0x20),
            "uns": bit(dnp3.control, 0x10),
            "sequence": dnp3.control & 0x0f,
        }),
        "function_code": dnp3.function,
        "complete": dnp3.whole,
    });
    // The schema wants no empty lists.
    if !objects.is_empty() {
        application["objects"] = objects.into();
    }
    let mut out = Object::new();
    out.insert("type".into(), if dnp3.is_response() { "response" } else { "request" }.into());
    out.insert("control".into(), control);
    out.insert("src".into(), dnp3.source.into());
    out.insert("dst".into(), dnp3.destination.into());
    out.insert("application".into(), application);
    let indications = dnp3.indication_names();
    if !indications.is_empty() {
        out.insert("iin".into(), json!({"indicators": indications}));
    }
    out.into()
}

pub(super) fn enip(enip: &Enip) -> Value {
    let mut out = Object::new();
    put(&mut out, "request", enip.request.as_ref().map(|m| enip_message(m, false)));
    put(&mut out, "response", enip.response.as_ref().map(|m| enip_message(m, true)));
    out.into()
}

fn enip_message(message: &EnipMessage, response: bool) -> Value {
    let mut out = Object::new();
    out.insert("command".into(), message.command_name().into());
    out.insert("status".into(), message.status_name().into());
    if let Some((version, options)) = message.register {
        out.insert("register_session".into(), json!({"protocol_version": version, "options": options}));
    }
    if let Some(identity) = &message.identity {
        let body = json!({
            "vendor_id": identity.vendor.to_string(),
            "device_type": identity.device_type.to_string(),
            "product_code": identity.product_code,
            "revision": format!("{}.{}", identity.revision.0, identity.revision.1),
            "status": identity.status,
            "serial": identity.serial,
            "product_name": &identity.name,
            "state": identity.state,
        });
        out.insert("identity".into(), body);
    }
    put(&mut out, "cip", message.cip.as_ref().map(|c| cip(c, response)));
    out.into()
}

fn cip(cip: &Cip, response: bool) -> Value {
    let mut out = Object::new();
    out.insert("service".into(), cip.service_name().into());
    if let (Some(status), true) = (cip.status, response) {
        out.insert(
            "status".into(),
            if status == 0 { "Success".to_owned() } else { status.to_string() }.into(),
        );
    }
    if !cip.path.is_empty() && !response {
        let path: Vec<Value> =
            cip.path.iter().map(|(kind, value)| json!({"segment_type": kind, "value": value})).collect();
        out.insert("path".into(), path.into());
    }
    out.into()
}

pub(super) fn s7(s7: &S7) -> Value {
    let mut out = Object::new();
    out.insert("type".into(), s7.kind_name().into());
    out.insert("pdu_reference".into(), s7.reference.into());
    put(&mut out, "function", s7.function_name());
    put(&mut out, "function_raw", s7.function);
    if let Some((group, function)) = s7.subfunction {
        out.insert("function_group".into(), group.into());
        out.insert("subfunction".into(), function.into());
    }
    if let Some((class, code)) = s7.error {
        out.insert("error_class".into(), class.into());
        out.insert("error_code".into(), code.into());
    }
    let items: Vec<Value> = s7.items.iter().map(|i| json!({"address": i.text(), "count": i.count})).collect();
    put(&mut out, "items", Some(items).filter(|i| !i.is_empty()));
    put(&mut out, "name", s7.name.clone());
    out.into()
}

pub(super) fn bacnet(bacnet: &Bacnet) -> Value {
    let mut out = Object::new();
    out.insert("bvlc_function".into(), bacnet.link_function_name().into());
    put(&mut out, "pdu_type", bacnet.kind_name());
    put(&mut out, "service", bacnet.service_name());
    put(&mut out, "service_raw", bacnet.service);
    put(&mut out, "invoke_id", bacnet.invoke_id);
    if let Some((kind, instance)) = bacnet.object {
        out.insert("object_type".into(), kind.into());
        out.insert("object_instance".into(), instance.into());
    }
    put(&mut out, "property", bacnet.property);
    out.into()
}
