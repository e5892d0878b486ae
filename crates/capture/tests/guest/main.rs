//! Capture on a NIC with real zero-copy. Runs inside the virtual machine of `scripts/vm`, which has two NICs on
//! one wire: eth0 is under test, eth1 sends. Outside of it there is no such NIC, and the tests are counted as
//! ignored.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod sender;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use capture::{
    BindMode, BypassTable, CapturePort, Device, Guard, IsolationMap, PinFolder, PortOptions, Receiver,
    Shared, Sleeper, XdpMode,
};
use libtest_mimic::{Arguments, Trial};
use wire::{Scope, Target};

use crate::sender::Sender;

const WORKERS: u32 = 2;
const FRAMES: u32 = 2000;
const WARM_UP: u32 = u32::MAX;
/// Emulated machines are slow.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() {
    // "yes": the NIC has zero-copy; "no": it has not; unset: we are not in the guest.
    let guest = std::env::var("RINGWARD_GUEST").ok();
    if guest.is_none() {
        eprintln!("SKIPPED: needs the virtual machines of scripts/vm");
    }
    let zero_copy = guest.as_deref() == Some("yes");
    let tests: [(&str, fn(), bool); 5] = [
        (
            "guest::zero_copy_delivers_every_frame_to_its_worker",
            || delivers(BindMode::ZeroCopy, true),
            zero_copy,
        ),
        ("guest::auto_chooses_zero_copy", || delivers(BindMode::Auto, true), zero_copy),
        ("guest::auto_falls_back_to_copy", || delivers(BindMode::Auto, false), !zero_copy),
        ("guest::copy_can_be_forced", || delivers(BindMode::Copy, false), true),
        ("guest::all_programs_load_and_isolate", all_programs_load_and_isolate, true),
    ];
    let trial = |(name, test, here): (&str, fn(), bool)| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(guest.is_none() || !here)
    };
    let mut arguments = Arguments::from_args();
    // One NIC, one test at a time.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, tests.into_iter().map(trial).collect()).exit();
}

/// Takes what a worker has: every frame must be its own, and none may come twice but those of the warm-up.
fn take(worker: u32, receiver: &mut Receiver, seen: &mut BTreeMap<u32, Vec<u8>>) {
    receiver.receive(|frames| {
        for frame in frames {
            let Some(sequence) = sender::sequence(frame.bytes) else { continue };
            assert_eq!(wire::worker_of(frame.hash, WORKERS), worker, "steered to the wrong worker");
            assert!(frame.arrival_ns > 0);
            assert_eq!(frame.wire_len as usize, frame.bytes.len());
            let before = seen.insert(sequence, frame.bytes.to_vec());
            assert!(before.is_none() || sequence == WARM_UP, "{sequence} came twice");
        }
    });
}

fn open(device: &Device, bind: BindMode, bypass: &BypassTable) -> (CapturePort, Vec<Receiver>) {
    let options = PortOptions { workers: WORKERS, rx_ring: 512, bind, ..PortOptions::default() };
    let shared = Shared { bypass, isolation: None };
    CapturePort::open(std::slice::from_ref(device), options, shared).unwrap()
}

fn delivers(bind: BindMode, zero_copy: bool) {
    let device = Device::open("eth0").unwrap();
    let bypass = BypassTable::new(16).unwrap();
    let (port, mut receivers) = open(&device, bind, &bypass);
    eprintln!("{}: {} queues, {:?}", device.driver, device.rx_queues, port.memory());
    assert_eq!(port.memory().zero_copy, zero_copy, "{:?}", port.memory());
    assert_eq!(device.rx_queues, 2);
    let sleeper = Sleeper::new().unwrap();
    receivers.iter().for_each(|receiver| sleeper.add(receiver).unwrap());
    let wait = |receivers: &mut [Receiver], how_long| {
        receivers.iter_mut().for_each(|receiver| assert!(receiver.settle()));
        sleeper.sleep(how_long).unwrap();
    };
    let mut sender = Sender::open("eth1");
    let mut seen = BTreeMap::new();
    let end = Instant::now() + PATIENCE;
    // Some drivers lose their link for a while when a program comes.
    while seen.is_empty() {
        assert!(Instant::now() < end, "nothing arrives");
        sender.send(WARM_UP);
        wait(&mut receivers, Duration::from_millis(20));
        for (worker, receiver) in (0..).zip(&mut receivers) {
            take(worker, receiver, &mut seen);
        }
    }
    for sequence in 0..FRAMES {
        sender.send(sequence);
        if sequence % 32 == 31 {
            wait(&mut receivers, Duration::from_millis(1));
            for (worker, receiver) in (0..).zip(&mut receivers) {
                take(worker, receiver, &mut seen);
            }
        }
    }
    while seen.len() <= FRAMES as usize && Instant::now() < end {
        wait(&mut receivers, Duration::from_millis(10));
        for (worker, receiver) in (0..).zip(&mut receivers) {
            take(worker, receiver, &mut seen);
        }
    }
    seen.remove(&WARM_UP);
    assert_eq!(seen.len(), FRAMES as usize, "frames are missing");
    for (sequence, bytes) in &seen {
        assert_eq!(*bytes, sender::frame(*sequence), "frame {sequence} was changed on its way");
    }
    let queues = port.counters().unwrap().remove(0);
    for queue in &queues {
        assert_eq!(queue.received, queue.steered);
        assert_eq!((queue.no_headroom, queue.no_socket), (0, 0));
    }
    assert!(queues.iter().all(|queue| queue.received > 0), "a queue brought nothing: {queues:?}");
    port.release().unwrap();
}

fn all_programs_load_and_isolate() {
    let pins = PinFolder::open("/sys/fs/bpf/guest".as_ref()).unwrap();
    let map = IsolationMap::open(&pins, 1000).unwrap();
    let guard = Guard::load(&map).unwrap();
    let port = guard.attach(&Device::open("eth0").unwrap(), XdpMode::Native).unwrap();
    let host = Target::host(sender::SOURCE.into());
    let network = format!("{}/24", sender::SOURCE).parse().unwrap();
    let mut sender = Sender::open("eth1");
    let end = Instant::now() + PATIENCE;
    for (target, scope) in [(host, Scope::Both), (network, Scope::Outbound)] {
        map.set(target, &scope, u64::MAX).unwrap();
        while map.get(target).unwrap().unwrap().dropped_packets < 10 {
            assert!(Instant::now() < end, "{target}: nothing is dropped: {:?}", guard.counters());
            sender.send(1);
            std::thread::sleep(Duration::from_millis(5));
        }
        map.remove(target).unwrap().unwrap();
    }
    guard.detach(&[port]).unwrap();
}
