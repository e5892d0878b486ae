//! Lists with one entry a line: plain text, hosts files, CSV (that of abuse.ch, MISP and others), datasets and
//! reputation lists of Suricata. Which of them a list is, its first lines tell.

use std::collections::VecDeque;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::columns::Columns;
use super::record::split;
use crate::attributes::Said;
use crate::indicator::{Form, MAX_INDICATOR};
use crate::loader::Intake;
use crate::malformed::Malformed;
use crate::report::LoadError;
use crate::source::{Line, Lines, MAX_LINE, Source};

/// Lines that a quoted field may go on for.
const MAX_RECORD_LINES: usize = 64;
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

#[derive(Debug)]
enum Layout {
    Plain,
    Hosts,
    Csv(char, Columns),
}

/// Reads a list.
pub(crate) fn read(intake: &mut Intake<'_>, source: Source<'_>) -> Result<(), LoadError> {
    let mut reader = Reader { lines: source.lines(), again: VecDeque::new() };
    let (mut layout, mut comment) = (None, String::new());
    while let Some((number, line)) = reader.next(intake)? {
        let Line::Text(text) = line else {
            intake.skip(number, Malformed::Format(format!("a line of more than {} KiB", MAX_LINE >> 10)));
            continue;
        };
        if text.is_empty() {
            continue;
        }
        if text.starts_with(['#', ';']) || text.starts_with("//") {
            if layout.is_none() {
                comment = text;
            }
            continue;
        }
        let layout = match &mut layout {
            Some(layout) => layout,
            None => {
                let (found, is_header) = first(intake, &text, &comment);
                let found = layout.insert(found);
                if is_header {
                    continue;
                }
                found
            }
        };
        match layout {
            Layout::Plain => plain(intake, number, &text)?,
            Layout::Hosts => hosts(intake, number, &text)?,
            Layout::Csv(separator, columns) => match reader.record(intake, text, *separator)? {
                Some(record) => columns.take(intake, number, &record)?,
                None => intake.skip(number, Malformed::Format("a quote that is never closed".into())),
            },
        }
    }
    Ok(())
}

/// Lines, some of which are read a second time.
struct Reader<'a> {
    lines: Lines<'a>,
    again: VecDeque<(u32, Line)>,
}

impl Reader<'_> {
    fn next(&mut self, intake: &Intake<'_>) -> Result<Option<(u32, Line)>, LoadError> {
        if let Some(line) = self.again.pop_front() {
            return Ok(Some(line));
        }
        match self.lines.next() {
            Ok(line) => Ok(line.map(|line| (self.lines.number, line))),
            Err(err) => Err(intake.broken(self.lines.number, err)),
        }
    }

    /// The record that begins with `text`, over several lines if a quote says so; none if it is never closed, and then
    /// those lines are read again, each for itself.
    fn record(
        &mut self,
        intake: &Intake<'_>,
        text: String,
        separator: char,
    ) -> Result<Option<Vec<String>>, LoadError> {
        if let Ok(fields) = split(&text, separator) {
            return Ok(Some(fields));
        }
        let (mut whole, mut taken) = (text, Vec::new());
        while taken.len() < MAX_RECORD_LINES && whole.len() < MAX_LINE {
            let Some((number, line)) = self.next(intake)? else { break };
            if let Line::Text(more) = &line {
                whole.push('\n');
                whole.push_str(more);
            }
            let too_long = line == Line::TooLong;
            taken.push((number, line));
            if too_long {
                break;
            }
            if let Ok(fields) = split(&whole, separator) {
                return Ok(Some(fields));
            }
        }
        for line in taken.into_iter().rev() {
            self.again.push_front(line);
        }
        Ok(None)
    }
}

