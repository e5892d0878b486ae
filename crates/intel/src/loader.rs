//! Reading lists: plain text or CSV, gzip or not.
//!
//! A file is CSV if its name says so (`.csv`, `.csv.gz`) or its first line that is no comment has a
//! separator; everything else has one indicator per line. Lines that cannot be used are reported with
//! file and line and skipped.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use thiserror::Error;

use crate::line::{Indicator, Malformed};
use crate::set::Indicators;

/// Line errors that are kept word for word; all are counted.
pub const MAX_LINE_ERRORS: usize = 1000;
/// Bytes of one list after decompression.
pub const MAX_FILE: u64 = 4 << 30;
/// Different descriptions; beyond that indicators go without.
const MAX_DESCRIPTIONS: usize = 1 << 20;
/// Characters of a description.
const MAX_DESCRIPTION: usize = 200;

const VALUE_COLUMNS: [&str; 10] =
    ["indicator", "ioc", "value", "domain", "ip", "url", "host", "hostname", "address", "ioc_value"];
const TEXT_COLUMNS: [&str; 9] =
    ["description", "comment", "family", "threat", "malware", "name", "malware_printable", "tags", "note"];

/// A list that cannot be read at all.
#[derive(Debug, Error)]
#[error("{path}: {source}")]
pub struct LoadError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// A line that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// Why.
    pub why: Malformed,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.why)
    }
}

/// What was in the lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Domains loaded.
    pub domains: u64,
    /// Addresses loaded.
    pub ips: u64,
    /// URLs loaded.
    pub urls: u64,
    /// Indicators that were there already; the first stays.
    pub duplicates: u64,
    /// Lines that could not be used.
    pub skipped: u64,
    /// The first [`MAX_LINE_ERRORS`] of them.
    pub errors: Vec<LineError>,
}

/// Collects lists into a set.
#[derive(Debug, Default)]
pub struct Loader {
    set: Indicators,
    report: LoadReport,
    descriptions: HashMap<String, u32>,
}

impl Loader {
    /// Nothing loaded yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a list.
    ///
    /// # Errors
    /// The file cannot be read; malformed lines are no error here, see [`Loader::finish`].
    pub fn file(&mut self, path: &Path) -> Result<(), LoadError> {
        let fail = |source| LoadError { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let mut file = BufReader::new(File::open(path).map_err(fail)?).take(MAX_FILE);
        file.read_to_end(&mut bytes).map_err(fail)?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut plain = Vec::new();
            MultiGzDecoder::new(bytes.as_slice()).take(MAX_FILE).read_to_end(&mut plain).map_err(fail)?;
            bytes = plain;
        }
        let name = path.display().to_string();
        self.text(&name, &String::from_utf8_lossy(&bytes));
        Ok(())
    }

