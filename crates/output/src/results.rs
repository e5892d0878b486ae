//! What an earlier run has left in an output directory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::OutputError;
use crate::rotation::is_rotated;

/// Folders that runs make.
const FOLDERS: [&str; 3] = ["evidence", "incidents", "files"];
/// Files that runs make.
const FILES: [&str; 2] = ["eve.json", "rules-profile.json"];

/// Whether a directory holds results of an earlier run.
///
/// # Errors
/// It cannot be read.
pub fn has_results(dir: &Path) -> Result<bool, OutputError> {
    Ok(!results(dir)?.is_empty())
}

/// Removes the results of an earlier run, and nothing else.
///
/// # Errors
/// The path that cannot be removed.
pub fn remove_results(dir: &Path) -> Result<(), OutputError> {
    for path in results(dir)? {
        fs::remove_file(&path).map_err(OutputError::at(&path))?;
    }
    for folder in FOLDERS.map(|name| dir.join(name)) {
        remove_empty(&folder);
    }
    Ok(())
}

/// Every file that runs have made.
fn results(dir: &Path) -> Result<Vec<PathBuf>, OutputError> {
    let mut found = Vec::new();
    walk(dir, 0, &mut |path, depth| {
        let mut parts = path.strip_prefix(dir).unwrap_or(path).iter().map(|part| part.to_string_lossy());
        let (first, last) = (parts.next().unwrap_or_default(), path.file_name().unwrap_or_default());
        let last = last.to_string_lossy();
        let ours = match (&*first, depth) {
            (name, 0) => FILES.contains(&name) || is_rotated(name),
            ("evidence", 1) => last.ends_with(".pcapng"),
            ("incidents", 1) => last.starts_with("INC-"),
            ("files", 2) => last.len() == 64 || parts.next().is_some_and(|part| part == "unfinished"),
            _ => false,
        };
        if ours {
            found.push(path.to_owned());
        }
    })?;
    Ok(found)
}

/// Visits the files of a tree with their depth; links are not followed.
fn walk(dir: &Path, depth: u32, visit: &mut dyn FnMut(&Path, u32)) -> Result<(), OutputError> {
    let entries = match fs::read_dir(dir) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(OutputError::at(dir))?,
    };
    for entry in entries {
        let entry = entry.map_err(OutputError::at(dir))?;
        let path = entry.path();
        let is_folder = entry.file_type().map_err(OutputError::at(&path))?.is_dir();
        let name = entry.file_name();
        if !is_folder {
            visit(&path, depth);
        } else if depth == 1 || (depth == 0 && FOLDERS.iter().any(|known| name == *known)) {
            walk(&path, depth + 1, visit)?;
        }
    }
    Ok(())
}

/// Removes folders that hold nothing any more.
fn remove_empty(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty(&entry.path());
        }
    }
    // Fails if anything is left in it: that is not ours.
    let _ = fs::remove_dir(folder);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let hash = "ab".repeat(32);
        let stored = format!("files/ab/{hash}");
        let ours =
            ["eve.json", "rules-profile.json", "eve-2026-12-01T05-00-00.json.zst", "evidence/a.pcapng"];
        let ours = ours.into_iter().chain(["incidents/INC-1.html", &stored, "files/unfinished/7-0"]);
        let theirs = ["iocs.csv", "case.pcap", "evidence/notes.txt", "mine/eve.json", "eve.json.1"];
        assert!(!has_results(dir.path()).unwrap() && !has_results(&dir.path().join("absent")).unwrap());
        let put = |name: &str| {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"x").unwrap();
        };
        theirs.iter().for_each(|name| put(name));
        assert!(!has_results(dir.path()).unwrap());
        for name in ours.clone() {
            put(name);
            assert!(has_results(dir.path()).unwrap(), "{name}");
            remove_results(dir.path()).unwrap();
            assert!(!dir.path().join(name).exists(), "{name}");
        }
        assert!(theirs.iter().all(|name| dir.path().join(name).exists()));
        assert!(!dir.path().join("files").exists() && dir.path().join("evidence").exists());
    }
}
