//! `byte_test`, `byte_jump`, `byte_extract` and `byte_math`: numbers in the buffer that are compared, jumped by or kept.
//!
//! A number of which not all bytes asked for are in the buffer is none, in text too, as in Suricata.

use rules::{Amount, ByteExtract, ByteJump, ByteMath, ByteTest, Compare, MathOp};

use super::amount::{Value, slot_of};
use super::number::{Form, masked};
use super::{MAX_VARIABLES, Piece};

/// Where a number is, and how it is taken.
#[derive(Clone, Debug)]
pub(super) struct Source {
    bytes: Value,
    offset: Value,
    relative: bool,
    form: Form,
}

/// A number that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Taken {
    number: u64,
    /// Where its bytes end in the piece.
    end: usize,
}

impl Source {
    fn new(bytes: Amount, offset: Amount, relative: bool, form: Form, keyword: &str) -> Result<Self, String> {
        if let Amount::Fixed(count) = bytes
            && usize::try_from(count).map_or(true, |count| count > form.most())
        {
            return Err(format!("{keyword} of {count} bytes; {} are possible", form.most()));
        }
        Ok(Source { bytes: Value::new(bytes)?, offset: Value::new(offset)?, relative, form })
    }

    /// Where its bytes begin; none if not in the piece or at its end.
    fn start(&self, piece: &Piece<'_>, variables: &[u64; MAX_VARIABLES], last: usize) -> Option<usize> {
        let base = if self.relative {
            i64::try_from(last).ok()?
        } else {
            0_i64.checked_sub(i64::try_from(piece.stream_offset).ok()?)?
        };
        let start = usize::try_from(base.checked_add(self.offset.place(variables))?).ok()?;
        (start <= piece.bytes.len()).then_some(start)
    }

    fn count(&self, variables: &[u64; MAX_VARIABLES]) -> usize {
        usize::try_from(self.bytes.unsigned(variables)).unwrap_or(usize::MAX)
    }

    fn take(&self, piece: &Piece<'_>, variables: &[u64; MAX_VARIABLES], last: usize) -> Option<Taken> {
        let start = self.start(piece, variables, last)?;
        let (number, length) = self.form.take(piece, start, self.count(variables))?;
        Some(Taken { number, end: start.checked_add(length)? })
    }
}

/// `byte_test` made ready.
#[derive(Clone, Debug)]
pub(super) struct TestCheck {
    source: Source,
    negated: bool,
    compare: Compare,
    value: Value,
    bitmask: u32,
}

impl TestCheck {
    pub(super) fn new(test: &ByteTest) -> Result<Self, String> {
        let form = Form { endian: test.endian, base: test.base };
        Ok(TestCheck {
            source: Source::new(test.bytes, test.offset, test.relative, form, "byte_test")?,
            negated: test.negated,
            compare: test.compare,
            value: Value::new(test.value)?,
            bitmask: test.bitmask,
        })
    }

    /// Whether it holds. Without a number it does not, negated or not.
    pub(super) fn holds(&self, piece: &Piece<'_>, variables: &[u64; MAX_VARIABLES], last: usize) -> bool {
        let Some(taken) = self.source.take(piece, variables, last) else { return false };
        let (number, value) = (masked(taken.number, self.bitmask), self.value.unsigned(variables));
        let holds = match self.compare {
            Compare::Equal => number == value,
            Compare::Less => number < value,
            Compare::Greater => number > value,
            Compare::LessOrEqual => number <= value,
            Compare::GreaterOrEqual => number >= value,
            Compare::And => number & value != 0,
            Compare::Or => number ^ value != 0,
        };
        holds != self.negated
    }
}

/// `byte_jump` made ready.
#[derive(Clone, Debug)]
pub(super) struct JumpCheck {
    source: Source,
    multiplier: u32,
    align: bool,
    from: From,
    post_offset: Value,
    bitmask: u32,
}

/// Where a jump is counted from.
#[derive(Clone, Copy, Debug)]
enum From {
    Number,
    Beginning,
    End,
}

impl JumpCheck {
    pub(super) fn new(jump: &ByteJump) -> Result<Self, String> {
        let form = Form { endian: jump.endian, base: jump.base };
        let from = match (jump.from_beginning, jump.from_end) {
            (true, true) => return Err("byte_jump from the beginning and from the end".into()),
            (true, false) => From::Beginning,
            (false, true) => From::End,
            (false, false) => From::Number,
        };
        Ok(JumpCheck {
            source: Source::new(jump.bytes, jump.offset, jump.relative, form, "byte_jump")?,
            multiplier: jump.multiplier,
            align: jump.align,
            from,
            post_offset: Value::new(jump.post_offset)?,
            bitmask: jump.bitmask,
        })
    }

