//! Reads lists and compiles them into a set.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use wire::is_bogon;

use crate::fang;

use crate::attributes::{Interner, Said};
use crate::formats::{lists, misp, stix};
use crate::indicator::{Form, Indicator, network_key, octets};
use crate::kind::Kind;
use crate::malformed::{Malformed, quoted};
use crate::patterns::Patterns;
use crate::ranges;
use crate::report::{Doubt, LoadError, LoadReport};
use crate::set::Indicators;
use crate::source::Source;
use crate::store::Inserted;
use crate::table::{Table, address, render};

/// Indicators of a set unless said otherwise: twice as many as the largest lists at hand, about 700 MB.
pub const MAX_INDICATORS: usize = 20_000_000;

/// A list, and what is said about all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// A file, or the folder of a MISP feed.
    pub path: PathBuf,
    /// What its values are, where the list itself does not say.
    pub form: Form,
    /// In percent, where the list does not say.
    pub confidence: Option<u8>,
    /// Beside those of the list.
    pub tags: Vec<String>,
    /// ATT&CK techniques, beside those of the list.
    pub techniques: Vec<String>,
    /// In seconds since 1970, where the list does not say.
    pub expires: Option<i64>,
}

impl Feed {
    /// A list that nothing is said about.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Feed {
            path: path.into(),
            form: Form::Any,
            confidence: None,
            tags: Vec::new(),
            techniques: Vec::new(),
            expires: None,
        }
    }
}

/// Collects lists into a set. What is allowed comes first.
#[derive(Debug)]
pub struct Loader {
    max: usize,
    listed: Table,
    allowed: Table,
    /// Entries of `allowed` that can be found.
    allowed_sealed: usize,
    patterns: Patterns,
    interner: Interner,
    report: LoadReport,
}

impl Default for Loader {
    fn default() -> Self {
        Self::new()
    }
}

impl Loader {
    /// Nothing loaded yet; room for [`MAX_INDICATORS`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(MAX_INDICATORS)
    }

    /// Nothing loaded yet; room for `max` indicators.
    #[must_use]
    pub fn with_limit(max: usize) -> Self {
        Loader {
            max,
            listed: Table::default(),
            allowed: Table::default(),
            allowed_sealed: 0,
            patterns: Patterns::default(),
            interner: Interner::default(),
            report: LoadReport::default(),
        }
    }

    /// Adds a list of what is never an indicator: domains with everything below them, addresses, networks, URLs, hashes
    /// and all other kinds. It wins over whatever list.
    ///
    /// # Errors
    /// See [`Loader::feed`].
    pub fn allow(&mut self, path: &Path) -> Result<(), LoadError> {
        self.load(&Feed::new(path), true)
    }

    /// Adds a list of which nothing is known but its contents.
    ///
    /// # Errors
    /// See [`Loader::feed`].
    pub fn file(&mut self, path: &Path) -> Result<(), LoadError> {
        self.load(&Feed::new(path), false)
    }

    /// Adds a list. Its format follows from its contents: plain text, hosts file, CSV, MISP event, STIX bundle, Suricata
    /// dataset or reputation list, gzip or not; a folder is a MISP feed.
    ///
    /// # Errors
    /// It cannot be read, is no list, is not whole, or there are too many indicators. Single lines that cannot be used
    /// are no error here, see [`Loader::finish`].
    pub fn feed(&mut self, feed: &Feed) -> Result<(), LoadError> {
        self.load(feed, false)
    }

    /// Adds a list that is in memory already.
    ///
    /// # Errors
    /// See [`Loader::feed`].
    pub fn text(&mut self, name: &str, text: &str) -> Result<(), LoadError> {
        let feed = Feed::new(name);
        let mut intake = Intake::new(self, &feed, name, false);
        match Source::text(text) {
            Ok(source) => intake.source(source),
            Err(why) => Err(intake.broken(1, why)),
        }
    }

    /// The set, and what was and was not in the lists.
    #[must_use]
    pub fn finish(mut self) -> (Indicators, LoadReport) {
        self.allowed.store.seal();
        let (pool, dropped) = self.interner.finish();
        self.report.texts_dropped = dropped;
        (Indicators::new(self.listed, self.allowed, self.patterns, pool), self.report)
    }

    fn load(&mut self, feed: &Feed, allow: bool) -> Result<(), LoadError> {
        if feed.path.is_dir() {
            return misp::folder(&feed.path, &mut |path| self.load_file(feed, path, allow));
        }
        self.load_file(feed, &feed.path, allow)
    }

    fn load_file(&mut self, feed: &Feed, path: &Path, allow: bool) -> Result<(), LoadError> {
        let name = path.display().to_string();
        let mut intake = Intake::new(self, feed, &name, allow);
        match Source::open(path) {
            Ok(Ok(source)) => intake.source(source),
            Ok(Err(why)) => Err(intake.broken(1, why)),
            Err(source) => Err(LoadError::Unreadable { path: path.to_owned(), source }),
        }
    }
}

