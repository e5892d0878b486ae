//! The kill switch's memory: a file beside the pins, so that it outlives a reboot and works where nothing is pinned.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The hold file. While it is there nothing is isolated.
#[derive(Clone, Debug)]
pub struct HoldFile(PathBuf);

impl HoldFile {
    /// At this path, which need not exist.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        HoldFile(path)
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether it is there. What cannot be found out counts as there: this is the switch that must not fail.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.0.try_exists().unwrap_or(true)
    }

    /// Makes it, to stay: file and folder are on the disk when this returns.
    ///
    /// # Errors
    /// What the system said.
    pub fn make(&self) -> io::Result<()> {
        let folder = self.folder();
        fs::create_dir_all(folder)?;
        let mut file = File::create(&self.0)?;
        file.write_all(
            b"Nothing is isolated while this file is here. `ringward isolate resume` removes it.\n",
        )?;
        file.sync_all()?;
        File::open(folder)?.sync_all()
    }

    /// Removes it; absent is fine.
    ///
    /// # Errors
    /// What the system said.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.0) {
            Err(err) if err.kind() != io::ErrorKind::NotFound => Err(err),
            Err(_) => Ok(()),
            Ok(()) => File::open(self.folder())?.sync_all(),
        }
    }

    fn folder(&self) -> &Path {
        self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_with_its_folder_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let file = HoldFile::new(dir.path().join("state/hold"));
        assert!(!file.exists());
        file.remove().unwrap();
        file.make().unwrap();
        file.make().unwrap();
        assert!(file.exists());
        file.remove().unwrap();
        assert!(!file.exists());
        // A file where the folder should be.
        let file = HoldFile::new(dir.path().join("state/file/hold"));
        fs::write(dir.path().join("state/file"), "").unwrap();
        assert!(file.make().is_err());
    }
}
