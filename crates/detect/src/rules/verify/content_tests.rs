//! Contents: a table for each modifier, and chains against a naive walk over all places.

use proptest::prelude::*;
use rules::{Amount, Content, FastPattern, Test};

use super::super::testing::{after, content, hold, hold_on, placed, plain, ready};
use super::super::{MAX_STEPS, Piece, State};
use super::*;

#[test]
fn contents_lie_where_their_modifiers_say() {
    let some = Some;
    for (tests, bytes, expected) in [
        (vec![], "", true),
        (vec![plain("b")], "abc", true),
        (vec![plain("d")], "abc", false),
        (vec![plain("a")], "", false),
        (vec![plain("!d")], "abc", true),
        (vec![plain("!b")], "abc", false),
        (vec![plain("!b")], "", true),
        (vec![plain("c"), plain("a")], "abc", true),
        // offset and depth, which counts from the offset.
        (vec![placed("b", some(1), None, None, None)], "abc", true),
        (vec![placed("b", some(2), None, None, None)], "abc", false),
        (vec![placed("b", some(3), None, None, None)], "abc", false),
        (vec![placed("b", some(9), None, None, None)], "abc", false),
        (vec![placed("b", None, some(2), None, None)], "abc", true),
        (vec![placed("b", None, some(1), None, None)], "abc", false),
        (vec![placed("b", some(1), some(1), None, None)], "abc", true),
        (vec![placed("c", some(1), some(1), None, None)], "abc", false),
        (vec![placed("!c", some(1), some(1), None, None)], "abc", true),
        (vec![placed("!b", some(1), some(1), None, None)], "abc", false),
        (vec![placed("!b", some(9), some(1), None, None)], "abc", true),
        (vec![placed("c", None, some(99), None, None)], "abc", true),
        // distance and within, which counts from the last match and ends behind the content.
        (vec![plain("a"), placed("b", None, None, some(0), None)], "ab", true),
        (vec![plain("b"), placed("a", None, None, some(0), None)], "ab", false),
        (vec![plain("a"), placed("c", None, None, some(1), None)], "abc", true),
        (vec![plain("a"), placed("b", None, None, some(1), None)], "abc", false),
        (vec![plain("c"), placed("b", None, None, some(-2), None)], "abc", true),
        (vec![plain("c"), placed("a", None, None, some(-2), None)], "abc", false),
        (vec![plain("c"), placed("a", None, None, some(-9), None)], "abc", true),
        (vec![plain("a"), placed("c", None, None, None, some(2))], "abc", true),
        (vec![plain("a"), placed("c", None, None, None, some(1))], "abc", false),
        (vec![plain("a"), after("c", 1, 1)], "abc", true),
        (vec![plain("a"), after("c", 1, 1)], "abxc", false),
        // Without a match before, relative ones count from the beginning.
        (vec![placed("b", None, None, some(1), None)], "abc", true),
        (vec![placed("b", None, None, None, some(1))], "abc", false),
        // Relative and negated: what is looked for counts from the match before both.
        (vec![plain("a"), after("!b", 0, 1), after("c", 1, 1)], "axc", true),
        (vec![plain("a"), after("!b", 0, 1), after("c", 1, 1)], "abc", false),
        // The first place of a content need not be the right one.
        (vec![plain("a"), after("b", 0, 1)], "acab", true),
        (vec![plain("a"), after("!b", 0, 1)], "abac", true),
        (vec![plain("a"), after("b", 0, 1), after("c", 0, 1)], "abxabxabc", true),
        (vec![plain("a"), after("b", 0, 1), after("c", 0, 1)], "abxabxabx", false),
        (vec![plain("aa"), after("b", 0, 1)], "aaab", true),
        (vec![plain("a"), after("b", 0, 5), after("c", 0, 1)], "abxbc", true),
        // depth beside distance counts from the last match.
        (vec![plain("a"), placed("c", None, some(1), some(0), None)], "abc", false),
        (vec![plain("a"), placed("c", None, some(2), some(0), None)], "abc", true),
        (vec![plain("a"), placed("b", some(2), None, some(0), None)], "abb", true),
        (vec![plain("a"), placed("b", some(2), None, some(0), None)], "ab", false),
    ] {
        assert_eq!(hold(&tests, bytes), expected, "{tests:?} on {bytes}");
    }
}

