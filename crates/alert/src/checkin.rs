//! What a C2 check-in gave away about the host that sent it.

use serde::Serialize;

/// One thing that was disclosed, and how it was hidden.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disclosure {
    /// The decoded value.
    pub value: String,
    /// Where in the request it was: "query h", "path segment 2", "query d, field user" ...
    pub found_in: String,
    /// The encodings taken off, outermost first: "percent", "base64"; empty for plain text.
    pub encodings: Vec<&'static str>,
}

/// The decoded check-in. At least one field is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckIn {
    /// The request's URI as sent.
    pub uri: String,
    /// Host (computer) name of the victim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<Disclosure>,
    /// Name of the logged-on user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<Disclosure>,
    /// Operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operating_system: Option<Disclosure>,
}
