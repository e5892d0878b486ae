use rules::{Amount, Compare, Endian, MathOp, NumberBase, Test};

use super::super::testing::{
    after, byte_extract, byte_jump, byte_math, byte_test, data_at, fixed, hold, plain, ready,
};
use super::super::{Checks, DatasetStore, Piece, State, holds};
use super::*;

const BYTES: &[u8] = &[0x00, 0x05, b'1', b'2', b'x', 0xff, 0x80, b'e', b'n', b'd'];

fn test(change: impl FnOnce(&mut ByteTest)) -> Test {
    let mut test = byte_test(1, Compare::Equal, 5, 1);
    change(&mut test);
    Test::ByteTest(test)
}

#[test]
fn bytes_are_compared() {
    for (compare, value, expected) in [
        (Compare::Equal, 5, true),
        (Compare::Equal, 4, false),
        (Compare::Less, 6, true),
        (Compare::Less, 5, false),
        (Compare::Greater, 4, true),
        (Compare::Greater, 5, false),
        (Compare::LessOrEqual, 5, true),
        (Compare::LessOrEqual, 4, false),
        (Compare::GreaterOrEqual, 5, true),
        (Compare::GreaterOrEqual, 6, false),
        (Compare::And, 4, true),
        (Compare::And, 2, false),
        (Compare::Or, 4, true),
        (Compare::Or, 5, false),
    ] {
        for negated in [false, true] {
            let tests = [test(|test| {
                (test.compare, test.value, test.negated) = (compare, fixed(value), negated);
            })];
            assert_eq!(hold(&tests, BYTES), expected != negated, "{compare:?} {value} {negated}");
        }
    }
}

#[test]
fn compared_bytes_are_taken_as_asked() {
    for (tests, expected) in [
        (vec![test(|t| (t.bytes, t.offset) = (fixed(2), fixed(0)))], true),
        (vec![test(|t| (t.bytes, t.offset, t.endian) = (fixed(2), fixed(1), Endian::Little))], false),
        (vec![test(|t| (t.offset, t.bytes, t.value) = (fixed(5), fixed(2), fixed(0xff80)))], true),
        (vec![test(|t| (t.offset, t.bitmask, t.value) = (fixed(5), 0x18, fixed(3)))], true),
        (
            vec![test(|t| {
                (t.offset, t.base, t.value, t.bytes) = (fixed(2), NumberBase::Decimal, fixed(12), fixed(3))
            })],
            true,
        ),
        (
            vec![test(|t| {
                (t.offset, t.base, t.value, t.bytes) = (fixed(2), NumberBase::Hex, fixed(0x12), fixed(3))
            })],
            true,
        ),
        (
            vec![test(|t| {
                (t.offset, t.base, t.value, t.bytes) = (fixed(2), NumberBase::Octal, fixed(0o12), fixed(3))
            })],
            true,
        ),
        (
            vec![test(|t| {
                (t.offset, t.base, t.value, t.bytes) = (fixed(4), NumberBase::Decimal, fixed(0), fixed(3))
            })],
            false,
        ),
        // Not all bytes are there: none of it holds, negated or not.
        (vec![test(|t| (t.offset, t.negated) = (fixed(10), true))], false),
        (vec![test(|t| (t.offset, t.bytes, t.negated) = (fixed(9), fixed(2), true))], false),
        (vec![test(|t| (t.offset, t.negated) = (fixed(-1), true))], false),
        (
            vec![test(|t| {
                (t.offset, t.base, t.bytes, t.negated) = (fixed(2), NumberBase::Decimal, fixed(9), true)
            })],
            false,
        ),
        // Relative, also to before the last match.
        (vec![plain("12"), test(|t| (t.relative, t.offset, t.value) = (true, fixed(0), fixed(0x78)))], true),
        (vec![plain("12"), test(|t| (t.relative, t.offset) = (true, fixed(-3)))], true),
        (vec![plain("end"), test(|t| (t.relative, t.offset, t.negated) = (true, fixed(0), true))], false),
    ] {
        assert_eq!(hold(&tests, BYTES), expected, "{tests:?}");
    }
    // A later place of the content before it may do.
    assert!(hold(
        &[plain("a"), test(|t| (t.relative, t.offset, t.value) = (true, fixed(0), fixed(0x63)))],
        "abac"
    ));
    let later = Piece { stream_offset: 100, ..Piece::whole(BYTES) };
    let on_later = |offset| {
        let checks = ready(&[test(|t| t.offset = fixed(offset))]);
        holds(&checks, &later, &mut State::default())
    };
    assert_eq!((on_later(101), on_later(1)), (true, false));
}

fn jump(change: impl FnOnce(&mut ByteJump)) -> Test {
    let mut jump = byte_jump(1, 1);
    change(&mut jump);
    Test::ByteJump(jump)
}

