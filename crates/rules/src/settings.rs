//! What rules refer to by name: variables, classes, systems of references.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::address;
use crate::defaults;
use crate::rule::AddressSet;
use crate::vars;

/// Bytes of a settings file.
pub const MAX_SETTINGS: u64 = 16 << 20;

/// A file that cannot be read, or not as what it should be.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The system says so.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not of the file's language.
    #[error("{path}:{line}: {why}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u32,
        /// What is wrong there.
        why: String,
    },
}

impl LoadError {
    /// What the system said of a file.
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        LoadError::Io { path: path.to_owned(), source }
    }
}

/// A class of rules, as of `classification.config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its short name.
    pub name: Arc<str>,
    /// Its description.
    pub description: Arc<str>,
    /// 1 is the worst.
    pub priority: u8,
}

/// What rules refer to by name.
#[derive(Clone, Debug)]
pub struct Settings {
    addresses: HashMap<String, String>,
    ports: HashMap<String, String>,
    classes: HashMap<String, Class>,
    references: HashMap<String, String>,
}

impl Default for Settings {
    /// Suricata's variables with any external network, and the usual classes and references.
    fn default() -> Self {
        let owned = |table: &[(&str, &str)]| {
            table.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let classes = defaults::CLASSES
            .iter()
            .map(|&(name, description, priority)| {
                (name.to_owned(), Class { name: name.into(), description: description.into(), priority })
            })
            .collect();
        let references =
            defaults::REFERENCES.iter().map(|&(name, url)| (name.to_owned(), url.to_owned())).collect();
        Settings { addresses: owned(defaults::ADDRESSES), ports: owned(defaults::PORTS), classes, references }
    }
}

impl Settings {
    /// The address list of a variable.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<&str> {
        self.addresses.get(name).map(String::as_str)
    }

    /// The hosts of `HOME_NET`; `None` if it is not defined, broken, or any host.
    #[must_use]
    pub fn home(&self) -> Option<AddressSet> {
        address::parse("$HOME_NET", self).ok().filter(|set| !set.any_of.is_empty() || !set.none_of.is_empty())
    }

    /// The port list of a variable.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<&str> {
        self.ports.get(name).map(String::as_str)
    }

    /// A class by its short name, whatever its case.
    #[must_use]
    pub fn class(&self, name: &str) -> Option<&Class> {
        self.classes.get(name).or_else(|| self.classes.get(&name.to_ascii_lowercase()))
    }

    /// What stands before references of that system, whatever its case.
    #[must_use]
    pub fn reference(&self, system: &str) -> Option<&str> {
        let found = self.references.get(system);
        found.or_else(|| self.references.get(&system.to_ascii_lowercase())).map(String::as_str)
    }

    /// Sets a variable: of the group that has it already, of both if it is new.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        let (of_addresses, of_ports) = (self.addresses.contains_key(name), self.ports.contains_key(name));
        if of_addresses || !of_ports {
            self.addresses.insert(name.to_owned(), value.to_owned());
        }
        if of_ports || !of_addresses {
            self.ports.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Reads the `vars` of a Suricata configuration; variables that it does not name stay.
    ///
    /// # Errors
    /// The file cannot be read, or its `vars` are not groups of names and values.
    pub fn variables_file(&mut self, path: &Path) -> Result<(), LoadError> {
        let text = read(path)?;
        let line = |(line, why)| LoadError::Line { path: path.to_owned(), line, why };
        let found = vars::parse(&text).map_err(line)?;
        self.addresses.extend(found.addresses);
        self.ports.extend(found.ports);
        Ok(())
    }

    /// Reads a `classification.config`; its classes take the place of those known before.
    ///
    /// # Errors
    /// The file cannot be read, or a line is not `config classification: name,description,priority`.
    pub fn classification_file(&mut self, path: &Path) -> Result<(), LoadError> {
        let text = read(path)?;
        let mut classes = HashMap::new();
        for (line, rest) in entries(path, &text, "classification")? {
            let class = class(rest).ok_or_else(|| LoadError::Line {
                path: path.to_owned(),
                line,
                why: "expected \"config classification: name,description,priority\"".to_owned(),
            })?;
            classes.entry(class.name.to_ascii_lowercase()).or_insert(class);
        }
        self.classes = classes;
        Ok(())
    }

    /// Reads a `reference.config`; its systems take the place of those known before.
    ///
    /// # Errors
    /// The file cannot be read, or a line is not `config reference: system url`.
    pub fn reference_file(&mut self, path: &Path) -> Result<(), LoadError> {
        let text = read(path)?;
        let mut references = HashMap::new();
        for (line, rest) in entries(path, &text, "reference")? {
            let (system, url) = rest.split_once(char::is_whitespace).ok_or_else(|| LoadError::Line {
                path: path.to_owned(),
                line,
                why: "expected \"config reference: system url\"".to_owned(),
            })?;
            references.insert(system.to_ascii_lowercase(), url.trim().to_owned());
        }
        self.references = references;
        Ok(())
    }
}

/// A file's text; what is no UTF-8 is replaced.
pub(crate) fn read(path: &Path) -> Result<String, LoadError> {
    let fail = |source| LoadError::io(path, source);
    if fs::metadata(path).map_err(fail)?.len() > MAX_SETTINGS {
        return Err(fail(io::Error::other(format!("larger than {MAX_SETTINGS} bytes"))));
    }
    let bytes = fs::read(path).map_err(fail)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What stands behind `config KIND:` in the lines of a file.
fn entries<'a>(path: &Path, text: &'a str, kind: &str) -> Result<Vec<(u32, &'a str)>, LoadError> {
    let mut entries = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let content = content.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let entry = content
            .strip_prefix("config")
            .and_then(|c| c.trim_start().strip_prefix(kind))
            .and_then(|c| c.trim_start().strip_prefix(':'));
        let Some(entry) = entry else {
            let why = format!("expected \"config {kind}:\"");
            return Err(LoadError::Line { path: path.to_owned(), line, why });
        };
        entries.push((line, entry.trim()));
    }
    Ok(entries)
}

fn class(text: &str) -> Option<Class> {
    let (name, rest) = text.split_once(',')?;
    let (description, priority) = rest.rsplit_once(',')?;
    let priority = priority.trim().parse().ok().filter(|p| (1..=255).contains(p))?;
    let name = name.trim();
    (!name.is_empty()).then(|| Class { name: name.into(), description: description.trim().into(), priority })
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
