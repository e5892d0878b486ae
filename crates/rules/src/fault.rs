//! Why a rule is not loaded.

/// What is wrong with a keyword or a header; the loader adds file, line, sid and keyword.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Well written, but not something that can be looked for here.
    Unsupported(String),
    /// Not a rule of the language, or one that Suricata refuses too.
    Wrong(String),
    /// `requires` asks for something else than this sensor.
    NotRequired,
}

/// What a keyword's parser says.
pub(crate) type Done = Result<(), Fault>;

/// The rule is broken.
pub(crate) fn wrong(why: impl Into<String>) -> Fault {
    Fault::Wrong(why.into())
}

/// The rule asks for something that is not there.
pub(crate) fn unsupported(why: impl Into<String>) -> Fault {
    Fault::Unsupported(why.into())
}
