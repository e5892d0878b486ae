//! Logins in clear text, whatever the protocol: who, with which secret, and whether it let him in.

use core::fmt;

use crate::registry::AppProto;

/// Whether the server accepted a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// Its answer was not seen or does not say.
    #[default]
    Unknown,
    /// It did.
    Accepted,
    /// It did not.
    Refused,
}

impl Outcome {
    /// The name in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Unknown => "unknown",
            Outcome::Accepted => "accepted",
            Outcome::Refused => "refused",
        }
    }
}

/// A password, a community, a bearer of access. Shows itself masked.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Secret(secret.into())
    }

    /// The secret itself, for whoever was told to write it down.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    /// Its length only: not even a first letter.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "*** ({} characters)", self.0.chars().count())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({self})")
    }
}

/// An attempt to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The protocol it was made in.
    pub service: AppProto,
    /// How: "basic", "plain", "user-pass", "community" ...
    pub method: &'static str,
    /// Who.
    pub user: Option<String>,
    /// With what.
    pub secret: Option<Secret>,
    /// Whether it worked.
    pub outcome: Outcome,
}