    /// Adds a list that is in memory already.
    pub fn text(&mut self, name: &str, text: &str) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let file = self.set.add_file(name);
        let first = text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with('#'));
        let by_name = name.ends_with(".csv") || name.ends_with(".csv.gz");
        match first.and_then(|line| separator(line, by_name)) {
            Some(separator) => self.csv(name, file, text, separator),
            None => self.plain(name, file, text),
        }
    }

    /// The set, and what was and was not in the lists.
    #[must_use]
    pub fn finish(mut self) -> (Indicators, LoadReport) {
        self.set.seal();
        (self.set, self.report)
    }

    fn plain(&mut self, name: &str, file: u16, text: &str) {
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.split(" #").next().unwrap_or(content).trim();
            if !content.is_empty() && !content.starts_with('#') {
                self.add(name, file, line, content, None);
            }
        }
    }

    fn csv(&mut self, name: &str, file: u16, text: &str, separator: u8) {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .delimiter(separator)
            .trim(csv::Trim::All)
            .from_reader(text.as_bytes());
        let mut columns = None;
        let mut record = csv::StringRecord::new();
        let mut lines = Lines { text: text.as_bytes(), counted: 0, line: 1 };
        loop {
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => return,
                Err(err) => {
                    let line = lines.at(err.position());
                    let why = Malformed::NotADomain("an unreadable CSV record".into());
                    self.skip(name, line, why);
                    continue;
                }
            }
            let line = lines.at(record.position());
            let (value, text) = match columns {
                Some(known) => known,
                None => {
                    let (found, is_header) = header(&record);
                    columns = Some(found);
                    if is_header {
                        continue;
                    }
                    found
                }
            };
            let description = record.get(text).filter(|t| !t.is_empty());
            self.add(name, file, line, record.get(value).unwrap_or(""), description);
        }
    }

    fn add(&mut self, name: &str, file: u16, line: u32, text: &str, description: Option<&str>) {
        let indicator = match Indicator::parse(text) {
            Ok(indicator) => indicator,
            Err(why) => return self.skip(name, line, why),
        };
        let description = description.and_then(|text| self.describe(text));
        if !self.set.insert(&indicator, file, line, description) {
            self.report.duplicates += 1;
            return;
        }
        match indicator {
            Indicator::Domain(_) => self.report.domains += 1,
            Indicator::Ip(_) => self.report.ips += 1,
            Indicator::Url(_) => self.report.urls += 1,
        }
    }

    /// Lists say the same of thousands of indicators: each text is kept once.
    fn describe(&mut self, text: &str) -> Option<u32> {
        let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_DESCRIPTION).collect();
        if let Some(&known) = self.descriptions.get(&text) {
            return Some(known);
        }
        if self.descriptions.len() >= MAX_DESCRIPTIONS {
            return None;
        }
        let id = self.set.add_description(&text);
        self.descriptions.insert(text, id);
        Some(id)
    }

    fn skip(&mut self, name: &str, line: u32, why: Malformed) {
        self.report.skipped += 1;
        if self.report.errors.len() < MAX_LINE_ERRORS {
            self.report.errors.push(LineError { file: name.to_owned(), line, why });
        }
    }
}

/// The separator of a CSV line. A comma can also be part of a URL, so a line without a name that says
/// CSV must have it outside of one.
fn separator(line: &str, by_name: bool) -> Option<u8> {
    let url = line.contains("://");
    let found = [b'\t', b';', b','].into_iter().find(|&s| line.bytes().any(|b| b == s));
    match found {
        Some(separator) if by_name || !url || line.contains('"') || separator == b'\t' => Some(separator),
        Some(separator)
            if line.split(char::from(separator)).next().is_some_and(|f| Indicator::parse(f).is_ok()) =>
        {
            Some(separator)
        }
        _ if by_name => Some(b','),
        _ => None,
    }
}

/// Which columns hold the indicator and the text, and whether this record is a header.
fn header(record: &csv::StringRecord) -> ((usize, usize), bool) {
    let column = |names: &[&str]| {
        names.iter().find_map(|name| record.iter().position(|field| field.eq_ignore_ascii_case(name)))
    };
    match column(&VALUE_COLUMNS) {
        Some(value) => {
            let text = column(&TEXT_COLUMNS).filter(|&t| t != value).unwrap_or(usize::MAX);
            ((value, text), true)
        }
        None => ((0, 1), false),
    }
}

/// Line numbers of records. The csv crate's own are one too small behind a carriage return: it takes the line
/// feed for a part of the next record.
struct Lines<'a> {
    text: &'a [u8],
    counted: usize,
    line: u32,
}

