//! `login`: somebody tried to log in, with a secret in clear text.

use ::proto::Login;

use crate::json::{Object, Value};

/// With the secret itself only where `clear` says so.
pub(super) fn body(login: &Login, clear: bool) -> Value {
    let mut out = Object::new();
    out.insert("service".into(), login.service.name().into());
    out.insert("method".into(), login.method.into());
    if let Some(user) = &login.user {
        out.insert("user".into(), user.clone().into());
    }
    if let Some(secret) = &login.secret {
        out.insert("secret".into(), super::secret(secret, clear));
    }
    out.insert("outcome".into(), login.outcome.name().into());
    out.into()
}
