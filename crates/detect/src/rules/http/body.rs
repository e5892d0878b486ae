//! Bodies, and the files that they are or carry.

use proto::HttpView;
use wire::Direction;

use super::Side;
use crate::rules::magic;
use crate::rules::view::Instances;

/// The body: chunks joined, codings undone. That of a request is there as it was sent, whatever parts it has.
pub(super) fn whole<'a>(side: &Side<'a>, out: &mut Instances<'a>) {
    if !side.message.body.is_empty() {
        out.borrow(side.message.body);
    }
}

/// The files of the side: parts of an upload, or else the body.
pub(super) fn files<'a>(side: &Side<'a>, out: &mut Instances<'a>) {
    if side.direction == Direction::ToClient
        || !each_part(side, &mut |_, bytes| out.build(|to| to.extend_from_slice(bytes)))
    {
        whole(side, out);
    }
}

/// Calls `each` with name and content of every file of an upload; false if the body is none.
pub(super) fn each_part(side: &Side<'_>, each: &mut dyn FnMut(&str, &[u8])) -> bool {
    proto::http::upload_files(side.headers, side.message.body, each)
}

/// The names of the side's files.
pub(super) fn file_names<'a>(view: &HttpView<'a>, side: &Side<'a>, out: &mut Instances<'a>) {
    if side.message.body.is_empty() {
        return;
    }
    let mut named = |name: &str| {
        if !name.is_empty() {
            out.build(|to| to.extend_from_slice(name.as_bytes()));
        }
    };
    if side.direction == Direction::ToServer && each_part(side, &mut |name, _| named(name)) {
        return;
    }
    if let Some(name) = proto::http::body_name(view.http, side.direction) {
        named(&name);
    }
}

/// What the side's files are, as far as their first bytes tell.
pub(super) fn file_magic<'a>(side: &Side<'a>, out: &mut Instances<'a>) {
    let mut tell = |bytes: &[u8]| {
        magic::describe(bytes, |text| out.build(|to| to.extend_from_slice(text.as_bytes())));
    };
    let upload = side.direction == Direction::ToServer && each_part(side, &mut |_, bytes| tell(bytes));
    if !upload {
        tell(side.message.body);
    }
}
