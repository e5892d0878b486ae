//! What a network device can do, and how it is set.

use std::thread;

use capture::{Attached, Device};

use super::{Check, Remedy, drivers};

pub(super) fn checks(name: &str) -> Vec<Check> {
    let device = match Device::open(name) {
        Ok(device) => device,
        Err(err) => return vec![Check::fail("interface", err.to_string())],
    };
    let mut checks =
        vec![up(&device), drivers::check(&device), drivers::known_bugs(&device), queues(&device)];
    checks.push(mtu(&device));
    checks.extend(offloads(&device));
    checks.extend([checksums(&device), rss(&device), clock(&device), interrupts(&device), numa(&device)]);
    checks.push(program(&device));
    checks
}

fn up(device: &Device) -> Check {
    match device.is_up() {
        Ok(true) => Check::ok("link", "up"),
        Ok(false) => Check::fail("link", "down").fix(Remedy::commands(
            &format!("ip link set dev {} up", device.name),
            &format!("ip link set dev {} down", device.name),
        )),
        Err(err) => Check::warn("link", err.to_string()),
    }
}

fn queues(device: &Device) -> Check {
    let cpus = thread::available_parallelism().map_or(1, usize::from) as u32;
    let most = device.max_rx_queues().unwrap_or(device.rx_queues);
    let used = device.rx_queues;
    // XDP on virtio wants a transmit queue for every CPU besides those in use.
    if device.driver == "virtio_net" && most < 2 * cpus {
        return Check::warn(
            "queues",
            format!(
                "{used} of {most}: virtio wants twice as many as there are CPUs ({cpus}) for XDP at full speed; \
                 give the virtual machine queues={}",
                2 * cpus
            ),
        );
    }
    if used == 1 && most > 1 && cpus > 2 {
        let wish = most.min(cpus - 1);
        return Check::warn("queues", format!("1 of {most} in use: one core does all of the kernel's part"))
            .fix(Remedy::commands(
                &format!("ethtool -L {} combined {wish}", device.name),
                &format!("ethtool -L {} combined {used}", device.name),
            ));
    }
    Check::ok("queues", format!("{used} of {most} in use; a worker has a ring on each"))
}

fn mtu(device: &Device) -> Check {
    let max = capture::MAX_WHOLE_MTU;
    if device.mtu > max {
        let message = format!(
            "{}: frames span several chunks of packet memory, which needs Linux 6.6 and a driver that knows how; \
             up to {max} they do not",
            device.mtu
        );
        return Check::warn("mtu", message).fix(Remedy::commands(
            &format!("ip link set dev {} mtu {max}", device.name),
            &format!("ip link set dev {} mtu {}", device.name, device.mtu),
        ));
    }
    Check::ok("mtu", device.mtu.to_string())
}

fn offloads(device: &Device) -> Vec<Check> {
    let name = &device.name;
    let found = match device.offloads() {
        Ok(found) => found,
        Err(err) => return vec![Check::warn("offloads", err.to_string())],
    };
    let lro = match found.lro {
        true => Check::fail("lro", "on: the NIC merges frames before anybody can count them")
            .fix(feature(name, "lro")),
        false => Check::ok("lro", "off"),
    };
    let gro = match found.gro {
        true => Check::warn("gro", "on: merges frames where XDP is generic; native XDP sees them before")
            .fix(feature(name, "gro")),
        false => Check::ok("gro", "off"),
    };
    let vlan = match found.rx_vlan {
        true => Check::warn("rxvlan", "on: the NIC takes VLAN tags off, events will not tell them")
            .fix(feature(name, "rxvlan")),
        false => Check::ok("rxvlan", "off"),
    };
    vec![lro, gro, vlan]
}

/// Off, and on again.
fn feature(name: &str, feature: &str) -> Remedy {
    Remedy::commands(&format!("ethtool -K {name} {feature} off"), &format!("ethtool -K {name} {feature} on"))
}

fn checksums(device: &Device) -> Check {
    match device.driver.as_str() {
        "veth" | "virtio_net" => Check::ok(
            "checksum",
            "senders may leave checksums unfinished on this device; where it is an inline port, they must not: \
             `ethtool -K DEV tx off` at the other end",
        ),
        _ => Check::ok("checksum", "finished before the frame is on the wire"),
    }
}

fn rss(device: &Device) -> Check {
    let name = &device.name;
    match device.rss_is_symmetric() {
        Some(true) => Check::ok("rss", "symmetric: steer = \"rss\" can be used"),
        Some(false) => Check::ok(
            "rss",
            format!(
                "not symmetric, which steer = \"flow\" does not need; for steer = \"rss\": ethtool -X {name} hfunc \
                 toeplitz symmetric-xor"
            ),
        ),
        None => Check::ok("rss", "the driver does not tell; steer = \"flow\" does not need to know"),
    }
}

fn clock(device: &Device) -> Check {
    if !device.has_clock() {
        return Check::ok("clock", "the NIC has none: frames get the kernel's time");
    }
    Check::ok(
        "clock",
        format!(
            "the NIC has one: its time is used if the driver hands it to XDP, `hwstamp_ctl -i {} -r 1` has turned it \
             on, and the clock is within a second of TAI or UTC",
            device.name
        ),
    )
}

fn interrupts(device: &Device) -> Check {
    let irqs = device.irqs();
    let Some((_, first)) = irqs.first() else {
        return Check::ok("interrupts", "the driver has none of its own");
    };
    let told: Vec<String> = irqs.iter().map(|(irq, cpus)| format!("{irq} on {cpus}")).collect();
    let told = told.join(", ");
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    if irqs.len() > 1 && cpus > 1 && irqs.iter().all(|(_, cpus)| cpus == first) && !first.contains([',', '-'])
    {
        let message = format!("all on one CPU ({told}): that core does all of the kernel's part");
        // The last one moves: a driver may have a vector for control besides those of its queues.
        let (irq, _) = irqs[irqs.len() - 1];
        let other = if first == "0" { "1" } else { "0" };
        let check = Check::warn("interrupts", message);
        return match Remedy::file(&format!("/proc/irq/{irq}/smp_affinity_list"), other) {
            Some(remedy) => check.fix(remedy),
            None => check,
        };
    }
    Check::ok("interrupts", told)
}

fn numa(device: &Device) -> Check {
    match device.numa_node() {
        Some(node) => Check::ok(
            "numa",
            format!(
                "node {node}: packet memory is taken from it; workers belong on its CPUs (lscpu tells them)"
            ),
        ),
        None => Check::ok("numa", "one node, or the device does not tell"),
    }
}

fn program(device: &Device) -> Check {
    match Attached::on(device) {
        Ok(None) => Check::ok("xdp", "no program attached"),
        Ok(Some(own)) if own.ours => {
            Check::ok("xdp", format!("Ringward's \"{}\" (id {}, {})", own.name, own.id, own.mode.name()))
        }
        Ok(Some(other)) => Check::fail(
            "xdp",
            format!(
                "another program is attached: \"{}\" (id {}, {})",
                other.name,
                other.id,
                other.mode.name()
            ),
        )
        .advise(format!("ip link set dev {} xdp off   # if it may go", device.name)),
        Err(err) => Check::warn("xdp", err.to_string()),
    }
}
