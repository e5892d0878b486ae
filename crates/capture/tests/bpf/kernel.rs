//! The programs, loaded as the sensor loads them but onto maps of their own that nobody pins.

use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::time::Duration;

use capture::IsolationFds;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{MapCore, MapFlags, MapHandle, OpenObject, ProgramInput, ProgramMut};

pub mod skel {
    #![allow(missing_docs, missing_debug_implementations, dead_code, unreachable_pub)]
    #![allow(clippy::all, clippy::pedantic, clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
    pub mod capture {
        include!(concat!(env!("OUT_DIR"), "/capture.skel.rs"));
    }
    pub mod guard {
        include!(concat!(env!("OUT_DIR"), "/guard.skel.rs"));
    }
    pub mod isolate {
        include!(concat!(env!("OUT_DIR"), "/isolate.skel.rs"));
    }
}

pub const XDP_DROP: u32 = 1;
pub const XDP_PASS: u32 = 2;
pub const XDP_REDIRECT: u32 = 4;

fn object() -> &'static mut MaybeUninit<OpenObject> {
    Box::leak(Box::new(MaybeUninit::uninit()))
}

pub fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

pub const SECOND: u64 = 1_000_000_000;

/// An isolation map with its writer and a guard on it.
pub struct Guarded {
    pub guard: skel::guard::GuardSkel<'static>,
    writer: skel::isolate::IsolateSkel<'static>,
    map: MapHandle,
}

/// What the writer said.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub written_ns: u64,
    pub error: i64,
    pub extended: bool,
}

/// The six numbers of an entry, in the order of `struct isolation_entry`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub expires_ns: u64,
    pub since_ns: u64,
    pub packets: u64,
    pub bytes: u64,
    pub first_ns: u64,
    pub last_ns: u64,
}

fn word(bytes: &[u8], index: usize) -> u64 {
    u64::from_ne_bytes(bytes[index * 8..index * 8 + 8].try_into().unwrap())
}

/// `struct target_key` of a host in every VLAN.
pub fn target(host: [u8; 16]) -> [u8; 24] {
    let mut key = [0; 24];
    key[..16].copy_from_slice(&host);
    key[16..18].copy_from_slice(&[0xff; 2]);
    key
}

impl Guarded {
    pub fn new(capacity: u32) -> Self {
        let mut open = skel::isolate::IsolateSkelBuilder::default().open(object()).unwrap();
        open.maps.isolation.set_max_entries(capacity).unwrap();
        let writer = open.load().unwrap();
        let map = MapHandle::try_from(&writer.maps.isolation).unwrap();
        let maps = &writer.maps;
        let guard = load_guard(IsolationFds {
            targets: map.as_fd(),
            gate: maps.isolation_gate.as_fd(),
            networks: maps.isolation_networks.as_fd(),
            peers: maps.isolation_peers.as_fd(),
            remedy: maps.isolation_remedy.as_fd(),
        });
        Guarded { guard, writer, map }
    }

    pub fn isolate(&self, host: [u8; 16], expires_ns: u64) -> Outcome {
        let mut request = [0; 64];
        request[..24].copy_from_slice(&target(host));
        request[24..32].copy_from_slice(&expires_ns.to_ne_bytes());
        let input = ProgramInput { context_in: Some(&mut request), ..ProgramInput::default() };
        let done = self.writer.progs.rw_isolate.test_run(input).unwrap();
        assert_eq!(done.return_value, 0);
        Outcome {
            written_ns: word(&request, 5),
            error: word(&request, 6).cast_signed(),
            extended: word(&request, 7) != 0,
        }
    }

    pub fn entry(&self, host: [u8; 16]) -> Option<Entry> {
        let value = self.map.lookup(&target(host), MapFlags::ANY).unwrap()?;
        let [expires_ns, since_ns, packets, bytes, first_ns, last_ns] =
            std::array::from_fn(|i| word(&value, i));
        Some(Entry { expires_ns, since_ns, packets, bytes, first_ns, last_ns })
    }

    /// What the guard does with a frame.
    pub fn verdict(&self, frame: &[u8]) -> u32 {
        run(&self.guard.progs.rw_guard, frame).0
    }

