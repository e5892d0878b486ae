//! What a write to the isolation maps came to.

use std::fmt;

use crate::layout::{MAX_PEERS, NETWORKS_CAPACITY, PEERS_CAPACITY, REMEDIATION_CAPACITY};

/// What a write to the isolation map came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// When the entry was in force (CLOCK_MONOTONIC nanoseconds).
    pub at_ns: u64,
    /// Whether a running isolation was given a new end or scope.
    pub extended: bool,
}

/// A table in the kernel that can be full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// Of all targets: `[isolation] capacity`.
    Targets,
    /// Of isolated networks: [`NETWORKS_CAPACITY`].
    Networks,
    /// Of targets with named peers: [`PEERS_CAPACITY`].
    Peers,
    /// Of remediation networks: [`REMEDIATION_CAPACITY`].
    Remediation,
}

/// Why a target could not be put into the isolation map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Every entry of a table is taken.
    Full(Table),
    /// So many peers cannot be named.
    Peers(usize),
    /// The kill switch is on.
    Held,
    /// The kernel's errno.
    Kernel(i32),
}

impl WriteError {
    /// From the errno of an insertion: hashes say E2BIG when they are full, tries ENOSPC.
    pub(super) fn of_insertion(errno: i32, table: Table) -> Self {
        if errno == libc::E2BIG || errno == libc::ENOSPC {
            WriteError::Full(table)
        } else {
            WriteError::Kernel(errno)
        }
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Full(Table::Targets) => f.write_str("the isolation map is full"),
            WriteError::Full(Table::Networks) => {
                write!(f, "the table of isolated networks is full: {NETWORKS_CAPACITY} at once")
            }
            WriteError::Full(Table::Peers) => {
                write!(f, "the table of peers is full: {PEERS_CAPACITY} targets with peers at once")
            }
            WriteError::Full(Table::Remediation) => {
                write!(f, "too many remediation networks: at most {REMEDIATION_CAPACITY}")
            }
            WriteError::Peers(count) => write!(f, "{count} peers are named, not 1 to {MAX_PEERS}"),
            WriteError::Held => f.write_str("hold is in force (`ringward isolate resume` ends it)"),
            WriteError::Kernel(errno) => {
                write!(f, "the kernel refused: {}", std::io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

impl std::error::Error for WriteError {}
