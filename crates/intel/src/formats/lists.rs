//! Lists with one entry a line: plain text, hosts files, CSV (that of abuse.ch, MISP and others), datasets and
//! reputation lists of Suricata, filters for blockers. Which of them a list is, its first lines tell.

use std::collections::VecDeque;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::blockers::{self, Entry};
use super::layout::{self, Hints, Layout, is_local, uncommented};
use super::record::split;
use crate::attributes::Said;
use crate::indicator::{Form, MAX_INDICATOR};
use crate::loader::Intake;
use crate::malformed::Malformed;
use crate::ranges;
use crate::report::LoadError;
use crate::source::{Line, Lines, MAX_LINE, Source};

/// Lines that a quoted field may go on for.
const MAX_RECORD_LINES: usize = 64;
/// Reads a list.
pub(crate) fn read(intake: &mut Intake<'_>, source: Source<'_>) -> Result<(), LoadError> {
    let mut reader = Reader { lines: source.lines(), again: VecDeque::new() };
    let Some((layout, is_header)) = reader.layout(intake)? else { return Ok(()) };
    let mut header = is_header;
    while let Some((number, line)) = reader.next(intake)? {
        let Line::Text(text) = line else {
            intake.skip(number, Malformed::Format(format!("a line of more than {} KiB", MAX_LINE >> 10)));
            continue;
        };
        if text.is_empty() || is_comment(&text) || spreadsheet(&text).is_some() {
            continue;
        }
        if std::mem::take(&mut header) {
            continue;
        }
        match &layout {
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

fn is_comment(text: &str) -> bool {
    text.starts_with(['#', ';']) || text.starts_with("//") || blockers::is_comment(text)
}

/// The separator that a spreadsheet says it uses: "sep=;" in the first line.
fn spreadsheet(text: &str) -> Option<char> {
    let mut rest = text.trim_matches('"').strip_prefix("sep=")?.chars();
    rest.next().or(Some('\t')).filter(|_| rest.next().is_none())
}

/// Lines, some of which are read a second time.
struct Reader<'a> {
    lines: Lines<'a>,
    again: VecDeque<(u32, Line)>,
}

impl Reader<'_> {
    /// The format of the list, by its first lines, and whether the first that is no comment is a header. Nothing if there
    /// is none.
    fn layout(&mut self, intake: &Intake<'_>) -> Result<Option<(Layout, bool)>, LoadError> {
        let (mut taken, mut comments, mut separator, mut seen) = (Vec::new(), Vec::new(), None, 0);
        while seen < layout::SAMPLE
            && let Some((number, line)) = self.next(intake)?
        {
            if let Line::Text(text) = &line {
                separator = separator.or(spreadsheet(text));
                if is_comment(text) {
                    if seen == 0 && comments.len() < layout::SAMPLE {
                        comments.push(text.clone());
                    }
                } else if !text.is_empty() && spreadsheet(text).is_none() {
                    seen += 1;
                }
            }
            taken.push((number, line));
        }
        let lines: Vec<&str> = taken
            .iter()
            .filter_map(|(_, line)| if let Line::Text(text) = line { Some(text.as_str()) } else { None })
            .filter(|text| !text.is_empty() && !is_comment(text) && spreadsheet(text).is_none())
            .collect();
        let csv = unpack::bare_name(intake.name).ends_with(".csv");
        let hints = Hints { form: intake.feed.form, csv, comments: &comments, separator };
        let found = layout::of(&lines, &hints);
        self.again.extend(taken);
        Ok((!self.again.is_empty()).then_some(found))
    }

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

fn plain(intake: &mut Intake<'_>, line: u32, text: &str) -> Result<(), LoadError> {
    let form = intake.feed.form;
    if form == Form::UserAgent {
        return value(intake, line, form, text, &Said::default());
    }
    let text = uncommented(text);
    match blockers::read(text) {
        Some(Entry::Nothing) => {
            intake.ignore();
            Ok(())
        }
        Some(Entry::Listed(text)) => value(intake, line, form, text, &Said::default()),
        None => value(intake, line, form, text, &Said::default()),
    }
}

/// Whether a text is a value of that form as [`value`] takes it.
pub(super) fn is_value(text: &str, form: Form) -> bool {
    form.read(text).is_ok()
        || ranges::read(text).is_some()
        || dataset_string(text).is_some_and(|decoded| form.read(&decoded).is_ok())
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
