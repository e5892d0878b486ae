//! Which captures a replay reads: files, folders, lists of files, standard input.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use capture::{STANDARD_INPUT, is_capture};

use crate::Failure;

/// Endings of captures: such a file in a folder is read even if it does not begin as one, so that damage is told.
const ENDINGS: [&str; 4] = [".pcap", ".pcapng", ".cap", ".dmp"];

/// The captures that are named, in order; those of a folder sorted by path.
pub fn captures(named: &[PathBuf], list: Option<&Path>) -> Result<Vec<PathBuf>, Failure> {
    let listed = list.map(read_list).transpose()?.unwrap_or_default();
    let inputs: Vec<&PathBuf> = named.iter().chain(&listed).collect();
    let uses = inputs.iter().filter(|path| is_stdin(path)).count() + usize::from(list.is_some_and(is_stdin));
    if uses > 1 {
        return Err(Failure::running("standard input (\"-\") can be read only once"));
    }
    let mut captures = Vec::new();
    for path in inputs {
        if path.is_dir() {
            let mut found = Vec::new();
            let skipped = folder(path, &mut found)?;
            if skipped > 0 {
                errln!("{}: {skipped} files are no captures and skipped", path.display());
            }
            if found.is_empty() {
                return Err(Failure::running(format!("{}: no captures in this folder", path.display())));
            }
            captures.append(&mut found);
        } else {
            captures.push(path.clone());
        }
    }
    if captures.is_empty() {
        return Err(Failure::running("no captures are named"));
    }
    Ok(captures)
}

fn is_stdin(path: impl AsRef<Path>) -> bool {
    path.as_ref() == Path::new(STANDARD_INPUT)
}

/// A path a line.
fn read_list(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let fail = |err: io::Error| Failure::running(format!("{}: {err}", path.display()));
    let reader: Box<dyn BufRead> = if is_stdin(path) {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path).map_err(fail)?))
    };
    let lines: io::Result<Vec<String>> = reader.lines().collect();
    let lines = lines.map_err(fail)?;
    Ok(lines
        .iter()
        .map(|line| line.trim_end_matches('\r'))
        .filter(|l| !l.is_empty())
        .map(PathBuf::from)
        .collect())
}

/// The captures in a folder and in folders within; how many files are none. Links to folders are not followed: they
/// may lead round in circles.
fn folder(root: &Path, captures: &mut Vec<PathBuf>) -> Result<u64, Failure> {
    let (mut skipped, mut folders) = (0, vec![root.to_owned()]);
    while let Some(dir) = folders.pop() {
        let fail = |err: io::Error| Failure::running(format!("{}: {err}", dir.display()));
        for entry in fs::read_dir(&dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let path = entry.path();
            let kind = entry.file_type().map_err(fail)?;
            if kind.is_dir() {
                folders.push(path);
            } else if path.is_file() {
                let name = entry.file_name().to_string_lossy().to_ascii_lowercase();
                let named = ENDINGS.iter().any(|ending| unpack::bare_name(&name).ends_with(ending));
                if named || is_capture(&path) { captures.push(path) } else { skipped += 1 }
            }
        }
    }
    captures.sort();
    Ok(skipped)
}
