//! What is known of network drivers: native XDP, zero-copy and since when, and bugs that a sensor would meet.

use std::fs;

use capture::Device;

use super::Check;
use super::machine::version;

/// Since when a driver has AF_XDP zero-copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ZeroCopy {
    Since(u32, u32),
    Never,
}

use ZeroCopy::{Never, Since};

/// Drivers with native XDP, as they come with Linux.
const DRIVERS: &[(&str, ZeroCopy)] = &[
    ("i40e", Since(4, 20)),
    ("ixgbe", Since(4, 20)),
    ("mlx5_core", Since(5, 3)),
    ("ice", Since(5, 5)),
    ("stmmac", Since(5, 13)),
    ("igc", Since(5, 14)),
    ("nfp", Since(5, 18)),
    ("gve", Since(6, 4)),
    ("virtio_net", Since(6, 11)),
    ("igb", Since(6, 14)),
    ("ixgbevf", Never),
    ("mlx4_en", Never),
    ("bnxt_en", Never),
    ("ena", Never),
    ("hv_netvsc", Never),
    ("mana", Never),
    ("qede", Never),
    ("sfc", Never),
    ("thunderx", Never),
    ("octeontx2", Never),
    ("mvneta", Never),
    ("mvpp2", Never),
    ("vmxnet3", Never),
    ("xen_netfront", Never),
    ("veth", Never),
    ("tun", Never),
];

/// A bug of a driver that a sensor meets.
struct Bug {
    driver: &'static str,
    /// Whether this is the version of a driver that does not come with Linux.
    foreign: bool,
    /// The first version without it.
    fixed: &'static [u32],
    /// It shows only with frames of several chunks.
    large_frames: bool,
    what: &'static str,
    /// What to do until the driver is newer.
    instead: &'static str,
}

const COPY: &str = "set bind = \"copy\" for this port, or take a newer kernel or driver";

/// Stable kernels and distributions have some of the fixes earlier: what is found here is a warning.
const BUGS: &[Bug] = &[
    Bug {
        driver: "ice",
        foreign: false,
        fixed: &[6, 11],
        large_frames: false,
        what: "opening and closing zero-copy sockets under load can reset the NIC and crash the kernel (mainline \
               99099c6bc75a, 405d9999aa0b, 9da75a511c55, 7e3b407ccbea)",
        instead: COPY,
    },
    Bug {
        driver: "ice",
        foreign: true,
        // 2.5.4 is known to have it; no release is known to be free of it.
        fixed: &[2, 5, 5],
        large_frames: false,
        what: "opening and closing zero-copy sockets under load can reset the NIC and crash the kernel \
               (intel/ethernet-linux-ice 61)",
        instead: COPY,
    },
    Bug {
        driver: "ena",
        foreign: true,
        fixed: &[2, 7, 4],
        large_frames: false,
        what: "zero-copy makes the driver reset the device (amzn/amzn-drivers 221)",
        instead: COPY,
    },
    Bug {
        driver: "ice",
        foreign: false,
        fixed: &[6, 8],
        large_frames: true,
        what: "cutting zero-copy frames of several chunks can crash the kernel (mainline c5114710c8ce)",
        instead: COPY,
    },
    Bug {
        driver: "i40e",
        foreign: false,
        fixed: &[6, 8],
        large_frames: true,
        what: "cutting zero-copy frames of several chunks can crash the kernel (mainline c5114710c8ce)",
        instead: COPY,
    },
];

/// Numbers at the beginning of a version: "2.7.2g" has 2, 7, 2.
fn numbers(version: &str) -> Vec<u32> {
    let number = |part: &str| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        part[..digits].parse().ok()
    };
    version.split(['.', '-', '_']).map_while(number).collect()
}

fn kernel_release() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

