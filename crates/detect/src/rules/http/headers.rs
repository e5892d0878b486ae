//! Headers: all of them as one text, one by one, their names, the values of one name.
//!
//! Several headers of one name are one with their values joined by ", ", in the place of the first. Only of
//! Content-Length the first alone counts.

use proto::HttpView;
use proto::http::Headers;
use smallvec::SmallVec;
use wire::Direction;

use super::{Side, line};
use crate::rules::view::Instances;

/// Between values of one name.
const JOIN: &[u8] = b", ";
/// The header whose values are not joined.
const NEVER_JOINED: &[u8] = b"content-length";

/// Headers of a side, to look up names in.
struct Table<'a>(SmallVec<[(&'a [u8], &'a [u8]); 32]>);

impl<'a> Table<'a> {
    fn new(headers: &'a Headers) -> Self {
        Table(headers.iter().collect())
    }

    /// The header at this place with all values of its name; nothing if an earlier one has that name.
    fn joined(&self, at: usize) -> Option<(&'a [u8], impl Iterator<Item = &'a [u8]>)> {
        let &(name, first) = self.0.get(at)?;
        let same = move |other: &[u8]| other.eq_ignore_ascii_case(name);
        if self.0.iter().take(at).any(|(other, _)| same(other)) {
            return None;
        }
        let more = self.0.iter().skip(at + 1).filter(move |(other, _)| same(other) && !same(NEVER_JOINED));
        Some((name, std::iter::once(first).chain(more.map(|&(_, value)| value))))
    }

    /// Appends "Name: value" for every header that is `wanted`, with `end` behind each.
    fn write(&self, wanted: impl Fn(&[u8]) -> bool, to: &mut Vec<u8>) {
        for at in 0..self.0.len() {
            if let Some((name, values)) = self.joined(at).filter(|(name, _)| wanted(name)) {
                write_one(name, values, to);
                to.extend_from_slice(b"\r\n");
            }
        }
    }
}

fn write_one<'a>(name: &[u8], values: impl Iterator<Item = &'a [u8]>, to: &mut Vec<u8>) {
    to.extend_from_slice(name);
    to.extend_from_slice(b": ");
    write_joined(values, to);
}

fn write_joined<'a>(values: impl Iterator<Item = &'a [u8]>, to: &mut Vec<u8>) {
    for (at, value) in values.enumerate() {
        if at > 0 {
            to.extend_from_slice(JOIN);
        }
        to.extend_from_slice(value);
    }
}

/// The name of the header that carries a side's cookies.
pub(super) fn cookie(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => "cookie",
        Direction::ToClient => "set-cookie",
    }
}

/// The value of one name.
pub(super) fn value<'a>(headers: &'a Headers, name: &str, out: &mut Instances<'a>) {
    let named =
        |(other, value): (&'a [u8], &'a [u8])| other.eq_ignore_ascii_case(name.as_bytes()).then_some(value);
    let mut values = headers.iter().filter_map(named);
    let Some(first) = values.next() else { return };
    let second = values.next().filter(|_| !name.as_bytes().eq_ignore_ascii_case(NEVER_JOINED));
    match second {
        None => out.borrow(first),
        Some(second) => out.build(|to| write_joined([first, second].into_iter().chain(values), to)),
    }
}

/// All headers but cookies, which have a buffer of their own; with HTTP/2 those too, and pseudo headers.
pub(super) fn all<'a>(side: &Side<'a>, out: &mut Instances<'a>) {
    if side.headers.is_empty() {
        return;
    }
    if side.http2 {
        return out.build(|to| write_plain(side.headers, to));
    }
    let cookie = cookie(side.direction).as_bytes();
    let start = out.len();
    out.build(|to| Table::new(side.headers).write(|name| !name.eq_ignore_ascii_case(cookie), to));
    debug_assert_eq!(out.len(), start + 1);
}

fn write_plain(headers: &Headers, to: &mut Vec<u8>) {
    for (name, value) in headers.iter() {
        write_one(name, std::iter::once(value), to);
        to.extend_from_slice(b"\r\n");
    }
}

/// All headers as they were sent, with the empty line behind them.
pub(super) fn raw<'a>(side: &Side<'a>, out: &mut Instances<'a>) {
    if side.http2 {
        return all(side, out);
    }
    let rest = line::split_first(side.message.head).1;
    if !rest.is_empty() {
        out.borrow(rest);
    }
}

/// "Name: value" of every header.
pub(super) fn each<'a>(side: &Side<'a>, out: &mut Instances<'a>) {
    let table = Table::new(side.headers);
    for at in 0..table.0.len() {
        if side.http2 {
            let Some(&(name, value)) = table.0.get(at) else { continue };
            out.build(|to| write_one(name, std::iter::once(value), to));
        } else if let Some((name, values)) = table.joined(at) {
            out.build(|to| write_one(name, values, to));
        }
    }
}

/// All names, a line each, with an empty line before and behind them.
pub(super) fn names<'a>(side: &Side<'a>, out: &mut Instances<'a>) {
    if side.headers.is_empty() {
        return;
    }
    let table = Table::new(side.headers);
    out.build(|to| {
        to.extend_from_slice(b"\r\n");
        for at in 0..table.0.len() {
            let name = match side.http2 {
                true => table.0.get(at).map(|&(name, _)| name),
                false => table.joined(at).map(|(name, _)| name),
            };
            if let Some(name) = name {
                to.extend_from_slice(name);
                to.extend_from_slice(b"\r\n");
            }
        }
        to.extend_from_slice(b"\r\n");
    });
}

/// The first line and all headers, with an empty line behind them.
pub(super) fn start<'a>(view: &HttpView<'a>, side: &Side<'a>, out: &mut Instances<'a>) {
    out.build(|to| {
        line::write_first(view, side, to);
        to.extend_from_slice(b"\r\n");
        if side.http2 {
            write_plain(side.headers, to);
        } else {
            Table::new(side.headers).write(|_| true, to);
        }
        to.extend_from_slice(b"\r\n");
    });
}
