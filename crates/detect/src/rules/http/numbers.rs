//! Numbers of HTTP that rules compare.

use proto::HttpView;
use proto::http::Http2Stream;
use rules::Field;
use wire::Direction;

use super::{Side, body, line, uri};
use crate::rules::view::Instances;

/// Types of frames (RFC 9113 section 6).
const HEADERS: u64 = 1;
const PRIORITY: u64 = 2;
const RST_STREAM: u64 = 3;
const SETTINGS: u64 = 4;
const GOAWAY: u64 = 7;
/// DATA, PUSH_PROMISE, PING, WINDOW_UPDATE and CONTINUATION.
const OTHER_FRAMES: [u64; 5] = [0, 5, 6, 8, 9];

/// Calls `each` with every number of that field on this side.
pub fn numbers(view: &HttpView<'_>, direction: Direction, field: Field, each: &mut dyn FnMut(u64)) {
    let side = Side::of(view, direction);
    let request = direction == Direction::ToServer && side.is_there();
    match field {
        Field::HttpUriLength if request => {
            let mut uri = Instances::new(Vec::new());
            uri::normalized(view, &mut uri);
            each(uri.get(0).len() as u64);
        }
        Field::HttpRawUriLength if request => each(line::target(view).len() as u64),
        Field::FileSize => sizes(&side, each),
        _ => {
            if let Some(stream) = &view.http.stream {
                of_stream(stream, &side, field, each);
            }
        }
    }
}

/// Sizes of files. That of a body of which not all was kept is the announced one, if it is not encoded.
fn sizes(side: &Side<'_>, each: &mut dyn FnMut(u64)) {
    let message = side.message;
    if message.body.is_empty() {
        return;
    }
    let upload = side.direction == Direction::ToServer
        && body::each_part(side, &mut |_, bytes| each(bytes.len() as u64));
    if upload {
        return;
    }
    if !message.cut {
        return each(message.body.len() as u64);
    }
    let announced =
        side.headers.get("content-length").and_then(|v| std::str::from_utf8(v).ok()?.trim().parse().ok());
    if let Some(size) = announced.filter(|_| side.headers.get("content-encoding").is_none()) {
        each(size);
    }
}

fn of_stream(stream: &Http2Stream, side: &Side<'_>, field: Field, each: &mut dyn FnMut(u64)) {
    let Some(said) = stream.sides.get(side.direction.index()) else { return };
    match field {
        Field::Http2FrameType => {
            let end = if stream.id == 0 { GOAWAY } else { RST_STREAM };
            let kinds = [
                (HEADERS, !side.headers.is_empty()),
                (PRIORITY, said.priority.is_some()),
                (end, said.error.is_some()),
                (SETTINGS, !said.settings.is_empty()),
            ];
            kinds.iter().filter(|(_, seen)| *seen).for_each(|&(kind, _)| each(kind));
            OTHER_FRAMES.iter().filter(|&&kind| said.frames >> kind & 1 == 1).for_each(|&kind| each(kind));
        }
        Field::Http2SizeUpdate => said.table_size.iter().for_each(|&size| each(size.into())),
        Field::Http2Window => said.window.iter().for_each(|&window| each(window.into())),
        Field::Http2ErrorCode => said.error.iter().for_each(|&code| each(code.into())),
        Field::Http2Priority => said.priority.iter().for_each(|&weight| each(weight.into())),
        Field::Http2Settings => {
            said.settings.iter().for_each(|&(id, value)| each(u64::from(id) << 32 | u64::from(value)));
        }
        _ => {}
    }
}
