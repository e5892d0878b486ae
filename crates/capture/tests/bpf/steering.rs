//! The program and user space agree on every packet's flow: the hash that the program puts before a frame is that
//! of the packet that `wire` decodes.

use wire::{Decoded, LinkType, decode, decode_innermost};

use crate::kernel::{SETTINGS, Settings, load, run, skel::capture::CaptureSkel};
use crate::packets::{
    extended_by, fragment, ipv4, labelled, pppoe, snap, tagged, tcp, tunnelled, tunnelled_past_the_program,
    udp, udp6,
};

/// Name and test.
pub const TESTS: &[(&str, fn())] = &[
    ("steering::agrees_with_user_space_on_half_a_million_packets", || agrees(false, 500_000)),
    ("steering::agrees_with_user_space_on_half_a_million_in_tunnels", || agrees(true, 500_000)),
    ("steering::every_tunnel_is_steered_by_its_inner_flow", every_tunnel),
];

/// Random numbers that are the same in every run (xorshift64*, Vigna 2014).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.roll() >> 32) % n
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.roll() as u8)
    }

    fn ports(&mut self) -> (u16, u16) {
        (self.roll() as u16, self.roll() as u16)
    }

    /// Any packet that the program tells apart, damaged now and then.
    fn packet(&mut self, tunnels: bool) -> Vec<u8> {
        let ports = self.ports();
        let mut frame = match self.below(5) {
            0 => tcp(self.bytes(), self.bytes(), ports),
            1 => udp(self.bytes(), self.bytes(), ports),
            2 => {
                // SCTP has its ports where UDP has.
                let mut frame = udp(self.bytes(), self.bytes(), ports);
                frame[23] = 132;
                frame
            }
            3 => ipv4(self.roll() as u8, &self.bytes::<40>()),
            _ => {
                let frame = udp6(self.bytes(), self.bytes(), ports);
                let kinds = [0, 43, 60, 51, 135, 139, 140, 44];
                let mut header = || (kinds[self.below(kinds.len() as u64) as usize], self.below(4) as u8);
                let headers: Vec<(u8, u8)> = (0..header().1 + 1).map(|_| header()).collect();
                extended_by(&frame, &headers)
            }
        };
        if frame[12] == 8 && self.below(8) == 0 {
            frame = fragment(&frame, self.roll() as u16 & 0x3fff);
        }
        for _ in 0..if tunnels { self.below(3) } else { 0 } {
            let mut all =
                if self.below(4) == 0 { tunnelled_past_the_program(&frame) } else { tunnelled(&frame) };
            frame = all.swap_remove(self.below(all.len() as u64) as usize).1;
        }
        frame = match self.below(7) {
            0 => labelled(&frame, 1 + self.below(5) as usize),
            1 => pppoe(&frame, if frame[12] == 8 { 0x21 } else { 0x57 }),
            2 => snap(&frame),
            _ => frame,
        };
        frame = match self.below(4) {
            0 => tagged(&frame, &[0x8100]),
            1 => tagged(&frame, &[0x88a8, 0x8100]),
            2 => tagged(&frame, &[0x88a8, 0x8100, 0x9100]),
            _ => frame,
        };
        if self.below(4) == 0 {
            for _ in 0..1 + self.below(4) {
                let at = self.below(frame.len() as u64) as usize;
                frame[at] = self.roll() as u8;
            }
        }
        if self.below(16) == 0 {
            frame.truncate(14 + self.below(frame.len() as u64 - 14) as usize);
        }
        frame
    }
}

fn steered(program: &CaptureSkel<'_>, frame: &[u8]) -> u32 {
    let (_, out) = run(&program.progs.rw_capture, frame);
    u32::from_ne_bytes(out[8..12].try_into().unwrap())
}

fn agrees(tunnels: bool, packets: u32) {
    let program = load(Settings { tunnels, ..SETTINGS });
    let mut dice = Dice(0x5eed + u64::from(tunnels));
    let mut compared = 0;
    for n in 0..packets {
        let frame = dice.packet(tunnels);
        let decoded = if tunnels { decode_innermost } else { decode }(LinkType::Ethernet, &frame);
        // What is malformed in a tunnel the program may take for good: workers hand such packets to their owner.
        if let Ok(Decoded::Ip(packet)) = decoded
            && packet.inner_error.is_none()
        {
            compared += 1;
            assert_eq!(steered(&program, &frame), packet.steering_hash(), "packet {n}: {frame:02x?}");
        }
    }
    assert!(compared > packets / 2, "only {compared} of {packets} had a flow");
}

fn every_tunnel() {
    let (opened, closed) = (load(Settings { tunnels: true, ..SETTINGS }), load(SETTINGS));
    for inner in [tcp([10, 0, 0, 1], [10, 0, 0, 2], (1000, 80)), udp6([1; 16], [2; 16], (53, 5353))] {
        let plain = steered(&opened, &inner);
        for (name, frame) in tunnelled(&inner) {
            assert_eq!(steered(&opened, &frame), plain, "{name}");
            assert_ne!(steered(&closed, &frame), plain, "{name}");
            for (outer, twice) in tunnelled(&frame) {
                assert_eq!(steered(&opened, &twice), plain, "{name} in {outer}");
            }
        }
        for (name, frame) in tunnelled_past_the_program(&inner) {
            assert_eq!(steered(&opened, &frame), steered(&closed, &frame), "{name}");
            let Ok(Decoded::Ip(packet)) = decode_innermost(LinkType::Ethernet, &frame) else {
                panic!("{name}")
            };
            assert!(packet.tunnel.is_some() && packet.dst.to_string() != "192.0.2.2", "{name}");
            assert_eq!(packet.steering_hash(), steered(&opened, &frame), "{name}");
        }
    }
}
