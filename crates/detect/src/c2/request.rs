//! What else of an HTTP request may carry a check-in: cookies, headers, its body.

use super::fields::{MAX_FIELDS, Splitter};
use super::message;

/// Bytes of a header's value that are looked at.
const MAX_HEADER: usize = 4096;

/// Headers that every client sends, or that a proxy adds: they tell nothing of its own about the host.
const ORDINARY: [&str; 30] = [
    "host",
    "connection",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "cache-control",
    "pragma",
    "referer",
    "origin",
    "date",
    "upgrade",
    "upgrade-insecure-requests",
    "te",
    "via",
    "range",
    "expect",
    "dnt",
    "authorization",
    "proxy-authorization",
    "proxy-connection",
    "keep-alive",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-real-ip",
    "x-requested-with",
    "priority",
    "server",
];
/// And those that begin like this.
const ORDINARY_BEGINNINGS: [&str; 4] = ["accept", "if-", "sec-", "access-control-"];

impl Splitter<'_> {
    /// The headers of a request.
    pub fn headers(&mut self, headers: &[(&[u8], &[u8])]) {
        let mut own = Vec::new();
        for (name, value) in headers.iter().take(MAX_FIELDS) {
            let name = String::from_utf8_lossy(name).trim().to_ascii_lowercase();
            let value = &value[..value.len().min(MAX_HEADER)];
            match name.as_str() {
                "cookie" => self.cookies(value),
                "user-agent" => self.user_agent(value),
                _ if ORDINARY.contains(&name.as_str())
                    || ORDINARY_BEGINNINGS.iter().any(|b| name.starts_with(b)) => {}
                _ => {
                    let key = name.strip_prefix("x-").unwrap_or(&name).replace('-', "_");
                    self.value(&key, value, &format!("header {name}"), false, &[], &mut own);
                }
            }
        }
        self.follow_company(&mut own);
        self.groups.push(own);
    }

    fn cookies(&mut self, cookies: &[u8]) {
        let mut own = Vec::new();
        for cookie in cookies.split(|&b| b == b';').take(MAX_FIELDS) {
            let cookie = cookie.trim_ascii();
            let equals = cookie.iter().position(|&b| b == b'=');
            // "dGVzdA==" is a cookie without a name.
            let named = equals.filter(|&at| cookie[at..].iter().any(|&b| b != b'='));
            let (name, value) = named.map_or((&[][..], cookie), |at| (&cookie[..at], &cookie[at + 1..]));
            let name = String::from_utf8_lossy(name).trim().to_owned();
            let place = if name.is_empty() { "cookie".to_owned() } else { format!("cookie {name}") };
            self.value(&name, value, &place, false, &[], &mut own);
        }
        self.follow_company(&mut own);
        self.groups.push(own);
    }

    /// Browsers say which system they run on, and so says whoever wants to be taken for one: that is no check-in.
    /// Fields are ("WSHRAT|ID|HOST|USER|...").
    fn user_agent(&mut self, agent: &[u8]) {
        if agent.starts_with(b"Mozilla/") && !agent.iter().any(|&b| matches!(b, b'|' | b'*' | b'\\')) {
            return;
        }
        if agent.iter().any(|&b| matches!(b, b'|' | b'*' | b'=' | b'\\' | b'<' | b'#' | b'@')) {
            message::split(self, agent, "user agent");
        }
    }

    /// A body: multipart, a form, JSON, or a message of its own making.
    pub fn body(&mut self, body: &[u8]) {
        let body = body.trim_ascii();
        if body.starts_with(b"--") && self.multipart(body) {
            return;
        }
        let form = body.iter().all(|&b| b >= b' ' || matches!(b, b'\t'))
            && body.contains(&b'=')
            && !body.starts_with(b"{")
            && !body.starts_with(b"[")
            && !body.contains(&b'|');
        if form { self.query(body, "body", &[]) } else { message::split(self, body, "body") }
    }

    /// Parts behind their boundary, the body's first line. False if there are none.
    fn multipart(&mut self, body: &[u8]) -> bool {
        let Some(end) = body.iter().position(|&b| b == b'\n') else { return false };
        let boundary = body[..end].trim_ascii_end();
        if boundary.len() < 3 {
            return false;
        }
        let (mut own, mut rest, mut parts) = (Vec::new(), &body[end + 1..], 0);
        while parts < MAX_FIELDS {
            let next = rest.windows(boundary.len()).position(|w| w == boundary);
            let part = &rest[..next.unwrap_or(rest.len())];
            if let Some((head, value)) = head_and_value(part) {
                let name = disposition_name(head);
                let place = if name.is_empty() { "body".to_owned() } else { format!("body {name}") };
                self.value(&name, value, &place, false, &[], &mut own);
                parts += 1;
            }
            let Some(next) = next else { break };
            rest = &rest[next + boundary.len()..];
        }
        self.follow_company(&mut own);
        self.groups.push(own);
        parts > 0
    }
}

fn head_and_value(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let crlf = part.windows(4).position(|w| w == b"\r\n\r\n").map(|at| (at, at + 4));
    let (head, value) = crlf.or_else(|| part.windows(2).position(|w| w == b"\n\n").map(|at| (at, at + 2)))?;
    Some((&part[..head], part[value..].trim_ascii_end()))
}

/// `name="host"` of a Content-Disposition.
fn disposition_name(head: &[u8]) -> String {
    let head = String::from_utf8_lossy(head);
    let lower = head.to_ascii_lowercase();
    let Some(at) = lower.match_indices("name=").map(|(at, _)| at).find(|&at| !lower[..at].ends_with("file"))
    else {
        return String::new();
    };
    let value = head[at + 5..].trim_start_matches('"');
    value.split(['"', ';', '\r', '\n']).next().unwrap_or_default().trim().to_owned()
}