#[test]
fn jumps_land_where_the_number_says() {
    // The number 5 at 1; from behind it the jump lands at 7.
    for (jump, expected) in [
        (jump(|_| {}), Some(7)),
        (jump(|j| j.from_beginning = true), Some(5)),
        (jump(|j| (j.from_end, j.post_offset) = (true, fixed(-7))), Some(8)),
        (jump(|j| j.from_end = true), None),
        (jump(|j| (j.from_beginning, j.multiplier) = (true, 2)), Some(10)),
        (jump(|j| (j.from_beginning, j.multiplier) = (true, 3)), None),
        (jump(|j| (j.from_beginning, j.align) = (true, true)), Some(8)),
        (jump(|j| (j.from_beginning, j.post_offset) = (true, fixed(2))), Some(7)),
        (jump(|j| (j.from_beginning, j.post_offset) = (true, fixed(-2))), Some(3)),
        // To before the beginning is to the beginning; to the end is possible, behind it is not.
        (jump(|j| (j.from_beginning, j.post_offset) = (true, fixed(-9))), Some(0)),
        (jump(|j| j.post_offset = fixed(3)), Some(10)),
        (jump(|j| j.post_offset = fixed(4)), None),
        (jump(|j| (j.from_beginning, j.bitmask) = (true, 4)), Some(1)),
        (jump(|j| (j.offset, j.bytes, j.base) = (fixed(2), fixed(2), NumberBase::Hex)), None),
        (jump(|j| (j.offset, j.bytes, j.base) = (fixed(3), fixed(2), NumberBase::Decimal)), Some(6)),
        (jump(|j| (j.offset, j.bytes, j.base) = (fixed(4), fixed(2), NumberBase::Decimal)), None),
        (jump(|j| (j.bytes, j.post_offset) = (fixed(0), fixed(2))), Some(3)),
        (jump(|j| (j.bytes, j.offset) = (fixed(0), fixed(10))), Some(10)),
        (jump(|j| (j.bytes, j.offset) = (fixed(0), fixed(11))), None),
        (jump(|j| j.offset = fixed(10)), None),
        (jump(|j| j.offset = fixed(-1)), None),
        (jump(|j| (j.offset, j.post_offset) = (fixed(0), fixed(i64::MAX))), None),
        (jump(|j| (j.offset, j.post_offset) = (fixed(0), fixed(i64::MIN))), Some(0)),
        (jump(|j| (j.bytes, j.multiplier, j.from_beginning) = (fixed(8), u32::MAX, true)), None),
    ] {
        let Test::ByteJump(rule) = &jump else { unreachable!() };
        let check = JumpCheck::new(rule).unwrap();
        let target = check.target(&Piece::whole(BYTES), &[0; MAX_VARIABLES], 0);
        assert_eq!(target, expected, "{jump:?}");
    }
    // What comes behind counts from there.
    assert!(hold(&[jump(|_| {}), after("end", 0, 3)], BYTES));
    assert!(hold(
        &[plain("\0"), jump(|j| (j.relative, j.offset) = (true, fixed(0))), after("end", 0, 3)],
        BYTES
    ));
    assert!(hold(&[jump(|j| j.post_offset = fixed(3)), data_at(1, true, true)], BYTES));
    let both = jump(|j| (j.from_beginning, j.from_end) = (true, true));
    assert!(Checks::new(&[both], &mut DatasetStore::default()).is_err());
    // What was passed by is not at hand.
    let Test::ByteJump(back) = jump(|j| (j.from_beginning, j.offset) = (true, fixed(101))) else {
        unreachable!()
    };
    let piece = Piece { stream_offset: 100, ..Piece::whole(BYTES) };
    assert_eq!(JumpCheck::new(&back).unwrap().target(&piece, &[0; MAX_VARIABLES], 0), None);
}

#[test]
fn numbers_are_kept() {
    let extract = |change: fn(&mut ByteExtract)| {
        let mut extract = byte_extract(1, 1, 2);
        change(&mut extract);
        extract
    };
    for (rule, expected) in [
        (extract(|_| {}), Some((5, 2))),
        (extract(|e| (e.multiplier, e.align) = (3, 4)), Some((16, 2))),
        (extract(|e| (e.multiplier, e.align) = (4, 2)), Some((20, 2))),
        (extract(|e| (e.bytes, e.offset, e.base) = (3, 2, NumberBase::Decimal)), Some((12, 4))),
        (extract(|e| (e.bytes, e.offset) = (8, 3)), None),
        (extract(|e| e.offset = -1), None),
        (extract(|e| (e.relative, e.offset) = (true, -1)), Some((0xff, 6))),
    ] {
        let mut variables = [7; MAX_VARIABLES];
        let end = ExtractCheck::new(&rule).unwrap().keep(&Piece::whole(BYTES), &mut variables, 6);
        assert_eq!(
            (variables[2], end),
            expected.map_or((7, None), |(number, end)| (number, Some(end))),
            "{rule:?}"
        );
    }
}

