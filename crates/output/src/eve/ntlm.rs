//! `ntlm`: somebody logs in with NTLM.

use ::proto::Ntlm;

use crate::json::{Object, Value};

pub(super) fn body(ntlm: &Ntlm) -> Value {
    let mut out = identity(ntlm);
    if let Some(version) = ntlm.response_version {
        out.insert("ntlm_version".into(), version.into());
    }
    out.into()
}

/// Who it is; of `smb` events this is all.
pub(super) fn identity(ntlm: &Ntlm) -> Object {
    let mut out = Object::new();
    out.insert("domain".into(), ntlm.domain.clone().into());
    out.insert("user".into(), ntlm.user.clone().into());
    out.insert("host".into(), ntlm.host.clone().into());
    if let Some(version) = ntlm.version {
        out.insert("version".into(), version.to_string().into());
    }
    out
}
