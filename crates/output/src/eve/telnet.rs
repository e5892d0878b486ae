//! `telnet`: a connection.

use crate::json::{Value, json};
use ::proto::Telnet;

pub(super) fn body(telnet: &Telnet) -> Value {
    json!({"banner": &telnet.banner, "logins": telnet.logins})
}
