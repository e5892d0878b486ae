//! One sensor a device: a claim that ends with the process, however it ends.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::error::CaptureError;

/// A claim on a device of the current network namespace, held while this lives. An abstract UNIX socket (unix(7)): such
/// names belong to the namespace, as devices do, and vanish with their process.
#[derive(Debug)]
pub struct Claim(#[allow(dead_code, reason = "held for its drop")] UnixListener);

impl Claim {
    /// Claims the device of that name.
    ///
    /// # Errors
    /// Another running sensor has it.
    pub fn take(name: &str) -> Result<Self, CaptureError> {
        let fail = |source| CaptureError::Claimed { name: name.to_owned(), source };
        let address = SocketAddr::from_abstract_name(format!("ringward/port/{name}")).map_err(fail)?;
        UnixListener::bind_addr(&address).map(Claim).map_err(fail)
    }
}
