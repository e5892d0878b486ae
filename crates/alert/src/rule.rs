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

/// On which side of the border an author puts an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// Ours.
    Home,
    /// Not ours.
    Outside,
    /// Either.
    #[default]
    Any,
}

/// What is the same for every alert of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleFacts {
    /// What is to be done.
    pub action: RuleAction,
    /// Which side is the victim, if the rule says so.
    pub target: Option<Side>,
    /// Where its header puts the sender and the receiver, by the variables that it names.
    pub zones: [Zone; 2],
    /// Its class's short name ("trojan-activity"); empty without one.
    pub class: Arc<str>,
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
