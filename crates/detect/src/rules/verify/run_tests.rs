//! One table per keyword, and how they work together.

use proptest::prelude::*;
use rules::{Capture, Compare, Dataset, DatasetOp, FastPattern, NumberTest, Pcre, Test};

use super::super::testing::{
    after, byte_extract, byte_test, content, data_at, hold, hold_on, pcre, placed, plain, ready,
};
use super::super::{Checks, DatasetStore, Piece, State};
use super::*;

#[test]
fn expressions_match_as_their_modifiers_say() {
    for (tests, bytes, expected) in [
        (vec![pcre("/b+c/")], "abbc", true),
        (vec![pcre("/B/")], "abbc", false),
        (vec![pcre("/B/i")], "abbc", true),
        (vec![pcre("!/b/")], "abc", false),
        (vec![pcre("!/d/")], "abc", true),
        (vec![pcre("/a.c/")], "a\nc", false),
        (vec![pcre("/a.c/s")], "a\nc", true),
        (vec![pcre("/^b/")], "a\nb", false),
        (vec![pcre("/^b/m")], "a\nb", true),
        (vec![pcre("/a b # comment/x")], "ab", true),
        (vec![pcre("/b/A")], "ab", false),
        (vec![pcre("/x|b/A")], "ab", false),
        (vec![pcre("/a|b/A")], "ba", true),
        (vec![pcre("/a b # comment/Ax")], "ab", true),
        (vec![pcre("/b$/")], "ab\n", true),
        (vec![pcre("/b$/E")], "ab\n", false),
        (vec![pcre("/b$/E")], "ab", true),
        (vec![pcre("/[]$]\\$[[:alpha:]$]\\Q$\\E$/E")], "$$a$", true),
        // Relative: from the last match on, which `^` stands for.
        (vec![plain("a"), pcre("/^b/R")], "ab", true),
        (vec![plain("a"), pcre("/^c/R")], "abc", false),
        (vec![plain("b"), pcre("/a/R")], "ab", false),
        (vec![plain("a"), pcre("/(?<=a)b/R")], "ab", false),
        (vec![plain("a"), pcre("!/^b/R")], "abac", true),
        (vec![plain("a"), pcre("!/^b/R")], "abab", false),
        (vec![plain("a"), pcre("/^b/R")], "acab", true),
        (vec![pcre("/a./"), after("c", 0, 1)], "abxabc", true),
        (vec![pcre("/a+?/"), after("b", 0, 1)], "aab", true),
        (vec![pcre("/a+/G"), after("a", 0, 1)], "aa", true),
        (vec![pcre("/a*/"), plain("c")], "bc", true),
        (vec![pcre("/a*/")], "", true),
        (vec![pcre("/a/"), pcre("/^b/R"), after("c", 0, 1)], "abxabc", true),
        (vec![pcre("/\\x00\\xff/")], "", false),
    ] {
        assert_eq!(hold(&tests, bytes), expected, "{tests:?} on {bytes:?}");
    }
    assert!(hold(&[pcre("/\\x00\\xff/")], b"a\x00\xff"));
}

#[test]
fn ungreedy_expressions_end_early() {
    assert!(hold(&[pcre("/^a+/G"), after("a", 0, 1), data_at(1, true, true)], "aa"));
    assert!(!hold(&[pcre("/^a+/"), after("a", 0, 1)], "aa"));
}

#[test]
fn expressions_that_cannot_be_run_are_refused() {
    let refused = |text: &str| Checks::new(&[pcre(text)], &mut DatasetStore::default()).unwrap_err();
    assert!(refused("/(/").contains("parenthes"), "{}", refused("/(/"));
    assert!(refused(&format!("/{}/", "()".repeat(64))).contains("groups"));
    assert!(refused("/(?m)a$/E").contains("(?m)"));
}

