//! From files to rules.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::build::{self, Builder, Context};
use crate::fault::{Fault, wrong};
use crate::header;
use crate::lines::{Line, Lines, MAX_RULE};
use crate::options;
use crate::rule::Rule;
use crate::settings::{LoadError, Settings};

/// Bytes of one rule file after decompression.
pub const MAX_FILE: u64 = 1 << 30;
/// Rules that are not loaded and named one by one; all are counted.
pub const MAX_REFUSED: usize = 100_000;

/// A rule that is not loaded, or that something is said about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The file.
    pub file: Arc<str>,
    /// The rule's first line there, from 1.
    pub line: u32,
    /// Its signature id, if it has one.
    pub sid: Option<u32>,
    /// The keyword at fault; empty: the header, or the rule as a whole.
    pub keyword: String,
    /// Why.
    pub why: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if let Some(sid) = self.sid {
            write!(f, "sid {sid}: ")?;
        }
        if !self.keyword.is_empty() {
            write!(f, "{}: ", self.keyword)?;
        }
        f.write_str(&self.why)
    }
}

/// What was in the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Rules loaded.
    pub loaded: u64,
    /// Rules that are commented out.
    pub disabled: u64,
    /// Rules whose `requires` are not met.
    pub not_required: u64,
    /// Rules that another one of the same id took the place of.
    pub duplicates: u64,
    /// Rules that ask for something that is not there: the first [`MAX_REFUSED`].
    pub unsupported: Vec<Refused>,
    /// Rules that are broken: the first [`MAX_REFUSED`].
    pub errors: Vec<Refused>,
    /// Names that are not known, in rules that are loaded in spite of that.
    pub warnings: Vec<Refused>,
    /// Rules that are in neither list because it is full.
    pub unnamed: u64,
}

/// Reads rule files.
#[derive(Debug)]
pub struct Loader {
    cx: Context,
    rules: Vec<Rule>,
    /// Where the rule of a gid and sid is.
    known: HashMap<(u32, u32), usize>,
    report: Report,
}

impl Loader {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Loader {
            cx: Context::new(settings),
            rules: Vec::new(),
            known: HashMap::new(),
            report: Report::default(),
        }
    }

    /// Reads a file, compressed (gzip, zstd, xz) or not. Files that its rules name are looked for beside it.
    ///
    /// # Errors
    /// The file cannot be read; rules that cannot be loaded are no error here, see [`Loader::finish`].
    pub fn file(&mut self, path: &Path) -> Result<(), LoadError> {
        let fail = |source| LoadError::io(path, source);
        let mut bytes = Vec::new();
        unpack::open(path).map_err(fail)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(fail)?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(fail(std::io::Error::other(format!("larger than {MAX_FILE} bytes"))));
        }
        self.cx.directory = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        self.text(&path.display().to_string(), &bytes);
        Ok(())
    }

    /// Reads rules that are in memory already.
    pub fn text(&mut self, name: &str, bytes: &[u8]) {
        let file: Arc<str> = name.into();
        for line in Lines::new(bytes) {
            let text = line.text.trim();
            if text.is_empty() {
                continue;
            }
            if let Some(comment) = text.strip_prefix('#') {
                self.report.disabled += u64::from(is_rule(comment));
                continue;
            }
            self.rule(&file, &line, text);
        }
    }

    /// The rules, and what was and was not in the files.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Rule>, Report) {
        self.report.loaded = self.rules.len() as u64;
        (self.rules, self.report)
    }

    fn rule(&mut self, file: &Arc<str>, line: &Line<'_>, text: &str) {
        let mut at = String::new();
        let mut sid = None;
        let read = self.read(file, line, text, &mut at, &mut sid);
        for (keyword, why) in self.cx.warnings.drain(..) {
            let keyword = keyword.to_owned();
            self.report.warnings.push(Refused { file: file.clone(), line: line.number, sid, keyword, why });
        }
        let fault = match read {
            Ok(rule) => return self.keep(rule),
            Err(Fault::NotRequired) => {
                self.report.not_required += 1;
                return;
            }
            Err(fault) => fault,
        };
        let (list, why) = match fault {
            Fault::Unsupported(why) => (&mut self.report.unsupported, why),
            Fault::Wrong(why) => (&mut self.report.errors, why),
            Fault::NotRequired => return,
        };
        if list.len() < MAX_REFUSED {
            list.push(Refused { file: file.clone(), line: line.number, sid, keyword: at, why });
        } else {
            self.report.unnamed += 1;
        }
    }

    fn read(
        &mut self,
        file: &Arc<str>,
        line: &Line<'_>,
        text: &str,
        at: &mut String,
        sid: &mut Option<u32>,
    ) -> Result<Rule, Fault> {
        if line.too_long {
            return Err(wrong(format!("the rule is longer than {MAX_RULE} bytes")));
        }
        let (head, body) =
            text.split_once('(').ok_or_else(|| wrong("the rule has no options in parentheses"))?;
        let body = body.strip_suffix(')');
        let options = options::split(body.ok_or_else(|| wrong("the rule does not end with a parenthesis"))?)?;
        let named = options.iter().find(|(name, _)| *name == "sid").and_then(|(_, value)| *value);
        *sid = named.and_then(|value| options::unquoted(value).trim().parse().ok());
        build::required(&options)?;
        let (action, header) = header::parse(head, &self.cx.settings, &mut self.cx.cache)?;
        let mut builder = Builder::new(&mut self.cx, action, header, file.clone(), line.number, line.latin1);
        for (name, value) in options {
            build::apply(&mut builder, name, value).inspect_err(|_| name.clone_into(at))?;
        }
        let rule = builder.finish().map_err(|(keyword, fault)| {
            keyword.unwrap_or("").clone_into(at);
            fault
        })?;
        Ok(Rule { zones: header::zones(head, &self.cx.settings), ..rule })
    }

    /// Of two rules with one id the later revision stays; of two with one revision the first.
    fn keep(&mut self, rule: Rule) {
        let at = *self.known.entry((rule.gid, rule.sid)).or_insert(self.rules.len());
        match self.rules.get_mut(at) {
            Some(before) => {
                self.report.duplicates += 1;
                if rule.rev > before.rev {
                    *before = rule;
                }
            }
            None => self.rules.push(rule),
        }
    }
}

/// Whether a comment is a rule that was disabled.
fn is_rule(comment: &str) -> bool {
    let text = comment.trim_start_matches(['#', ' ', '\t']);
    let word = text.split_whitespace().next().unwrap_or("");
    header::action(word).is_some() && text.ends_with(')') && text.contains("sid:")
}

#[cfg(test)]
#[path = "loader_tests.rs"]
mod tests;
