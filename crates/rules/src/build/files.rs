//! Older keywords on files: `filename`, `fileext`, `filemagic`, `filemd5`, `filesha1`, `filesha256`, `filestore`.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::buffer::Buffer;
use crate::fault::{Done, Fault, unsupported, wrong};
use crate::options::{negation, unquoted};
use crate::test::{Content, PacketTest, Test};

use super::Builder;
use super::dataset::MAX_SET_FILE;

/// What a rule names a file by, from where the rule's file is.
pub(super) fn beside(directory: &Path, name: &str) -> Result<PathBuf, Fault> {
    if name.is_empty() || name.contains('\0') {
        return Err(wrong(format!("{name:?} is no file")));
    }
    Ok(directory.join(name))
}

/// A list's text.
pub(super) fn list(path: &Path) -> Result<String, Fault> {
    let fail = |err: std::io::Error| wrong(format!("{}: {err}", path.display()));
    let mut bytes = Vec::new();
    // A pipe could keep the loader waiting for ever.
    if !fs::metadata(path).map_err(fail)?.is_file() {
        return Err(wrong(format!("{}: not a file", path.display())));
    }
    let file = fs::File::open(path).map_err(fail)?;
    file.take(MAX_SET_FILE + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_SET_FILE {
        return Err(wrong(format!("{}: larger than {MAX_SET_FILE} bytes", path.display())));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Bytes in hexadecimal.
pub(super) fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) || !text.len().is_multiple_of(2) {
        return None;
    }
    text.as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

impl Builder<'_> {
    /// A content on a part of a file of its own.
    fn of_file(&mut self, buffer: Buffer, value: &str) -> Done {
        let (negated, text) = negation(value);
        let mut pattern = self.pattern(unquoted(text))?;
        pattern.make_ascii_lowercase();
        let part = self.part_of(buffer, Vec::new())?;
        self.push_to(part, Test::Content(Content { pattern, nocase: true, negated, ..Content::default() }))?;
        Ok(())
    }

    pub(super) fn file_name(&mut self, value: &str) -> Done {
        self.of_file(Buffer::FileName, value)
    }

    pub(super) fn file_magic(&mut self, value: &str) -> Done {
        self.of_file(Buffer::FileMagic, value)
    }

    pub(super) fn file_extension(&mut self, value: &str) -> Done {
        let (negated, text) = negation(value);
        let extension = unquoted(text).to_ascii_lowercase();
        if extension.is_empty() {
            return Err(wrong("it is empty"));
        }
        if negated {
            let content = Content {
                pattern: [".", &extension].concat().into(),
                nocase: true,
                negated,
                ends_with: true,
                ..Content::default()
            };
            let part = self.part_of(Buffer::FileName, Vec::new())?;
            return self.push_to(part, Test::Content(content)).map(|_| ());
        }
        self.apps.push(Buffer::FileName.info().apps);
        let extension = self.cx.text(&extension);
        self.packet(PacketTest::FileExtension(extension))
    }

    pub(super) fn file_store(&mut self, value: Option<&str>) -> Done {
        for word in value.into_iter().flat_map(|v| unquoted(v).split(',')).map(str::trim) {
            match word {
                "both" | "file" => {}
                "request" | "to_server" | "response" | "to_client" | "tx" | "ssn" | "flow" => {
                    return Err(unsupported("files other than the one that matched"));
                }
                _ => return Err(wrong(format!("{word:?} is not one of its words"))),
            }
        }
        self.apps.push(Buffer::FileData.info().apps);
        self.packet(PacketTest::FileStore)
    }

    pub(super) fn file_hash(&mut self, length: usize, value: &str) -> Done {
        let (negated, name) = negation(unquoted(value));
        let path = beside(&self.cx.directory, unquoted(name).trim())?;
        let known = self.cx.hashes.get(&path).filter(|list| list.iter().all(|hash| hash.len() == length));
        let hashes = match known {
            Some(known) => known.clone(),
            None => {
                let read = hashes(&path, length)?;
                self.cx.hashes.insert(path, read.clone());
                read
            }
        };
        self.apps.push(Buffer::FileData.info().apps);
        self.packet(PacketTest::FileHash { hashes, negated })
    }
}

fn hashes(path: &Path, length: usize) -> Result<Arc<[Vec<u8>]>, Fault> {
    let mut hashes = Vec::new();
    for (line, text) in (1_u32..).zip(list(path)?.lines()) {
        let word = text.split_whitespace().next().unwrap_or("");
        if word.is_empty() || word.starts_with('#') {
            continue;
        }
        let hash = hexadecimal(word).filter(|hash| hash.len() == length);
        hashes.push(
            hash.ok_or_else(|| {
                wrong(format!("{}:{line}: {word:?} is no hash of that kind", path.display()))
            })?,
        );
    }
    hashes.sort_unstable();
    hashes.dedup();
    Ok(hashes.into())
}
