//! What becomes of the isolation maps: hold, full tables, restarts, pins of other versions.

use std::net::Ipv4Addr;

use capture::{
    IsolationMap, NETWORKS_CAPACITY, PEERS_CAPACITY, PinFolder, PinnedIsolation, ScopeKind, Table, WriteError,
};
use libbpf_rs::libbpf_sys::bpf_map_create_opts;
use libbpf_rs::{MapCore, MapFlags, MapHandle, MapType};
use wire::{Scope, Target};

use crate::kernel::{SECOND, now};
use crate::lab::{Lab, pin_folder};
use crate::packets::{A, A6, B, B6, X, Y, arp, from_to, in_vlan, key, udp, udp6};

/// Name and test.
pub const TESTS: &[(&str, fn())] = &[
    ("tables::hold_lets_everything_pass", hold),
    ("tables::full_tables_say_which", full_tables),
    ("tables::a_restart_puts_right_what_was_left_undone", restart),
    ("tables::an_earlier_versions_hosts_are_taken_over", earlier_version),
    ("tables::a_strange_pin_is_refused", strange_pin),
    ("tables::pins_can_be_emptied_without_a_sensor", without_a_sensor),
    ("tables::a_hundred_thousand_hosts_and_thousands_of_networks", many),
];

fn hold() {
    let lab = Lab::new();
    let frames = [
        udp(A, B, (1, 2)),
        udp([10, 8, 0, 1], B, (1, 2)),
        from_to(&arp(), X, Y),
        in_vlan(&udp([10, 0, 0, 5], B, (1, 2)), &[42]),
    ];
    for target in ["10.0.0.1", "10.8.0.0/16", "02:00:00:00:00:0a", "10.0.0.5@42"] {
        lab.both(target);
    }
    assert!(frames.iter().all(|frame| lab.drops(frame)));
    lab.map.hold(true);
    assert!(lab.map.is_held());
    assert!(frames.iter().all(|frame| !lab.drops(frame)));
    for target in ["10.0.0.1", "192.0.2.1", "192.0.2.0/24", "02:00:00:00:00:0b"] {
        let refused = lab.map.set(target.parse().unwrap(), &Scope::Both, now() + SECOND);
        assert_eq!(refused, Err(WriteError::Held), "{target}");
    }
    assert_eq!(lab.map.entries().unwrap().len(), 4);
    // It outlives the sensor, whose pins stay for it.
    let entries = lab.map.entries().unwrap();
    for (target, _) in entries {
        lab.map.remove(target).unwrap();
    }
    assert!(!IsolationMap::unpin_if_idle(lab.pins.as_ref().unwrap(), u64::MAX).unwrap());
    drop(PinFolder::open(&lab.folder).unwrap());
    assert!(PinnedIsolation::open(&lab.folder).unwrap().unwrap().is_held());
    lab.map.hold(false);
    lab.both("10.0.0.1");
    assert!(lab.drops(&frames[0]) && !lab.drops(&frames[1]));
}

fn full_tables() {
    let lab = Lab::with(pin_folder(), 3);
    for target in ["10.0.0.1", "10.1.0.0/16", "02:00:00:00:00:0a"] {
        lab.both(target);
    }
    let refused = |target: &str| lab.map.set(target.parse().unwrap(), &Scope::Both, now() + SECOND);
    for target in ["10.0.0.2", "10.2.0.0/16", "02:00:00:00:00:0b", "10.0.0.1@5"] {
        assert_eq!(refused(target), Err(WriteError::Full(Table::Targets)), "{target}");
    }
    assert!(refused("10.1.0.0/16").unwrap().extended, "who is in already can be extended");
    lab.map.remove("10.1.0.0/16".parse().unwrap()).unwrap().unwrap();
    assert!(!lab.drops(&udp([10, 2, 0, 1], B, (1, 2))), "nothing is left of the one that was refused");
    let refused = lab.map.set("10.0.0.2".parse().unwrap(), &Scope::Peers(vec![B.into()]), now() + SECOND);
    assert!(refused.is_ok());
    drop(lab);

    let lab = Lab::with(pin_folder(), 100_000);
    let end = now() + 600 * SECOND;
    let network = |n: u32| Target::Network(ipnet::IpNet::new(Ipv4Addr::from(n << 8).into(), 24).unwrap());
    for n in 0..NETWORKS_CAPACITY {
        lab.map.set(network(n), &Scope::Both, end).unwrap();
    }
    let one_more = network(NETWORKS_CAPACITY);
    assert_eq!(lab.map.set(one_more, &Scope::Both, end), Err(WriteError::Full(Table::Networks)));
    assert_eq!(lab.map.get(one_more).unwrap(), None, "what cannot be in force is not listed");
    assert!(lab.map.set(network(7), &Scope::Outbound, end).unwrap().extended);
    let host = |n: u32| Target::host(Ipv4Addr::from(0x0a00_0000 + n).into());
    let scope = Scope::Peers(vec![B.into()]);
    for n in 0..PEERS_CAPACITY {
        lab.map.set(host(n), &scope, end).unwrap();
    }
    assert_eq!(lab.map.set(host(PEERS_CAPACITY), &scope, end), Err(WriteError::Full(Table::Peers)));
    assert_eq!(lab.map.get(host(PEERS_CAPACITY)).unwrap(), None);
    lab.map.set(host(PEERS_CAPACITY), &Scope::Both, end).unwrap();
}

