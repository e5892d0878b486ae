//! A guard program on a real device: whether it is still there, and putting it back.

use std::process::Command;

use capture::{Attachment, Device, Guard, IsolationMap, PinFolder, XdpMode};

use crate::kernel::load_capture;
use crate::lab::pin_folder;

/// Name and test.
pub const TESTS: &[(&str, fn())] =
    &[("guard_port::a_program_that_is_gone_is_missed_and_put_back", missed_and_put_back)];

fn ip(args: &str) {
    assert!(Command::new("ip").args(args.split(' ')).status().unwrap().success(), "{args}");
}

/// The device of that name is taken away at the end.
struct Veth(String);

impl Veth {
    fn new(name: String) -> Self {
        ip(&format!("link add {name} type veth peer name {name}p"));
        Veth(name)
    }

    fn device(&self) -> Device {
        Device::open(&self.0).unwrap()
    }
}

impl Drop for Veth {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "del", &self.0]).status();
    }
}

fn missed_and_put_back() {
    let pins = PinFolder::open(&pin_folder()).unwrap();
    let map = IsolationMap::open(&pins, 10).unwrap();
    let guard = Guard::load(&map).unwrap();
    let name = format!("rwg{}", std::process::id());
    let veth = Veth::new(name.clone());
    let attach = || guard.attach(&veth.device(), XdpMode::Native).unwrap();
    let trouble = |on: &Attachment| on.trouble(&veth.device());
    let first = attach();
    assert_eq!(trouble(&first), None);
    // Attached again, it is the same program in the same place.
    assert_eq!(trouble(&attach()), None);
    ip(&format!("link set dev {name} xdp off"));
    let why = trouble(&first).unwrap();
    assert!(why.contains(&name) && why.contains("Ringward's XDP program was taken off"), "{why}");
    assert_eq!(trouble(&attach()), None);
    // Another program is told by its name; one of Ringward's own is taken over.
    ip(&format!("link set dev {name} xdp off"));
    let other = load_capture(1);
    let there = Attachment::new(&veth.device(), XdpMode::Native, &other.progs.rw_capture).unwrap();
    let why = trouble(&first).unwrap();
    assert!(why.contains("another XDP program (\"rw_capture\", id "), "{why}");
    let back = attach();
    assert_eq!(trouble(&back), None);
    assert!(trouble(&there).is_some());
    // Made anew: another device, without a program.
    let before = veth.device().index;
    ip(&format!("link del {name}"));
    ip(&format!("link add {name} type veth peer name {name}p"));
    assert_ne!(veth.device().index, before);
    assert!(trouble(&back).is_some());
    let last = attach();
    assert_eq!(trouble(&last), None);
    guard.detach(&[last]).unwrap();
    assert!(trouble(&attach()).is_none());
    drop((guard, map));
    assert!(IsolationMap::unpin_if_idle(&pins, u64::MAX).unwrap());
}