#[test]
fn hostile_expressions_end() {
    let mut state = State::default();
    for (expression, text) in [
        ("/^(a+)+$/", "a".repeat(60) + "b"),
        ("/(.*)*[xy]/", "a".repeat(5_000)),
        ("/^(a|aa)+$/", "a".repeat(60) + "b"),
        // An expression cannot raise the limit.
        ("/(*LIMIT_MATCH=4000000000)^(a+)+$/", "a".repeat(60) + "b"),
        ("/(*NO_JIT)(*LIMIT_MATCH=4000000000)^(a+)+$/", "a".repeat(60) + "b"),
    ] {
        for negated in ["", "!"] {
            let before = state.counts.expressions;
            let checks = ready(&[pcre(&format!("{negated}{expression}"))]);
            assert!(!holds(&checks, &Piece::whole(text.as_bytes()), &mut state), "{expression}");
            assert_eq!(state.counts.expressions, before + 1, "{expression}");
        }
    }
}

#[test]
fn groups_are_captured() {
    let capture = |name: &str| Capture { of_flow: true, name: name.into() };
    let mut expression = Pcre { captures: vec![capture("first"), capture("second")], ..Pcre::default() };
    expression.pattern = "u=(\\w)(?:;p=(\\w))?".into();
    let checks = ready(&[Test::Pcre(expression.clone()), after(".", 0, 1)]);
    let mut state = State::default();
    let captured = |state: &State| -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        state.captures.iter().map(|(capture, bytes)| (capture.name.to_string(), text(bytes))).collect()
    };
    assert!(holds(&checks, &Piece::whole(b"u=x;p=y."), &mut state));
    assert_eq!(captured(&state), [("first".into(), "x".into()), ("second".into(), "y".into())]);
    state.reset();
    assert!(state.captures.is_empty());
    // What a place captured that turned out wrong is forgotten.
    let checks = ready(&[Test::Pcre(expression.clone()), after(";", 0, 1)]);
    assert!(holds(&checks, &Piece::whole(b"u=a u=b;"), &mut state));
    assert_eq!(captured(&state), [("first".into(), "b".into())]);
    // Too much is counted.
    state.reset();
    expression.pattern = "(?s)(.*)".into();
    expression.captures.truncate(1);
    let checks = ready(&[Test::Pcre(expression.clone())]);
    assert!(holds(&checks, &Piece::whole(&vec![0; 70_000]), &mut state));
    assert_eq!((state.captures.len(), state.counts.captures), (0, 1));
    expression.captures = vec![capture("a"), capture("b")];
    assert!(Checks::new(&[Test::Pcre(expression)], &mut DatasetStore::default()).is_err());
}

#[test]
fn data_is_there_or_not() {
    for (tests, expected) in [
        (vec![data_at(2, false, false)], true),
        (vec![data_at(3, false, false)], false),
        (vec![data_at(3, true, false)], true),
        (vec![data_at(2, true, false)], false),
        (vec![plain("a"), data_at(2, false, true)], true),
        (vec![plain("a"), data_at(3, false, true)], false),
        (vec![plain("c"), data_at(1, true, true)], true),
        (vec![plain("b"), data_at(1, true, true)], false),
        (vec![plain("c"), data_at(0, false, true)], true),
        (vec![plain("c"), data_at(-3, false, true)], true),
    ] {
        assert_eq!(hold(&tests, "abc"), expected, "{tests:?}");
    }
    // The end is not known yet.
    let open = Piece { is_end: false, ..Piece::whole(b"abc") };
    assert!(!hold_on(&[data_at(3, true, false)], &open));
    assert!(hold_on(&[data_at(2, false, false)], &open));
    let later = Piece { stream_offset: 10, ..Piece::whole(b"abc") };
    assert!(hold_on(&[data_at(12, false, false)], &later));
    assert!(!hold_on(&[data_at(13, false, false)], &later));
    // A relative one goes back too.
    assert!(hold(&[plain("a"), data_at(1, true, true)], "aba"));
}

