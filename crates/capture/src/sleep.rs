//! How an idle worker waits for frames on any of its ports.

use std::io;
use std::time::Duration;

use std::os::fd::{AsFd, OwnedFd};

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

use crate::receiver::Receiver;

/// Waits on all sockets of some receivers at once (epoll(7)).
#[derive(Debug)]
pub struct Sleeper {
    epoll: OwnedFd,
}

impl Sleeper {
    /// A sleeper that nothing wakes yet.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Sleeper { epoll: epoll::create(CreateFlags::CLOEXEC)? })
    }

    /// From now on frames of this receiver wake it. Sockets leave when they are closed.
    ///
    /// # Errors
    /// What epoll_ctl(2) said.
    pub fn add(&self, receiver: &Receiver) -> io::Result<()> {
        for socket in receiver.sockets() {
            epoll::add(&self.epoll, socket, EventData::new_u64(0), EventFlags::IN)?;
        }
        Ok(())
    }

    /// From now on it wakes when this descriptor becomes readable.
    ///
    /// # Errors
    /// What epoll_ctl(2) said.
    pub fn add_bell(&self, bell: &impl AsFd) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, bell, EventData::new_u64(0), EventFlags::IN)?)
    }

    /// Sleeps until a frame is there or `timeout` is over.
    ///
    /// # Errors
    /// What epoll_wait(2) said; an interrupted sleep is no error.
    pub fn sleep(&self, timeout: Duration) -> io::Result<()> {
        let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 1];
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match epoll::wait(&self.epoll, &mut events, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(err) => Err(err.into()),
        }
    }
}
