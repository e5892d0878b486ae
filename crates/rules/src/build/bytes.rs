//! `byte_test`, `byte_jump`, `byte_extract`, `byte_math`, `base64_decode`.

use crate::fault::{Done, Fault, unsupported, wrong};
use crate::number;
use crate::options::{negation, unquoted};
use crate::test::{
    Amount, Base64, ByteExtract, ByteJump, ByteMath, ByteTest, Compare, Endian, MathOp, NumberBase, Test,
};

use super::Builder;

/// Bytes of a number in binary.
const MAX_BINARY: i64 = 8;
/// Bytes of a number in text: 64 bits in octal with a sign.
const MAX_TEXT: i64 = 23;
/// How far from anything a number can be.
const FAR: i64 = 65535;

/// Words that the four have in common.
#[derive(Default)]
struct Common {
    relative: bool,
    string: bool,
    base: Option<NumberBase>,
    endian: Option<Endian>,
    bitmask: u32,
}

impl Common {
    /// Takes a word, or tells that it is none of the common ones.
    fn take(&mut self, word: &str) -> Result<bool, Fault> {
        let (name, value) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
        match name {
            "relative" => self.relative = true,
            "string" => {
                self.string = true;
                if !value.is_empty() {
                    return self.take(value.trim());
                }
            }
            "hex" => once(&mut self.base, NumberBase::Hex)?,
            "dec" => once(&mut self.base, NumberBase::Decimal)?,
            "oct" => once(&mut self.base, NumberBase::Octal)?,
            "big" => once(&mut self.endian, Endian::Big)?,
            "little" => once(&mut self.endian, Endian::Little)?,
            "dce" => once(&mut self.endian, Endian::Dce)?,
            "endian" => return self.take(value.trim()),
            "bitmask" => {
                self.bitmask = number::small(value)?;
                if self.bitmask == 0 {
                    return Err(wrong("an empty bitmask"));
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn base(&self) -> Result<NumberBase, Fault> {
        match (self.string, self.base) {
            (true, None) => Ok(NumberBase::Decimal),
            (false, Some(_)) => Err(wrong("hex, dec and oct need string")),
            (_, base) => Ok(base.unwrap_or_default()),
        }
    }

    fn endian(&self) -> Endian {
        self.endian.unwrap_or_default()
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Done {
    if place.is_some() {
        return Err(wrong("two words contradict each other"));
    }
    *place = Some(value);
    Ok(())
}

/// Whether so many bytes can be a number written like that.
fn length(bytes: Amount, base: NumberBase) -> Done {
    let most = if base == NumberBase::Binary { MAX_BINARY } else { MAX_TEXT };
    match bytes {
        Amount::Fixed(n) if n > most => Err(wrong(format!("{n} bytes are more than {most}"))),
        _ => Ok(()),
    }
}

impl Builder<'_> {
    fn words(value: &str) -> std::iter::Map<std::str::Split<'_, char>, fn(&str) -> &str> {
        unquoted(value).split(',').map(str::trim as fn(&str) -> &str)
    }

    fn dce(&mut self, endian: Endian) {
        if endian == Endian::Dce {
            self.apps.push(&[crate::app::App::Dcerpc, crate::app::App::Smb]);
        }
    }

    pub(super) fn byte_test(&mut self, value: &str) -> Done {
        let mut words = Self::words(value);
        let (Some(bytes), Some(op), Some(with), Some(offset)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong("expected bytes,operator,value,offset"));
        };
        let (negated, op) = negation(op);
        let compare = match op {
            "" if negated => Compare::Equal,
            "=" => Compare::Equal,
            "<" => Compare::Less,
            ">" => Compare::Greater,
            "<=" => Compare::LessOrEqual,
            ">=" => Compare::GreaterOrEqual,
            "&" => Compare::And,
            "^" => Compare::Or,
            _ => return Err(wrong(format!("{op:?} is no operator"))),
        };
        let mut common = Common::default();
        for word in words {
            if !common.take(word)? {
                return Err(wrong(format!("{word:?} is not one of its words")));
            }
        }
        let base = common.base()?;
        let bytes = self.amount_here(bytes, 0..=MAX_TEXT)?;
        length(bytes, base)?;
        if bytes == Amount::Fixed(0) && base == NumberBase::Binary {
            return Err(wrong("0 bytes are no number"));
        }
        let test = ByteTest {
            bytes,
            negated,
            compare,
            value: self.amount_here(with, i64::MIN..=i64::MAX)?,
            offset: self.amount_here(offset, i64::from(i32::MIN)..=i64::from(i32::MAX))?,
            relative: common.relative,
            endian: common.endian(),
            base,
            bitmask: common.bitmask,
        };
        self.dce(test.endian);
        self.push(Test::ByteTest(test))?;
        Ok(())
    }

    pub(super) fn byte_jump(&mut self, value: &str) -> Done {
        let mut words = Self::words(value);
        let (Some(bytes), Some(offset)) = (words.next(), words.next()) else {
            return Err(wrong("expected bytes,offset"));
        };
        let mut common = Common::default();
        let mut jump = ByteJump {
            bytes: self.amount_here(bytes, 0..=MAX_TEXT)?,
            offset: self.amount_here(offset, -FAR..=FAR)?,
            relative: false,
            endian: Endian::Big,
            base: NumberBase::Binary,
            multiplier: 1,
            align: false,
            from_beginning: false,
            from_end: false,
            post_offset: Amount::Fixed(0),
            bitmask: 0,
        };
        for word in words {
            let (name, value) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
            match name {
                "align" => jump.align = true,
                "from_beginning" => jump.from_beginning = true,
                "from_end" => jump.from_end = true,
                "multiplier" => jump.multiplier = multiplier(value)?,
                "post_offset" => jump.post_offset = self.amount_here(value, -FAR..=FAR)?,
                _ if common.take(word)? => {}
                _ => return Err(wrong(format!("{word:?} is not one of its words"))),
            }
        }
        if jump.from_beginning && jump.from_end {
            return Err(wrong("from_beginning and from_end contradict each other"));
        }
        jump.base = common.base()?;
        length(jump.bytes, jump.base)?;
        jump.relative = common.relative;
        jump.endian = common.endian();
        jump.bitmask = common.bitmask;
        self.dce(jump.endian);
        self.push(Test::ByteJump(jump))?;
        Ok(())
    }

    pub(super) fn byte_extract(&mut self, value: &str) -> Done {
        let mut words = Self::words(value);
        let (Some(bytes), Some(offset), Some(name)) = (words.next(), words.next(), words.next()) else {
            return Err(wrong("expected bytes,offset,name"));
        };
        let mut common = Common::default();
        let (mut factor, mut align) = (1, 0);
        for word in words {
            let (name, value) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
            match name {
                "align" => {
                    align = number::small(value)?;
                    if !matches!(align, 2 | 4) {
                        return Err(wrong("align is 2 or 4"));
                    }
                }
                "multiplier" => factor = multiplier(value)?,
                _ if common.take(word)? => {}
                _ => return Err(wrong(format!("{word:?} is not one of its words"))),
            }
        }
        let base = common.base()?;
        let bytes: u8 = number::small(bytes)?;
        length(Amount::Fixed(bytes.into()), base)?;
        if bytes == 0 {
            return Err(wrong("0 bytes are no number"));
        }
        if common.bitmask != 0 {
            return Err(wrong("it has no bitmask"));
        }
        let extract = ByteExtract {
            bytes,
            offset: offset_of(offset)?,
            variable: self.define(name)?,
            relative: common.relative,
            endian: common.endian(),
            base,
            multiplier: factor,
            align,
        };
        self.dce(extract.endian);
        self.push(Test::ByteExtract(extract))?;
        Ok(())
    }

    pub(super) fn byte_math(&mut self, value: &str) -> Done {
        let mut common = Common::default();
        let (mut bytes, mut offset, mut op, mut right, mut result) = (None, None, None, None, None);
        for word in Self::words(value) {
            let (name, value) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
            let value = value.trim();
            match name {
                "bytes" => once(&mut bytes, self.amount_here(value, 1..=MAX_TEXT)?)?,
                "offset" => once(&mut offset, offset_of(value)?)?,
                "oper" => once(&mut op, operator(value)?)?,
                "rvalue" => once(&mut right, self.amount_here(value, 0..=i64::from(u32::MAX))?)?,
                "result" => once(&mut result, value)?,
                _ if common.take(word)? => {}
                _ => return Err(wrong(format!("{word:?} is not one of its words"))),
            }
        }
        let (Some(bytes), Some(offset), Some(op), Some(right), Some(result)) =
            (bytes, offset, op, right, result)
        else {
            return Err(wrong("expected bytes, offset, oper, rvalue and result"));
        };
        let base = common.base()?;
        length(bytes, base)?;
        if op == MathOp::Divide && right == Amount::Fixed(0) {
            return Err(wrong("division by 0"));
        }
        if matches!(op, MathOp::ShiftLeft | MathOp::ShiftRight) && matches!(bytes, Amount::Fixed(n) if n > 4)
        {
            return Err(wrong("shifts take 4 bytes at most"));
        }
        let math = ByteMath {
            bytes,
            offset,
            op,
            value: right,
            variable: self.define(result)?,
            relative: common.relative,
            endian: common.endian(),
            base,
            bitmask: common.bitmask,
        };
        self.dce(math.endian);
        self.push(Test::ByteMath(math))?;
        Ok(())
    }

    pub(super) fn base64_decode(&mut self, value: Option<&str>) -> Done {
        let mut test = Base64 { bytes: None, offset: 0, relative: false, tests: Vec::new() };
        for word in value.into_iter().flat_map(Self::words) {
            let (name, value) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
            match name {
                "bytes" => {
                    test.bytes = Some(number::small(value)?);
                    if test.bytes == Some(0) {
                        return Err(wrong("0 bytes are nothing to decode"));
                    }
                }
                "offset" => test.offset = number::small(value)?,
                "relative" => test.relative = true,
                _ => return Err(wrong(format!("{word:?} is not one of its words"))),
            }
        }
        if self.decoding.is_some() {
            return Err(unsupported("base64_decode on what was decoded"));
        }
        if self.decoder.is_some() {
            return Err(wrong("it stands twice"));
        }
        let place = self.push(Test::Base64(test))?;
        self.decoder = Some(place.part);
        Ok(())
    }

    pub(super) fn base64_data(&mut self) -> Done {
        let part = self.decoder.ok_or_else(|| wrong("there is no base64_decode before it"))?;
        self.stick(None)?;
        self.decoding = Some(part);
        Ok(())
    }
}

fn multiplier(text: &str) -> Result<u32, Fault> {
    match number::at_most(text, 65535)? {
        0 => Err(wrong("a multiplier of 0")),
        factor => Ok(u32::try_from(factor).unwrap_or(u32::MAX)),
    }
}

fn offset_of(text: &str) -> Result<i32, Fault> {
    let value = number::signed(text)?;
    if value.abs() > FAR {
        return Err(wrong(format!("{value} is too far")));
    }
    i32::try_from(value).map_err(|_| wrong("too far"))
}

fn operator(text: &str) -> Result<MathOp, Fault> {
    Ok(match text {
        "+" => MathOp::Add,
        "-" => MathOp::Subtract,
        "*" => MathOp::Multiply,
        "/" => MathOp::Divide,
        "<<" => MathOp::ShiftLeft,
        ">>" => MathOp::ShiftRight,
        _ => return Err(wrong(format!("{text:?} is no operator"))),
    })
}
