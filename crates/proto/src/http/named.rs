//! Files in bodies that are there as a whole: their names, and what an upload is made of.

use wire::Direction;

use super::headers::{Headers, disposition_name};
use super::multipart::{Multipart, Part, boundary};
use super::{Http, uri};

/// The name that a response's headers give its body.
pub(super) fn said(headers: &Headers) -> Option<String> {
    headers.get("content-disposition").and_then(disposition_name)
}

/// What the file is called that a body is as a whole: by the response's headers, else by the path that was asked for.
#[must_use]
pub fn body_name(http: &Http, direction: Direction) -> Option<String> {
    let said = match direction {
        Direction::ToServer => None,
        Direction::ToClient => said(&http.response_headers),
    };
    said.or_else(|| Some(uri::path(&http.uri))).filter(|name| !name.is_empty())
}

/// Calls `each` with name and content of every file in an upload, the last perhaps cut. False if a body with these
/// headers is no upload (multipart/form-data).
pub fn upload_files(headers: &Headers, body: &[u8], each: &mut dyn FnMut(&str, &[u8])) -> bool {
    let kind = headers.get("content-type").unwrap_or_default();
    let Some(mut multipart) = boundary(kind).and_then(|boundary| Multipart::new(&boundary)) else {
        return false;
    };
    let mut open: Option<(String, Vec<u8>)> = None;
    let mut take = |part: Part<'_>| match part {
        Part::Begin(name) => open = Some((name.to_owned(), Vec::new())),
        Part::Data(bytes) => {
            if let Some((_, content)) = &mut open {
                content.extend_from_slice(bytes);
            }
        }
        Part::End => {
            if let Some((name, content)) = open.take() {
                each(&name, &content);
            }
        }
    };
    multipart.feed(body, &mut take);
    multipart.finish(&mut take);
    if let Some((name, content)) = open {
        each(&name, &content);
    }
    true
}
