//! `fileinfo`: a file that was transferred, beside the exchange that carried it.

use ::proto::{FileInfo, FileState, Transaction};
use wire::Direction;

use crate::json::{Object, Value};
use crate::text::hex;

pub(super) fn body(file: &FileInfo) -> Value {
    let mut out = Object::new();
    if let Some(name) = &file.name {
        out.insert("filename".into(), name.clone().into());
    }
    if let Some(magic) = file.magic {
        out.insert("magic".into(), magic.into());
    }
    out.insert("gaps".into(), file.gaps.into());
    out.insert("state".into(), file.state.name().into());
    if file.state == FileState::Closed {
        let hashes = [
            ("md5", file.md5.map(|h| hex(&h))),
            ("sha1", file.sha1.map(|h| hex(&h))),
            ("sha256", file.sha256.map(|h| hex(&h))),
        ];
        for (name, hash) in hashes {
            if let Some(hash) = hash {
                out.insert(name.into(), hash.into());
            }
        }
    }
    out.insert("stored".into(), file.stored.into());
    out.insert("size".into(), file.size.into());
    if let Some((start, end)) = range(file) {
        out.insert("start".into(), start.into());
        out.insert("end".into(), end.into());
    }
    out.insert("tx_id".into(), file.tx_id.into());
    out.into()
}

/// The part of the whole that it is.
fn range(file: &FileInfo) -> Option<(u64, u64)> {
    let Some(Transaction::Http(http)) = &file.carrier else { return None };
    let range = http.content_range.as_ref().filter(|_| file.direction == Direction::ToClient)?;
    range.start.zip(range.end)
}

/// What stands beside the body: the carrier's own, and what the flow speaks.
pub(super) fn beside(line: &mut Object, file: &FileInfo, carrier: impl Fn(&Transaction) -> Value) {
    if let Some(transaction) = &file.carrier
        && let Some(name) = super::body_beside(transaction)
    {
        line.insert(name.into(), carrier(transaction));
    }
    if let Some(app) = file.app {
        line.insert("app_proto".into(), app.name().into());
    }
}
