//! `telnet`: a connection.

use ::proto::Telnet;
use serde_json::{Value, json};

pub(super) fn body(telnet: &Telnet) -> Value {
    json!({"banner": telnet.banner, "logins": telnet.logins})
}
