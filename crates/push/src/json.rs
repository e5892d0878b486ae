//! EVE lines for receivers that do not take all that is in one.

use serde_json::{Map, Value};

/// What stays of a line that is too large: enough to find it in eve.json.
const KEPT: [&str; 16] = [
    "audit",
    "timestamp",
    "flow_id",
    "in_iface",
    "event_type",
    "vlan",
    "src_ip",
    "src_port",
    "dest_ip",
    "dest_port",
    "proto",
    "app_proto",
    "community_id",
    "tx_id",
    "direction",
    "isolation",
];
/// What stays of `alert`.
const KEPT_OF_ALERT: [&str; 7] =
    ["action", "gid", "signature_id", "rev", "signature", "category", "severity"];
/// Characters that stay of a text of a line that is too large even so.
const KEPT_OF_TEXT: usize = 64;

/// What stays when nothing else helps.
const KEPT_ANYWAY: [&str; 4] = ["shortened", "timestamp", "event_type", "flow_id"];

/// The line, and whether it is a short form of the event because it would have been larger than `limit` bytes. The short
/// form, of which `form` makes text, says `"shortened":true`.
pub(crate) fn within(line: String, limit: usize, form: impl Fn(&Value) -> String) -> (String, bool) {
    if line.len() <= limit {
        return (line, false);
    }
    let whole: Map<String, Value> = serde_json::from_str(&line).unwrap_or_default();
    let mut short = Map::new();
    short.insert("shortened".into(), true.into());
    for name in KEPT {
        if let Some(value) = whole.get(name) {
            short.insert(name.into(), value.clone());
        }
    }
    if let Some(Value::Object(alert)) = whole.get("alert") {
        let kept = alert.iter().filter(|(name, _)| KEPT_OF_ALERT.contains(&name.as_str()));
        let kept: Map<String, Value> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        short.insert("alert".into(), kept.into());
    }
    let mut short = Value::Object(short);
    let mut text = form(&short);
    if text.len() > limit {
        cut(&mut short);
        text = form(&short);
    }
    if let (true, Value::Object(fields)) = (text.len() > limit, &mut short) {
        fields.retain(|name, _| KEPT_ANYWAY.contains(&name.as_str()));
        text = form(&short);
    }
    (text, true)
}

/// Cuts all texts.
fn cut(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some((at, _)) = text.char_indices().nth(KEPT_OF_TEXT) {
                text.truncate(at);
            }
        }
        Value::Array(values) => {
            values.truncate(KEPT_OF_TEXT);
            values.iter_mut().for_each(cut);
        }
        Value::Object(values) => values.values_mut().for_each(cut),
        _ => {}
    }
}

/// JSON in ASCII: what is none is only inside of strings, and escaped there.
pub(crate) fn ascii(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_ascii() && c != '\x7f' {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ascii_means_the_same(text in any::<String>()) {
            let line = Value::String(text.clone()).to_string();
            let plain = ascii(&line);
            prop_assert!(plain.bytes().all(|b| (0x20..0x7f).contains(&b)));
            prop_assert_eq!(serde_json::from_str::<Value>(&plain).unwrap(), Value::String(text));
        }
    }

    #[test]
    fn what_is_too_large_is_shortened() {
        let line = format!(
            r#"{{"timestamp":"t","event_type":"alert","http":{{"url":"{}"}},"alert":{{"signature":"s","metadata":{{}}}}}}"#,
            "x".repeat(1000)
        );
        assert_eq!(within(line.clone(), line.len(), Value::to_string), (line.clone(), false));
        let want = r#"{"shortened":true,"timestamp":"t","event_type":"alert","alert":{"signature":"s"}}"#;
        assert_eq!(within(line.clone(), 500, Value::to_string), (want.to_owned(), true));
        let long = format!(r#"{{"alert":{{"signature":"{}"}}}}"#, "é".repeat(10_000));
        let (short, _) = within(long, 480, Value::to_string);
        assert!(short.len() < 480 && short.contains("éé"), "{short}");
    }
}
