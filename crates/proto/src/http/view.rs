//! What detectors may look at while an exchange is under way: the event so far, raw heads, bodies.

use super::Http;

/// One side's message as far as it has come.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageView<'a> {
    /// The head as it was sent: first line, headers, empty line. Empty with HTTP/2 and before it has come.
    pub head: &'a [u8],
    /// The body, its codings undone, up to [`crate::Keep::body`] bytes. There only when the side is told to be
    /// [`crate::Progress::Done`]; let go then.
    pub body: &'a [u8],
    /// Whether more of the body came than was kept.
    pub cut: bool,
}

/// An exchange as far as it has come.
#[derive(Clone, Copy, Debug)]
pub struct HttpView<'a> {
    /// Its place among the exchanges of its flow.
    pub number: u64,
    /// Its event so far.
    pub http: &'a Http,
    /// What the client sent.
    pub request: MessageView<'a>,
    /// What the server sent.
    pub response: MessageView<'a>,
}