#[test]
fn sizes_are_of_the_whole_buffer() {
    let open = Piece { is_end: false, ..Piece::whole(b"abc") };
    let later = Piece { stream_offset: 10, ..Piece::whole(b"abc") };
    for (test, on_whole, on_open, on_later) in [
        (NumberTest::Equal(3, false), true, false, false),
        (NumberTest::Equal(13, false), false, false, true),
        (NumberTest::Equal(2, true), true, true, true),
        (NumberTest::Equal(5, true), true, false, true),
        (NumberTest::Less(4), true, false, false),
        (NumberTest::Greater(2), true, true, true),
        (NumberTest::Between(2, 5, false), true, false, false),
    ] {
        let tests = [Test::Size(test.clone())];
        let results = [&Piece::whole(b"abc"), &open, &later].map(|piece| hold_on(&tests, piece));
        assert_eq!(results, [on_whole, on_open, on_later], "{test:?}");
    }
    assert!(hold(&[Test::Size(NumberTest::Equal(0, false))], ""));
}

#[test]
fn base64_is_decoded_and_looked_at() {
    let base64 =
        |bytes, offset, relative, tests| Test::Base64(rules::Base64 { bytes, offset, relative, tests });
    let hello = || vec![plain("Hello")];
    for (tests, bytes, expected) in [
        (vec![base64(None, 0, false, hello())], "SGVsbG8gV29ybGQ=", true),
        (vec![base64(None, 0, false, hello())], "xSGVsbG8gV29ybGQ=", false),
        (vec![base64(None, 1, false, hello())], "xSGVsbG8gV29ybGQ=", true),
        (vec![base64(Some(4), 0, false, hello())], "SGVsbG8gV29ybGQ=", false),
        (vec![base64(Some(8), 0, false, hello())], "SGVsbG8gV29ybGQ=", true),
        (vec![plain("k="), base64(None, 0, true, hello())], "k=SGVsbG8gV29ybGQ=", true),
        // At the second place it is.
        (vec![plain("k="), base64(None, 0, true, hello())], "k=x&k=SGVsbG8gV29ybGQ=", true),
        (vec![base64(None, 0, false, hello())], "!", false),
        (vec![base64(None, 99, false, hello())], "SGVs", false),
        (vec![base64(None, 0, false, vec![])], "SGVs", false),
    ] {
        assert_eq!(hold(&tests, bytes), expected, "{tests:?}");
    }
    let nested = base64(None, 0, false, vec![base64(None, 0, false, hello())]);
    assert!(Checks::new(&[nested], &mut DatasetStore::default()).is_err());
}

#[test]
fn sets_change_when_all_before_held() {
    let mut store = DatasetStore::default();
    let dataset = |op| {
        Test::Dataset(Dataset {
            name: "seen".into(),
            op,
            kind: "string".into(),
            entries: [].into(),
            reputation: None,
            limit: 10,
        })
    };
    let set = Checks::new(
        &[plain("a"), dataset(DatasetOp::Set), Test::Size(NumberTest::Equal(1, false))],
        &mut store,
    )
    .unwrap();
    let is = Checks::new(&[dataset(DatasetOp::IsSet)], &mut store).unwrap();
    let mut state = State::default();
    let mut on = |checks: &Checks, bytes: &[u8]| holds(checks, &Piece::whole(bytes), &mut state);
    assert_eq!((on(&set, b"b"), on(&is, b"b")), (false, false));
    assert_eq!((on(&set, b"a"), on(&is, b"a")), (true, true));
    // What comes behind does not undo it.
    assert_eq!((on(&set, b"aa"), on(&is, b"aa")), (false, true));
}

#[test]
fn entropy_is_compared() {
    assert!(hold(&[Test::Entropy { offset: 0, bytes: None, test: NumberTest::Greater(1900) }], "abcd"));
    assert!(!hold(&[Test::Entropy { offset: 0, bytes: None, test: NumberTest::Greater(1900) }], "aaab"));
}