/// The bugs of this driver under this kernel; a driver of another version than the kernel's did not come with it.
fn bugs_of(
    driver: &str,
    driver_version: &str,
    kernel: &str,
    large_frames: bool,
) -> impl Iterator<Item = &'static Bug> {
    let foreign = !driver_version.is_empty() && driver_version != kernel;
    let found = numbers(if foreign { driver_version } else { kernel });
    let driver = driver.to_owned();
    BUGS.iter().filter(move |bug| {
        bug.driver == driver
            && bug.foreign == foreign
            && (!bug.large_frames || large_frames)
            && !found.is_empty()
            && found.as_slice() < bug.fixed
    })
}

pub(super) fn check(device: &Device) -> Check {
    let (driver, kernel) = (&device.driver, kernel_release());
    match DRIVERS.iter().find(|(name, _)| name == driver) {
        Some(&(_, Since(major, minor))) if version(&kernel).is_none_or(|v| v >= (major, minor)) => {
            Check::ok("driver", format!("{driver}: native XDP and zero-copy"))
        }
        Some(&(_, Since(major, minor))) => Check::ok(
            "driver",
            format!(
                "{driver}: native XDP; zero-copy needs Linux {major}.{minor}, until then frames are copied"
            ),
        ),
        Some((_, Never)) => {
            Check::ok("driver", format!("{driver}: native XDP; no zero-copy, frames are copied"))
        }
        None => Check::warn(
            "driver",
            format!(
                "{driver}: not known to have native XDP; if it has not, set xdp = \"generic\" for this port"
            ),
        ),
    }
}

pub(super) fn known_bugs(device: &Device) -> Check {
    let (version, kernel) = (device.driver_version(), kernel_release());
    let shown = if version.is_empty() { &kernel } else { &version };
    let large_frames = device.mtu > capture::MAX_WHOLE_MTU;
    let bugs: Vec<&Bug> = bugs_of(&device.driver, &version, &kernel, large_frames).collect();
    match bugs.as_slice() {
        [] => Check::ok("known bugs", format!("none of {} {shown}", device.driver)),
        [first, ..] => {
            let told: Vec<&str> = bugs.iter().map(|bug| bug.what).collect();
            Check::warn("known bugs", format!("{} {shown}: {}", device.driver, told.join("; ")))
                .advise(first.instead.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(driver: &str, version: &str, kernel: &str, large: bool) -> usize {
        bugs_of(driver, version, kernel, large).count()
    }

    #[test]
    fn bugs_end_with_the_version_that_mends_them() {
        // A driver that comes with the kernel has the kernel's version, or tells none.
        for own in ["6.1.0-50-amd64", ""] {
            assert_eq!(count("ice", own, "6.1.0-50-amd64", false), 1);
        }
        assert_eq!(count("ice", "6.11.2", "6.11.2", true), 0);
        assert_eq!((count("i40e", "6.7.1", "6.7.1", false), count("i40e", "6.7.1", "6.7.1", true)), (0, 1));
        assert_eq!(count("ice", "6.7.1", "6.7.1", true), 2);
        // Others have their own, whatever the kernel.
        assert_eq!((count("ena", "2.7.2g", "6.12.0", false), count("ena", "2.7.4", "6.12.0", false)), (1, 0));
        assert_eq!((count("ice", "2.2.8", "6.12.0", false), count("ice", "2.6.0", "6.12.0", false)), (1, 0));
        assert_eq!(count("veth", "1.0", "5.15", true), 0);
    }

    #[test]
    fn versions_are_numbers_as_far_as_they_go() {
        assert_eq!(numbers("6.1.0-50-cloud-amd64"), [6, 1, 0, 50]);
        assert_eq!(numbers("2.7.2g"), [2, 7, 2]);
        assert_eq!(numbers("unknown"), [0_u32; 0]);
    }

    #[test]
    fn every_bug_is_of_a_driver_with_zero_copy_or_one_that_did_not_come_with_linux() {
        for bug in BUGS {
            let known = DRIVERS.iter().find(|(name, _)| *name == bug.driver);
            assert!(known.is_some_and(|(_, zero_copy)| bug.foreign || *zero_copy != Never), "{}", bug.driver);
        }
    }
}