/// What a list is by its first line that is no comment, and the comment before it; whether that line is a header.
fn first(intake: &Intake<'_>, text: &str, comment: &str) -> (Layout, bool) {
    let form = intake.feed.form;
    if is_hosts(text) {
        return (Layout::Hosts, false);
    }
    let by_name = unpack::bare_name(intake.name).ends_with(".csv");
    let Some(separator) = separator(text, form, by_name) else { return (Layout::Plain, false) };
    let fields = split(text, separator).unwrap_or_default();
    // "domain" is also what a column of types has in it.
    let names_only = fields.iter().all(|field| Form::Any.read(field).is_err());
    if let Some(columns) = Columns::named(&fields, form).filter(|_| names_only) {
        return (Layout::Csv(separator, columns), true);
    }
    // The lists of abuse.ch have their header in a comment.
    let header = split(comment.trim_start_matches(['#', ' ']), separator).unwrap_or_default();
    let columns = if header.len() > 1 { Columns::named(&header, form) } else { None };
    (Layout::Csv(separator, columns.unwrap_or_else(|| Columns::guessed(&fields, form))), false)
}

/// "0.0.0.0 evil.example".
fn is_hosts(text: &str) -> bool {
    let mut words = uncommented(text).split_whitespace();
    words.next().is_some_and(|word| word.parse::<IpAddr>().is_ok())
        && words.next().is_some_and(|name| is_local(name) || Form::Host.read(name).is_ok())
}

fn is_local(name: &str) -> bool {
    LOCAL_NAMES.iter().any(|local| name.eq_ignore_ascii_case(local))
        || name.starts_with("ip6-")
        || name.parse::<IpAddr>().is_ok()
}

/// The separator of a CSV line. A comma can also be part of a URL, so a line without a name that says CSV must have it
/// outside of one.
fn separator(line: &str, form: Form, by_name: bool) -> Option<char> {
    let typed = line.split_once(':').and_then(|(name, _)| Form::named(name));
    if !by_name && (form == Form::UserAgent || typed == Some(Form::UserAgent)) {
        return None;
    }
    let url = line.contains("://");
    let found = ['\t', ';', ','].into_iter().find(|&s| line.contains(s));
    match found {
        Some(separator) if by_name || !url || line.contains('"') || separator == '\t' => Some(separator),
        Some(separator) if line.split(separator).next().is_some_and(|f| form.read(f).is_ok()) => {
            Some(separator)
        }
        _ if by_name => Some(','),
        _ => None,
    }
}

fn uncommented(text: &str) -> &str {
    text.split(" #").next().unwrap_or(text).trim_end()
}

fn plain(intake: &mut Intake<'_>, line: u32, text: &str) -> Result<(), LoadError> {
    let form = intake.feed.form;
    let text = if form == Form::UserAgent { text } else { uncommented(text) };
    value(intake, line, form, text, &Said::default())
}

/// A value of a list whose format has no types: an indicator, or one that a dataset of Suricata has in base64.
pub(super) fn value(
    intake: &mut Intake<'_>,
    line: u32,
    form: Form,
    text: &str,
    said: &Said<'_>,
) -> Result<(), LoadError> {
    let decoded =
        if form == Form::UserAgent || form.read(text).is_err() { dataset_string(text) } else { None };
    match decoded.filter(|decoded| form.read(decoded).is_ok()) {
        Some(decoded) => intake.add(line, form, &decoded, said),
        None => intake.add(line, form, text, said),
    }
}

/// A string of a dataset of Suricata: printable text in base64.
fn dataset_string(text: &str) -> Option<String> {
    if text.len() < 8 || text.len() > MAX_INDICATOR * 2 {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    decoded.bytes().all(|b| b == b' ' || b.is_ascii_graphic()).then_some(decoded)
}

fn hosts(intake: &mut Intake<'_>, line: u32, text: &str) -> Result<(), LoadError> {
    let mut words = text.split('#').next().unwrap_or(text).split_whitespace();
    if words.next().is_none_or(|word| word.parse::<IpAddr>().is_err()) {
        intake.skip(
            line,
            Malformed::Format("no line of a hosts file: it does not begin with an address".into()),
        );
        return Ok(());
    }
    for name in words.filter(|name| !is_local(name)) {
        intake.add(line, Form::Domain, name, &Said::default())?;
    }
    Ok(())
}
