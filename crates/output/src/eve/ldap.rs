//! `ldap`: an operation with its responses.

use crate::json::{Object, Value, json};
use crate::text::hex;
use ::proto::Ldap;
use ::proto::ldap::{Attribute, LdapRequest, LdapResponse, LdapResult, Operation, Reply, result_name};

pub(super) fn body(ldap: &Ldap) -> Value {
    let mut out = Object::new();
    if let Some(request) = &ldap.request {
        out.insert("request".into(), self::request(request));
    }
    if !ldap.responses.is_empty() {
        let unasked = ldap.request.is_none();
        let list: Vec<Value> = ldap.responses.iter().map(|r| response(r, unasked)).collect();
        out.insert("responses".into(), list.into());
    }
    out.into()
}

fn request(request: &LdapRequest) -> Value {
    let mut out = Object::new();
    out.insert("message_id".into(), request.message_id.into());
    out.insert("operation".into(), request.operation.name().into());
    if let Some(body) = operation(&request.operation) {
        out.insert(request.operation.name().into(), body.into());
    }
    out.into()
}

fn operation(operation: &Operation) -> Option<Object> {
    let mut out = Object::new();
    let mut put = |name: &'static str, value: Value| out.insert(name.into(), value);
    match operation {
        Operation::Bind { version, name, sasl, .. } => {
            put("version", (*version).into());
            put("name", name.clone().into());
            if let Some((mechanism, credentials)) = sasl {
                let mut sasl = Object::new();
                sasl.insert("mechanism".into(), mechanism.clone().into());
                if !credentials.is_empty() {
                    sasl.insert("credentials".into(), hex(credentials).into());
                }
                put("sasl", sasl.into());
            }
        }
        Operation::Unbind => return None,
        Operation::Search { base, scope, deref, size_limit, time_limit, types_only, attributes } => {
            put("base_object", base.clone().into());
            put("scope", (*scope).into());
            put("deref_alias", (*deref).into());
            put("size_limit", (*size_limit).into());
            put("time_limit", (*time_limit).into());
            put("types_only", (*types_only).into());
            if !attributes.is_empty() {
                put("attributes", attributes.clone().into());
            }
        }
        Operation::Modify { object, changes } => {
            put("object", object.clone().into());
            let change = |(operation, attribute): &(&'static str, Attribute)| json!({"operation": *operation, "modification": values(attribute, "attribute_type", "attribute_values")});
            if !changes.is_empty() {
                put("changes", changes.iter().map(change).collect());
            }
        }
        Operation::Add { entry, attributes } => {
            put("entry", entry.clone().into());
            if !attributes.is_empty() {
                put("attributes", attributes.iter().map(|a| values(a, "name", "values")).collect());
            }
        }
        Operation::Delete { dn } => {
            put("dn", dn.clone().into());
        }
        Operation::ModifyDn { entry, new_rdn, delete_old, new_superior } => {
            put("entry", entry.clone().into());
            put("new_rdn", new_rdn.clone().into());
            put("delete_old_rdn", (*delete_old).into());
            if let Some(superior) = new_superior {
                put("new_superior", superior.clone().into());
            }
        }
        // The schema has no place for the attribute's name.
        Operation::Compare { entry, value, .. } => {
            put("entry", entry.clone().into());
            put("attribute_value_assertion", json!({"value": value}));
        }
        Operation::Abandon { message_id } => {
            put("message_id", (*message_id).into());
        }
        Operation::Extended { name, value } => {
            put("name", name.clone().into());
            if let Some(value) = value {
                put("value", value.clone().into());
            }
        }
    }
    Some(out)
}

fn response(response: &LdapResponse, unasked: bool) -> Value {
    let mut out = Object::new();
    if unasked {
        out.insert("message_id".into(), response.message_id.into());
    }
    out.insert("operation".into(), response.name().into());
    let mut body = Object::new();
    if let Some(LdapResult { code, matched_dn, message }) = response.result() {
        body.insert("result_code".into(), result_name(*code).into());
        body.insert("matched_dn".into(), matched_dn.clone().into());
        body.insert("message".into(), message.clone().into());
    }
    let mut put = |name: &'static str, value: &Option<String>| {
        if let Some(value) = value {
            body.insert(name.into(), value.clone().into());
        }
    };
    match &response.reply {
        Reply::Bind(_, credentials) => put("server_sasl_creds", &credentials.as_deref().map(hex)),
        Reply::Entry { dn, attributes } => {
            put("base_object", &Some(dn.clone()));
            if !attributes.is_empty() {
                let list: Vec<Value> = attributes.iter().map(|a| values(a, "type", "values")).collect();
                body.insert("attributes".into(), list.into());
            }
        }
        Reply::Extended(_, name, value) | Reply::Intermediate(name, value) => {
            put("name", name);
            put("value", value);
        }
        Reply::Done(..) => {}
        Reply::Reference => return out.into(),
    }
    out.insert(response.name().into(), body.into());
    out.into()
}

fn values(attribute: &Attribute, name: &'static str, values: &'static str) -> Value {
    let mut out = Object::new();
    out.insert(name.into(), attribute.name.clone().into());
    if !attribute.values.is_empty() {
        out.insert(values.into(), attribute.values.clone().into());
    }
    out.into()
}
