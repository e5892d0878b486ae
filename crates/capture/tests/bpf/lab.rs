//! A guard and an inline port on pinned isolation maps, as a sensor has them.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use capture::{IsolationEntry, IsolationMap, PinFolder};
use wire::{Scope, Target};

use crate::kernel::skel::capture::CaptureSkel;
use crate::kernel::skel::guard::GuardSkel;
use crate::kernel::{
    SECOND, SETTINGS, Settings, XDP_DROP, XDP_PASS, capture_counts, load_guard, load_onto, now, run,
};

static LABS: AtomicU32 = AtomicU32::new(0);
pub const TICK: u64 = SECOND / 100;

pub struct Lab {
    pub folder: PathBuf,
    pub pins: Option<PinFolder>,
    pub map: IsolationMap,
    pub guard: GuardSkel<'static>,
    pub inline: CaptureSkel<'static>,
}

pub fn pin_folder() -> PathBuf {
    let number = LABS.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(format!("/sys/fs/bpf/rwt{}x-t{number}", std::process::id()))
}

impl Lab {
    pub fn new() -> Self {
        Lab::with(pin_folder(), 1000)
    }

    pub fn with(folder: PathBuf, capacity: u32) -> Self {
        let pins = PinFolder::open(&folder).unwrap();
        let map = IsolationMap::open(&pins, capacity).unwrap();
        let guard = load_guard(map.fds());
        let inline = load_onto(Settings { tunnels: true, ..SETTINGS }, Some(map.fds()));
        Lab { folder, pins: Some(pins), map, guard, inline }
    }

    /// Isolates for a minute.
    pub fn isolate(&self, target: &str, scope: &Scope) -> Target {
        let target = target.parse().unwrap();
        self.map.set(target, scope, now() + 60 * SECOND).unwrap();
        target
    }

    pub fn both(&self, target: &str) -> Target {
        self.isolate(target, &Scope::Both)
    }

    /// Whether the frame is dropped, by a guard port and by an inline port.
    #[track_caller]
    pub fn drops(&self, frame: &[u8]) -> bool {
        let guard = run(&self.guard.progs.rw_guard, frame).0;
        let before = capture_counts(&self.inline)[4];
        run(&self.inline.progs.rw_inline, frame);
        let inline = capture_counts(&self.inline)[4] > before;
        assert!(guard == XDP_DROP || guard == XDP_PASS);
        assert_eq!(guard == XDP_DROP, inline, "guard and inline disagree");
        inline
    }

    pub fn entry(&self, target: Target) -> IsolationEntry {
        self.map.get(target).unwrap().unwrap()
    }
}

impl Lab {
    /// As a sensor that is killed: the pins stay.
    pub fn die(mut self) -> PathBuf {
        self.pins = None;
        self.folder.clone()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let Some(pins) = &self.pins else { return };
        self.map.hold(false);
        let gone = IsolationMap::unpin_if_idle(pins, u64::MAX);
        if !std::thread::panicking() {
            assert!(gone.unwrap());
            assert!(!self.folder.exists(), "pins are left");
        }
    }
}
