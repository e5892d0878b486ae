//! Rules' tests in few words, for tests.

use rules::{
    Amount, ByteExtract, ByteJump, ByteMath, ByteTest, Compare, Content, Endian, IsDataAt, MathOp,
    NumberBase, Pcre, Test,
};

use super::{Checks, DatasetStore, Piece, State, holds};

/// A fixed number.
pub(crate) fn fixed(number: i64) -> Amount {
    Amount::Fixed(number)
}

/// A content without modifiers; "!" before it negates it.
pub(crate) fn content(pattern: &str) -> Content {
    let (negated, pattern) = pattern.strip_prefix('!').map_or((false, pattern), |rest| (true, rest));
    Content { pattern: pattern.as_bytes().to_vec(), negated, ..Content::default() }
}

/// A content with `offset`, `depth`, `distance` and `within`.
pub(crate) fn placed(
    pattern: &str,
    offset: Option<i64>,
    depth: Option<i64>,
    distance: Option<i64>,
    within: Option<i64>,
) -> Test {
    Test::Content(Content {
        offset: offset.map(fixed),
        depth: depth.map(fixed),
        distance: distance.map(fixed),
        within: within.map(fixed),
        ..content(pattern)
    })
}

/// A content anywhere.
pub(crate) fn plain(pattern: &str) -> Test {
    Test::Content(content(pattern))
}

/// A content relative to the last match.
pub(crate) fn after(pattern: &str, distance: i64, within: i64) -> Test {
    placed(pattern, None, None, Some(distance), Some(within))
}

/// `pcre` as it stands in a rule, such as `/a+/Ri`; "!" before it negates it.
pub(crate) fn pcre(text: &str) -> Test {
    let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let (pattern, flags) = text.strip_prefix('/').and_then(|text| text.rsplit_once('/')).unwrap();
    let has = |flag: char| flags.contains(flag);
    Test::Pcre(Pcre {
        pattern: pattern.into(),
        caseless: has('i'),
        dot_all: has('s'),
        multi_line: has('m'),
        extended: has('x'),
        anchored: has('A'),
        dollar_end_only: has('E'),
        ungreedy: has('G'),
        negated,
        relative: has('R'),
        captures: Vec::new(),
    })
}

/// A binary `byte_test` in network order.
pub(crate) fn byte_test(bytes: i64, compare: Compare, value: i64, offset: i64) -> ByteTest {
    ByteTest {
        bytes: fixed(bytes),
        negated: false,
        compare,
        value: fixed(value),
        offset: fixed(offset),
        relative: false,
        endian: Endian::Big,
        base: NumberBase::Binary,
        bitmask: 0,
    }
}

/// A binary `byte_jump` in network order.
pub(crate) fn byte_jump(bytes: i64, offset: i64) -> ByteJump {
    ByteJump {
        bytes: fixed(bytes),
        offset: fixed(offset),
        relative: false,
        endian: Endian::Big,
        base: NumberBase::Binary,
        multiplier: 1,
        align: false,
        from_beginning: false,
        from_end: false,
        post_offset: fixed(0),
        bitmask: 0,
    }
}

/// A binary `byte_extract` in network order.
pub(crate) fn byte_extract(bytes: u8, offset: i32, variable: u8) -> ByteExtract {
    ByteExtract {
        bytes,
        offset,
        variable,
        relative: false,
        endian: Endian::Big,
        base: NumberBase::Binary,
        multiplier: 1,
        align: 0,
    }
}

/// A binary `byte_math` in network order.
pub(crate) fn byte_math(bytes: i64, offset: i32, op: MathOp, value: i64, variable: u8) -> ByteMath {
    ByteMath {
        bytes: fixed(bytes),
        offset,
        op,
        value: fixed(value),
        variable,
        relative: false,
        endian: Endian::Big,
        base: NumberBase::Binary,
        bitmask: 0,
    }
}

/// `isdataat`
pub(crate) fn data_at(at: i64, negated: bool, relative: bool) -> Test {
    Test::IsDataAt(IsDataAt { at: fixed(at), negated, relative })
}

/// Makes tests ready.
pub(crate) fn ready(tests: &[Test]) -> Checks {
    Checks::new(tests, &mut DatasetStore::default()).unwrap()
}

/// Whether tests hold on a piece.
pub(crate) fn hold_on(tests: &[Test], piece: &Piece<'_>) -> bool {
    holds(&ready(tests), piece, &mut State::default())
}

/// Whether tests hold on a whole buffer.
pub(crate) fn hold(tests: &[Test], bytes: impl AsRef<[u8]>) -> bool {
    hold_on(tests, &Piece::whole(bytes.as_ref()))
}