    /// Counters of the guard: passed, dropped.
    pub fn counts(&self) -> [u64; 2] {
        counts(&self.guard.maps.guard_counts)
    }
}

/// Loads an opened object onto these maps.
macro_rules! onto {
    ($open:expr, $fds:expr) => {{
        let (maps, fds) = (&mut $open.maps, $fds);
        maps.isolation.reuse_fd(fds.targets).unwrap();
        maps.isolation_gate.reuse_fd(fds.gate).unwrap();
        maps.isolation_networks.reuse_fd(fds.networks).unwrap();
        maps.isolation_peers.reuse_fd(fds.peers).unwrap();
        maps.isolation_remedy.reuse_fd(fds.remedy).unwrap();
    }};
}

pub fn load_guard(isolation: IsolationFds<'_>) -> skel::guard::GuardSkel<'static> {
    let mut open = skel::guard::GuardSkelBuilder::default().open(object()).unwrap();
    onto!(open, isolation);
    open.load().unwrap()
}

/// The sum over CPUs of a structure of counters.
pub fn counts<const N: usize>(map: &impl MapCore) -> [u64; N] {
    let values = map.lookup_percpu(&0_u32.to_ne_bytes(), MapFlags::ANY).unwrap().unwrap();
    std::array::from_fn(|i| values.iter().map(|v| word(v, i)).sum())
}

/// The verdict on a frame, and the frame as the program left it.
pub fn run(program: &ProgramMut<'_>, frame: &[u8]) -> (u32, Vec<u8>) {
    let mut out = [0; 4096];
    let input = ProgramInput { data_in: Some(frame), data_out: Some(&mut out), ..ProgramInput::default() };
    let done = program.test_run(input).unwrap();
    (done.return_value, done.data.map(|d| d.to_vec()).unwrap_or_default())
}

/// What a capture or inline program is loaded with.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub workers: u32,
    pub tunnels: bool,
    pub max_frame: u32,
    pub fail_closed: bool,
}

pub const SETTINGS: Settings = Settings { workers: 4, tunnels: false, max_frame: 3800, fail_closed: false };

pub fn load_capture(workers: u32) -> skel::capture::CaptureSkel<'static> {
    load(Settings { workers, ..SETTINGS })
}

/// Both programs that use kernel time, onto isolation maps of their own.
pub fn load(settings: Settings) -> skel::capture::CaptureSkel<'static> {
    load_onto(settings, None)
}

/// The same. Those with the NIC's time are loaded for a device.
pub fn load_onto(
    settings: Settings,
    isolation: Option<IsolationFds<'_>>,
) -> skel::capture::CaptureSkel<'static> {
    let mut open = skel::capture::CaptureSkelBuilder::default().open(object()).unwrap();
    let rodata = open.maps.rodata_data.as_mut().unwrap();
    rodata.workers = settings.workers;
    rodata.tunnels = u8::from(settings.tunnels);
    rodata.max_frame = settings.max_frame;
    rodata.fail_closed = u8::from(settings.fail_closed);
    open.progs.rw_capture_nic.set_autoload(false);
    open.progs.rw_inline_nic.set_autoload(false);
    if let Some(fds) = isolation {
        onto!(open, fds);
    }
    open.load().unwrap()
}

/// The programs that ask for the NIC's time, for this device.
pub fn load_for_device(index: u32) -> skel::capture::CaptureSkel<'static> {
    const BPF_F_XDP_DEV_BOUND_ONLY: u32 = 1 << 6;
    let mut open = skel::capture::CaptureSkelBuilder::default().open(object()).unwrap();
    open.progs.rw_capture.set_autoload(false);
    open.progs.rw_inline.set_autoload(false);
    for program in [&mut open.progs.rw_capture_nic, &mut open.progs.rw_inline_nic] {
        program.set_ifindex(index);
        program.set_flags(BPF_F_XDP_DEV_BOUND_ONLY);
    }
    open.load().unwrap()
}

/// Counters of the queue that test packets come by, in the order of `struct capture_counts`.
pub fn capture_counts(program: &skel::capture::CaptureSkel<'_>) -> [u64; 11] {
    counts(&program.maps.capture_counts)
}

pub fn sleep_until(monotonic_ns: u64) {
    std::thread::sleep(Duration::from_nanos(monotonic_ns.saturating_sub(now())));
}