#[test]
fn contents_start_and_end_the_buffer() {
    let with = |pattern, change: fn(&mut Content)| {
        let mut content = content(pattern);
        change(&mut content);
        Test::Content(content)
    };
    let starts = |pattern| with(pattern, |content| content.starts_with = true);
    let ends = |pattern| with(pattern, |content| content.ends_with = true);
    for (tests, bytes, expected) in [
        (vec![starts("ab")], "abc", true),
        (vec![starts("bc")], "abc", false),
        (vec![starts("!bc")], "abc", true),
        (vec![ends("bc")], "abc", true),
        (vec![ends("ab")], "abcab", true),
        (vec![ends("ab")], "abc", false),
        (vec![ends("abcd")], "abc", false),
        (vec![ends("!bc")], "abc", false),
        (vec![ends("!ab")], "abc", true),
        (vec![with("abc", |c| (c.starts_with, c.ends_with) = (true, true))], "abc", true),
        (vec![with("abc", |c| (c.starts_with, c.ends_with) = (true, true))], "abcabc", false),
        // depth stops before the end.
        (vec![with("c", |c| (c.ends_with, c.depth) = (true, Some(Amount::Fixed(2))))], "abc", false),
        (vec![with("c", |c| (c.ends_with, c.depth) = (true, Some(Amount::Fixed(3))))], "abc", true),
        (
            vec![plain("a"), with("c", |c| (c.ends_with, c.distance) = (true, Some(Amount::Fixed(0))))],
            "ac",
            true,
        ),
        (vec![with("ABC", |c| c.nocase = true)], "xaBcx", true),
        (vec![with("abc", |c| (c.nocase, c.starts_with) = (true, true))], "ABC", true),
        (vec![with("abc", |c| (c.nocase, c.negated) = (true, true))], "ABC", false),
    ] {
        assert_eq!(hold(&tests, bytes), expected, "{tests:?} on {bytes}");
    }
    let open = Piece { is_end: false, ..Piece::whole(b"abc") };
    assert!(!hold_on(&[ends("bc")], &open));
}

#[test]
fn depth_and_offset_count_from_the_true_beginning() {
    for (test, skipped, expected) in [
        (placed("b", None, Some(12), None, None), 10, true),
        (placed("b", None, Some(11), None, None), 10, false),
        (placed("b", None, Some(10), None, None), 10, false),
        // Not decidable here: neither there nor not there.
        (placed("!b", None, Some(10), None, None), 10, false),
        (placed("!b", None, Some(11), None, None), 10, true),
        (placed("b", Some(11), None, None, None), 10, true),
        (placed("b", Some(12), None, None, None), 10, false),
        (placed("a", Some(5), None, None, None), 10, true),
        (placed("b", Some(10), Some(2), None, None), 10, true),
        (placed("b", None, None, None, Some(12)), 10, true),
        (placed("b", None, None, None, Some(11)), 10, false),
        (placed("b", None, None, None, Some(5)), 10, false),
        (plain("b"), 10, true),
    ] {
        let piece = Piece { stream_offset: skipped, ..Piece::whole(b"abc") };
        assert_eq!(hold_on(&[test.clone()], &piece), expected, "{test:?}");
    }
}

