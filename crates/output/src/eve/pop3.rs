//! `pop3`: a command with its response.

use ::proto::Pop3;

use super::MASK;

use crate::json::{Object, Value, json};

/// With what `PASS` and the first response of `AUTH` carry only where `clear` says so.
pub(super) fn body(pop3: &Pop3, clear: bool) -> Value {
    let mut out = Object::new();
    if let Some(command) = &pop3.command {
        out.insert("request".into(), json!({"command": command, "args": args(command, &pop3.args, clear)}));
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

fn args(command: &str, args: &[String], clear: bool) -> Vec<String> {
    let open = match command {
        _ if clear => usize::MAX,
        "PASS" => 0,
        // The mechanism.
        "AUTH" => 1,
        _ => usize::MAX,
    };
    args.iter().enumerate().map(|(i, arg)| if i < open { arg.clone() } else { MASK.to_owned() }).collect()
}
