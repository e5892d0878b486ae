//! `http`: a request with its response.

use crate::json::Value;
use ::proto::Http;

use crate::json::Object;

pub(super) fn body(http: &Http) -> Value {
    let mut out = Object::new();
    let mut put = |name: &'static str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(name.into(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    put("hostname", text(&http.host));
    put("http_port", http.port.map(Value::from));
    let uri = (!http.uri.is_empty()).then(|| http.uri.clone());
    put("url", uri.map(Value::from));
    put("http_user_agent", text(&http.user_agent));
    put("http_content_type", text(&http.content_type));
    put("http_refer", text(&http.referer));
    put("http_method", (!http.method.is_empty()).then(|| http.method.clone().into()));
    put("protocol", (!http.version.is_empty()).then(|| http.version.clone().into()));
    put("status", http.status.map(Value::from));
    put("redirect", text(&http.location));
    put("length", Some(http.response_length.into()));
    out.into()
}
