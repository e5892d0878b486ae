//! `krb5`: a Kerberos message.

use ::proto::Krb5;
use ::proto::krb5::{encryption_name, error_name, is_weak, type_name};

use crate::json::{Object, Value};

pub(super) fn body(krb5: &Krb5) -> Value {
    let mut out = Object::new();
    let mut put = |name: &'static str, value: Value| out.insert(name.into(), value);
    put("msg_type", type_name(krb5.msg_type).into());
    if let Some(failed) = krb5.failed_request {
        put("failed_request", type_name(failed).into());
    }
    if let Some(code) = krb5.error_code {
        put("error_code", error_name(code).into());
    }
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "<empty>".to_owned()).into();
    put("cname", text(&krb5.cname));
    put("realm", text(&krb5.realm));
    put("sname", text(&krb5.sname));
    put("encryption", krb5.encryption.map_or_else(|| "<none>".to_owned(), encryption_name).into());
    put("weak_encryption", krb5.encryption.is_some_and(is_weak).into());
    if let Some(encryption) = krb5.ticket_encryption {
        put("ticket_encryption", encryption_name(encryption).into());
        put("ticket_weak_encryption", is_weak(encryption).into());
    }
    out.into()
}
