use proptest::prelude::*;

use super::*;
use crate::http::testing::{C, S, SeenProgress, tell_keeping};
use crate::parser::{Keep, Progress};
use wire::Direction;

fn told(said: &[(Direction, &[u8])], body: usize) -> Vec<SeenProgress> {
    let keep = Keep { heads: true, body, ..Keep::default() };
    let whole = tell_keeping(&mut HttpParser::default(), said, usize::MAX, keep).0.progress;
    for step in [1, 2, 3, 7, 100] {
        let split = tell_keeping(&mut HttpParser::default(), said, step, keep).0.progress;
        assert_eq!(split, whole, "{step}");
    }
    whole
}

/// Side, progress, and that side's body.
fn brief(told: &[SeenProgress]) -> Vec<(Direction, Progress, &[u8], bool)> {
    let of = |p: &SeenProgress| p.side.index();
    told.iter().map(|p| (p.side, p.progress, p.messages[of(p)].1.as_slice(), p.messages[of(p)].2)).collect()
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST: &[u8] = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";
use Progress::{Done, Head};

#[test]
fn sides_are_told_of_in_order_with_heads_and_bodies() {
    let said = [(C, POST), (C, &b"hello"[..]), (C, GET), (S, OK), (S, b"hi"), (S, OK), (S, b"ho")];
    let told = told(&said, 100);
    assert_eq!(
        brief(&told),
        [
            (C, Head, &b""[..], false),
            (C, Done, b"hello", false),
            (C, Head, b"", false),
            (C, Done, b"", false),
            (S, Head, b"", false),
            (S, Done, b"hi", false),
            (S, Head, b"", false),
            (S, Done, b"ho", false),
        ]
    );
    // Heads stay as long as the exchange does.
    let heads: Vec<_> =
        told.iter().map(|p| (p.messages[0].0.as_slice(), p.messages[1].0.as_slice())).collect();
    assert_eq!(heads[..2], [(POST, &b""[..]); 2]);
    assert_eq!(heads[2..4], [(GET, &b""[..]); 2]);
    assert_eq!(heads[4..], [(POST, OK), (POST, OK), (GET, OK), (GET, OK)]);
}

#[test]
fn bodies_are_told_of_when_as_much_came_as_is_kept() {
    let long = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n";
    let said = [(C, GET), (S, &long[..]), (S, b"abcd"), (C, GET), (S, b"ef"), (S, OK), (S, b"abc")];
    let told = told(&said, 3);
    assert_eq!(
        brief(&told),
        [
            (C, Head, &b""[..], false),
            (C, Done, b"", false),
            (S, Head, b"", false),
            (S, Done, b"abc", true),
            (C, Head, b"", false),
            (C, Done, b"", false),
            (S, Head, b"", false),
            (S, Done, b"ab", false),
        ]
    );
}

#[test]
fn nothing_is_kept_unless_it_is_wanted() {
    let said = [(C, POST), (C, &b"hello"[..]), (S, OK), (S, b"hi")];
    let told = tell_keeping(&mut HttpParser::default(), &said, 5, Keep::default()).0.progress;
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|p| p.messages.iter().all(|m| *m == (vec![], vec![], false))));
}

#[test]
fn sides_that_are_not_there_are_not_told_of() {
    assert_eq!(
        brief(&told(&[(S, OK), (S, b"hi")], 9)),
        [(S, Head, &b""[..], false), (S, Done, b"hi", false)]
    );
    let continued: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
    let alone = [(C, POST), (S, continued), (C, b"hel")];
    assert_eq!(brief(&told(&alone, 9)), [(C, Head, &b""[..], false), (C, Done, b"hel", false)]);
    let head = [(C, &b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"[..]), (S, OK)];
    assert_eq!(
        told(&head, 9).iter().map(|p| (p.side, p.progress)).collect::<Vec<_>>(),
        [(C, Head), (C, Done), (S, Head), (S, Done)]
    );
    // Neither has a 204, whatever it says: what follows is the next answer.
    let none: &[u8] = b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n";
    let pair = [(C, GET), (C, GET), (S, none), (S, OK), (S, b"hi")];
    assert!(brief(&told(&pair, 9)).contains(&(S, Done, &b"hi"[..], false)));
    let old = [(C, &b"GET /\r\n"[..]), (S, b"<html>")];
    assert_eq!(brief(&told(&old, 9))[2..], [(S, Head, &b""[..], false), (S, Done, b"<html>", false)]);
}

#[test]
fn requests_that_are_answered_before_they_are_whole_are_over_then() {
    let said = [(C, POST), (C, &b"he"[..]), (S, OK), (S, b"no"), (C, b"llo"), (C, GET)];
    assert_eq!(
        brief(&told(&said, 9)),
        [
            (C, Head, &b""[..], false),
            (S, Head, b"", false),
            (S, Done, b"no", false),
            (C, Done, b"he", false),
            (C, Head, b"", false),
            (C, Done, b"", false),
        ]
    );
}

#[test]
fn tunnels_and_upgrades_end_both_sides() {
    let connect = b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n";
    let said = [(C, &connect[..]), (S, b"HTTP/1.1 200 Established\r\n\r\n")];
    let keep = Keep { heads: true, body: 9, ..Keep::default() };
    let told = tell_keeping(&mut HttpParser::default(), &said, 4, keep).0.progress;
    let sides: Vec<_> = told.iter().map(|p| (p.side, p.progress)).collect();
    assert_eq!(sides, [(C, Head), (C, Done), (S, Head), (S, Done)]);
    assert_eq!(told[3].messages[0].0, connect);
}

proptest! {
    #[test]
    fn progress_is_the_same_however_it_is_split(
        said in super::tests::said(), step in 1usize..9, body in 0usize..6,
    ) {
        let said: Vec<(Direction, &[u8])> =
            said.iter().map(|(client, bytes)| (if *client { C } else { S }, bytes.as_slice())).collect();
        let keep = Keep { heads: true, body, ..Keep::default() };
        let whole = tell_keeping(&mut HttpParser::default(), &said, usize::MAX, keep).0;
        let split = tell_keeping(&mut HttpParser::default(), &said, step, keep).0;
        prop_assert_eq!(whole.progress, split.progress);
    }
}
