use loona_hpack::Encoder;

use super::stream::MAX_KEPT_BODIES;
use super::tests::{block, frame, said};
use super::*;
use crate::http::testing::{C, S, SeenProgress, tell_keeping};
use crate::parser::{Keep, Parser, Progress};
use wire::Direction;

use Progress::{Done, Head};

fn told(said: &[(Direction, Vec<u8>)], body: usize) -> Vec<SeenProgress> {
    let said: Vec<_> = said.iter().map(|(direction, bytes)| (*direction, bytes.as_slice())).collect();
    let keep = Keep { heads: true, body, ..Keep::default() };
    let whole = tell_keeping(&mut Http2Parser::default(), &said, usize::MAX, keep).0.progress;
    for step in [1, 2, 7, 100] {
        let split = tell_keeping(&mut Http2Parser::default(), &said, step, keep).0.progress;
        assert_eq!(split, whole, "{step}");
    }
    whole
}

/// Method, side, progress, that side's body, and whether it was cut.
fn brief(told: &[SeenProgress]) -> Vec<(&str, Direction, Progress, &[u8], bool)> {
    let own = |p: &SeenProgress| p.side.index();
    told.iter()
        .map(|p| {
            (p.method.as_str(), p.side, p.progress, p.messages[own(p)].1.as_slice(), p.messages[own(p)].2)
        })
        .collect()
}

#[test]
fn sides_of_streams_are_told_of_in_order() {
    assert_eq!(
        brief(&told(&said(), 100)),
        [
            ("", C, Head, &b""[..], false),
            ("", C, Done, b"", false),
            ("POST", C, Head, b"", false),
            ("POST", C, Done, b"user=jo&password=pw", false),
            ("GET", C, Head, b"", false),
            ("GET", C, Done, b"", false),
            ("", C, Head, b"", false),
            ("", C, Done, b"", false),
            ("", S, Head, b"", false),
            ("", S, Done, b"", false),
            ("POST", S, Head, b"", false),
            ("POST", S, Done, b"hello", false),
            ("GET", S, Head, b"", false),
            ("GET", S, Done, b"", false),
            ("", S, Head, b"", false),
            ("", S, Done, b"", false),
        ]
    );
    let cut = told(&said(), 4);
    assert_eq!(brief(&cut)[3], ("POST", C, Done, &b"user"[..], true));
    assert_eq!(brief(&cut)[11], ("POST", S, Done, &b"hell"[..], true));
}

#[test]
fn bodies_that_are_kept_are_bounded() {
    let mut encoder = Encoder::new();
    let mut client = PREFACE.to_vec();
    let piece = vec![b'x'; 60_000];
    let streams = 1 + 2 * (MAX_KEPT_BODIES / piece.len()) as u32;
    for stream in (1..streams + 20).step_by(2) {
        client.extend(frame(1, 4, stream, &block(&mut encoder, &[(":method", "PUT"), (":path", "/")])));
        client.extend(frame(0, 0, stream, &piece));
    }
    let keep = Keep { body: 1 << 20, ..Keep::default() };
    let mut parser = Http2Parser::default();
    let told = tell_keeping(&mut parser, &[(C, &client)], 50_000, keep).0.progress;
    let bodies: Vec<_> = told.iter().filter(|p| p.progress == Done).map(|p| p.messages[0].clone()).collect();
    let (cut, whole): (Vec<_>, Vec<_>) = bodies.iter().partition(|(_, _, cut)| *cut);
    assert!(whole.iter().all(|(_, body, _)| *body == piece));
    assert!(whole.len() * piece.len() <= MAX_KEPT_BODIES && cut.len() == 10, "{} {}", whole.len(), cut.len());
    assert!(parser.limits_hit() > 0);
}
