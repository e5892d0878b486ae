//! DNS over HTTPS (RFC 8484), over HTTP/2 as in Suricata: the message that one side of an exchange carries.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proto::{HttpView, Transaction, dns};
use wire::Direction;

/// The type of what carries a message.
const TYPE: &[u8] = b"application/dns-message";
/// Characters of a message in a target that are read: 64 KiB of DNS.
const MAX_ENCODED: usize = 88 * 1024;

/// The DNS message of one side of an exchange, as a transaction for rules of `dns` and `doh2`: a request has it in its
/// target or its body, a response in its body. The body must be complete ([`proto::Progress::Done`]).
#[must_use]
pub fn dns_over_https(view: &HttpView<'_>, direction: Direction) -> Option<Transaction> {
    if !view.http.is_http2() {
        return None;
    }
    let (headers, body) = match direction {
        Direction::ToServer => (&view.http.request_headers, view.request.body),
        Direction::ToClient => (&view.http.response_headers, view.response.body),
    };
    let message = if headers.get("content-type").is_some_and(is_dns) {
        dns::parse(body)?
    } else if direction == Direction::ToServer {
        dns::parse(&in_target(&view.http.uri)?)?
    } else {
        return None;
    };
    // A query is the client's, a response the server's.
    (message.response == (direction == Direction::ToClient)).then(|| message.into())
}

/// Whatever parameters stand behind the type.
fn is_dns(value: &[u8]) -> bool {
    let bare = value.split(|&byte| byte == b';').next().unwrap_or(value);
    bare.trim_ascii().eq_ignore_ascii_case(TYPE)
}

/// The value of `dns` in a target's query.
fn in_target(uri: &str) -> Option<Vec<u8>> {
    let (_, query) = uri.split_once('?')?;
    let encoded = query.split('&').find_map(|parameter| parameter.strip_prefix("dns="))?;
    let encoded = encoded.trim_end_matches('=');
    URL_SAFE_NO_PAD.decode(encoded.get(..MAX_ENCODED).unwrap_or(encoded)).ok()
}

#[cfg(test)]
mod tests {
    use proto::http::Headers;
    use proto::{Http, MessageView};

    use super::*;

    /// www.example.com, type A (RFC 8484 section 4.1.1).
    const QUERY: &str = "AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB";

    fn headers(kind: &str) -> Headers {
        let mut headers = Headers::default();
        headers.push(b"Content-Type", kind.as_bytes());
        headers
    }

    fn name(http: &Http, request: &[u8], response: &[u8], direction: Direction) -> Option<String> {
        let message = |body| MessageView { body, ..MessageView::default() };
        let view = HttpView { number: 0, http, request: message(request), response: message(response) };
        match dns_over_https(&view, direction)? {
            Transaction::Dns(dns) => dns.questions.first().map(|question| question.name.clone()),
            _ => None,
        }
    }

    #[test]
    fn a_message_is_found_in_targets_and_bodies() {
        let bytes = URL_SAFE_NO_PAD.decode(QUERY).unwrap();
        let mut answer = bytes.clone();
        answer[2] = 0x81;
        let kind = "application/dns-message; x";
        let get = Http {
            uri: format!("/dns-query?a=b&dns={QUERY}"),
            response_headers: headers(kind),
            stream: Some(Box::default()),
            ..Http::default()
        };
        let found = Some("www.example.com".to_owned());
        assert_eq!(name(&get, b"", b"", Direction::ToServer), found);
        assert_eq!(name(&get, b"", &answer, Direction::ToClient), found);
        assert_eq!(name(&get, b"", &bytes, Direction::ToClient), None, "a query is no answer");
        let post = Http { uri: "/".into(), request_headers: headers(kind), ..get.clone() };
        assert_eq!(name(&post, &bytes, b"", Direction::ToServer), found);
        let other = Http { request_headers: headers("text/html"), ..post.clone() };
        assert_eq!(name(&other, &bytes, b"", Direction::ToServer), None);
        let older = Http { stream: None, ..get };
        assert_eq!(name(&older, b"", b"", Direction::ToServer), None);
        for uri in ["/?dns=", "/?dns=!", "/?dns=AAAA", "/x", "/?", ""] {
            let odd = Http { uri: uri.into(), request_headers: Headers::default(), ..post.clone() };
            assert_eq!(name(&odd, b"", b"", Direction::ToServer), None, "{uri}");
        }
    }
}