fn restart() {
    let lab = Lab::new();
    for target in ["10.0.0.1", "10.8.0.0/16", "02:00:00:00:00:0a", "10.0.0.5@42"] {
        lab.both(target);
    }
    let scope = Scope::Peers(vec![B.into()]);
    lab.isolate("10.0.0.7", &scope);
    let frames = [
        udp(A, B, (1, 2)),
        udp([10, 8, 0, 1], B, (1, 2)),
        from_to(&arp(), X, Y),
        in_vlan(&udp([10, 0, 0, 5], B, (1, 2)), &[42]),
        udp([10, 0, 0, 7], B, (1, 2)),
    ];
    let folder = lab.folder.clone();
    // A sensor that died between two writes: no place in the trie, no gate, and some of nobody.
    let open = |name: &str| MapHandle::from_pinned_path(folder.join(name)).unwrap();
    let networks = open("isolation_networks");
    let key = networks.keys().next().unwrap();
    let value = networks.lookup(&key, MapFlags::ANY).unwrap().unwrap();
    networks.delete(&key).unwrap();
    let (mut stray, mut of_nobody) = (key.clone(), value);
    (stray[9], of_nobody[1]) = (77, 77);
    networks.update(&stray, &of_nobody, MapFlags::ANY).unwrap();
    open("isolation_peers").update(&of_nobody, &[0; 264], MapFlags::ANY).unwrap();
    std::fs::remove_file(folder.join("isolation_gate")).unwrap();
    let lab = Lab::with(lab.die(), 1000);
    for (n, frame) in frames.iter().enumerate() {
        assert!(lab.drops(frame), "{n}");
    }
    assert_eq!(lab.map.entries().unwrap().len(), 5);
    let target = "10.0.0.7".parse().unwrap();
    assert_eq!(lab.map.scope(target, &lab.entry(target)), scope);
}

fn map_options() -> bpf_map_create_opts {
    bpf_map_create_opts { sz: size_of::<bpf_map_create_opts>() as u64, ..Default::default() }
}

fn earlier_version() {
    let folder = pin_folder();
    let pins = PinFolder::open(&folder).unwrap();
    let options = map_options();
    let mut old = MapHandle::create(MapType::Hash, Some("isolation"), 16, 48, 100, &options).unwrap();
    let mut filter = MapHandle::create(MapType::Array, Some("filter"), 4, 8, 32_768, &options).unwrap();
    let words = [now() + 60 * SECOND, 11, 12, 13, 14, 15];
    let value: Vec<u8> = words.iter().flat_map(|word: &u64| word.to_ne_bytes()).collect();
    old.update(&key(A), &value, MapFlags::ANY).unwrap();
    old.update(&A6, &value, MapFlags::ANY).unwrap();
    old.pin(folder.join("isolation")).unwrap();
    filter.pin(folder.join("isolation_filter")).unwrap();
    // The kill switch works on it, too.
    old.update(&key(B), &value, MapFlags::ANY).unwrap();
    let pinned = PinnedIsolation::open(&folder).unwrap().unwrap();
    assert_eq!(pinned.entries().unwrap().len(), 3);
    assert!(pinned.remove("10.0.0.2".parse().unwrap()).unwrap().is_some() && !pinned.hold(true));
    // Not while its sensor runs.
    let other = PinFolder::open(&folder).unwrap();
    let refused = IsolationMap::open(&pins, 1000).unwrap_err().to_string();
    assert!(refused.contains("stop it first"), "{refused}");
    drop((other, pins));
    let lab = Lab::with(folder, 1000);
    assert!(!lab.folder.join("isolation_filter").exists());
    assert!(
        lab.drops(&udp(A, [1; 4], (1, 2)))
            && lab.drops(&udp6(B6, A6, (1, 2)))
            && !lab.drops(&udp(B, B, (1, 2)))
    );
    let entry = lab.entry("10.0.0.1".parse().unwrap());
    assert_eq!((entry.expires_ns, entry.since_ns, entry.scope), (words[0], 11, ScopeKind::Both));
    assert_eq!((entry.dropped_packets, entry.first_drop_ns), (14, 14));
    // The next start finds this version's.
    assert_eq!(Lab::with(lab.die(), 1000).map.entries().unwrap().len(), 2);
}

