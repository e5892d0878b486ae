//! Who may read what is written: files 0640, folders 0750, whatever the umask. They hold payloads and credentials.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;

/// Modes and group of everything that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Group (its number) of files and folders; that of the process if not given.
    pub group: Option<u32>,
}

impl Access {
    /// Makes a folder and those above it that are missing. A folder that is there keeps its mode.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn folder(&self, path: &Path) -> io::Result<()> {
        if path.as_os_str().is_empty() || path.is_dir() {
            return Ok(());
        }
        if let Some(above) = path.parent() {
            self.folder(above)?;
        }
        match DirBuilder::new().mode(FOLDER_MODE).create(path) {
            Ok(()) => self.settle(&File::open(path)?, FOLDER_MODE),
            Err(err) if err.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(err) => Err(err),
        }
    }

    /// Opens a file for appending; it and its folder are made if they are missing.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn append(&self, path: &Path) -> io::Result<File> {
        self.open(OpenOptions::new().create(true).append(true), path)
    }

    /// Opens an empty file in place of what may be there.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        self.open(OpenOptions::new().create(true).write(true).truncate(true), path)
    }

    /// Writes a whole file or none: readers never see half of one.
    ///
    /// # Errors
    /// What the system refuses; nothing is left of the attempt.
    pub fn save(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let part = path.with_extension("part");
        let saved = self
            .create(&part)
            .and_then(|mut file| io::Write::write_all(&mut file, bytes))
            .and_then(|()| fs::rename(&part, path));
        if saved.is_err() {
            let _ = fs::remove_file(&part);
        }
        saved
    }

    fn open(&self, how: &mut OpenOptions, path: &Path) -> io::Result<File> {
        if let Some(folder) = path.parent() {
            self.folder(folder)?;
        }
        let file = how.mode(FILE_MODE).open(path)?;
        // Who writes into /dev/null or a pipe does not own it.
        if file.metadata()?.is_file() {
            self.settle(&file, FILE_MODE)?;
        }
        Ok(file)
    }

    /// The umask may have taken bits away, and an earlier version may have left too many.
    fn settle(&self, file: &File, mode: u32) -> io::Result<()> {
        let now = file.metadata()?;
        if let Some(group) = self.group
            && now.gid() != group
        {
            fchown(file, None, Some(group))?;
        }
        if now.mode() & 0o7777 != mode {
            file.set_permissions(Permissions::from_mode(mode))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn files_and_every_new_folder_get_their_modes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a/b/c.txt");
        Access::default().append(&file).unwrap();
        assert_eq!(
            (mode(&file), mode(&dir.path().join("a")), mode(&dir.path().join("a/b"))),
            (0o640, 0o750, 0o750)
        );
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        Access::default().append(&file).unwrap();
        assert_eq!(mode(&file), 0o640, "what an earlier version left open is closed");
    }

    #[test]
    fn a_file_is_saved_whole_and_leaves_no_part_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        Access::default().save(&path, b"{}").unwrap();
        assert_eq!((fs::read(&path).unwrap().as_slice(), mode(&path)), (&b"{}"[..], 0o640));
        // A folder cannot be replaced by a file.
        fs::create_dir(dir.path().join("y.json")).unwrap();
        assert!(Access::default().save(&dir.path().join("y.json"), b"{}").is_err());
        assert!(!dir.path().join("y.part").exists());
    }
}
