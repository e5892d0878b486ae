//! `tls`: a handshake.

use crate::json::Value;
use ::proto::Tls;

use crate::json::Object;

pub(super) fn body(tls: &Tls) -> Value {
    let mut out = Object::new();
    if let Some(sni) = &tls.sni {
        out.insert("sni".into(), sni.clone().into());
    }
    if let Some(version) = tls.version_name() {
        out.insert("version".into(), version.into());
    }
    if !tls.alpns.is_empty() {
        out.insert("client_alpns".into(), tls.alpns.clone().into());
    }
    if let Some(alpn) = &tls.server_alpn {
        out.insert("server_alpns".into(), vec![alpn.clone()].into());
    }
    out.into()
}