fn strange_pin() {
    let folder = pin_folder();
    let pins = PinFolder::open(&folder).unwrap();
    let options = map_options();
    for name in ["isolation", "isolation_peers"] {
        let mut map = MapHandle::create(MapType::Hash, Some("strange"), 8, 8, 100, &options).unwrap();
        map.pin(folder.join(name)).unwrap();
        let refused = IsolationMap::open(&pins, 1000).unwrap_err().to_string();
        assert!(refused.contains(name) && refused.contains("remove the file"), "{refused}");
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    assert!(IsolationMap::unpin_if_idle(&pins, u64::MAX).unwrap());
}

fn without_a_sensor() {
    let lab = Lab::new();
    for target in ["10.0.0.1", "10.8.0.0/16", "02:00:00:00:00:0a", "10.0.0.5@42"] {
        lab.both(target);
    }
    let scope = Scope::Peers(vec![B.into()]);
    let listed = lab.isolate("10.0.0.7", &scope);
    let pinned = PinnedIsolation::open(&lab.folder).unwrap().unwrap();
    assert_eq!(pinned.entries().unwrap(), lab.map.entries().unwrap());
    assert_eq!(pinned.scope(listed, &lab.entry(listed)), scope);
    assert!(pinned.remove("10.8.0.0/16".parse().unwrap()).unwrap().is_some());
    assert!(!lab.drops(&udp([10, 8, 0, 1], B, (1, 2))) && lab.drops(&udp(A, B, (1, 2))));
    assert!(!pinned.is_held() && pinned.hold(true) && lab.map.is_held());
    assert!(!lab.drops(&udp(A, B, (1, 2))));
    assert_eq!(pinned.release_all().unwrap(), 4);
    assert!(pinned.hold(false) && !lab.map.is_held());
    for frame in [udp(A, B, (1, 2)), from_to(&arp(), X, Y), udp([10, 0, 0, 7], B, (1, 2))] {
        assert!(!lab.drops(&frame));
    }
    for name in ["isolation_networks", "isolation_peers"] {
        assert_eq!(MapHandle::from_pinned_path(lab.folder.join(name)).unwrap().keys().count(), 0, "{name}");
    }
}

fn many() {
    let lab = Lab::with(pin_folder(), 110_000);
    let end = now() + 600 * SECOND;
    let host = |n: u32| Ipv4Addr::from(0x0a00_0000 + n);
    for n in 0..100_000 {
        lab.map.set(Target::host(host(n).into()), &Scope::Both, end).unwrap();
    }
    for n in 0..10_000_u32 {
        let net = ipnet::IpNet::new(Ipv4Addr::from(0xac00_0000 + (n << 8)).into(), 24).unwrap();
        lab.map.set(Target::Network(net), &Scope::Both, end).unwrap();
    }
    let outside = [192, 0, 2, 1];
    for n in (0..100_000).step_by(37) {
        assert!(lab.drops(&udp(outside, host(n).octets(), (1, 2))), "host {n}");
    }
    for n in (0..10_000_u32).step_by(37) {
        assert!(lab.drops(&udp(Ipv4Addr::from(0xac00_0000 + (n << 8) + 9).octets(), outside, (1, 2))));
    }
    for n in 100_000..100_500 {
        assert!(!lab.drops(&udp(host(n).octets(), outside, (1, 2))), "host {n}");
    }
    assert_eq!(lab.map.entries().unwrap().len(), 110_000);
}
