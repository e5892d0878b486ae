//! The tests of one part made ready.

use rules::{
    Base64, ByteExtract, ByteJump, ByteMath, ByteTest, Content, FastPattern, IsDataAt, NumberTest, Test,
};

use super::amount::Value;
use super::bytes::{ExtractCheck, JumpCheck, MathCheck, TestCheck};
use super::content::ContentCheck;
use super::dataset::{DatasetCheck, DatasetStore};
use super::entropy::EntropyCheck;
use super::expression::Expression;
use super::{MAX_TESTS, MAX_VARIABLES, Piece};

/// Tests of one part made ready: compiled expressions, search strategies. The same for all workers.
#[derive(Debug)]
pub struct Checks {
    pub(super) list: Box<[Check]>,
    absent: Option<bool>,
}

/// One test made ready.
#[derive(Debug)]
pub(super) enum Check {
    /// `fast_pattern:only`: it is there, wherever.
    Present(ContentCheck),
    Content(ContentCheck),
    Pcre(Box<Expression>),
    ByteTest(Box<TestCheck>),
    ByteJump(Box<JumpCheck>),
    ByteExtract(Box<ExtractCheck>),
    ByteMath(Box<MathCheck>),
    IsDataAt(DataAt),
    Size(Box<NumberTest>),
    Dataset(Box<DatasetCheck>),
    Base64(Box<Decoded>),
    Entropy(Box<EntropyCheck>),
}

/// `isdataat` made ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataAt {
    at: Value,
    negated: bool,
    relative: bool,
}

/// `base64_decode` made ready, with what has to hold on what it decodes.
#[derive(Debug)]
pub(super) struct Decoded {
    pub(super) bytes: Option<u32>,
    pub(super) offset: u32,
    pub(super) relative: bool,
    pub(super) checks: Box<[Check]>,
}

impl Checks {
    /// Makes the tests of one part ready; sets that they name are made in the store.
    ///
    /// # Errors
    /// Why the rule cannot be run.
    pub fn new(tests: &[Test], datasets: &mut DatasetStore) -> Result<Self, String> {
        let absent = tests.iter().find_map(|test| match test {
            Test::Absent { or_else } => Some(*or_else),
            _ => None,
        });
        Ok(Checks { list: compile(tests, datasets, false)?, absent })
    }

    /// Whether the part asks for the buffer to be absent; and if so, whether its other tests may hold instead. Whether a
    /// buffer is there is not looked at by [`super::holds`].
    #[must_use]
    pub fn absent(&self) -> Option<bool> {
        self.absent
    }

    /// Memory, in bytes; that of compiled expressions is estimated, that of sets is not counted.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Self>() + memory(&self.list)
    }
}

fn memory(list: &[Check]) -> usize {
    list.iter()
        .map(|check| {
            size_of::<Check>()
                + match check {
                    Check::Present(content) | Check::Content(content) => content.memory(),
                    Check::Pcre(expression) => size_of::<Expression>() + expression.memory(),
                    Check::ByteTest(_) => size_of::<TestCheck>(),
                    Check::ByteJump(_) => size_of::<JumpCheck>(),
                    Check::ByteExtract(_) => size_of::<ExtractCheck>(),
                    Check::ByteMath(_) => size_of::<MathCheck>(),
                    Check::IsDataAt(_) => 0,
                    Check::Size(_) => size_of::<NumberTest>(),
                    Check::Entropy(_) => size_of::<EntropyCheck>(),
                    Check::Dataset(_) => size_of::<DatasetCheck>(),
                    Check::Base64(decoded) => size_of::<Decoded>() + memory(&decoded.checks),
                }
        })
        .sum()
}

