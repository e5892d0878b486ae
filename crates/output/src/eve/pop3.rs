//! `pop3`: a command with its response.

use crate::json::{Value, json};
use ::proto::Pop3;

use crate::json::Object;

pub(super) fn body(pop3: &Pop3) -> Value {
    let mut out = Object::new();
    if let Some(command) = &pop3.command {
        out.insert("request".into(), json!({"command": command, "args": &pop3.args}));
    }
    if let Some(response) = &pop3.response {
        let body = json!({
            "success": response.success,
            "status": if response.success { "OK" } else { "ERR" },
            "header": &response.header,
            "data": &response.data,
        });
        out.insert("response".into(), body);
    }
    out.into()
}
