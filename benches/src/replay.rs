//! Sending a capture file out of a device through AF_XDP.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use capture::{CaptureFile, Device, SingleQueue};

const RING: u32 = 2048;
/// Frames that may go in a burst when sending at a rate: sleeping is not exact.
const BURST: u64 = 32;

/// The frames of a capture, in memory: the disk must not be the bottleneck. Those that were cut short are left out.
///
/// # Errors
/// The file cannot be read, or has no Ethernet frames.
pub fn load(path: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let mut frames = Vec::new();
    CaptureFile::open(path)?.read(|record| {
        let whole = record.bytes.len() == record.wire_len as usize;
        if whole && record.link == Ok(wire::LinkType::Ethernet) {
            frames.push(record.bytes.to_vec());
        }
    })?;
    anyhow::ensure!(!frames.is_empty(), "{}: no whole Ethernet frame", path.display());
    Ok(frames)
}

/// Sends the frames over and over, at so many a second or as fast as the kernel takes them; how many the kernel says
/// it has sent.
///
/// # Errors
/// What the kernel said; a frame that is larger than a chunk.
pub fn send(device: &Device, frames: &[Vec<u8>], rate: Option<u64>, seconds: u64) -> anyhow::Result<u64> {
    let mut socket = SingleQueue::open(device, 0, RING)?;
    let start = Instant::now();
    let end = Duration::from_secs(seconds);
    let mut queued = 0_u64;
    for frame in frames.iter().cycle() {
        if queued.is_multiple_of(BURST) {
            if start.elapsed() >= end {
                break;
            }
            socket.flush()?;
            if let Some(rate) = rate {
                let due = Duration::from_secs_f64(queued as f64 / rate as f64);
                thread::sleep(due.saturating_sub(start.elapsed()));
            }
        }
        while !socket.queue(frame) {
            anyhow::ensure!(start.elapsed() < 2 * end, "a frame of {} bytes is not sent", frame.len());
            socket.flush()?;
        }
        queued += 1;
    }
    while !socket.flush()? {
        anyhow::ensure!(start.elapsed() < 2 * end + Duration::from_secs(1), "the device does not send");
    }
    // What was sent is told with a delay.
    while socket.sent() < queued && start.elapsed() < 2 * end + Duration::from_secs(1) {
        socket.flush()?;
    }
    Ok(socket.sent())
}