#[test]
fn a_content_that_was_only_for_the_search_is_there_and_no_more() {
    let only =
        |pattern: &str| Test::Content(Content { fast_pattern: Some(FastPattern::Only), ..content(pattern) });
    // It does not count as the last match, nor does it stop the way back.
    assert!(hold(&[plain("a"), only("x"), after("b", 0, 1)], "acabx"));
    assert!(!hold(&[plain("a"), only("y"), after("b", 0, 1)], "abx"));
    assert!(!hold(&[plain("a"), only("!x")], "ax"));
}

#[test]
fn going_back_ends() {
    // Every "a" is followed by another one, and none by what the last content wants.
    let mut tests = vec![plain("a")];
    tests.extend((0..20).map(|_| placed("a", None, None, Some(0), None)));
    tests.push(after("b", 0, 1));
    let mut state = State::default();
    let bytes = vec![b'a'; 100_000];
    assert!(!holds(&ready(&tests), &Piece::whole(&bytes), &mut state));
    assert_eq!((state.counts.steps, state.counts.searched), (1, 0));
    assert!(state.searched < u64::from(MAX_STEPS) * 2);
    // Long searches for what is rare count by what they search.
    let mut bytes = vec![b'a'; 4_000];
    bytes.extend_from_slice(&vec![b'.'; 200_000]);
    let tests = [plain("a"), placed("b", None, None, Some(0), None)];
    assert!(!holds(&ready(&tests), &Piece::whole(&bytes), &mut state));
    assert_eq!(state.counts.searched, 1);
}

/// Whether contents from the first one on hold, by trying every place.
fn naive(tests: &[Content], bytes: &[u8], last: usize) -> bool {
    let Some((content, rest)) = tests.split_first() else { return true };
    let number = |amount: Option<Amount>| match amount {
        Some(Amount::Fixed(number)) => Some(number),
        _ => None,
    };
    let (offset, depth) = (number(content.offset), number(content.depth));
    let (distance, within) = (number(content.distance), number(content.within));
    let relative = distance.is_some() || within.is_some();
    let base = if relative { last as i64 } else { 0 };
    let fits = |at: usize| {
        let (start, end) = (at as i64, (at + content.pattern.len()) as i64);
        bytes[at..].starts_with(&content.pattern)
            && start >= offset.unwrap_or(0)
            && depth.is_none_or(|depth| end <= base + offset.unwrap_or(0) + depth)
            && (!relative || start >= base + distance.unwrap_or(0))
            && within.is_none_or(|within| end <= base + distance.unwrap_or(0) + within)
    };
    let mut places = (0..bytes.len()).filter(|at| fits(*at));
    if content.negated {
        places.next().is_none() && naive(rest, bytes, last)
    } else {
        places.any(|at| naive(rest, bytes, at + content.pattern.len()))
    }
}

fn chain() -> impl Strategy<Value = Vec<Content>> {
    let small = |range: std::ops::Range<i64>| proptest::option::weighted(0.4, range.prop_map(Amount::Fixed));
    let one =
        ("[ab]{1,3}", any::<bool>(), any::<bool>(), small(0..6), small(1..9), small(-4..5), small(1..8));
    let one = one.prop_map(|(pattern, negated, relative, offset, depth, distance, within)| {
        let mut content = content(&pattern);
        content.negated = negated && pattern.len() > 1;
        if relative {
            (content.distance, content.within) = (distance.or(Some(Amount::Fixed(0))), within);
        } else {
            (content.offset, content.depth) = (offset, depth);
        }
        content
    });
    proptest::collection::vec(one, 1..6).prop_filter("Suricata counts from the negated one here", |chain| {
        chain
            .windows(2)
            .all(|pair| !(pair[0].negated && pair[0].distance.is_none() && pair[1].distance.is_some()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn chains_hold_where_trying_every_place_says_so(chain in chain(), text in "[ab]{0,14}") {
        let tests: Vec<Test> = chain.iter().cloned().map(Test::Content).collect();
        prop_assert_eq!(hold(&tests, &text), naive(&chain, text.as_bytes(), 0));
    }
}
