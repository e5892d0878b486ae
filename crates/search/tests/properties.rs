//! The search against two others: a naive one, and Aho-Corasick.

use std::collections::BTreeSet;

use aho_corasick::AhoCorasick;
use proptest::collection::vec;
use proptest::prelude::*;
use search::{Anchor, Builder, Patterns};

type Hits = BTreeSet<(u32, usize)>;

/// A pattern as it is given.
type Given = (Vec<u8>, bool, Anchor);

fn found(patterns: &Patterns, haystack: &[u8], from: usize) -> Hits {
    let mut hits = Hits::new();
    patterns.find(haystack, from, &mut |id, end| {
        hits.insert((id, end));
    });
    hits
}

fn build(given: &[Given]) -> (Vec<u32>, Patterns) {
    let mut builder = Builder::new();
    let ids =
        given.iter().map(|(pattern, nocase, anchor)| builder.add_at(pattern, *nocase, *anchor)).collect();
    (ids, builder.build())
}

/// Compares at every place.
fn naive(given: &[Given], ids: &[u32], haystack: &[u8], from: usize) -> Hits {
    let mut hits = Hits::new();
    for ((pattern, nocase, anchor), id) in given.iter().zip(ids) {
        if pattern.is_empty() {
            continue;
        }
        for (start, there) in haystack.windows(pattern.len()).enumerate() {
            let end = start + pattern.len();
            let here = match anchor {
                Anchor::Anywhere => true,
                Anchor::Start => start == 0,
                Anchor::End => end == haystack.len(),
            };
            let same = if *nocase { there.eq_ignore_ascii_case(pattern) } else { there == pattern };
            if here && same && end > from {
                hits.insert((*id, end));
            }
        }
    }
    hits
}

fn anchor() -> impl Strategy<Value = Anchor> {
    prop_oneof![3 => Just(Anchor::Anywhere), 1 => Just(Anchor::Start), 1 => Just(Anchor::End)]
}

/// Few different bytes, so that much is found: letters of both cases, and bytes that fold to others.
fn bytes(length: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    vec(
        prop_oneof![
            Just(b'a'),
            Just(b'A'),
            Just(b'b'),
            Just(b'@'),
            Just(b'`'),
            Just(0),
            Just(0x20),
            Just(0xff)
        ],
        length,
    )
}

fn given_patterns(shortest: usize, longest: usize) -> impl Strategy<Value = Vec<Given>> {
    vec((bytes(shortest..longest), any::<bool>(), anchor()), 0..40)
}

