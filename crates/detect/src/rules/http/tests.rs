use proto::http1::HttpParser;
use proto::{Chunk, Keep, Parser, Progress, Sink, Transaction};
use rules::Field;
use wire::Nanos;

use super::*;

const C: Direction = Direction::ToServer;
const S: Direction = Direction::ToClient;

/// What one buffer holds when a side is complete.
struct Taker {
    side: Direction,
    buffer: Option<Buffer>,
    field: Option<Field>,
    found: Vec<String>,
    sizes: Vec<u64>,
}

impl Sink for Taker {
    fn keep(&self) -> Keep {
        Keep { heads: true, body: 1024, ..Keep::default() }
    }

    fn progress(&mut self, view: HttpView<'_>, side: Direction, progress: Progress) {
        if side != self.side || progress != Progress::Done {
            return;
        }
        let mut out = Instances::new(Vec::new());
        if let Some(buffer) = self.buffer {
            instances(&view, side, buffer, &mut out);
        }
        if let Some(field) = self.field {
            numbers(&view, side, field, &mut |n| self.sizes.push(n));
        }
        self.found.extend((0..out.len()).map(|at| String::from_utf8_lossy(out.get(at)).into_owned()));
    }

    fn inspect(&mut self, _: &Transaction) {}

    fn log(&mut self, _: Transaction) {}
}

fn run(request: &[u8], response: &[u8], taker: &mut Taker) {
    let mut parser = HttpParser::default();
    for (direction, bytes) in [(C, request), (S, response)] {
        if !bytes.is_empty() {
            parser.data(Chunk { direction, bytes, time: Nanos(0) }, taker);
        }
    }
    parser.close(taker);
}

/// The buffer of a request.
fn asked(request: &[u8], buffer: Buffer) -> Vec<String> {
    let mut taker = Taker { side: C, buffer: Some(buffer), field: None, found: vec![], sizes: vec![] };
    run(request, b"", &mut taker);
    taker.found
}

/// The buffer of a response.
fn answered(response: &[u8], buffer: Buffer) -> Vec<String> {
    let mut taker = Taker { side: S, buffer: Some(buffer), field: None, found: vec![], sizes: vec![] };
    run(b"GET /dir/f%20x.bin HTTP/1.1\r\nHost: a\r\n\r\n", response, &mut taker);
    taker.found
}

fn number(request: &[u8], response: &[u8], side: Direction, field: Field) -> Vec<u64> {
    let mut taker = Taker { side, buffer: None, field: Some(field), found: vec![], sizes: vec![] };
    run(request, response, &mut taker);
    taker.sizes
}

const REQUEST: &[u8] = b"GET http://Proxy.Example:8080/a%20b?c=%64 HTTP/1.1\r\nHost: Other:1\r\nuser-agent:  One \r\n\
    Accept: */*\r\nUser-Agent: Two\r\nCookie: a=1\r\nAccept-Language: en\r\nAccept-Encoding: gzip\r\nX-Empty:\r\n\
    Referer: r\r\nConnection: close\r\ncookie: b=2\r\nno colon\r\nX-Folded: x\r\n  y\r\n\r\n";

