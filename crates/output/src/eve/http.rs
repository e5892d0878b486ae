//! `http`: a request with its response, of HTTP/1 or of an HTTP/2 stream.

use ::proto::Http;
use ::proto::http::headers::{Headers, text as text_of};
use ::proto::http::{ContentRange, Http2Side, Http2Stream};

use crate::json::{Object, Value, json};

pub(super) fn body(http: &Http) -> Value {
    let mut out = Object::new();
    let mut put = |name: &'static str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(name.into(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    let some = |text: &str| (!text.is_empty()).then(|| Value::from(text.to_owned()));
    put("version", http.stream.as_ref().map(|_| "2".into()));
    if http.is_http2() {
        // As Suricata does: all headers, :authority among them; a host name only if a header gives it.
        put("request_headers", headers(&http.request_headers));
        put("response_headers", headers(&http.response_headers));
        let host = http.request_headers.get("host").map(|h| text_of(h).to_ascii_lowercase());
        put("hostname", host.map(Value::from));
    } else {
        put("hostname", http.host.as_deref().map(hostname));
        put("http_port", http.port.map(Value::from));
    }
    put("url", some(&http.uri));
    put("http_user_agent", text(&http.user_agent));
    put("xff", text(&http.forwarded_for));
    put("http_content_type", text(&http.content_type));
    put("content_range", http.content_range.as_ref().map(content_range));
    put("http_refer", text(&http.referer));
    put("http_method", some(&http.method));
    put("protocol", some(&http.version));
    put("status", http.status.map(Value::from));
    put("status_string", text(&http.status_text));
    put("redirect", text(&http.location));
    let connection = http.stream.as_ref().is_some_and(|stream| stream.id == 0);
    put("length", (!connection).then(|| http.response_length.into()));
    put("http2", http.stream.as_deref().map(stream));
    out.into()
}

fn headers(headers: &Headers) -> Option<Value> {
    let all = headers.iter().map(|(name, value)| json!({"name": text_of(name), "value": text_of(value)}));
    let all: Vec<Value> = all.collect();
    (!all.is_empty()).then(|| all.into())
}

/// Addresses of IPv6 stand in brackets, as they do in the header.
fn hostname(host: &str) -> Value {
    if host.contains(':') { format!("[{host}]").into() } else { host.to_owned().into() }
}

fn content_range(range: &ContentRange) -> Value {
    let mut out = Object::new();
    out.insert("raw".into(), range.raw.clone().into());
    for (name, value) in [("start", range.start), ("end", range.end), ("size", range.size)] {
        if let Some(value) = value {
            out.insert(name.into(), value.into());
        }
    }
    out.into()
}

fn stream(stream: &Http2Stream) -> Value {
    let mut out = Object::new();
    out.insert("stream_id".into(), stream.id.into());
    for (name, of) in ["request", "response"].into_iter().zip(&stream.sides) {
        let of = side(of, name == "request");
        if !of.is_empty() {
            out.insert(name.into(), of.into());
        }
    }
    out.into()
}

fn side(side: &Http2Side, request: bool) -> Object {
    let mut out = Object::new();
    if !side.settings.is_empty() {
        let settings = side.settings.iter();
        let settings: Vec<Value> = settings
            .map(|&(id, value)| json!({"settings_id": setting(id), "settings_value": value}))
            .collect();
        out.insert("settings".into(), settings.into());
    }
    if let Some(priority) = side.priority.filter(|_| request) {
        out.insert("priority".into(), priority.into());
    }
    if let Some(code) = side.error {
        out.insert("error_code".into(), error(code).into());
    }
    out
}

/// The name of a setting (RFC 9113 section 6.5.2).
fn setting(id: u16) -> String {
    match id {
        1 => "SETTINGSHEADERTABLESIZE".into(),
        2 => "SETTINGSENABLEPUSH".into(),
        3 => "SETTINGSMAXCONCURRENTSTREAMS".into(),
        4 => "SETTINGSINITIALWINDOWSIZE".into(),
        5 => "SETTINGSMAXFRAMESIZE".into(),
        6 => "SETTINGSMAXHEADERLISTSIZE".into(),
        8 => "SETTINGSENABLECONNECTPROTOCOL".into(),
        9 => "SETTINGSNORFC7540PRIORITIES".into(),
        other => format!("SETTINGSUNKNOWN{other}"),
    }
}

/// The name of an error (RFC 9113 section 7).
fn error(code: u32) -> String {
    const NAMES: [&str; 14] = [
        "NOERROR",
        "PROTOCOLERROR",
        "INTERNALERROR",
        "FLOWCONTROLERROR",
        "SETTINGSTIMEOUT",
        "STREAMCLOSED",
        "FRAMESIZEERROR",
        "REFUSEDSTREAM",
        "CANCEL",
        "COMPRESSIONERROR",
        "CONNECTERROR",
        "ENHANCEYOURCALM",
        "INADEQUATESECURITY",
        "HTTP11REQUIRED",
    ];
    NAMES.get(code as usize).map_or_else(|| format!("UNKNOWN{code}"), |name| (*name).to_owned())
}
