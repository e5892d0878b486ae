//! `telnet`: a connection.

use ::proto::Telnet;

use crate::json::{Value, json};

pub(super) fn body(telnet: &Telnet) -> Value {
    json!({"banner": &telnet.banner, "logins": telnet.logins})
}