fn compile(tests: &[Test], datasets: &mut DatasetStore, inner: bool) -> Result<Box<[Check]>, String> {
    if tests.len() > MAX_TESTS {
        return Err(format!("{} tests of one buffer; {MAX_TESTS} are possible", tests.len()));
    }
    let mut list = Vec::with_capacity(tests.len());
    for (at, test) in tests.iter().enumerate() {
        let followed = || is_followed(tests.get(at + 1..).unwrap_or_default());
        list.push(match test {
            Test::Content(content) if is_only(content) => Check::Present(ContentCheck::new(content, false)?),
            Test::Content(content) => Check::Content(ContentCheck::new(content, followed())?),
            Test::Pcre(pcre) => Check::Pcre(Box::new(Expression::new(pcre, followed())?)),
            Test::ByteTest(test) => Check::ByteTest(Box::new(TestCheck::new(test)?)),
            Test::ByteJump(jump) => Check::ByteJump(Box::new(JumpCheck::new(jump)?)),
            Test::ByteExtract(extract) => Check::ByteExtract(Box::new(ExtractCheck::new(extract)?)),
            Test::ByteMath(math) => Check::ByteMath(Box::new(MathCheck::new(math)?)),
            Test::IsDataAt(at) => Check::IsDataAt(DataAt::new(at)?),
            Test::Size(test) => Check::Size(Box::new(test.clone())),
            Test::Dataset(dataset) => Check::Dataset(Box::new(datasets.check(dataset)?)),
            Test::Absent { .. } => continue,
            Test::Base64(_) if inner => return Err("base64_decode behind base64_data".into()),
            Test::Base64(base64) => Check::Base64(Box::new(decoded(base64, datasets)?)),
            Test::Entropy { offset, bytes, test } => {
                Check::Entropy(Box::new(EntropyCheck { offset: *offset, bytes: *bytes, test: test.clone() }))
            }
        });
    }
    // What costs least comes first, where that changes nothing else.
    if !list.iter().any(|check| matches!(check, Check::Dataset(dataset) if dataset.changes())) {
        list.sort_by_key(|check| match check {
            Check::Size(_) => 0,
            Check::Present(_) => 1,
            _ => 2,
        });
    }
    Ok(list.into())
}

fn decoded(base64: &Base64, datasets: &mut DatasetStore) -> Result<Decoded, String> {
    Ok(Decoded {
        bytes: base64.bytes,
        offset: base64.offset,
        relative: base64.relative,
        checks: compile(&base64.tests, datasets, true)?,
    })
}

/// Whether nothing is asked of the content's place.
fn is_only(content: &Content) -> bool {
    content.fast_pattern == Some(FastPattern::Only)
}

/// Whether a test that counts from the last match comes before or with the next content or expression. If none does,
/// Suricata does not look for another place of what matched when a later test fails.
fn is_followed(later: &[Test]) -> bool {
    for test in later {
        match test {
            Test::Content(content) if is_only(content) => {}
            Test::Content(content) => return content.distance.is_some() || content.within.is_some(),
            Test::Pcre(pcre) => return pcre.relative,
            Test::ByteTest(ByteTest { relative: true, .. })
            | Test::ByteJump(ByteJump { relative: true, .. })
            | Test::ByteExtract(ByteExtract { relative: true, .. })
            | Test::ByteMath(ByteMath { relative: true, .. })
            | Test::IsDataAt(IsDataAt { relative: true, .. })
            | Test::Base64(Base64 { relative: true, .. }) => return true,
            _ => {}
        }
    }
    false
}

impl DataAt {
    fn new(test: &IsDataAt) -> Result<Self, String> {
        Ok(DataAt { at: Value::new(test.at)?, negated: test.negated, relative: test.relative })
    }

    /// Whether there is (not) a byte there. That there is none is known only at the buffer's end.
    pub(super) fn holds(self, piece: &Piece<'_>, variables: &[u64; MAX_VARIABLES], last: usize) -> bool {
        let at = i128::from(self.at.place(variables));
        let length = piece.bytes.len() as i128;
        let there = if self.relative {
            // The place behind the last byte counts as one here, as in Suricata: `isdataat:!1,relative` is the end.
            last as i128 + at <= length
        } else {
            at - i128::from(piece.stream_offset) < length
        };
        if self.negated { !there && piece.is_end } else { there }
    }
}

/// Whether the buffer's size is that; a size that only the end decides does not hold before.
pub(super) fn size_holds(test: &NumberTest, piece: &Piece<'_>) -> bool {
    let size = piece.stream_offset.saturating_add(piece.bytes.len() as u64);
    let grows = || match *test {
        NumberTest::Greater(_) | NumberTest::GreaterOrEqual(_) => true,
        NumberTest::Equal(value, true) => size > value,
        NumberTest::Between(_, high, true) => size >= high,
        NumberTest::OneOf(ref values, true) => values.iter().all(|value| size > *value),
        _ => false,
    };
    test.holds(size) && (piece.is_end || grows())
}
