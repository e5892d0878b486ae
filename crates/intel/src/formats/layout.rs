//! Which format a list with one entry a line has: decided by how many of its lines make sense in each, never by one
//! character of one line.

use std::net::IpAddr;

use super::blockers;
use super::columns::Columns;
use super::record::split;
use crate::indicator::Form;

/// Lines that are looked at before a format is decided on.
pub(super) const SAMPLE: usize = 256;
/// What separates the fields of a record. In the order in which they count if they fit alike.
const SEPARATORS: [char; 3] = ['\t', ';', ','];
/// Names in hosts files that are no names of anybody else.
const LOCAL_NAMES: [&str; 9] = [
    "localhost",
    "localhost.localdomain",
    "local",
    "broadcasthost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
];

/// A format.
#[derive(Debug)]
pub(super) enum Layout {
    /// An entry a line.
    Plain,
    /// Addresses and the names that they stand for.
    Hosts,
    /// Records with fields.
    Csv(char, Columns),
}

/// What a list tells of itself beside its lines.
pub(super) struct Hints<'a> {
    /// What its values are said to be.
    pub form: Form,
    /// Its name says that it is CSV.
    pub csv: bool,
    /// Comments before the first line, at most [`SAMPLE`].
    pub comments: &'a [String],
    /// A spreadsheet's "sep=;".
    pub separator: Option<char>,
}

/// The format that fits the most of the first lines, and whether the first of them is a header.
pub(super) fn of(lines: &[&str], hints: &Hints<'_>) -> (Layout, bool) {
    let Some(&first) = lines.first() else { return (Layout::Plain, false) };
    let only = hints.separator.as_slice();
    let separators = if only.is_empty() { &SEPARATORS[..] } else { only };
    if let Some(layout) = separators.iter().find_map(|&separator| named(first, separator, hints.form)) {
        return (layout, true);
    }
    let from_comment = separators.iter().find_map(|&separator| {
        hints.comments.iter().rev().find_map(|comment| commented(first, comment, separator, hints.form))
    });
    if let Some(layout) = from_comment {
        return (layout, false);
    }
    let share = |good: usize| good * 1000 / lines.len();
    let count = |fits: &dyn Fn(&str) -> bool| share(lines.iter().filter(|line| fits(line)).count());
    let mut best = (count(&|line| is_plain(line, hints.form)), Layout::Plain);
    let hosts = count(&is_hosts);
    if hosts > best.0 {
        best = (hosts, Layout::Hosts);
    }
    // What a user agent says has every separator in it.
    if hints.form == Form::UserAgent && !hints.csv && only.is_empty() {
        return (Layout::Plain, false);
    }
    for &separator in separators {
        let records: Vec<Vec<String>> =
            lines.iter().filter_map(|line| split(line, separator).ok()).filter(|r| r.len() > 1).collect();
        if records.is_empty() {
            continue;
        }
        let columns = Columns::guessed(&records, hints.form);
        let good = share(records.iter().filter(|record| columns.fits(record, hints.form)).count());
        // A URL may have a comma in it: only where every line has as many fields is it a separator.
        let even = records.len() == lines.len() && records.iter().all(|r| r.len() == records[0].len());
        let better =
            good > best.0 || good == best.0 && matches!(best.1, Layout::Plain) && (even || hints.csv);
        if good > 0 && better {
            best = (good, Layout::Csv(separator, columns));
        }
    }
    if best.0 == 0 && hints.csv {
        let separator = separators.iter().copied().find(|&s| first.contains(s)).unwrap_or(',');
        let record = split(first, separator).unwrap_or_default();
        return (Layout::Csv(separator, Columns::guessed(&[record], hints.form)), false);
    }
    (best.1, false)
}

/// The layout of a list whose first line names its columns.
fn named(first: &str, separator: char, form: Form) -> Option<Layout> {
    let fields = split(first, separator).ok()?;
    // "domain" is also what a column of types has in it.
    let names_only = fields.iter().all(|field| Form::Any.read(field).is_err());
    let columns = Columns::named(&fields, form).filter(|_| names_only)?;
    Some(Layout::Csv(separator, columns))
}

/// The lists of abuse.ch have their header in a comment, and so has Zeek's format ("#fields").
fn commented(first: &str, comment: &str, separator: char, form: Form) -> Option<Layout> {
    let header = comment.trim_start_matches(['#', ' ']);
    let header = header.strip_prefix("fields").filter(|rest| rest.starts_with(separator)).unwrap_or(header);
    let header = split(header.trim_start_matches(separator), separator).ok()?;
    let fields = split(first, separator).ok()?;
    if header.len() < 2 || fields.len() < 2 {
        return None;
    }
    Some(Layout::Csv(separator, Columns::named(&header, form)?))
}

fn is_plain(line: &str, form: Form) -> bool {
    if form == Form::UserAgent {
        return true;
    }
    let text = uncommented(line);
    blockers::read(text).is_some() || super::lists::is_value(text, form)
}

/// "0.0.0.0 evil.example".
fn is_hosts(line: &str) -> bool {
    let mut words = uncommented(line).split_whitespace();
    words.next().is_some_and(|word| word.parse::<IpAddr>().is_ok())
        && words.next().is_some_and(|name| is_local(name) || Form::Host.read(name).is_ok())
}

/// Names that every machine has for itself.
pub(super) fn is_local(name: &str) -> bool {
    LOCAL_NAMES.iter().any(|local| name.eq_ignore_ascii_case(local))
        || name.starts_with("ip6-")
        || name.parse::<IpAddr>().is_ok()
}

/// A line without the comment behind its entry.
pub(super) fn uncommented(text: &str) -> &str {
    let mut end = [" #", "\t#", " //", "\t//", " ;", "\t;"].iter().filter_map(|mark| text.find(mark)).min();
    // Only in a URL it begins a fragment.
    if !text.contains('/') {
        end = end.or_else(|| text.find('#'));
    }
    text.get(..end.unwrap_or(text.len())).unwrap_or(text).trim_end()
}
