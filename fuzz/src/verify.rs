//! A rule's tests, made up from the input, on the rest of it.

use detect::rules::verify::{Checks, DatasetStore, Piece, State, holds};
use rules::{
    Amount, Base64, ByteExtract, ByteJump, ByteMath, ByteTest, Compare, Content, Endian, FastPattern,
    IsDataAt, MathOp, NumberBase, NumberTest, Pcre, Test,
};

/// Tests made up from one input at most.
const MAX_TESTS: usize = 16;
/// Expressions that the input picks from: quick, slow, looking back and ahead.
const EXPRESSIONS: [&str; 6] = ["a+b", "^(a+)+$", "(.)\\1", "(?<=a).", "a*", "[^\\x00]$"];

/// Bytes that decide what is made up; zeros when there are no more.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        let count = usize::from(self.byte()).min(most).min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken.to_vec()
    }

    fn amount(&mut self) -> Amount {
        match self.byte() {
            kind @ 0..8 => Amount::Variable(kind),
            8 => Amount::Fixed(i64::MIN),
            9 => Amount::Fixed(i64::MAX),
            _ => Amount::Fixed(i64::from(self.byte() as i8)),
        }
    }

    fn optional(&mut self) -> Option<Amount> {
        self.flag().then(|| self.amount())
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    fn endian(&mut self) -> Endian {
        self.one_of(&[Endian::Big, Endian::Little, Endian::Dce])
    }

    fn base(&mut self) -> NumberBase {
        self.one_of(&[NumberBase::Binary, NumberBase::Hex, NumberBase::Decimal, NumberBase::Octal])
    }

    fn tests(&mut self, nested: bool) -> Vec<Test> {
        let count = usize::from(self.byte()) % (MAX_TESTS + 1);
        (0..count).map(|_| self.test(nested)).collect()
    }

    fn content(&mut self) -> Content {
        Content {
            pattern: self.bytes(4),
            nocase: self.flag(),
            negated: self.flag(),
            offset: self.optional(),
            depth: self.optional(),
            distance: self.optional(),
            within: self.optional(),
            starts_with: self.flag(),
            ends_with: self.flag(),
            fast_pattern: self.one_of(&[None, None, Some(FastPattern::Only)]),
        }
    }

    fn test(&mut self, nested: bool) -> Test {
        match self.byte() % 9 {
            0 => Test::Pcre(Pcre {
                pattern: self.one_of(&EXPRESSIONS).into(),
                caseless: self.flag(),
                dollar_end_only: self.flag(),
                anchored: self.flag(),
                negated: self.flag(),
                relative: self.flag(),
                ..Pcre::default()
            }),
            1 => Test::ByteTest(ByteTest {
                bytes: self.amount(),
                negated: self.flag(),
                compare: self.one_of(&[Compare::Equal, Compare::Less, Compare::And, Compare::Or]),
                value: self.amount(),
                offset: self.amount(),
                relative: self.flag(),
                endian: self.endian(),
                base: self.base(),
                bitmask: u32::from(self.byte()),
            }),
            2 => Test::ByteJump(ByteJump {
                bytes: self.amount(),
                offset: self.amount(),
                relative: self.flag(),
                endian: self.endian(),
                base: self.base(),
                multiplier: u32::from(self.byte()),
                align: self.flag(),
                from_beginning: self.flag(),
                from_end: self.flag(),
                post_offset: self.amount(),
                bitmask: u32::from(self.byte()),
            }),
            3 => Test::ByteExtract(ByteExtract {
                bytes: self.byte() % 10,
                offset: i32::from(self.byte() as i8),
                variable: self.byte() % 8,
                relative: self.flag(),
                endian: self.endian(),
                base: self.base(),
                multiplier: u32::from(self.byte()),
                align: self.one_of(&[0, 2, 4]),
            }),
            4 => Test::ByteMath(ByteMath {
                bytes: self.amount(),
                offset: i32::from(self.byte() as i8),
                op: self.one_of(&[MathOp::Multiply, MathOp::Divide, MathOp::ShiftLeft, MathOp::Subtract]),
                value: self.amount(),
                variable: self.byte() % 8,
                relative: self.flag(),
                endian: self.endian(),
                base: self.base(),
                bitmask: u32::from(self.byte()),
            }),
            5 => Test::IsDataAt(IsDataAt { at: self.amount(), negated: self.flag(), relative: self.flag() }),
            6 if !nested => Test::Base64(Base64 {
                bytes: self.flag().then_some(8),
                offset: u32::from(self.byte() % 4),
                relative: self.flag(),
                tests: self.tests(true),
            }),
            7 => Test::Size(NumberTest::Greater(u64::from(self.byte()))),
            _ => Test::Content(self.content()),
        }
    }
}

/// Tests of a rule on a buffer: an answer in bounded work, the same each time, and never from variables of before.
pub fn verify(data: &[u8]) {
    let mut choices = Choices(data);
    let tests = choices.tests(false);
    let Ok(checks) = Checks::new(&tests, &mut DatasetStore::default()) else { return };
    let stream_offset = u64::from(choices.byte() % 8);
    let is_end = choices.flag();
    let piece = Piece { bytes: choices.0, stream_offset, is_end, little_endian: Some(true) };
    let mut state = State::default();
    let first = holds(&checks, &piece, &mut state);
    state.reset();
    assert_eq!(holds(&checks, &piece, &mut state), first);
    assert!(state.last <= piece.bytes.len());
}