/// Patterns, and a haystack into which some of them were written.
fn sown(shortest: usize, longest: usize) -> impl Strategy<Value = (Vec<Given>, Vec<u8>)> {
    let seeds = vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..6);
    (given_patterns(shortest, longest), bytes(0..120), seeds).prop_map(|(given, mut haystack, seeds)| {
        for (which, place) in seeds {
            if given.is_empty() || haystack.is_empty() {
                continue;
            }
            let (pattern, nocase, anchor) = which.get(&given);
            let room = haystack.len().saturating_sub(pattern.len());
            let start = match anchor {
                Anchor::Anywhere => place.index(room + 1),
                Anchor::Start => 0,
                Anchor::End => room,
            };
            for (i, (to, from)) in haystack.iter_mut().skip(start).zip(pattern).enumerate() {
                *to = if *nocase && i % 2 == 0 { from.to_ascii_uppercase() } else { *from };
            }
        }
        (given, haystack)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Every way to search is taken: the shortest pattern decides.
    #[test]
    fn finds_what_a_naive_search_finds(
        (given, haystack) in (0_usize..20).prop_flat_map(|shortest| sown(shortest, shortest + 30)),
        from in 0_usize..140,
    ) {
        let (ids, patterns) = build(&given);
        prop_assert_eq!(found(&patterns, &haystack, from), naive(&given, &ids, &haystack, from));
    }

    /// Cut anywhere, searched piece by piece with only as many bytes before as are needed.
    #[test]
    fn finds_across_borders(
        (given, haystack) in (1_usize..20).prop_flat_map(|shortest| sown(shortest, shortest + 30)),
        cuts in vec(1_usize..40, 1..20),
    ) {
        let given: Vec<Given> = given.into_iter().map(|(p, nocase, _)| (p, nocase, Anchor::Anywhere)).collect();
        let (ids, patterns) = build(&given);
        let (mut from, mut hits) = (0_usize, Hits::new());
        for to in cuts.iter().scan(0, |sum, cut| { *sum += cut; Some(*sum) }).chain([haystack.len()]) {
            let to = to.min(haystack.len());
            let begin = from.saturating_sub(patterns.longest().saturating_sub(1)).min(to);
            let piece = &haystack[begin..to];
            hits.extend(found(&patterns, piece, from - begin).into_iter().map(|(id, end)| (id, end + begin)));
            from = to;
        }
        prop_assert_eq!(hits, naive(&given, &ids, &haystack, 0));
    }

    /// All bytes, many patterns, in a haystack made of them.
    #[test]
    fn finds_what_aho_corasick_finds(
        given in vec(vec(any::<u8>(), 1..40), 1..300),
        pieces in vec((any::<prop::sample::Index>(), vec(any::<u8>(), 0..9)), 0..60),
        nocase in any::<bool>(),
    ) {
        let haystack: Vec<u8> = pieces.iter().flat_map(|(i, noise)| [&i.get(&given)[..], noise].concat()).collect();
        let given: Vec<Given> = given.into_iter().map(|p| (p, nocase, Anchor::Anywhere)).collect();
        let (ids, patterns) = build(&given);
        let other = AhoCorasick::builder()
            .ascii_case_insensitive(nocase)
            .build(given.iter().map(|(pattern, ..)| pattern))
            .expect("an automaton");
        let expected: Hits =
            other.find_overlapping_iter(&haystack).map(|m| (ids[m.pattern().as_usize()], m.end())).collect();
        prop_assert_eq!(found(&patterns, &haystack, 0), expected);
    }
}

#[test]
fn the_same_pattern_has_one_id() {
    let mut builder = Builder::new();
    let ids = [
        builder.add(b"Evil", false),
        builder.add(b"Evil", true),
        builder.add(b"eVIL", true),
        builder.add(b"Evil", false),
        builder.add(b"evil", false),
        builder.add_at(b"Evil", false, Anchor::Start),
        builder.add_at(b"Evil", false, Anchor::End),
        builder.add_at(b"EVIL", true, Anchor::End),
        builder.add_at(b"EVIL", true, Anchor::End),
    ];
    assert_eq!(ids, [0, 1, 1, 0, 2, 3, 4, 5, 5]);
    let patterns = builder.build();
    assert_eq!((patterns.len(), patterns.longest(), patterns.is_empty()), (6, 4, false));
    assert_eq!(found(&patterns, b"Evil", 0), [0, 1, 3, 4, 5].map(|id| (id, 4)).into());
    assert_eq!(found(&patterns, b" evil ", 0), [(1, 5), (2, 5)].into());
}

#[test]
fn nothing_is_found_by_nothing() {
    let none = Builder::new().build();
    assert!(none.is_empty() && none.longest() == 0 && found(&none, b"abc", 0).is_empty());
    let mut builder = Builder::new();
    assert_eq!(builder.add(b"", true), 0);
    let empty = builder.build();
    assert!(!empty.is_empty() && found(&empty, b"abc", 0).is_empty() && found(&empty, b"", 0).is_empty());
}

#[test]
fn patterns_of_one_byte_and_of_more_than_there_is() {
    let mut builder = Builder::new();
    let (x, long) = (builder.add(b"x", true), builder.add(&[b'y'; 300], false));
    let patterns = builder.build();
    assert_eq!(patterns.longest(), 300);
    assert_eq!(found(&patterns, b"X", 0), [(x, 1)].into());
    assert_eq!(found(&patterns, b"xyX", 1), [(x, 3)].into());
    assert!(found(&patterns, b"xyX", 3).is_empty() && found(&patterns, b"xyX", usize::MAX).is_empty());
    assert!(found(&patterns, &[b'y'; 299], 0).is_empty());
    assert_eq!(found(&patterns, &[b'y'; 301], 300), [(long, 301)].into());
    assert_eq!(found(&patterns, &[b'y'; 301], 0), [(long, 300), (long, 301)].into());
}

#[test]
fn a_set_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Patterns>();
}
