//! What the machine has.

use std::fs;
use std::path::Path;
use std::thread;

use rustix::process::{Resource, getrlimit};

use super::{Check, Remedy};

/// The oldest kernel with everything that the BPF programs use (bpf_loop).
const OLDEST: (u32, u32) = (5, 17);
/// The first kernel with AF_XDP frames of several chunks.
const MULTI_BUFFER: (u32, u32) = (6, 6);
/// The oldest kernel on which the programs are tested.
const TESTED: (u32, u32) = (6, 1);

pub(super) fn checks() -> Vec<Check> {
    vec![
        privileges(),
        capabilities(),
        kernel(),
        btf(),
        jit(),
        bpffs(),
        cpus(),
        huge_pages(),
        locked_memory(),
        hold(),
    ]
}

/// Whether the kill switch is on, where the machine's configuration says.
fn hold() -> Check {
    let config = crate::commands::configuration(&crate::Reach::default()).unwrap_or_default();
    match crate::isolate::standing(&config) {
        None => Check::ok("hold", "off: verdicts are enforced"),
        Some(held) => Check::warn("hold", held).advise("ringward isolate resume".into()),
    }
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
        Some(version) if version < MULTI_BUFFER => Check::ok(
            "kernel",
            format!("Linux {release}; frames over {} bytes need 6.6", capture::MAX_WHOLE_MTU),
        ),
        Some(_) => Check::ok("kernel", format!("Linux {release}")),
        None => Check::warn("kernel", format!("\"{release}\" is no version")),
    }
}

pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(['.', '-', '+']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// What a sensor needs, by bit (linux/capability.h). Root without them is root in a container.
const CAPABILITIES: [(u32, &str); 5] = [
    (12, "CAP_NET_ADMIN"),
    (13, "CAP_NET_RAW"),
    (14, "CAP_IPC_LOCK"),
    (21, "CAP_SYS_ADMIN"),
    (39, "CAP_BPF"),
];

fn capabilities() -> Check {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bits = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let Some(bits) = bits.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()) else {
        return Check::warn("capabilities", "not to be seen here");
    };
    let missing: Vec<&str> =
        CAPABILITIES.iter().filter(|&&(bit, _)| bits >> bit & 1 == 0).map(|&(_, name)| name).collect();
    match missing.as_slice() {
        [] => Check::ok("capabilities", "all that AF_XDP and BPF need"),
        missing => Check::fail("capabilities", format!("missing: {}", missing.join(", "))),
    }
}

fn btf() -> Check {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Check::ok("btf", "the kernel describes its types");
    }
    Check::fail(
        "btf",
        "the kernel has no type information (CONFIG_DEBUG_INFO_BTF): programs cannot be loaded",
    )
}

/// A row of proc_meminfo(5).
fn meminfo(row: &str) -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let value = info.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(':').map(str::to_owned))?;
    value.split_whitespace().next()?.parse().ok()
}

/// Packet memory of a port with one queue, four workers and the default ring takes 13 of them.
const HUGE_PAGES: u64 = 32;

fn huge_pages() -> Check {
    let (Some(free), Some(total)) = (meminfo("HugePages_Free"), meminfo("HugePages_Total")) else {
        return Check::warn("huge pages", "this kernel has none");
    };
    if free > 0 {
        return Check::ok("huge pages", format!("{free} of {total} are free"));
    }
    let name = "/proc/sys/vm/nr_hugepages";
    let check =
        Check::warn("huge pages", "none is free: packet memory will lie in ordinary pages, which is slower");
    match Remedy::file(name, &(total + HUGE_PAGES).to_string()) {
        Some(remedy) => check.fix(remedy),
        None => check,
    }
}

fn locked_memory() -> Check {
    let limit = getrlimit(Resource::Memlock).current;
    match limit {
        // Counted against the user, but not against who has CAP_IPC_LOCK.
        _ if engine::is_root() => Check::ok("memlock", "root is not limited"),
        None => Check::ok("memlock", "unlimited"),
        Some(bytes) => Check::warn(
            "memlock",
            format!(
                "{} KiB: packet memory is locked memory; raise it with LimitMEMLOCK=infinity",
                bytes / 1024
            ),
        ),
    }
}

fn jit() -> Check {
    match fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").as_deref().map(str::trim) {
        Ok("0") => Check::warn("bpf jit", "off: XDP programs are interpreted, several times slower").fix(
            Remedy::commands("sysctl -w net.core.bpf_jit_enable=1", "sysctl -w net.core.bpf_jit_enable=0"),
        ),
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
