//! `sip`, with the session descriptions of its bodies.

use ::proto::sip::{MediaDescription, Sdp, Sip, Start, TimeDescription};

use super::dns::put;

use crate::json::{Object, Value};

pub(super) fn body(sip: &Sip) -> Value {
    let mut out = Object::new();
    let line = match &sip.start {
        Start::Request { method, uri } => {
            out.insert("method".into(), method.clone().into());
            out.insert("uri".into(), uri.clone().into());
            "request_line"
        }
        Start::Response { code, reason } => {
            out.insert("code".into(), code.clone().into());
            out.insert("reason".into(), reason.clone().into());
            "response_line"
        }
    };
    out.insert("version".into(), sip.version.clone().into());
    if let Some(description) = &sip.sdp {
        out.insert("sdp".into(), sdp(description));
    }
    out.insert(line.into(), sip.line.clone().into());
    out.into()
}

fn some(out: &mut Object, name: &'static str, value: Option<&String>) {
    if let Some(value) = value {
        out.insert(name.into(), value.clone().into());
    }
}

fn list(out: &mut Object, name: &'static str, values: &[String]) {
    put(out, name, values.iter().map(|value| value.clone().into()).collect());
}

fn sdp(sdp: &Sdp) -> Value {
    let mut out = Object::new();
    out.insert("origin".into(), sdp.origin.clone().into());
    out.insert("session_name".into(), sdp.session_name.clone().into());
    some(&mut out, "session_info", sdp.session_info.as_ref());
    some(&mut out, "uri", sdp.uri.as_ref());
    some(&mut out, "email", sdp.email.as_ref());
    some(&mut out, "phone_number", sdp.phone_number.as_ref());
    some(&mut out, "connection_data", sdp.connection_data.as_ref());
    list(&mut out, "bandwidths", &sdp.bandwidths);
    put(&mut out, "time_descriptions", sdp.time_descriptions.iter().map(time).collect());
    some(&mut out, "timezone", sdp.timezone.as_ref());
    some(&mut out, "encryption_key", sdp.encryption_key.as_ref());
    list(&mut out, "attributes", &sdp.attributes);
    put(&mut out, "media_descriptions", sdp.media_descriptions.iter().map(medium).collect());
    out.into()
}

fn time(time: &TimeDescription) -> Value {
    let mut out = Object::new();
    out.insert("time".into(), time.time.clone().into());
    some(&mut out, "repeat_time", time.repeat_time.as_ref());
    out.into()
}

fn medium(medium: &MediaDescription) -> Value {
    let mut out = Object::new();
    out.insert("media".into(), medium.media.clone().into());
    some(&mut out, "media_info", medium.media_info.as_ref());
    some(&mut out, "connection_data", medium.connection_data.as_ref());
    list(&mut out, "bandwidths", &medium.bandwidths);
    some(&mut out, "encryption_key", medium.encryption_key.as_ref());
    list(&mut out, "attributes", &medium.attributes);
    out.into()
}
