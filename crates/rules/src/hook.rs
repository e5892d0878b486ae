//! Hooks: how far a transaction has to have come for a rule to be asked (`http1:request_line`).

use crate::app::App;

/// See the module's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hook {
    /// It is the client's side that has to have come there.
    pub to_server: bool,
    /// All of that side has to be there; else its beginning is enough.
    pub done: bool,
}

/// What every protocol has: side and name, and whether all has to be there.
const OF_ALL: [(&str, bool); 2] = [("started", false), ("complete", true)];
const OF_HTTP1: [(&str, bool); 4] = [("line", false), ("headers", false), ("body", true), ("trailer", true)];
const OF_TLS: [(&str, Hook); 11] = [
    ("client_in_progress", Hook { to_server: true, done: false }),
    ("client_hello_done", Hook { to_server: true, done: false }),
    ("client_cert_done", Hook { to_server: true, done: true }),
    ("client_handshake_done", Hook { to_server: true, done: true }),
    ("client_finished", Hook { to_server: true, done: true }),
    ("server_in_progress", Hook { to_server: false, done: false }),
    ("server_hello", Hook { to_server: false, done: false }),
    ("server_cert_done", Hook { to_server: false, done: true }),
    ("server_hello_done", Hook { to_server: false, done: true }),
    ("server_handshake_done", Hook { to_server: false, done: true }),
    ("server_finished", Hook { to_server: false, done: true }),
];

/// The hook of a protocol by that name.
pub(crate) fn of(app: App, name: &str) -> Option<Hook> {
    if app == App::Tls {
        return OF_TLS.iter().find(|(of, _)| *of == name).map(|&(_, hook)| hook);
    }
    let (to_server, rest) = match name.split_once('_')? {
        ("request", rest) => (true, rest),
        ("response", rest) => (false, rest),
        _ => return None,
    };
    let more: &[(&str, bool)] = match app {
        App::Http1 => &OF_HTTP1,
        App::Smtp => &[("data", true)],
        _ => &[],
    };
    let (_, done) = OF_ALL.iter().chain(more).find(|(of, _)| *of == rest)?;
    Some(Hook { to_server, done: *done })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_have_their_hooks() {
        for (app, name, hook) in [
            (App::Http1, "request_started", Some((true, false))),
            (App::Http1, "response_body", Some((false, true))),
            (App::Dns, "request_complete", Some((true, true))),
            (App::Dns, "request_line", None),
            (App::Tls, "server_cert_done", Some((false, true))),
            (App::Tls, "request_started", None),
            (App::Smtp, "request_data", Some((true, true))),
            (App::Http1, "line", None),
        ] {
            assert_eq!(of(app, name).map(|hook| (hook.to_server, hook.done)), hook, "{name}");
        }
    }
}
