//! The UNIX socket: taken before the sensor starts, gone when it ends.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::unistd::Group;
use rustix::fs::Mode;
use rustix::process::umask;

use crate::options::SocketOptions;

/// The listening end. Its file goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) listener: UnixListener,
    file: SocketFile,
}

#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode: what is not this file any more is somebody else's.
    id: (u64, u64),
}

impl Socket {
    /// Listens, in place of a socket that a dead sensor left behind.
    pub(crate) fn bind(options: &SocketOptions) -> io::Result<Self> {
        let path = &options.path;
        let group = options.group.as_deref().map(group).transpose()?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        clear(path)?;
        // Nobody else may open it before its permissions are what they should be.
        let usual = umask(Mode::from_raw_mode(0o177));
        let bound = UnixListener::bind(path);
        umask(usual);
        let listener = bound?;
        let made = fs::symlink_metadata(path)?;
        let file = SocketFile { path: path.clone(), id: (made.dev(), made.ino()) };
        chown(path, None, group)?;
        fs::set_permissions(path, Permissions::from_mode(options.mode))?;
        listener.set_nonblocking(true)?;
        Ok(Socket { listener, file })
    }

    /// The listener, and what keeps its file.
    pub(crate) fn split(self) -> (UnixListener, impl Send + 'static) {
        (self.listener, self.file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| (file.dev(), file.ino()) == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes room at `path`, if nobody lives there.
fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(err),
        Ok(file) if !file.file_type().is_socket() => {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file that is no socket"));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(ErrorKind::AddrInUse, "another sensor listens here")),
        Err(err) if err.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(err) => Err(err),
    }
}

fn group(name: &str) -> io::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match Group::from_name(name)? {
        Some(group) => Ok(group.gid.as_raw()),
        None => Err(io::Error::new(ErrorKind::NotFound, format!("there is no group \"{name}\""))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(path: &Path) -> SocketOptions {
        SocketOptions { path: path.to_owned(), mode: 0o640, group: None }
    }

    #[test]
    fn a_dead_sensors_socket_is_replaced_and_a_living_ones_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run/s.sock");
        let first = Socket::bind(&options(&path)).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let second = Socket::bind(&options(&path)).unwrap_err();
        assert!(second.to_string().contains("another sensor listens here"), "{second}");
        drop(first);
        assert!(!path.exists());
        // A listener that is closed without its file being removed: what a killed sensor leaves.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let third = Socket::bind(&options(&path)).unwrap();
        // Somebody else's file in its place stays.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "x").unwrap();
        drop(third);
        assert!(path.exists());
    }

    #[test]
    fn what_is_no_socket_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes.txt");
        fs::write(&path, "mine").unwrap();
        assert!(Socket::bind(&options(&path)).unwrap_err().to_string().contains("no socket"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        let nobody = SocketOptions { group: Some("no-such-group".into()), ..options(&dir.path().join("s")) };
        assert!(Socket::bind(&nobody).unwrap_err().to_string().contains("no group \"no-such-group\""));
    }
}
