//! The host that a request is for: from an absolute target, else from the Host header.

use proto::HttpView;

use super::uri::Target;
use super::{headers, line};
use crate::rules::view::Instances;

/// Without port; brackets of an IPv6 address stay.
fn without_port(host: &[u8]) -> &[u8] {
    let from = match host.first() {
        Some(b'[') => memchr::memchr(b']', host).unwrap_or(0),
        _ => 0,
    };
    let colon = host.get(from..).and_then(|rest| memchr::memchr(b':', rest));
    host.get(..colon.map_or(host.len(), |at| from + at)).unwrap_or(host)
}

/// The host in the target itself.
fn in_target<'a>(view: &HttpView<'a>) -> Option<&'a [u8]> {
    if view.http.is_http2() {
        return view.http.request_headers.get(":authority");
    }
    let target = line::target(view);
    let authority = match line::method(view) {
        b"CONNECT" => target,
        _ => Target::split(target).authority?,
    };
    let at = memchr::memrchr(b'@', authority).map_or(0, |at| at + 1);
    authority.get(at..).filter(|host| !host.is_empty())
}

/// As it was sent: with its port if it is the Host header's.
pub(super) fn raw<'a>(view: &HttpView<'a>, out: &mut Instances<'a>) {
    match in_target(view) {
        Some(host) if view.http.is_http2() => out.borrow(host),
        Some(host) => out.borrow(without_port(host)),
        None => headers::value(&view.http.request_headers, "host", out),
    }
}

/// Lower case, without port.
pub(super) fn normalized<'a>(view: &HttpView<'a>, out: &mut Instances<'a>) {
    if let Some(host) = in_target(view) {
        return push(host, out);
    }
    let mut hosts = Instances::new(Vec::new());
    headers::value(&view.http.request_headers, "host", &mut hosts);
    if hosts.is_empty() {
        return;
    }
    match view.http.request_headers.get("host") {
        Some(host) if host == hosts.get(0) => push(host, out),
        _ => out.build(|to| to.extend(normal(hosts.get(0)).to_ascii_lowercase())),
    }
}

/// Dots at the end stay: rules look for them.
fn normal(host: &[u8]) -> &[u8] {
    without_port(host.trim_ascii()).trim_ascii_end()
}

fn push<'a>(host: &'a [u8], out: &mut Instances<'a>) {
    let host = normal(host);
    if host.iter().any(u8::is_ascii_uppercase) {
        out.build(|to| to.extend(host.iter().map(u8::to_ascii_lowercase)));
    } else {
        out.borrow(host);
    }
}