impl Lines<'_> {
    fn at(&mut self, position: Option<&csv::Position>) -> u32 {
        let start = position.map_or(self.counted, |p| usize::try_from(p.byte()).unwrap_or(usize::MAX));
        let rest = self.text.get(start..).unwrap_or_default();
        let blank = rest.iter().take_while(|b| matches!(b, b'\r' | b'\n')).count();
        let start = start.saturating_add(blank).clamp(self.counted, self.text.len());
        let feeds = self.text[self.counted..start].iter().filter(|&&b| b == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(feeds).unwrap_or(u32::MAX));
        self.counted = start;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(name: &str, text: &str) -> (Indicators, LoadReport) {
        let mut loader = Loader::new();
        loader.text(name, text);
        loader.finish()
    }

    #[test]
    fn lines_are_counted_whatever_ends_them() {
        for end in ["\n", "\r\n"] {
            let text =
                ["# feed", "domain,family", "a.example,x", "bad domain!,y", "", "worse domain!,z"].join(end);
            let (_, report) = load("list.csv", &text);
            let lines: Vec<u32> = report.errors.iter().map(|e| e.line).collect();
            assert_eq!(lines, [4, 6], "{end:?}");
        }
    }

    #[test]
    fn plain_lists_match_parents_and_name_their_line() {
        let (set, report) =
            load("list.txt", "# c2\n\nevil.example\r\n192.0.2.7\n  bad one \n2001:db8::5\nevil.example\n");
        assert_eq!((report.domains, report.ips, report.duplicates, report.skipped), (1, 2, 1, 1));
        assert_eq!(
            report.errors[0].to_string(),
            "list.txt:5: \"bad one\" is neither a domain, an address nor a URL"
        );
        let hit = set.domain("A.b.EVIL.example.").unwrap();
        assert_eq!(
            (hit.indicator, hit.file, hit.line, hit.description),
            ("evil.example", "list.txt", 3, None)
        );
        assert!(set.domain("notevil.example").is_none());
        assert!(set.domain("example").is_none());
        assert!(set.ip("192.0.2.7".parse().unwrap()).is_some());
        assert!(set.ip("::ffff:192.0.2.7".parse().unwrap()).is_some());
        assert!(set.ip("2001:db8::5".parse().unwrap()).is_some());
        assert!(set.ip("2001:db8::6".parse().unwrap()).is_none());
    }

    #[test]
    fn csv_columns_are_found_by_name_or_place() {
        let (set, _) = load("a.csv", "type,value,description\ndomain,evil.example,\"Cobalt, Strike\"\n");
        assert_eq!(set.domain("evil.example").unwrap().description, Some("Cobalt, Strike"));
        let (set, _) = load("feed", "evil.example;njRAT;x\nother.example;;\n");
        assert_eq!(set.domain("x.evil.example").unwrap().description, Some("njRAT"));
        assert_eq!(set.domain("other.example").unwrap().description, None);
        assert_eq!(set.domain("other.example").unwrap().line, 2);
        let (set, _) = load("b.csv", "domain,family\n0--0.gq,android\n");
        assert!(set.domain("0--0.gq").is_some());
    }

    #[test]
    fn urls_match_with_their_query_or_any() {
        let (set, report) =
            load("u", "http://evil.example/gate.php\nhttps://evil.example:8080/x?id=1,2\n192.0.2.9/p\n");
        assert_eq!((report.urls, report.skipped), (3, 0));
        for (host, port, uri, hit) in [
            ("evil.example", None, "/gate.php", true),
            ("evil.example", Some(80), "/gate.php?a=b", true),
            ("evil.example", Some(8080), "/gate.php", false),
            ("evil.example", None, "/gate.php5", false),
            ("evil.example", None, "http://evil.example/gate.php", true),
            ("evil.example", Some(8080), "/x?id=1,2", true),
            ("evil.example", Some(8080), "/x?id=1", false),
            ("192.0.2.9", None, "/p#f", true),
        ] {
            assert_eq!(set.url(host, port, uri).is_some(), hit, "{host} {port:?} {uri}");
        }
    }

    #[test]
    fn the_most_specific_domain_wins() {
        let (set, _) = load("d.csv", "evil.example,zone\nc2.evil.example,server\n");
        assert_eq!(set.domain("x.c2.evil.example").unwrap().description, Some("server"));
        assert_eq!(set.domain("www.evil.example").unwrap().description, Some("zone"));
    }

    #[test]
    fn gzip_is_read_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.csv.gz");
        let mut gz = flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
        io::Write::write_all(&mut gz, b"domain,family\nevil.example,x\n").unwrap();
        gz.finish().unwrap();
        let mut loader = Loader::new();
        loader.file(&path).unwrap();
        assert!(loader.finish().0.domain("evil.example").is_some());
        assert!(Loader::new().file(&dir.path().join("none")).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_list_is_too_odd(text in "\\PC*|[a-z.,;/:#\" \n0-9\\[\\]]{0,200}", name in "x|x.csv") {
            let (set, report) = load(&name, &text);
            proptest::prop_assert_eq!(set.len() as u64, report.domains + report.ips + report.urls);
            let _ = (set.domain(&text), set.url(&text, Some(1), &text));
        }
    }
}
