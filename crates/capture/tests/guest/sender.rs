//! Frames out of a device, through a packet socket.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use capture::Device;
use etherparse::PacketBuilder;

/// Who sends.
pub const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 3, 0, 1);
const MAGIC: &[u8] = b"ringward";

/// The frame with this number: many flows, many lengths.
pub fn frame(sequence: u32) -> Vec<u8> {
    let port = 20_000 + (sequence % 97) as u16;
    let builder =
        PacketBuilder::ethernet2([2; 6], [0xff; 6]).ipv4(SOURCE.octets(), [10, 3, 0, 2], 64).udp(port, 4000);
    let mut payload = [MAGIC, &sequence.to_be_bytes()].concat();
    payload.resize(12 + (sequence % 1400) as usize, sequence as u8);
    let mut frame = Vec::new();
    builder.write(&mut frame, &payload).unwrap();
    frame
}

/// The number of one of our frames.
pub fn sequence(frame: &[u8]) -> Option<u32> {
    let payload = frame.get(42..)?.strip_prefix(MAGIC)?;
    Some(u32::from_be_bytes(*payload.first_chunk()?))
}

pub struct Sender {
    socket: OwnedFd,
    to: libc::sockaddr_ll,
}

impl Sender {
    pub fn open(device: &str) -> Self {
        use rustix::net::{AddressFamily, SocketType, socket};
        let socket = socket(AddressFamily::PACKET, SocketType::RAW, None).unwrap();
        // SAFETY: sockaddr_ll is plain data; all zeroes is a valid value.
        let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        to.sll_family = libc::AF_PACKET as u16;
        to.sll_ifindex = Device::open(device).unwrap().index;
        Sender { socket, to }
    }

    pub fn send(&mut self, sequence: u32) {
        let frame = frame(sequence);
        // SAFETY: pointers and lengths describe `frame` and `to`, which outlive the call.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                0,
                (&raw const self.to).cast(),
                size_of_val(&self.to) as libc::socklen_t,
            )
        };
        assert_eq!(sent, frame.len() as isize, "{}", std::io::Error::last_os_error());
    }
}