#[test]
fn numbers_are_calculated_with() {
    for (op, value, mask, expected) in [
        (MathOp::Add, 3, 0, Some(8)),
        (MathOp::Subtract, 3, 0, Some(2)),
        (MathOp::Subtract, 6, 0, Some(u64::MAX)),
        (MathOp::Multiply, 3, 0, Some(15)),
        (MathOp::Divide, 2, 0, Some(2)),
        (MathOp::Divide, 0, 0, None),
        (MathOp::ShiftLeft, 4, 0, Some(80)),
        (MathOp::ShiftLeft, 64, 0, Some(0)),
        (MathOp::ShiftRight, 1, 0, Some(2)),
        (MathOp::ShiftRight, -1, 0, Some(0)),
        (MathOp::ShiftLeft, 4, 0x40, Some(1)),
    ] {
        let mut rule = byte_math(1, 1, op, value, 0);
        rule.bitmask = mask;
        let mut variables = [7; MAX_VARIABLES];
        let end = MathCheck::new(&rule).unwrap().keep(&Piece::whole(BYTES), &mut variables, 0);
        assert_eq!((variables[0], end), expected.map_or((7, None), |number| (number, Some(2))), "{rule:?}");
    }
}

#[test]
fn what_is_kept_is_used() {
    let variable = Amount::Variable(0);
    let length = || Test::ByteExtract(byte_extract(1, 0, 0));
    let placed = |change: &dyn Fn(&mut rules::Content)| {
        let mut content = super::super::testing::content("x");
        change(&mut content);
        Test::Content(content)
    };
    for (tests, bytes, expected) in [
        (vec![length(), placed(&|c| c.offset = Some(variable))], &b"\x02.x"[..], true),
        (vec![length(), placed(&|c| c.offset = Some(variable))], b"\x03.x.", false),
        (vec![length(), placed(&|c| c.depth = Some(variable))], b"\x03.x", true),
        (vec![length(), placed(&|c| c.depth = Some(variable))], b"\x02.x", false),
        (vec![length(), placed(&|c| c.distance = Some(variable))], b"\x02..x", true),
        (vec![length(), placed(&|c| c.distance = Some(variable))], b"\x02.x.", false),
        (vec![length(), placed(&|c| c.within = Some(variable))], b"\x02.x", true),
        (vec![length(), placed(&|c| c.within = Some(variable))], b"\x01.x", false),
        (vec![length(), test(|t| (t.value, t.offset) = (variable, fixed(1)))], b"\x02\x02", true),
        (vec![length(), test(|t| (t.value, t.offset) = (variable, fixed(1)))], b"\x02\x03", false),
        (vec![length(), test(|t| (t.bytes, t.offset) = (variable, fixed(1)))], b"\x02\x00\x05", true),
        (
            vec![length(), test(|t| (t.bytes, t.offset) = (variable, fixed(1)))],
            b"\x09\x00\x05\0\0\0\0\0\0\0",
            false,
        ),
        (vec![length(), test(|t| (t.offset, t.value) = (variable, fixed(9)))], b"\x02\x00\x09", true),
        (
            vec![length(), Test::IsDataAt(rules::IsDataAt { at: variable, negated: false, relative: true })],
            b"\x02..",
            true,
        ),
        (
            vec![length(), Test::IsDataAt(rules::IsDataAt { at: variable, negated: true, relative: true })],
            b"\x02.",
            true,
        ),
        (
            vec![length(), Test::IsDataAt(rules::IsDataAt { at: variable, negated: true, relative: true })],
            b"\x02..",
            false,
        ),
        (
            vec![
                length(),
                jump(|j| {
                    (j.bytes, j.relative, j.offset, j.post_offset) = (fixed(0), true, fixed(0), variable)
                }),
                after("x", 0, 1),
            ],
            b"\x02..x",
            true,
        ),
    ] {
        assert_eq!(hold(&tests, bytes), expected, "{tests:?} on {bytes:?}");
    }
}

#[test]
fn what_cannot_be_taken_is_refused() {
    let refused = |test: Test| Checks::new(&[test], &mut DatasetStore::default()).is_err();
    assert!(refused(test(|t| t.bytes = fixed(9))));
    assert!(refused(test(|t| t.bytes = fixed(-1))));
    assert!(refused(test(|t| (t.bytes, t.base) = (fixed(24), NumberBase::Octal))));
    assert!(!refused(test(|t| (t.bytes, t.base) = (fixed(23), NumberBase::Octal))));
    assert!(refused(test(|t| t.value = Amount::Variable(32))));
    assert!(refused(Test::ByteExtract(byte_extract(1, 0, 32))));
    assert!(refused(Test::ByteMath(byte_math(1, 0, MathOp::Add, 1, 200))));
}
