//! `/metrics` for Prometheus: a listener that answers one question.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use alert::Text;
use engine::{Caller, Desk, Reply, Request};

use crate::prometheus;

/// A request's head longer than this is refused.
const MAX_HEAD: usize = 8192;
/// Header fields that are looked at.
const MAX_FIELDS: usize = 64;
/// A client that is slower than this is hung up on.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Listens on `at` and answers with what the sensor counts, one client after the other, until
/// the process ends.
///
/// # Errors
/// Nobody can listen there.
pub fn start(at: SocketAddr, desk: Desk) -> io::Result<()> {
    let listener = TcpListener::bind(at)?;
    thread::Builder::new().name("metrics".into()).spawn(move || {
        for stream in listener.incoming() {
            let served = stream.and_then(|stream| serve(stream, &desk));
            if let Err(err) = served {
                tracing::debug!("metrics: {err}");
            }
        }
    })?;
    Ok(())
}

fn serve(mut stream: TcpStream, desk: &Desk) -> io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let caller = Caller { by: Text::Own("operator"), who: Some("prometheus".into()), from: None };
    let (status, kind, body) = match target(&mut stream)? {
        Some(path) if path == "/metrics" => match desk.ask(Request::Stats, &caller) {
            Reply::Stats { stats } => {
                ("200 OK", "text/plain; version=0.0.4; charset=utf-8", prometheus::text(&stats))
            }
            _ => ("503 Service Unavailable", "text/plain", "the sensor does not answer\n".into()),
        },
        Some(_) => ("404 Not Found", "text/plain", "there is only /metrics\n".into()),
        None => ("400 Bad Request", "text/plain", "not an HTTP GET request\n".into()),
    };
    let len = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// The path that a GET request asks for, without its query.
fn target(stream: &mut impl Read) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while head.len() < MAX_HEAD {
        let count = stream.read(&mut buffer)?;
        head.extend_from_slice(&buffer[..count]);
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(&head) {
            Ok(httparse::Status::Complete(_)) => {
                let path = request.path.unwrap_or("").split('?').next().unwrap_or("").to_owned();
                return Ok((request.method == Some("GET")).then_some(path));
            }
            Ok(httparse::Status::Partial) if count > 0 => {}
            _ => return Ok(None),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(request: &[u8]) -> Option<String> {
        target(&mut io::Cursor::new(request)).unwrap()
    }

    #[test]
    fn only_whole_get_requests_are_understood() {
        assert_eq!(asked(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").as_deref(), Some("/metrics"));
        assert_eq!(asked(b"GET /metrics?a=1 HTTP/1.1\r\n\r\n").as_deref(), Some("/metrics"));
        for bad in [&b""[..], b"GET /metrics", b"POST /metrics HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\xff"] {
            assert_eq!(asked(bad), None);
        }
        assert_eq!(asked(&[b'a'; 100_000]), None);
    }
}
