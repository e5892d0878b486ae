//! What can go wrong between here and the kernel, each with the device or path and the way out.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// An error of the capture room.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The device cannot be looked up.
    #[error("interface {name}: {source}")]
    Interface {
        /// Interface name.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another running sensor has the device.
    #[error("interface {name}: another Ringward sensor is running on it ({source})")]
    Claimed {
        /// Interface name.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Another XDP program is on the device.
    #[error(
        "interface {name}: another XDP program is attached ({owner}); Ringward does not touch it. \
         Remove it with `ip link set dev {name} xdp off` if it may go"
    )]
    Occupied {
        /// Interface name.
        name: String,
        /// Name and id of the other program.
        owner: String,
    },
    /// The device takes no native XDP program.
    #[error(
        "interface {name}: the driver ({driver}) refused the XDP program in native mode: {source}; \
         set xdp = \"generic\" for this port to use the slow path of the kernel"
    )]
    Attach {
        /// Interface name.
        name: String,
        /// Driver name.
        driver: String,
        /// What the kernel said.
        source: libbpf_rs::Error,
    },
    /// A BPF object could not be loaded.
    #[error("BPF program {object}: {source}")]
    Load {
        /// Which object.
        object: &'static str,
        /// What libbpf said.
        source: libbpf_rs::Error,
    },
    /// A map operation failed.
    #[error("BPF map {map}: {source}")]
    Map {
        /// Which map.
        map: &'static str,
        /// What libbpf said.
        source: libbpf_rs::Error,
    },
    /// The pin folder cannot be used.
    #[error("pin folder {path}: {what}: {source}")]
    Pin {
        /// The folder or pin.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// An AF_XDP socket could not be made.
    #[error("interface {name}, queue {queue}: AF_XDP socket: {source}")]
    Socket {
        /// Interface name.
        name: String,
        /// Receive queue.
        queue: u32,
        /// What the kernel said.
        source: io::Error,
    },
    /// The two devices of an inline pair do not go together.
    #[error("interface {name}: inline pair: {what}")]
    Pair {
        /// Name of the first interface.
        name: String,
        /// What does not fit.
        what: &'static str,
    },
    /// The packet memory could not be made.
    #[error("interface {name}: no {mib} MiB of packet memory: {what}")]
    Umem {
        /// Interface name.
        name: String,
        /// Size asked for.
        mib: usize,
        /// Why not, and what to do.
        what: String,
    },
    /// The configuration asks for more than the program's map holds.
    #[error("interface {name}: {queues} queues x {workers} workers exceed {limit} sockets")]
    TooManySockets {
        /// Interface name.
        name: String,
        /// Queues of the port.
        queues: u32,
        /// Workers.
        workers: u32,
        /// The limit.
        limit: usize,
    },
    /// A capture file cannot be read.
    #[error("{path}: {what}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and where.
        what: String,
    },
}