/// Whether an indicator is an address that nobody has on the Internet, or a network that begins with one.
fn is_bogon_key(kind: Kind, key: &[u8]) -> bool {
    let octets = match kind {
        Kind::Ip => key,
        Kind::Network => key.get(1..).unwrap_or_default(),
        _ => return false,
    };
    address(octets).is_some_and(is_bogon)
}

/// Whether a domain is one below which anybody may register names (publicsuffix.org), and whether with a registry or
/// with a company: a feed may mean all customers of such a company.
fn suffix(indicator: &Indicator) -> Option<psl::Type> {
    let suffix = psl::suffix(&indicator.key).filter(|_| indicator.kind == Kind::Domain)?;
    suffix.typ().filter(|_| suffix.as_bytes() == indicator.key)
}

/// "203.0.113.50/24": one host was meant, or another prefix.
fn has_host_bits(text: &str) -> bool {
    let text = fang::refang(text.trim());
    let Some((ip, bits)) = text.split_once('/') else { return false };
    let (Ok(ip), Ok(bits)) = (ip.parse::<IpAddr>(), bits.parse::<u8>()) else { return false };
    let (key, len) = network_key(ip, bits);
    key.get(1..len).is_some_and(|network| network != octets(ip))
}

/// Takes in the entries of one file.
pub(crate) struct Intake<'a> {
    loader: &'a mut Loader,
    pub feed: &'a Feed,
    pub name: &'a str,
    /// Number of its name among the texts.
    file: u32,
    allow: bool,
}

impl<'a> Intake<'a> {
    fn new(loader: &'a mut Loader, feed: &'a Feed, name: &'a str, allow: bool) -> Self {
        let file = loader.interner.text(name);
        if !allow && loader.allowed_sealed != loader.allowed.store.len() {
            loader.allowed.store.seal();
            loader.allowed_sealed = loader.allowed.store.len();
        }
        Intake { loader, feed, name, file, allow }
    }

    fn source(&mut self, source: Source<'_>) -> Result<(), LoadError> {
        let before = (self.loader.report.understood(), self.loader.report.skipped);
        if source.json {
            let text = source.document().map_err(|err| self.broken(1, err))?;
            self.document(&text)?;
        } else {
            lists::read(self, source)?;
        }
        let report = &self.loader.report;
        let skipped = report.skipped - before.1;
        // A list of which not a line makes sense is no list.
        if skipped > 0 && report.understood() == before.0 {
            let first = report.errors.iter().rev().take_while(|error| error.file == self.name).last();
            let line = first.map_or(1, |error| error.line);
            let why = first.map(|error| format!(": {}", error.why)).unwrap_or_default();
            return Err(self.broken(line, format!("none of {skipped} entries is an indicator{why}")));
        }
        Ok(())
    }

    fn document(&mut self, text: &str) -> Result<(), LoadError> {
        if !stix::read(self, text)? && !misp::read(self, text)? {
            return Err(self.broken(1, "JSON, but neither a MISP event nor a STIX bundle"));
        }
        Ok(())
    }

    /// The error that this file is none or not whole.
    pub fn broken(&self, line: u32, why: impl ToString) -> LoadError {
        LoadError::Broken { file: self.name.to_owned(), line, why: why.to_string() }
    }

    /// A line cannot be used.
    pub fn skip(&mut self, line: u32, why: Malformed) {
        self.loader.report.skip(self.name, line, why);
    }

    /// An entry is not meant for detection.
    pub fn ignore(&mut self) {
        self.loader.report.ignored += 1;
    }

