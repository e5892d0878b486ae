//! `tls` and `dtls`: a handshake.

use ::proto::Tls;
use ::proto::tls::{Certificate, Fingerprint};
use ::time::OffsetDateTime;

use crate::json::{Object, Value, json};

pub(super) fn body(tls: &Tls) -> Value {
    let mut out = Object::new();
    if let Some(certificate) = &tls.certificate {
        put_certificate(&mut out, certificate);
    }
    if tls.resumed {
        out.insert("session_resumed".into(), true.into());
    }
    if let Some(app) = tls.from_proto {
        out.insert("from_proto".into(), app.into());
    }
    put(&mut out, "sni", tls.sni.clone());
    put(&mut out, "version", tls.version_name());
    put(&mut out, "ja3", tls.ja3.as_ref().map(fingerprint));
    put(&mut out, "ja3s", tls.ja3s.as_ref().map(fingerprint));
    put(&mut out, "ja4", tls.ja4.clone());
    if !tls.alpns.is_empty() {
        out.insert("client_alpns".into(), tls.alpns.clone().into());
    }
    if let Some(alpn) = &tls.server_alpn {
        out.insert("server_alpns".into(), vec![alpn.clone()].into());
    }
    if let Some(certificate) = &tls.client_certificate {
        let mut client = Object::new();
        put_certificate(&mut client, certificate);
        out.insert("client".into(), client.into());
    }
    out.into()
}

pub(super) fn put(out: &mut Object, name: &'static str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        out.insert(name.into(), value.into());
    }
}

/// `ja3` and everything like it.
pub(super) fn fingerprint(of: &Fingerprint) -> Value {
    json!({"hash": &of.hash, "string": &of.string})
}

fn put_certificate(out: &mut Object, certificate: &Certificate) {
    out.insert("subject".into(), certificate.subject.clone().into());
    out.insert("issuerdn".into(), certificate.issuer.clone().into());
    if !certificate.names.is_empty() {
        out.insert("subjectaltname".into(), certificate.names.clone().into());
    }
    out.insert("serial".into(), certificate.serial.clone().into());
    out.insert("fingerprint".into(), certificate.fingerprint.clone().into());
    put(out, "notbefore", date(certificate.not_before));
    put(out, "notafter", date(certificate.not_after));
}

/// A date of a year that the format knows.
fn date(seconds: i64) -> Option<String> {
    let d =
        OffsetDateTime::from_unix_timestamp(seconds).ok().filter(|d| (1000..=2999).contains(&d.year()))?;
    Some(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        d.year(),
        u8::from(d.month()),
        d.day(),
        d.hour(),
        d.minute(),
        d.second(),
    ))
}
