//! Sending a capture file out of a device through AF_XDP.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use capture::{CaptureFile, Device, SingleQueue};

const RING: u32 = 2048;
/// Frames that may go in a burst when sending at a rate: sleeping is not exact.
const BURST: u64 = 32;
/// What a frame may have above the MTU: an Ethernet header and a VLAN tag.
const LINK_HEADERS: usize = 18;

/// What there is in a capture to be sent.
#[derive(Debug)]
pub struct Frames {
    /// In order.
    frames: Vec<Vec<u8>>,
    /// Frames that no device of this MTU could send (captures have them where NICs merged segments), of other links, or
    /// cut short.
    pub left_out: usize,
}

/// How to send.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Frames a second; none: as fast as the kernel takes them.
    pub rate: Option<u64>,
    /// For so long.
    pub seconds: u64,
    /// Alters addresses in each round, so that the flows of each are new. Checksums are left as they were.
    pub renew: bool,
}

impl Frames {
    /// The frames of a capture, in memory: the disk must not be the bottleneck.
    ///
    /// # Errors
    /// The file cannot be read, or has no Ethernet frames.
    pub fn load(path: &Path, device: &Device) -> anyhow::Result<Self> {
        let mut frames = Vec::new();
        let (most, mut left_out) = (device.mtu as usize + LINK_HEADERS, 0);
        CaptureFile::open(path)?.read(|record| {
            let whole = record.bytes.len() == record.wire_len as usize;
            if whole && record.link == Ok(wire::LinkType::Ethernet) && record.bytes.len() <= most {
                frames.push(record.bytes.to_vec());
            } else {
                left_out += 1;
            }
        })?;
        anyhow::ensure!(!frames.is_empty(), "{}: no Ethernet frame that can be sent", path.display());
        Ok(Frames { frames, left_out })
    }

    /// Sends the frames over and over; how many the kernel says it has sent.
    ///
    /// # Errors
    /// What the kernel said; a frame that is larger than a chunk.
    pub fn send(&mut self, device: &Device, pace: Pace) -> anyhow::Result<u64> {
        let mut socket = SingleQueue::open(device, 0, RING)?;
        let start = Instant::now();
        let end = Duration::from_secs(pace.seconds);
        let mut queued = 0_u64;
        'rounds: for round in 0_u64.. {
            let change = if pace.renew && round > 0 { (round ^ (round - 1)) as u8 } else { 0 };
            for frame in &mut self.frames {
                if queued.is_multiple_of(BURST) {
                    if start.elapsed() >= end {
                        break 'rounds;
                    }
                    socket.flush()?;
                    if let Some(rate) = pace.rate {
                        let due = Duration::from_secs_f64(queued as f64 / rate as f64);
                        thread::sleep(due.saturating_sub(start.elapsed()));
                    }
                }
                alter(frame, change);
                while !socket.queue(frame) {
                    anyhow::ensure!(
                        start.elapsed() < 2 * end,
                        "a frame of {} bytes is not sent",
                        frame.len()
                    );
                    socket.flush()?;
                }
                queued += 1;
            }
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
}

/// Changes a byte of both addresses of a frame that has an IP header behind that of Ethernet.
fn alter(frame: &mut [u8], change: u8) {
    let places = match frame.get(12..14) {
        Some([0x08, 0x00]) => [27, 31],
        Some([0x86, 0xdd]) => [25, 41],
        _ => return,
    };
    for at in places {
        if let Some(byte) = frame.get_mut(at) {
            *byte ^= change;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_addresses_change_and_nothing_else() {
        let whole = crate::udp([10, 1, 2, 3], 1, [192, 0, 2, 1], 2, b"x");
        let mut frame = whole.clone();
        alter(&mut frame, 5);
        let changed: Vec<usize> = (0..frame.len()).filter(|&at| frame[at] != whole[at]).collect();
        assert_eq!(changed, [27, 31]);
        alter(&mut frame, 5);
        assert_eq!(frame, whole);
        alter(&mut [0; 14], 1);
        alter(&mut [8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0], 1);
    }
}
