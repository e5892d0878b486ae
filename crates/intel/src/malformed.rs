//! Why a text is no indicator.

use std::net::IpAddr;

use thiserror::Error;

use crate::indicator::MAX_INDICATOR;

/// Characters of a text that an error repeats.
const QUOTED: usize = 80;

/// Why a text is no indicator.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Malformed {
    /// Nothing there.
    #[error("empty")]
    Empty,
    /// Longer than any indicator.
    #[error("longer than {MAX_INDICATOR} characters")]
    TooLong,
    /// A network that nearly everything is in.
    #[error("{0} is too large a network: IPv4 needs a prefix of at least 8 bits, IPv6 of 16")]
    TooLargeNetwork(String),
    /// An address that is no single host on the wire.
    #[error("{0} is no address of a single host")]
    NotAHost(IpAddr),
    /// A name without a dot would match a whole top-level domain.
    #[error("\"{0}\" has only one label: it would match a whole top-level domain")]
    TooBroad(String),
    /// A name below which anybody may register others.
    #[error("\"{0}\" is a public suffix: it would match what everybody has registered below it")]
    Suffix(String),
    /// Not a name.
    #[error("\"{0}\" is neither a domain, an address nor a URL")]
    NotADomain(String),
    /// Not what it is said to be.
    #[error("\"{text}\" is no {what}")]
    Not {
        /// What it is said to be.
        what: &'static str,
        /// The text, cut.
        text: String,
    },
    /// A kind of indicator that nothing here can match.
    #[error("indicators of type \"{0}\" are not supported")]
    UnknownType(String),
    /// A record or document that cannot be taken apart.
    #[error("{0}")]
    Format(String),
}

impl Malformed {
    pub(crate) fn not(what: &'static str, text: &str) -> Self {
        Malformed::Not { what, text: quoted(text) }
    }
}

/// As much of a text as an error repeats.
pub(crate) fn quoted(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(QUOTED).collect()
}