    /// Where it lands: in the piece or right behind it. A jump to before the beginning lands there (Suricata since 7).
    pub(super) fn target(
        &self,
        piece: &Piece<'_>,
        variables: &[u64; MAX_VARIABLES],
        last: usize,
    ) -> Option<usize> {
        // Without bytes to take it is a jump by `post_offset` alone.
        let taken = if self.source.count(variables) == 0 {
            Taken { number: 0, end: self.source.start(piece, variables, last)? }
        } else {
            self.source.take(piece, variables, last)?
        };
        let mut jump = i128::from(masked(taken.number, self.bitmask)) * i128::from(self.multiplier);
        if self.align {
            jump = (jump + 3) / 4 * 4;
        }
        let base = match self.from {
            From::Number => taken.end as i128,
            From::Beginning => -i128::from(piece.stream_offset),
            From::End => piece.bytes.len() as i128,
        };
        let target = base + jump + i128::from(self.post_offset.place(variables));
        if target < 0 && target + i128::from(piece.stream_offset) >= 0 {
            // It is in the stream, but no longer at hand.
            return None;
        }
        let target = usize::try_from(target.max(0)).ok()?;
        (target <= piece.bytes.len()).then_some(target)
    }
}

/// `byte_extract` made ready.
#[derive(Clone, Debug)]
pub(super) struct ExtractCheck {
    source: Source,
    variable: u8,
    multiplier: u32,
    align: u8,
}

impl ExtractCheck {
    pub(super) fn new(extract: &ByteExtract) -> Result<Self, String> {
        let form = Form { endian: extract.endian, base: extract.base };
        let (bytes, offset) = (i64::from(extract.bytes), i64::from(extract.offset));
        let (bytes, offset) = (Amount::Fixed(bytes), Amount::Fixed(offset));
        Ok(ExtractCheck {
            source: Source::new(bytes, offset, extract.relative, form, "byte_extract")?,
            variable: slot_of(extract.variable)?,
            multiplier: extract.multiplier,
            align: extract.align,
        })
    }

    /// Keeps the number; returns where it ended, which counts as the last match.
    pub(super) fn keep(
        &self,
        piece: &Piece<'_>,
        variables: &mut [u64; MAX_VARIABLES],
        last: usize,
    ) -> Option<usize> {
        let taken = self.source.take(piece, variables, last)?;
        let number = taken.number.wrapping_mul(u64::from(self.multiplier));
        let number = match (number % u64::from(self.align.max(1)), u64::from(self.align)) {
            (0, _) => number,
            (over, align) => number.wrapping_add(align - over),
        };
        *variables.get_mut(usize::from(self.variable))? = number;
        Some(taken.end)
    }
}

/// `byte_math` made ready.
#[derive(Clone, Debug)]
pub(super) struct MathCheck {
    source: Source,
    op: MathOp,
    value: Value,
    variable: u8,
    bitmask: u32,
}

impl MathCheck {
    pub(super) fn new(math: &ByteMath) -> Result<Self, String> {
        let form = Form { endian: math.endian, base: math.base };
        let offset = Amount::Fixed(i64::from(math.offset));
        Ok(MathCheck {
            source: Source::new(math.bytes, offset, math.relative, form, "byte_math")?,
            op: math.op,
            value: Value::new(math.value)?,
            variable: slot_of(math.variable)?,
            bitmask: math.bitmask,
        })
    }

    /// Keeps the result; returns where the number ended, which counts as the last match. A division by 0 does not hold.
    pub(super) fn keep(
        &self,
        piece: &Piece<'_>,
        variables: &mut [u64; MAX_VARIABLES],
        last: usize,
    ) -> Option<usize> {
        let taken = self.source.take(piece, variables, last)?;
        let (number, value) = (taken.number, self.value.unsigned(variables));
        let shift = u32::try_from(value).unwrap_or(u32::MAX);
        let number = match self.op {
            MathOp::Add => number.wrapping_add(value),
            MathOp::Subtract => number.wrapping_sub(value),
            MathOp::Multiply => number.wrapping_mul(value),
            MathOp::Divide => number.checked_div(value)?,
            MathOp::ShiftLeft => number.checked_shl(shift).unwrap_or(0),
            MathOp::ShiftRight => number.checked_shr(shift).unwrap_or(0),
        };
        *variables.get_mut(usize::from(self.variable))? = masked(number, self.bitmask);
        Some(taken.end)
    }
}

#[cfg(test)]
#[path = "bytes_tests.rs"]
mod tests;
