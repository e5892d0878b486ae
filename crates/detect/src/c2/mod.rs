//! What a C2 request's URI gives away about the host that sent it.
//!
//! Called for requests that matched an indicator only, so it may take hints for what they are; still it
//! claims nothing that the URI does not say. First the URI is taken apart into fields, encodings and
//! all ([`fields`]); then each field is judged by its key and its shape, and fields without either by
//! the company they keep ([`judge`]).

mod encoding;
mod fields;
mod judge;
mod words;

use alert::{CheckIn, Technique};

/// Characters of a URI that are looked at.
const MAX_URI: usize = 8192;

/// The check-in that `uri` is, if it tells a host name, a user or an operating system.
#[must_use]
pub fn decode(uri: &str) -> Option<CheckIn> {
    let mut end = uri.len().min(MAX_URI);
    while !uri.is_char_boundary(end) {
        end -= 1;
    }
    let groups = fields::split(&uri[..end]);
    let mut found = judge::judge(&groups)?;
    found.uri = uri.to_owned();
    Some(found)
}

/// The techniques that a check-in shows.
pub(crate) fn techniques(checkin: &CheckIn) -> Vec<Technique> {
    let told = [&checkin.host_name, &checkin.user_name, &checkin.operating_system];
    let encoded =
        told.iter().any(|t| t.as_ref().is_some_and(|d| d.encodings.iter().any(|e| *e != "percent")));
    let mut shown = Vec::new();
    if encoded {
        shown.push(Technique::StandardEncoding);
    }
    if checkin.host_name.is_some() || checkin.operating_system.is_some() {
        shown.push(Technique::SystemInformationDiscovery);
    }
    if checkin.user_name.is_some() {
        shown.push(Technique::SystemOwnerDiscovery);
    }
    shown.push(Technique::ExfiltrationOverC2);
    shown
}

#[cfg(test)]
mod tests;
