//! Where BPF maps are pinned, so that they outlive the process.
//!
//! Pins need a bpffs. `ip netns exec` gives a process a private mount namespace with a fresh `/sys`:
//! a bpffs mounted there, and every pin in it, would vanish with the process, and nobody else would
//! see it. So pins are made and opened in the host's mount namespace, by a short-lived thread that
//! moves there; file descriptors are shared by all threads.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use rustix::fs::{FlockOperation, StatFs, flock, statfs};
use rustix::mount::{MountFlags, mount};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::error::CaptureError;

const BPF_FS_MAGIC: i64 = 0xcafe_4a11;
/// Ancestors that are asked for their mount namespace.
const MAX_ANCESTORS: usize = 16;

/// Runs `work` in the host's mount namespace if this process is in another one.
pub(crate) fn in_host_mounts<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let Some(host) = host_mounts() else { return work() };
    thread::scope(|scope| {
        let moved = scope.spawn(|| {
            if let Err(err) = enter(&host) {
                tracing::warn!("pins stay in this process's own mount namespace: {err}");
            }
            work()
        });
        match moved.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The mount namespace of process 1 or, where that may not be looked at, of the nearest ancestor that
/// is not in ours: the shell that ran `ip netns exec`. `None` if we are in it.
fn host_mounts() -> Option<File> {
    let link = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/mnt"));
    let own = link(std::process::id()).ok()?;
    let mut pid = std::process::id();
    let ancestors = std::iter::from_fn(|| {
        pid = parent(pid)?;
        Some(pid)
    });
    for pid in std::iter::once(1).chain(ancestors.take(MAX_ANCESTORS)) {
        match link(pid) {
            Ok(other) if other == own && pid == 1 => return None,
            Ok(other) if other != own => return File::open(format!("/proc/{pid}/ns/mnt")).ok(),
            _ => {}
        }
    }
    None
}

fn parent(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
    line.trim().parse().ok().filter(|&pid| pid > 0)
}

fn enter(mounts: &File) -> io::Result<()> {
    // A thread may change its mount namespace once it no longer shares root and cwd with the others.
    // SAFETY: unsharing CLONE_FS only detaches this thread's cwd, root and umask; the thread ends soon.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::FS) }?;
    move_into_link_name_space(mounts.as_fd(), Some(LinkNameSpaceType::Mount))?;
    Ok(())
}

/// A folder on a bpffs. Created, and mounted if need be, by [`PinFolder::open`]. Sensors that share it hold
/// a shared lock, so that none takes the pins away from another.
#[derive(Clone, Debug)]
pub struct PinFolder {
    path: PathBuf,
    lock: Arc<File>,
}

impl PinFolder {
    /// Makes the folder, mounting a bpffs where there is none: at `/sys/fs/bpf` if the folder lies
    /// below that, else on the folder itself.
    ///
    /// # Errors
    /// The path and what the kernel said.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        in_host_mounts(|| open(path))
            .map(|lock| PinFolder { path: path.to_owned(), lock: Arc::new(lock) })
            .map_err(|(path, what, source)| CaptureError::Pin { path, what, source })
    }

    /// Whether no other sensor uses the folder. If so none can begin to while this handle lives.
    pub(crate) fn is_ours_alone(&self) -> bool {
        flock(&*self.lock, FlockOperation::NonBlockingLockExclusive).is_ok()
    }

    /// The same, but others may begin to afterwards.
    pub(crate) fn is_ours_alone_now(&self) -> bool {
        let alone = self.is_ours_alone();
        self.share();
        alone
    }

    /// Others may use the folder (again).
    pub(crate) fn share(&self) {
        // Cannot fail: whoever has the lock to himself can share it.
        let _ = flock(&*self.lock, FlockOperation::NonBlockingLockShared);
    }

    /// Refuses, and says why, if another sensor uses the folder.
    pub(crate) fn must_be_ours_alone(&self, why: &str) -> Result<(), CaptureError> {
        if self.is_ours_alone_now() {
            return Ok(());
        }
        Err(CaptureError::Pin {
            path: self.path.clone(),
            what: "use",
            source: io::Error::other(why.to_owned()),
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a pin.
    #[must_use]
    pub fn pin(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes a pin; absent is fine.
    ///
    /// # Errors
    /// The path and what the kernel said.
    pub(crate) fn unpin(&self, name: &str) -> Result<(), CaptureError> {
        let path = self.pin(name);
        let done = in_host_mounts(|| std::fs::remove_file(&path));
        match done {
            Err(err) if err.kind() != io::ErrorKind::NotFound => {
                Err(CaptureError::Pin { path, what: "remove", source: err })
            }
            _ => Ok(()),
        }
    }

    /// Removes the folder if it is empty and not a mount point; anything else is left alone.
    pub(crate) fn remove_if_empty(&self) {
        let _ = in_host_mounts(|| std::fs::remove_dir(&self.path));
    }
}

type Failure = (PathBuf, &'static str, io::Error);

/// A folder that is removed while its lock is waited for is made anew.
const LOCK_ATTEMPTS: usize = 10;

fn open(path: &Path) -> Result<File, Failure> {
    let standard = Path::new("/sys/fs/bpf");
    let fail = |path: &Path, what| {
        let path = path.to_owned();
        move |err: io::Error| (path, what, err)
    };
    for _ in 0..LOCK_ATTEMPTS {
        if path.starts_with(standard) {
            mount_bpffs(standard).map_err(fail(standard, "mount bpffs"))?;
            std::fs::create_dir_all(path).map_err(fail(path, "create"))?;
        } else {
            std::fs::create_dir_all(path).map_err(fail(path, "create"))?;
            mount_bpffs(path).map_err(fail(path, "mount bpffs"))?;
        }
        let lock = File::open(path).map_err(fail(path, "open"))?;
        flock(&lock, FlockOperation::LockShared).map_err(|err| fail(path, "lock")(err.into()))?;
        if path.exists() {
            return Ok(lock);
        }
    }
    Err(fail(path, "lock")(io::Error::other("it is being removed over and over")))
}

fn mount_bpffs(path: &Path) -> io::Result<()> {
    let StatFs { f_type, .. } = statfs(path)?;
    if f_type == BPF_FS_MAGIC {
        return Ok(());
    }
    mount("bpf", path, "bpf", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)?;
    Ok(())
}
