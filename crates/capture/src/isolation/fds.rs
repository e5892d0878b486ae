//! The maps' descriptors, for programs that are loaded onto them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Descriptors of the isolation maps.
#[derive(Clone, Copy, Debug)]
pub struct IsolationFds<'a> {
    /// Every target's entry.
    pub targets: BorrowedFd<'a>,
    /// What packets are asked first.
    pub gate: BorrowedFd<'a>,
    /// The trie of isolated networks.
    pub networks: BorrowedFd<'a>,
    /// Peers by target.
    pub peers: BorrowedFd<'a>,
    /// The trie of remediation networks.
    pub remedy: BorrowedFd<'a>,
}

impl IsolationFds<'_> {
    /// Descriptors of one's own.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn try_clone_to_owned(&self) -> io::Result<OwnedIsolationFds> {
        let [targets, gate, networks, peers, remedy] =
            [self.targets, self.gate, self.networks, self.peers, self.remedy]
                .map(|fd| fd.try_clone_to_owned());
        Ok(OwnedIsolationFds {
            targets: targets?,
            gate: gate?,
            networks: networks?,
            peers: peers?,
            remedy: remedy?,
        })
    }
}

/// [`IsolationFds`] that outlive the [`IsolationMap`](super::IsolationMap).
#[derive(Debug)]
pub struct OwnedIsolationFds {
    targets: OwnedFd,
    gate: OwnedFd,
    networks: OwnedFd,
    peers: OwnedFd,
    remedy: OwnedFd,
}

impl OwnedIsolationFds {
    /// To load a program with.
    #[must_use]
    pub fn borrow(&self) -> IsolationFds<'_> {
        IsolationFds {
            targets: self.targets.as_fd(),
            gate: self.gate.as_fd(),
            networks: self.networks.as_fd(),
            peers: self.peers.as_fd(),
            remedy: self.remedy.as_fd(),
        }
    }
}

/// Loads an opened object's programs onto these maps.
macro_rules! reuse_isolation {
    ($open:expr, $fds:expr) => {{
        let (maps, fds) = (&mut $open.maps, $fds);
        (maps.isolation.reuse_fd(fds.targets))
            .and_then(|()| maps.isolation_gate.reuse_fd(fds.gate))
            .and_then(|()| maps.isolation_networks.reuse_fd(fds.networks))
            .and_then(|()| maps.isolation_peers.reuse_fd(fds.peers))
            .and_then(|()| maps.isolation_remedy.reuse_fd(fds.remedy))
    }};
}
pub(crate) use reuse_isolation;
