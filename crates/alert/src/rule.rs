//! What an alert carries of the rule that made it.

use std::sync::Arc;

/// What the rule's author wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleAction {
    /// Tell.
    Alert,
    /// The traffic should go no further.
    Drop,
    /// The same, and who sent it should be told.
    Reject,
}

/// A side of the packet at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who sent it.
    Source,
    /// Who receives it.
    Destination,
}

/// What is the same for every alert of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFacts {
    /// What is to be done.
    pub action: RuleAction,
    /// Which side is the victim, if the rule says so.
    pub target: Option<Side>,
    /// Whether packets behind the alert are to be kept (`tag`).
    pub tagged: bool,
    /// Whether it limits how often it speaks.
    pub limited: bool,
    /// Keys with their values, in the order of the rule.
    pub metadata: Vec<(Arc<str>, Vec<Arc<str>>)>,
    /// Where to read on.
    pub references: Vec<Arc<str>>,
    /// File and line, as "FILE:LINE".
    pub source: Arc<str>,
}
