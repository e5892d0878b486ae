//! Keywords of industrial protocols that ask several numbers at once.

use crate::app::App;
use crate::fault::{Done, wrong};
use crate::field::Field;
use crate::number;
use crate::options::{negation, unquoted};
use crate::test::NumberTest;

use super::Builder;
use super::names;

impl Builder<'_> {
    /// `cip_service:SERVICE,CLASS,ATTRIBUTE`
    pub(super) fn cip_service(&mut self, value: &str) -> Done {
        let fields = [Field::EnipCipService, Field::EnipCipClass, Field::EnipCipAttribute];
        let words: Vec<&str> = value.split(',').map(str::trim).collect();
        if words.len() > fields.len() {
            return Err(wrong("expected service,class,attribute"));
        }
        for (field, word) in fields.into_iter().zip(words) {
            let (negated, word) = negation(word);
            let number = number::at_most(word, 0xffff)?;
            self.add(field, NumberTest::Equal(number, negated))?;
        }
        Ok(())
    }

    /// `modbus:function 21`, `modbus:access write coils, address 500, value >10`, `modbus:unit 10, ...`
    pub(super) fn modbus(&mut self, value: &str) -> Done {
        self.apps.push(&[App::Modbus]);
        for part in unquoted(value).split(',').map(str::trim) {
            let (name, rest) = part.split_once(char::is_whitespace).unwrap_or((part, ""));
            let rest = rest.trim();
            match name {
                "unit" => self.add(Field::ModbusUnit, number::test(rest, 0xff)?)?,
                "function" => {
                    let (negated, rest) = negation(rest);
                    if !rest.starts_with(|c: char| c.is_ascii_digit()) {
                        let bits = names::find(names::of(Field::ModbusCategory), rest)
                            .ok_or_else(|| wrong(format!("{rest:?} is no category of functions")))?;
                        let of = [1, 2, 4, 8].into_iter().filter(|bit| bits & bit != 0).collect();
                        self.add(Field::ModbusCategory, NumberTest::OneOf(of, negated))?;
                        continue;
                    }
                    self.add(
                        Field::ModbusFunction,
                        NumberTest::Equal(number::at_most(rest, 0xff)?, negated),
                    )?;
                }
                "subfunction" => {
                    self.add(
                        Field::ModbusSubfunction,
                        NumberTest::Equal(number::at_most(rest, 0xffff)?, false),
                    )?;
                }
                "access" => {
                    let mut mask = 0;
                    for word in rest.split_whitespace() {
                        mask |= names::find(names::of(Field::ModbusAccess), word)
                            .ok_or_else(|| wrong(format!("there is no access {word}")))?;
                    }
                    self.add(Field::ModbusAccess, NumberTest::Masked(mask, mask, false))?;
                }
                "address" => self.add(Field::ModbusAddress, number::test(rest, 0xffff)?)?,
                "value" => self.add(Field::ModbusValue, number::test(rest, 0xffff)?)?,
                _ => return Err(wrong(format!("{part:?} is not one of its parts"))),
            }
        }
        Ok(())
    }
}
