//! `smtp`: an envelope, and beside it `email`: what was in it.

use ::proto::{Email, Smtp};

use crate::json::{Object, Value};

pub(super) fn body(smtp: &Smtp) -> Value {
    let mut out = Object::new();
    text(&mut out, "helo", &smtp.helo);
    text(&mut out, "mail_from", &smtp.mail_from);
    list(&mut out, "rcpt_to", &smtp.rcpt_to);
    out.into()
}

pub(super) fn email(email: &Email) -> Value {
    let mut out = Object::new();
    out.insert("status".into(), if email.complete { "PARSE_DONE" } else { "BODY_STARTED" }.into());
    text(&mut out, "from", &email.from);
    list(&mut out, "to", &email.to);
    list(&mut out, "cc", &email.cc);
    text(&mut out, "subject", &email.subject);
    text(&mut out, "date", &email.date);
    text(&mut out, "message_id", &email.message_id);
    text(&mut out, "x_mailer", &email.x_mailer);
    list(&mut out, "received", &email.received);
    list(&mut out, "attachment", &email.attachments);
    list(&mut out, "url", &email.urls);
    out.into()
}

fn text(out: &mut Object, name: &'static str, value: &Option<String>) {
    if let Some(value) = value {
        out.insert(name.into(), value.clone().into());
    }
}

/// Lists are left out where they are empty.
fn list(out: &mut Object, name: &'static str, values: &[String]) {
    if !values.is_empty() {
        out.insert(name.into(), values.into());
    }
}
