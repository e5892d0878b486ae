//! Small bodies of the services of a network: `ntp`, `ssdp`, `syslog`, `tftp`, `rtp`.

use ::proto::ntp::Ntp;
use ::proto::rtp::Rtp;
use ::proto::ssdp::Ssdp;
use ::proto::syslog::Syslog;
use ::proto::tftp::Tftp;

use crate::json::{Object, Value, json};

pub(super) fn ntp(ntp: &Ntp) -> Value {
    let mut out = Object::new();
    out.insert("version".into(), ntp.version.into());
    out.insert("mode".into(), ntp.mode.into());
    if let (Some(stratum), Some(id)) = (ntp.stratum, ntp.reference_id) {
        out.insert("stratum".into(), stratum.into());
        let id: Vec<String> = id.iter().map(|byte| format!("{byte:02x}")).collect();
        out.insert("reference_id".into(), id.join(":").into());
    }
    out.into()
}

pub(super) fn ssdp(ssdp: &Ssdp) -> Value {
    let mut out = Object::new();
    out.insert("type".into(), if ssdp.method.is_some() { "request" } else { "response" }.into());
    if let Some(method) = ssdp.method {
        out.insert("method".into(), method.into());
    }
    let fields = [
        ("target", &ssdp.target),
        ("kind", &ssdp.kind),
        ("usn", &ssdp.usn),
        ("location", &ssdp.location),
        ("server", &ssdp.server),
        ("user_agent", &ssdp.user_agent),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            out.insert(name.into(), value.clone().into());
        }
    }
    out.into()
}

pub(super) fn syslog(syslog: &Syslog) -> Value {
    json!({
        "facility": syslog.facility_name(),
        "severity": syslog.severity_name(),
        "message": &syslog.message,
    })
}

pub(super) fn tftp(tftp: &Tftp) -> Value {
    json!({"packet": if tftp.write { "write" } else { "read" }, "file": &tftp.file, "mode": tftp.mode})
}

pub(super) fn rtp(rtp: &Rtp) -> Value {
    let mut out = Object::new();
    for (name, side) in ["toserver", "toclient"].into_iter().zip(&rtp.sides) {
        let mut body = Object::new();
        body.insert("packets".into(), side.packets.into());
        body.insert("lost".into(), side.lost.into());
        body.insert("reports".into(), side.reports.into());
        if let Some((ssrc, payload_type)) = side.source {
            body.insert("ssrc".into(), ssrc.into());
            body.insert("payload_type".into(), payload_type.into());
        }
        out.insert(name.into(), body.into());
    }
    out.into()
}
