//! What the machine has.

use std::fs;
use std::thread;

use super::Check;

/// The oldest kernel with everything that the BPF programs use (BPF_PROG_TYPE_SYSCALL).
const OLDEST: (u32, u32) = (5, 14);
/// The oldest kernel on which the programs are tested.
const TESTED: (u32, u32) = (6, 1);

pub(super) fn checks() -> Vec<Check> {
    vec![privileges(), kernel(), jit(), bpffs(), cpus()]
}

fn privileges() -> Check {
    if engine::is_root() {
        Check::ok("privileges", "root")
    } else {
        Check::fail("privileges", "ringward run needs root; replay does not")
    }
}

fn kernel() -> Check {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = release.trim();
    match version(release) {
        Some(version) if version < OLDEST => {
            Check::fail("kernel", format!("Linux {release}: {}.{} or newer is needed", OLDEST.0, OLDEST.1))
        }
        Some(version) if version < TESTED => Check::warn(
            "kernel",
            format!("Linux {release}: should do, but is tested from {}.{} on", TESTED.0, TESTED.1),
        ),
        Some(_) => Check::ok("kernel", format!("Linux {release}")),
        None => Check::warn("kernel", format!("\"{release}\" is no version")),
    }
}

fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn jit() -> Check {
    match fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").as_deref().map(str::trim) {
        Ok("0") => Check::warn("bpf jit", "off: XDP programs are interpreted, several times slower")
            .fix("sysctl -w net.core.bpf_jit_enable=1".into()),
        Ok(_) => Check::ok("bpf jit", "on"),
        // Not to be seen outside of the first network namespace; kernels are built with it always on.
        Err(_) => Check::ok("bpf jit", "always on, or not to be seen here"),
    }
}

fn bpffs() -> Check {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    match mounts.lines().any(|l| l.split(' ').nth(2) == Some("bpf")) {
        true => Check::ok("bpffs", "mounted"),
        false => Check::ok("bpffs", "not mounted; ringward run mounts it"),
    }
}

fn cpus() -> Check {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    match cpus {
        1 => Check::warn("cpus", "one: a worker and the threads that isolate and write share it"),
        n => Check::ok("cpus", format!("{n}: up to {} workers and one for the rest", n - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn releases_have_versions() {
        assert_eq!(version("6.1.0-50-cloud-amd64"), Some((6, 1)));
        assert_eq!(version("5.15"), Some((5, 15)));
        assert_eq!(version("7.3.4+deb13-cloud-amd64"), Some((7, 3)));
        assert_eq!(version("next"), None);
    }
}