#[test]
fn absence_is_for_the_caller() {
    let checks = ready(&[Test::Absent { or_else: true }, plain("a")]);
    assert_eq!((checks.absent(), ready(&[plain("a")]).absent()), (Some(true), None));
    assert!(checks.memory() > 60);
}

#[test]
fn variables_go_from_part_to_part() {
    let first = ready(&[Test::ByteExtract(byte_extract(1, 0, 3))]);
    let variable = |content: &mut rules::Content| content.offset = Some(rules::Amount::Variable(3));
    let mut second = content("x");
    variable(&mut second);
    let second = ready(&[Test::Content(second)]);
    let mut state = State::default();
    assert!(holds(&first, &Piece::whole(&[2]), &mut state));
    assert!(holds(&second, &Piece::whole(b"..x"), &mut state));
    assert!(!holds(&second, &Piece::whole(b".x."), &mut state));
    state.reset();
    assert!(holds(&second, &Piece::whole(b".x."), &mut state));
}

fn any_test() -> impl Strategy<Value = Test> {
    let pattern = "[ab]{1,3}";
    let number = || prop_oneof![-20_i64..20, any::<i64>()];
    let amount = move || {
        prop_oneof![number().prop_map(rules::Amount::Fixed), (0_u8..40).prop_map(rules::Amount::Variable)]
    };
    let optional = move || proptest::option::of(amount());
    let contents = (pattern, any::<[bool; 5]>(), optional(), optional(), optional(), optional()).prop_map(
        |(pattern, flags, offset, depth, distance, within)| {
            let mut content = content(&pattern);
            (content.offset, content.depth, content.distance, content.within) =
                (offset, depth, distance, within);
            [content.nocase, content.negated, content.starts_with, content.ends_with, _] = flags;
            content.fast_pattern = flags[4].then_some(FastPattern::Only);
            Test::Content(content)
        },
    );
    let bytes = (amount(), amount(), amount(), any::<bool>(), 0_u8..4).prop_map(
        |(bytes, value, offset, relative, kind)| {
            let test = byte_test(1, Compare::Less, 1, 0);
            let jump = super::super::testing::byte_jump(1, 0);
            match kind {
                0 => Test::ByteTest(rules::ByteTest { bytes, value, offset, relative, ..test }),
                1 => Test::ByteJump(rules::ByteJump { bytes, offset, relative, post_offset: value, ..jump }),
                2 => Test::ByteExtract(rules::ByteExtract { relative, ..byte_extract(1, -3, 1) }),
                _ => Test::IsDataAt(rules::IsDataAt { at: value, negated: relative, relative }),
            }
        },
    );
    let expressions = prop_oneof![Just("/a*b/R"), Just("/(a|b)*$/"), Just("!/^b/R"), Just("/(?=b)/")];
    prop_oneof![4 => contents, 3 => bytes, 1 => expressions.prop_map(pcre)]
}

proptest! {
    #[test]
    fn nothing_panics(
        tests in proptest::collection::vec(any_test(), 0..8),
        bytes in "[ab\\x00-\\x08]{0,40}",
        stream_offset in prop_oneof![Just(0_u64), 0_u64..50, any::<u64>()],
        is_end: bool,
    ) {
        if let Ok(checks) = Checks::new(&tests, &mut DatasetStore::default()) {
            let piece = Piece { bytes: bytes.as_bytes(), stream_offset, is_end, little_endian: None };
            let mut state = State::default();
            holds(&checks, &piece, &mut state);
            prop_assert!(state.choices.is_empty());
        }
    }
}

#[test]
fn placed_contents_and_expressions_work_together() {
    let tests = [plain("GET"), pcre("/^\\s+\\//R"), placed("x", None, None, Some(0), Some(3))];
    assert!(hold(&tests, "GET  /abx"));
    assert!(!hold(&tests, "GET  /abcx"));
}
