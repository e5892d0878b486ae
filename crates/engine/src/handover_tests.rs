use std::thread;
use std::time::Duration;

use capture::Sleeper;
use flow::defrag::{DefragOptions, Frames};

use super::*;
use crate::counters::WorkerCounters;
use crate::reassembly::Reassembly;

fn exchange(workers: u32) -> Vec<Handover> {
    let exchange = Arc::new(Exchange::new(workers).unwrap());
    (0..workers).map(|index| Handover::new(exchange.clone(), index, true)).collect()
}

/// Two IPv4 fragments, and the frame and the account of what they make.
fn merged(source: &Source) -> (Vec<u8>, Merged) {
    let fragment = |field: u8, offset: u8| {
        let mut packet = vec![0x45, 0, 0, 36, 0, 1, field, offset, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        packet.extend([0, 9, 0, 9, 0, 32, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        packet
    };
    let mut reassembly = Reassembly::new(DefragOptions::default(), false);
    let counters = WorkerCounters::default();
    let mut take = |bytes: &[u8]| {
        let at = Input { link: LinkType::RawIp, wire_len: 50, ..Input::nothing(Nanos(7), 0, source) };
        reassembly.take(&Input { bytes, ..at }, &counters)
    };
    assert_eq!(take(&fragment(0x20, 0)), None);
    let merged = take(&fragment(0, 2)).unwrap();
    (reassembly.whole, merged)
}

#[test]
fn a_datagram_arrives_as_it_was_given_and_its_buffer_comes_back() {
    let source = Source::Interface(Arc::from("test"));
    let (frame, merged) = merged(&source);
    assert_eq!(merged.frames, Frames { packets: 2, wire_bytes: 100, start: Nanos(7) });
    let workers = exchange(2);
    let input = Input { bytes: &frame, link: LinkType::RawIp, ..Input::nothing(Nanos(9), 0, &source) };
    for _ in 0..3 {
        for _ in 0..HANDOVER_QUEUE {
            assert!(workers[0].give(1, 77, &input, merged));
        }
        assert!(!workers[0].give(1, 77, &input, merged), "a full inbox");
        assert!(workers[0].receive().is_none());
        for _ in 0..HANDOVER_QUEUE {
            let parcel = workers[1].receive().unwrap();
            let got = parcel.input(5);
            assert_eq!((got.bytes, got.time, got.wire_len), (&frame[..], Nanos(9), 100));
            assert_eq!((got.steered, got.merged, got.position), (Some(77), Some(merged), 5));
            workers[1].recycle(parcel);
        }
    }
}

#[test]
fn the_hash_says_whose_it_is_unless_the_nic_does() {
    let workers = exchange(4);
    for hash in [0, 1 << 30, 1 << 31, u32::MAX] {
        let owner = worker_of(hash, 4);
        for (index, worker) in (0..).zip(&workers) {
            assert_eq!(worker.other_owner(hash), (owner != index).then_some(owner));
        }
    }
    let rss = Handover::new(Arc::new(Exchange::new(4).unwrap()), 0, false);
    assert_eq!(rss.other_owner(u32::MAX), None);
    assert_eq!(exchange(1)[0].other_owner(u32::MAX), None);
}

#[test]
fn it_is_over_when_all_are_done_and_nothing_is_under_way() {
    let source = Source::Interface(Arc::from("test"));
    let (frame, merged) = merged(&source);
    let workers = exchange(2);
    workers[0].done();
    assert!(!workers[0].is_over());
    let input = Input { bytes: &frame, ..Input::nothing(Nanos(9), 0, &source) };
    assert!(workers[1].give(0, 1, &input, merged));
    workers[1].done();
    assert!(!workers[0].is_over() && !workers[1].is_over());
    let parcel = workers[0].receive().unwrap();
    assert!(!workers[0].is_over());
    workers[0].recycle(parcel);
    assert!(workers[0].is_over() && workers[1].is_over());
}

/// Datagrams given at moments of all kinds while their owner falls asleep: each wakes it long before its sleep ends.
#[test]
fn an_owner_that_sleeps_is_woken() {
    const DATAGRAMS: u32 = 2000;
    let workers = exchange(2);
    let (giver, owner) = (workers[0].clone(), workers[1].clone());
    let sleeper = Sleeper::new().unwrap();
    sleeper.add_bell(&owner.bell()).unwrap();
    let sleeping = thread::spawn(move || {
        let (mut got, mut late) = (0, 0);
        while got < DATAGRAMS {
            while let Some(parcel) = owner.receive() {
                owner.recycle(parcel);
                got += 1;
            }
            if got < DATAGRAMS && owner.may_sleep() {
                let before = std::time::Instant::now();
                sleeper.sleep(Duration::from_secs(5)).unwrap();
                late += u32::from(before.elapsed() > Duration::from_secs(4));
                owner.wake();
            }
        }
        (got, late)
    });
    let source = Source::Interface(Arc::from("test"));
    let (frame, merged) = merged(&source);
    let input = Input { bytes: &frame, ..Input::nothing(Nanos(9), 0, &source) };
    for n in 0..DATAGRAMS {
        while !giver.give(1, 1, &input, merged) {
            thread::yield_now();
        }
        if n % 3 == 0 {
            thread::sleep(Duration::from_micros(u64::from(n % 50)));
        }
    }
    assert_eq!(sleeping.join().unwrap(), (DATAGRAMS, 0));
}
