//! What a network device can do, and how it is set.

use std::thread;

use capture::{Attached, Device};

use super::Check;

/// Drivers with native XDP, and whether AF_XDP zero-copy is in the mainline driver.
const DRIVERS: &[(&str, bool)] = &[
    ("ice", true),
    ("i40e", true),
    ("ixgbe", true),
    ("igc", true),
    ("igb", true),
    ("mlx5_core", true),
    ("nfp", true),
    ("stmmac", true),
    ("virtio_net", true),
    ("ixgbevf", false),
    ("mlx4_en", false),
    ("bnxt_en", false),
    ("ena", false),
    ("gve", true),
    ("hv_netvsc", false),
    ("mana", false),
    ("qede", false),
    ("sfc", false),
    ("thunderx", false),
    ("octeontx2", false),
    ("mvneta", false),
    ("mvpp2", false),
    ("vmxnet3", false),
    ("xen_netfront", false),
    ("veth", false),
    ("tun", false),
];

pub(super) fn checks(name: &str) -> Vec<Check> {
    let device = match Device::open(name) {
        Ok(device) => device,
        Err(err) => return vec![Check::fail("interface", err.to_string())],
    };
    let mut checks = vec![up(&device), driver(&device), queues(&device), mtu(&device)];
    checks.extend(offloads(&device));
    checks.push(program(&device));
    checks
}

fn up(device: &Device) -> Check {
    match device.is_up() {
        Ok(true) => Check::ok("link", "up"),
        Ok(false) => Check::fail("link", "down").fix(format!("ip link set dev {} up", device.name)),
        Err(err) => Check::warn("link", err.to_string()),
    }
}

fn driver(device: &Device) -> Check {
    let driver = &device.driver;
    match DRIVERS.iter().find(|(name, _)| name == driver) {
        Some((_, true)) => Check::ok("driver", format!("{driver}: native XDP; zero-copy in recent kernels")),
        Some((_, false)) => {
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
            .fix(format!("ethtool -L {} combined {wish}", device.name));
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
        return Check::warn("mtu", message).fix(format!("ip link set dev {} mtu {max}", device.name));
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
            .fix(format!("ethtool -K {name} lro off")),
        false => Check::ok("lro", "off"),
    };
    let gro = match found.gro {
        true => Check::warn("gro", "on: merges frames where XDP is generic; native XDP sees them before")
            .fix(format!("ethtool -K {name} gro off")),
        false => Check::ok("gro", "off"),
    };
    let vlan = match found.rx_vlan {
        true => Check::warn("rxvlan", "on: the NIC takes VLAN tags off, events will not tell them")
            .fix(format!("ethtool -K {name} rxvlan off")),
        false => Check::ok("rxvlan", "off"),
    };
    vec![lro, gro, vlan]
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
        .fix(format!("ip link set dev {} xdp off   # if it may go", device.name)),
        Err(err) => Check::warn("xdp", err.to_string()),
    }
}