#[test]
fn the_request_line_is_taken_apart() {
    let of = |buffer| asked(REQUEST, buffer);
    assert_eq!(of(Buffer::HttpMethod), ["GET"]);
    assert_eq!(of(Buffer::HttpUri), ["/a b?c=d"]);
    assert_eq!(of(Buffer::HttpRawUri), ["http://Proxy.Example:8080/a%20b?c=%64"]);
    assert_eq!(of(Buffer::HttpProtocol), ["HTTP/1.1"]);
    assert_eq!(of(Buffer::HttpRequestLine), ["GET http://Proxy.Example:8080/a%20b?c=%64 HTTP/1.1"]);
    assert_eq!(asked(b"GET /a b HTTP/1.0\n\n", Buffer::HttpRawUri), ["/a b"]);
    assert_eq!(asked(b"GET /a b HTTP/1.0\n\n", Buffer::HttpProtocol), ["HTTP/1.0"]);
    assert_eq!(asked(b"GET /\r\n\r\n", Buffer::HttpProtocol), [""; 0]);
    assert_eq!(asked(b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", Buffer::HttpUri), ["/\u{fffd}"]);
    assert_eq!(number(REQUEST, b"", C, Field::HttpUriLength), [8]);
    assert_eq!(number(REQUEST, b"", C, Field::HttpRawUriLength), [37]);
}

#[test]
fn hosts_come_from_the_target_before_the_header() {
    let host = |request: &str| {
        let of = |buffer| asked(request.as_bytes(), buffer).join("|");
        (of(Buffer::HttpHost), of(Buffer::HttpRawHost))
    };
    let both = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        host("GET http://U@Proxy.Example:8080/ HTTP/1.1\r\nHost: Other\r\n\r\n"),
        both("proxy.example", "Proxy.Example")
    );
    assert_eq!(host("GET / HTTP/1.1\r\nHost: ABC.com.:80\r\n\r\n"), both("abc.com.", "ABC.com.:80"));
    assert_eq!(
        host("GET / HTTP/1.1\r\nHost: ABC.com\r\nHost: efg.net\r\n\r\n"),
        both("abc.com, efg.net", "ABC.com, efg.net")
    );
    assert_eq!(host("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), both("[::1]", "[::1]:80"));
    assert_eq!(host("CONNECT h.example:443 HTTP/1.1\r\nHost: other\r\n\r\n"), both("h.example", "h.example"));
    assert_eq!(host("GET / HTTP/1.0\r\n\r\n"), both("", ""));
}

#[test]
fn headers_of_one_name_are_one() {
    let of = |buffer| asked(REQUEST, buffer);
    assert_eq!(of(Buffer::HttpUserAgent), ["One, Two"]);
    assert_eq!(of(Buffer::HttpCookie), ["a=1, b=2"]);
    assert_eq!(of(Buffer::HttpAccept), ["*/*"]);
    assert_eq!(of(Buffer::HttpAcceptLang), ["en"]);
    assert_eq!(of(Buffer::HttpAcceptEnc), ["gzip"]);
    assert_eq!(of(Buffer::HttpReferer), ["r"]);
    assert_eq!(of(Buffer::HttpConnection), ["close"]);
    let header = "Host: Other:1\r\nuser-agent: One, Two\r\nAccept: */*\r\nAccept-Language: en\r\n\
        Accept-Encoding: gzip\r\nX-Empty: \r\nReferer: r\r\nConnection: close\r\n: no colon\r\nX-Folded: x y\r\n";
    assert_eq!(of(Buffer::HttpHeader), [header]);
    let start = "GET http://Proxy.Example:8080/a%20b?c=%64 HTTP/1.1\r\nHost: Other:1\r\nuser-agent: One, Two\r\n\
        Accept: */*\r\nCookie: a=1, b=2\r\nAccept-Language: en\r\nAccept-Encoding: gzip\r\nX-Empty: \r\nReferer: r\r\n\
        Connection: close\r\n: no colon\r\nX-Folded: x y\r\n\r\n";
    assert_eq!(of(Buffer::HttpStart), [start]);
    let names = "\r\nHost\r\nuser-agent\r\nAccept\r\nCookie\r\nAccept-Language\r\nAccept-Encoding\r\nX-Empty\r\n\
        Referer\r\nConnection\r\n\r\nX-Folded\r\n\r\n";
    assert_eq!(of(Buffer::HttpHeaderNames), [names]);
    let each = of(Buffer::HttpRequestHeader);
    assert_eq!((each.len(), each[1].as_str(), each[6].as_str()), (11, "user-agent: One, Two", "X-Empty: "));
    assert_eq!(of(Buffer::HttpResponseHeader), [""; 0]);
    let raw = &REQUEST[memchr::memchr(b'\n', REQUEST).unwrap_or(0) + 1..];
    assert_eq!(of(Buffer::HttpRawHeader), [String::from_utf8_lossy(raw)]);
    assert_eq!(asked(b"GET / HTTP/1.0\r\nUser-Agent: \r\n\r\n", Buffer::HttpUserAgent), [""]);
    assert_eq!(asked(b"GET / HTTP/1.0\n\n", Buffer::HttpHeaderNames), [""; 0]);
}

const RESPONSE: &[u8] = b"HTTP/1.0 404 Not Found Here\r\nServer: s\r\nSet-Cookie: a=1\r\nLocation: /l\r\n\
    Content-Length: 5\r\nSet-Cookie: b=2\r\nContent-Length: 5\r\nContent-Type: text/html; x=y\r\n\r\nhello";

#[test]
fn responses_have_theirs() {
    let of = |buffer| answered(RESPONSE, buffer);
    assert_eq!(of(Buffer::HttpStatCode), ["404"]);
    assert_eq!(of(Buffer::HttpStatMsg), ["Not Found Here"]);
    assert_eq!(of(Buffer::HttpProtocol), ["HTTP/1.0"]);
    assert_eq!(of(Buffer::HttpResponseLine), ["HTTP/1.0 404 Not Found Here"]);
    assert_eq!(of(Buffer::HttpServer), ["s"]);
    assert_eq!(of(Buffer::HttpLocation), ["/l"]);
    assert_eq!(of(Buffer::HttpContentLen), ["5"]);
    assert_eq!(of(Buffer::HttpContentType), ["text/html; x=y"]);
    assert_eq!(of(Buffer::HttpCookie), ["a=1, b=2"]);
    let header = "Server: s\r\nLocation: /l\r\nContent-Length: 5\r\nContent-Type: text/html; x=y\r\n";
    assert_eq!(of(Buffer::HttpHeader), [header]);
    assert_eq!(of(Buffer::HttpResponseBody), ["hello"]);
    assert_eq!(of(Buffer::FileData), ["hello"]);
    assert_eq!(of(Buffer::FileName), ["/dir/f x.bin"]);
    assert_eq!(of(Buffer::HttpUri), [""; 0]);
    assert_eq!(answered(b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Buffer::HttpStatMsg), [""; 0]);
}

#[test]
fn uploads_are_files_and_a_body() {
    let body = "--B\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\nv\r\n\
        --B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a.png\"\r\n\r\n\x7fELF1\r\n\
        --B\r\nContent-Disposition: form-data; name=\"f\"; filename=\"b\"\r\n\r\ntwo\r\n--B--\r\n";
    let request = format!(
        "POST /u HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let of = |buffer| asked(request.as_bytes(), buffer);
    assert_eq!(of(Buffer::HttpRequestBody), [body]);
    assert_eq!(of(Buffer::FileData), ["\x7fELF1", "two"]);
    assert_eq!(of(Buffer::FileName), ["a.png", "b"]);
    assert_eq!(number(request.as_bytes(), b"", C, Field::FileSize), [5, 3]);
    let plain = b"POST /p/x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(asked(plain, Buffer::FileData), ["abc"]);
    assert_eq!(asked(plain, Buffer::FileName), ["/p/x"]);
}

#[test]
fn sizes_of_files_are_announced_when_not_all_is_kept() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n";
    let body = "x".repeat(5000);
    let size = |more: &str, body: &str| {
        number(b"GET / HTTP/1.0\r\n\r\n", format!("{head}{more}\r\n{body}").as_bytes(), S, Field::FileSize)
    };
    assert_eq!(size("", &body), [5000]);
    assert_eq!(size("", "xyz"), [3]);
    assert_eq!(size("Content-Encoding: gzip\r\n", &body), [0; 0]);
}

#[test]
fn streams_of_http2_have_made_up_lines_and_pseudo_headers() {
    use proto::http::{Headers, Http2Side, Http2Stream};
    let headers = |all: &[(&str, &str)]| {
        let mut headers = Headers::default();
        all.iter().for_each(|(name, value)| assert!(headers.push(name.as_bytes(), value.as_bytes())));
        headers
    };
    let side =
        Http2Side { priority: Some(7), error: Some(8), settings: vec![(4, 5)], ..Http2Side::default() };
    let http = proto::Http {
        method: "GET".into(),
        uri: "/a%20b".into(),
        request_headers: headers(&[
            (":method", "GET"),
            (":path", "/a%20b"),
            (":authority", "H.example:8443"),
            ("user-agent", "ua"),
            ("cookie", "a=1"),
        ]),
        response_headers: headers(&[(":status", "200"), ("server", "s")]),
        stream: Some(Box::new(Http2Stream { id: 1, sides: [side, Http2Side::default()] })),
        ..proto::Http::default()
    };
    let view = HttpView {
        number: 0,
        http: &http,
        request: MessageView::default(),
        response: MessageView::default(),
    };
    let of = |side, buffer| {
        let mut out = Instances::new(Vec::new());
        instances(&view, side, buffer, &mut out);
        (0..out.len()).map(|at| String::from_utf8_lossy(out.get(at)).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of(C, Buffer::HttpMethod), ["GET"]);
    assert_eq!(
        (of(C, Buffer::HttpUri), of(C, Buffer::HttpRawUri)),
        (vec!["/a%20b".to_owned()], vec!["/a%20b".to_owned()])
    );
    assert_eq!(of(C, Buffer::HttpProtocol), ["HTTP/2"]);
    assert_eq!(of(C, Buffer::HttpRequestLine), ["GET /a%20b HTTP/2\r\n"]);
    assert_eq!(of(S, Buffer::HttpResponseLine), ["HTTP/2 200\r\n"]);
    assert_eq!(
        (of(C, Buffer::HttpHost), of(C, Buffer::HttpRawHost)),
        (vec!["h.example".to_owned()], vec!["H.example:8443".to_owned()])
    );
    assert_eq!(of(C, Buffer::HttpUserAgent), ["ua"]);
    assert_eq!(of(S, Buffer::HttpHeader), [":status: 200\r\nserver: s\r\n"]);
    assert_eq!(
        of(C, Buffer::HttpHeaderNames),
        ["\r\n:method\r\n:path\r\n:authority\r\nuser-agent\r\ncookie\r\n\r\n"]
    );
    assert_eq!(of(C, Buffer::Http2HeaderName), [":method", ":path", ":authority", "user-agent", "cookie"]);
    assert_eq!(of(S, Buffer::HttpStatCode), ["200"]);
    assert_eq!(of(S, Buffer::HttpStatMsg), [""; 0]);
    let numbers_of = |side, field| {
        let mut found = Vec::new();
        numbers(&view, side, field, &mut |n| found.push(n));
        found
    };
    assert_eq!(numbers_of(C, Field::Http2FrameType), [1, 2, 3, 4]);
    assert_eq!(numbers_of(C, Field::Http2ErrorCode), [8]);
    assert_eq!(numbers_of(C, Field::Http2Priority), [7]);
    assert_eq!(numbers_of(C, Field::Http2Settings), [4 << 32 | 5]);
    assert_eq!(numbers_of(S, Field::Http2FrameType), [1]);
}

mod anything {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn does_no_harm_and_targets_stay_what_they_are(request: Vec<u8>, target: Vec<u8>, response: Vec<u8>) {
            let head = [b"GET ", &request[..], b" HTTP/1.1\r\n", &target[..], b": x\r\n\r\n"].concat();
            for info in Buffer::TABLE {
                let mut taker = Taker { side: C, buffer: Some(info.buffer), field: None, found: vec![], sizes: vec![] };
                run(&head, &response, &mut taker);
                let answer = [b"HTTP/1.1 ", &response[..], b"\r\n\r\nabc"].concat();
                let mut taker = Taker { side: S, ..taker };
                run(&head, &answer, &mut taker);
            }
            let mut once = Vec::new();
            uri::write_normalized(&target, false, &mut once);
            prop_assert!(once.len() <= target.len() + 1);
        }
    }
}