    /// An entry that is said to be of that form; an error only if there are too many.
    pub fn add(&mut self, line: u32, form: Form, text: &str, said: &Said<'_>) -> Result<(), LoadError> {
        if matches!(form, Form::Any | Form::Address | Form::Host)
            && let Some(networks) = ranges::read(&fang::refang(text.trim()))
        {
            for (first, bits) in networks {
                match self.read(Form::Address, &format!("{first}/{bits}")) {
                    Ok(indicator) => self.put(line, &indicator, said)?,
                    // Its parts would be told one by one.
                    Err(_) => {
                        self.skip(line, Malformed::TooLargeNetwork(quoted(text)));
                        return Ok(());
                    }
                }
            }
            return Ok(());
        }
        match self.read(form, text) {
            Ok(indicator) => {
                if has_host_bits(text) {
                    self.loader.report.doubt(self.name, line, Doubt::HostBits(quoted(text)));
                }
                if !self.allow && suffix(&indicator).is_some() {
                    self.loader.report.doubt(self.name, line, Doubt::Suffix(quoted(text)));
                }
                self.put(line, &indicator, said)
            }
            Err(why) => {
                self.skip(line, why);
                Ok(())
            }
        }
    }

    fn read(&self, form: Form, text: &str) -> Result<Indicator, Malformed> {
        let network = if self.allow { Indicator::allowed_network(text) } else { None };
        match network {
            Some(network) => Ok(network),
            None => form.read(text).and_then(|indicator| match suffix(&indicator) {
                // What is allowed may be anything.
                Some(psl::Type::Icann) if !self.allow => Err(Malformed::Suffix(quoted(text))),
                _ => Ok(indicator),
            }),
        }
    }

    /// An indicator.
    pub fn put(&mut self, line: u32, indicator: &Indicator, said: &Said<'_>) -> Result<(), LoadError> {
        let Indicator { kind, key } = indicator;
        if self.allow {
            return match self.loader.allowed.insert(*kind, key, line, 0) {
                Inserted::Full => Err(self.broken(line, "too much for one set")),
                Inserted::New | Inserted::Duplicate => self.check(line),
            };
        }
        if self.loader.allowed.covers_indicator(*kind, key) {
            self.loader.report.allowed += 1;
            return Ok(());
        }
        let attributes = self.said(said);
        match self.loader.listed.insert(*kind, key, line, attributes) {
            Inserted::New => {
                self.loader.report.add(*kind);
                if is_bogon_key(*kind, key) {
                    let text = render(*kind, key).into_owned();
                    self.loader.report.doubt(self.name, line, Doubt::Bogon(text));
                }
            }
            Inserted::Duplicate => self.loader.report.duplicates += 1,
            Inserted::Full => return Err(self.broken(line, "too much for one set: its texts take 4 GiB")),
        }
        self.check(line)
    }

    /// Parts that must all be seen.
    pub fn put_all(&mut self, line: u32, parts: &[Indicator], said: &Said<'_>) -> Result<(), LoadError> {
        if let [only] = parts {
            return self.put(line, only, said);
        }
        if self.allow {
            self.skip(line, Malformed::Format("a pattern of several parts allows nothing".into()));
            return Ok(());
        }
        let attributes = self.said(said);
        if self.loader.patterns.insert(parts, line, attributes) {
            self.loader.report.add(Kind::Pattern);
        } else {
            self.loader.report.duplicates += 1;
        }
        self.check(line)
    }

    /// The number of what is said by the list and about the list.
    fn said(&mut self, said: &Said<'_>) -> u32 {
        let feed = self.feed;
        let more = Said {
            description: said.description,
            confidence: said.confidence.or(feed.confidence),
            expires: said.expires.or(feed.expires),
            from: said.from,
            tags: said.tags.iter().copied().chain(feed.tags.iter().map(String::as_str)).collect(),
            techniques: said
                .techniques
                .iter()
                .copied()
                .chain(feed.techniques.iter().map(String::as_str))
                .collect(),
        };
        self.loader.interner.said(self.file, &more)
    }

    fn check(&self, line: u32) -> Result<(), LoadError> {
        let loader = &*self.loader;
        let len = loader.listed.store.len() + loader.allowed.store.len() + loader.patterns.all.len();
        if len > loader.max {
            return Err(
                self.broken(line, format!("more than {} indicators (intel.max_indicators)", loader.max))
            );
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "loader_tests.rs"]
mod tests;
