//! What a C2 message gives away about the host that sent it: an HTTP request, or the first bytes over plain TCP.
//!
//! Called for what matched an indicator only, so it may take hints for what they are; still it claims nothing that
//! the message does not say. First the message is taken apart into fields ([`fields`], [`request`], [`message`],
//! [`structure`]), with encodings ([`encoding`]) and character sets ([`charset`], [`script`]) undone; then each field
//! is judged by its key and its shape, and fields without either by the company they keep ([`judge`]).

mod charset;
mod encoding;
mod fields;
mod judge;
mod message;
mod request;
mod script;
mod structure;
mod words;

use alert::{Alert, CheckIn, Technique};

use charset::Charsets;
use fields::{Group, Splitter};

/// Characters of a URI that are looked at.
const MAX_URI: usize = 8192;
/// Bytes of a request's body that are looked at.
pub const MAX_BODY: usize = 8192;
/// Bytes of a stream's beginning that are looked at.
pub const MAX_OPENING: usize = message::MAX_MESSAGE;

/// What is looked at of an HTTP request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// Its target as events show it.
    pub uri: &'a str,
    /// Names and values of its headers.
    pub headers: &'a [(&'a [u8], &'a [u8])],
    /// Its body, or the beginning of that, its codings undone.
    pub body: &'a [u8],
}

/// The check-in that a request with this URI is, if it tells a host name, a user or an operating system.
#[must_use]
pub fn decode(uri: &str) -> Option<CheckIn> {
    decode_request(&Request { uri, ..Request::default() })
}

/// The check-in that a request is, as far as what is there of it tells.
#[must_use]
pub fn decode_request(request: &Request<'_>) -> Option<CheckIn> {
    let Request { uri, headers, body } = request;
    let mut end = uri.len().min(MAX_URI);
    while !uri.is_char_boundary(end) {
        end -= 1;
    }
    let body = &body[..body.len().min(MAX_BODY)];
    let (uri_groups, others) = twice(|charsets| {
        let uri_groups = groups(charsets, |splitter| splitter.uri(&uri[..end]));
        let others = groups(charsets, |splitter| {
            if !body.is_empty() {
                splitter.body(body);
            }
            splitter.headers(headers);
        });
        (uri_groups, others)
    });
    let mut found = judge::judge(&uri_groups, &others)?;
    found.uri = (*uri).to_owned();
    Some(found)
}

/// The check-in that a TCP client's first bytes are, of a protocol that nobody knows.
#[must_use]
pub fn decode_opening(bytes: &[u8]) -> Option<CheckIn> {
    let groups =
        twice(|charsets| groups(charsets, |splitter| message::split(splitter, bytes, "TCP payload")));
    judge::judge(&[], &groups)
}

/// Whether a client's first message is there whole, as far as it says its own length.
#[must_use]
pub fn is_whole(opening: &[u8]) -> bool {
    message::is_whole(opening)
}

/// A first pass, and a second with the encoding that fits all texts best: see [`charset`].
fn twice<T>(mut pass: impl FnMut(&mut Charsets) -> T) -> T {
    let mut charsets = Charsets::default();
    let first = pass(&mut charsets);
    if charsets.settle() { pass(&mut charsets) } else { first }
}

fn groups(charsets: &mut Charsets, work: impl FnOnce(&mut Splitter<'_>)) -> Vec<Group> {
    let mut splitter = Splitter { charsets, groups: Vec::new() };
    work(&mut splitter);
    splitter.groups
}

/// Adds what a client has said first to the alert that a rule has made of the flow, if that is a check-in.
pub fn attach(alert: &mut Alert, opening: &[u8]) {
    if let Some(checkin) = decode_opening(opening) {
        for technique in techniques(&checkin) {
            if !alert.techniques.contains(&technique) {
                alert.techniques.push(technique);
            }
        }
        alert.checkin = Some(checkin);
    }
}

/// Encodings of T1132.001. Percent signs are how URIs are written, and character sets how texts are.
const ENCODED: [&str; 4] = ["base64", "hex", "zlib", "gzip"];

/// The techniques that a check-in shows.
pub(crate) fn techniques(checkin: &CheckIn) -> Vec<Technique> {
    let told = [&checkin.host_name, &checkin.user_name, &checkin.operating_system];
    let encoded =
        told.iter().any(|t| t.as_ref().is_some_and(|d| d.encodings.iter().any(|e| ENCODED.contains(e))));
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
mod encodings_tests;
#[cfg(test)]
mod message_tests;
#[cfg(test)]
mod tests;
