//! Numbers of a rule made small: fixed ones, and variables that an earlier test sets.

use rules::Amount;

use super::MAX_VARIABLES;

/// A number that a test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// As it stands in the rule.
    Fixed(i64),
    /// The slot of a variable, less than [`MAX_VARIABLES`].
    Variable(u8),
}

impl Value {
    /// The number of a rule, if its slot is one.
    pub(super) fn new(amount: Amount) -> Result<Self, String> {
        match amount {
            Amount::Fixed(number) => Ok(Value::Fixed(number)),
            Amount::Variable(slot) => Ok(Value::Variable(slot_of(slot)?)),
        }
    }

    /// The same of a modifier that may be missing.
    pub(super) fn optional(amount: Option<Amount>) -> Result<Option<Self>, String> {
        amount.map(Value::new).transpose()
    }

    /// Whether it is a variable.
    pub(super) fn is_variable(self) -> bool {
        matches!(self, Value::Variable(_))
    }

    /// As a number without a sign; negative numbers wrap, as Suricata compares them.
    pub(super) fn unsigned(self, variables: &[u64; MAX_VARIABLES]) -> u64 {
        match self {
            Value::Fixed(number) => number as u64,
            Value::Variable(slot) => variables.get(usize::from(slot)).copied().unwrap_or(0),
        }
    }

    /// As a place; what no buffer can be as long as is the largest number.
    pub(super) fn place(self, variables: &[u64; MAX_VARIABLES]) -> i64 {
        match self {
            Value::Fixed(number) => number,
            Value::Variable(_) => i64::try_from(self.unsigned(variables)).unwrap_or(i64::MAX),
        }
    }
}

/// The slot, if there is room for it.
pub(super) fn slot_of(slot: u8) -> Result<u8, String> {
    if usize::from(slot) < MAX_VARIABLES {
        Ok(slot)
    } else {
        Err(format!("more than {MAX_VARIABLES} variables"))
    }
}
