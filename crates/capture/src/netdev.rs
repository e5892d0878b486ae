//! What the kernel says of a network device, and the two settings that capture changes.
//!
//! Everything goes through sockets and libc calls of the current network namespace, not through
//! `/sys`, which may belong to another one.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketType, socket};

const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GCHANNELS: u32 = 0x3c;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETHTOOL_GGRO: u32 = 0x2b;
const ETHTOOL_GET_TS_INFO: u32 = 0x41;
const ETHTOOL_GRSSH: u32 = 0x46;
/// What a kernel without transformations leaves in their place, and what means "as before" in requests.
const RXH_XFRM_NO_CHANGE: u8 = 0xff;
/// Entries and bytes that are read at most; drivers have up to 4096 and 52.
const MAX_RSS_TABLE: usize = 8192;
const MAX_RSS_KEY: usize = 256;
/// Bits of ETHTOOL_GFLAGS.
const ETH_FLAG_RXVLAN: u32 = 1 << 8;
const ETH_FLAG_LRO: u32 = 1 << 15;
const PACKET_MR_PROMISC: u16 = 1;

/// One network device of the current network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Interface name.
    pub name: String,
    /// Interface index.
    pub index: i32,
    /// Receive queues in use.
    pub rx_queues: u32,
    /// Bytes of the largest network-layer packet.
    pub mtu: u32,
    /// Driver name; empty if the driver does not say.
    pub driver: String,
}

impl Device {
    /// Looks the device up.
    ///
    /// # Errors
    /// `NotFound` if there is none of that name here; otherwise what the kernel said.
    pub fn open(name: &str) -> io::Result<Self> {
        let request = request(name)?;
        let socket = control_socket()?;
        let index = ioctl_u32(&socket, libc::SIOCGIFINDEX, request)
            .map_err(|err| match err.raw_os_error() {
                Some(libc::ENODEV) => io::Error::new(io::ErrorKind::NotFound, "no such interface"),
                _ => err,
            })?
            .cast_signed();
        let mtu = ioctl_u32(&socket, libc::SIOCGIFMTU, request)?;
        Ok(Device {
            name: name.to_owned(),
            index,
            rx_queues: rx_queues(&socket, request)?,
            mtu,
            driver: driver(&socket, request).map(|[name, _]| name).unwrap_or_default(),
        })
    }

    /// Whether the device is administratively up.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn is_up(&self) -> io::Result<bool> {
        let flags = ioctl_u32(&control_socket()?, libc::SIOCGIFFLAGS, request(&self.name)?)?;
        Ok(flags & libc::IFF_UP.cast_unsigned() != 0)
    }
}

/// Receive offloads that change what the XDP program sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// The kernel merges frames (generic receive offload).
    pub gro: bool,
    /// The NIC merges frames (large receive offload).
    pub lro: bool,
    /// The NIC takes VLAN tags off.
    pub rx_vlan: bool,
}

impl Device {
    /// The driver's version: the kernel's for drivers that come with it, their own for others. Empty if the driver
    /// does not say.
    #[must_use]
    pub fn driver_version(&self) -> String {
        let (Ok(socket), Ok(request)) = (control_socket(), request(&self.name)) else { return String::new() };
        driver(&socket, request).map(|[_, version]| version).unwrap_or_default()
    }

    /// Receive offloads in force. A driver that does not say has none.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn offloads(&self) -> io::Result<Offloads> {
        let (socket, request) = (control_socket()?, request(&self.name)?);
        // struct ethtool_value: command, value.
        let value = |command| {
            let mut value = [command, 0_u32];
            match ethtool(&socket, request, &mut value) {
                Ok(()) => Ok(value[1]),
                Err(err) if err.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok(0),
                Err(err) => Err(err),
            }
        };
        let flags = value(ETHTOOL_GFLAGS)?;
        Ok(Offloads {
            gro: value(ETHTOOL_GGRO)? != 0,
            lro: flags & ETH_FLAG_LRO != 0,
            rx_vlan: flags & ETH_FLAG_RXVLAN != 0,
        })
    }

    /// Receive queues that the device could have.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn max_rx_queues(&self) -> io::Result<u32> {
        channels(&control_socket()?, request(&self.name)?).map(|c| (c[1] + c[4]).max(1))
    }
}

impl Device {
    /// Whether the NIC has a clock that stamps frames (ETHTOOL_GET_TS_INFO).
    #[must_use]
    pub fn has_clock(&self) -> bool {
        // struct ethtool_ts_info: command, so_timestamping, phc_index (-1: none), ...
        let mut info = [0_u32; 11];
        info[0] = ETHTOOL_GET_TS_INFO;
        let (Ok(socket), Ok(request)) = (control_socket(), request(&self.name)) else { return false };
        ethtool(&socket, request, &mut info).is_ok() && info[2].cast_signed() >= 0
    }

    /// Whether RSS sends both directions of a flow to one queue (ETHTOOL_GRSSH): by a transformation of its input, or
    /// by a key that repeats every two bytes (Woo and Park, "Scalable TCP Session Monitoring with Symmetric
    /// Receive-side Scaling", 2012). `None` if the driver does not tell.
    #[must_use]
    pub fn rss_is_symmetric(&self) -> Option<bool> {
        let (socket, request) = (control_socket().ok()?, request(&self.name).ok()?);
        // struct ethtool_rxfh: command, context, sizes of table and key, hash function and transformation, reserved;
        // then the table, four bytes an entry, and the key.
        let mut sizes = [ETHTOOL_GRSSH, 0, 0, 0, 0, 0];
        ethtool(&socket, request, &mut sizes).ok()?;
        let (entries, key_bytes) = (sizes[2] as usize, sizes[3] as usize);
        if key_bytes == 0 || entries > MAX_RSS_TABLE || key_bytes > MAX_RSS_KEY {
            return None;
        }
        let mut whole = Box::new([0_u32; 6 + MAX_RSS_TABLE + MAX_RSS_KEY / 4]);
        whole[..4].copy_from_slice(&[ETHTOOL_GRSSH, 0, sizes[2], sizes[3]]);
        ethtool(&socket, request, &mut *whole).ok()?;
        let transformation = whole[4].to_ne_bytes()[1];
        let key: Vec<u8> =
            whole[6 + entries..].iter().flat_map(|w| w.to_ne_bytes()).take(key_bytes).collect();
        let periodic = key.iter().enumerate().all(|(i, &byte)| byte == key[i % 2]);
        Some(periodic || (transformation != 0 && transformation != RXH_XFRM_NO_CHANGE))
    }

    /// The device's folder in sysfs, if that is of this network namespace.
    #[must_use]
    pub fn sysfs(&self) -> Option<PathBuf> {
        let folder = Path::new("/sys/class/net").join(&self.name);
        let index: i32 = fs::read_to_string(folder.join("ifindex")).ok()?.trim().parse().ok()?;
        (index == self.index).then_some(folder)
    }

    /// The NIC's interrupts and the CPUs that take each (proc(5), `irq/N/smp_affinity_list`), in order.
    #[must_use]
    pub fn irqs(&self) -> Vec<(u32, String)> {
        let Some(folder) = self.sysfs() else { return Vec::new() };
        let listed = fs::read_dir(folder.join("device/msi_irqs")).into_iter().flatten().flatten();
        let mut irqs: Vec<u32> = listed.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
        irqs.sort_unstable();
        let cpus = |irq: u32| {
            let list = fs::read_to_string(format!("/proc/irq/{irq}/smp_affinity_list")).ok()?;
            Some((irq, list.trim().to_owned()))
        };
        irqs.into_iter().filter_map(cpus).collect()
    }

    /// The NUMA node that the NIC is attached to, if the machine has several.
    #[must_use]
    pub fn numa_node(&self) -> Option<u32> {
        let node = fs::read_to_string(self.sysfs()?.join("device/numa_node")).ok()?;
        node.trim().parse().ok()
    }

    /// Frames that NIC and driver have dropped before any program saw them, since the device was made
    /// (proc_pid_net(5), `dev`: the columns drop, which has those that the NIC missed in it, and fifo).
    ///
    /// # Errors
    /// The file cannot be read, or has no such device.
    pub fn rx_dropped(&self) -> io::Result<u64> {
        let table = fs::read_to_string("/proc/thread-self/net/dev")?;
        dropped_in(&table, &self.name)
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "not in /proc/thread-self/net/dev"))
    }
}

fn dropped_in(table: &str, name: &str) -> Option<u64> {
    let row = |line: &str| Some(line.trim_start().strip_prefix(name)?.strip_prefix(':')?.to_owned());
    let row = table.lines().find_map(row)?;
    // bytes packets errs drop fifo frame compressed multicast
    let mut columns = row.split_whitespace().skip(3).map(|c| c.parse::<u64>().ok());
    Some(columns.next()?? + columns.next()??)
}

/// Keeps a device promiscuous while it lives. The kernel counts such wishes, so dropping this restores
/// exactly the state that others left, also after a crash.
#[derive(Debug)]
pub struct Promiscuous(#[allow(dead_code, reason = "held for its drop")] OwnedFd);

impl Promiscuous {
    /// Asks for promiscuous mode (packet(7), PACKET_ADD_MEMBERSHIP).
    ///
    /// # Errors
    /// What the kernel said.
    pub fn enable(device: &Device) -> io::Result<Self> {
        // Protocol 0: this socket receives nothing.
        let fd = socket(AddressFamily::PACKET, SocketType::RAW, None)?;
        let wish = libc::packet_mreq {
            mr_ifindex: device.index,
            mr_type: PACKET_MR_PROMISC,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        // SAFETY: the pointer and length describe `wish`, which outlives the call.
        let done = unsafe {
            libc::setsockopt(
                fd.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_ADD_MEMBERSHIP,
                (&raw const wish).cast(),
                size_of_val(&wish) as libc::socklen_t,
            )
        };
        if done < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Promiscuous(fd))
    }
}

/// The addresses of this machine (of the current network namespace).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnAddresses {
    /// IPv4 and IPv6.
    pub addresses: Vec<IpAddr>,
    /// Of its Ethernet-like interfaces.
    pub macs: Vec<[u8; 6]>,
}

/// Every address of this machine (of the current network namespace).
///
/// # Errors
/// What the kernel said.
pub fn own_addresses() -> io::Result<OwnAddresses> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: `list` is a valid place for the result.
    if unsafe { libc::getifaddrs(&raw mut list) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = OwnAddresses::default();
    let mut next = list;
    while !next.is_null() {
        // SAFETY: getifaddrs made a well-formed list that is freed only below.
        let entry = unsafe { &*next };
        if !entry.ifa_addr.is_null() {
            // SAFETY: every sockaddr begins with its family, which says its real type.
            match i32::from(unsafe { (*entry.ifa_addr).sa_family }) {
                libc::AF_INET => {
                    // SAFETY: AF_INET means sockaddr_in; read_unaligned needs no alignment.
                    let addr = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned() };
                    found.addresses.push(IpAddr::from(addr.sin_addr.s_addr.to_ne_bytes()));
                }
                libc::AF_INET6 => {
                    // SAFETY: AF_INET6 means sockaddr_in6; read_unaligned needs no alignment.
                    let addr = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
                    found.addresses.push(IpAddr::from(addr.sin6_addr.s6_addr));
                }
                libc::AF_PACKET => {
                    // SAFETY: AF_PACKET means sockaddr_ll; read_unaligned needs no alignment.
                    let addr = unsafe { entry.ifa_addr.cast::<libc::sockaddr_ll>().read_unaligned() };
                    let mac = addr.sll_addr.first_chunk().filter(|_| addr.sll_halen == 6);
                    found.macs.extend(mac.filter(|mac| **mac != [0; 6]));
                }
                _ => {}
            }
        }
        next = entry.ifa_next;
    }
    // SAFETY: `list` came from getifaddrs and is not used afterwards.
    unsafe { libc::freeifaddrs(list) };
    found.addresses.sort_unstable();
    found.addresses.dedup();
    Ok(found)
}

fn control_socket() -> io::Result<OwnedFd> {
    Ok(socket(AddressFamily::INET, SocketType::DGRAM, None)?)
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: ifreq is plain data; all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "not an interface name"));
    }
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = byte.cast_signed();
    }
    Ok(request)
}

fn ioctl_u32(socket: &OwnedFd, op: libc::Ioctl, mut request: libc::ifreq) -> io::Result<u32> {
    // SAFETY: all of these calls read and write one ifreq.
    if unsafe { libc::ioctl(socket.as_raw_fd(), op, &raw mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel wrote the union as an integer (flags: a short, upper half zero from `request`).
    Ok(unsafe { request.ifr_ifru.ifru_ifindex }.cast_unsigned())
}

fn ethtool<T>(socket: &OwnedFd, mut request: libc::ifreq, command: &mut T) -> io::Result<()> {
    request.ifr_ifru.ifru_data = (&raw mut *command).cast();
    // SAFETY: the kernel reads the command's number from `command` and fills that command's structure,
    // which `T` is; both outlive the call.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// `struct ethtool_channels`: command; most receive, transmit, other, combined; the same in use.
fn channels(socket: &OwnedFd, request: libc::ifreq) -> io::Result<[u32; 9]> {
    let mut channels = [0_u32; 9];
    channels[0] = ETHTOOL_GCHANNELS;
    match ethtool(socket, request, &mut channels) {
        Ok(()) => Ok(channels),
        // A driver that cannot say has one queue.
        Err(err) if err.raw_os_error() == Some(libc::EOPNOTSUPP) => Ok([0; 9]),
        Err(err) => Err(err),
    }
}

/// Combined and receive channels both have a receive queue.
fn rx_queues(socket: &OwnedFd, request: libc::ifreq) -> io::Result<u32> {
    channels(socket, request).map(|c| (c[5] + c[8]).max(1))
}

/// `struct ethtool_drvinfo`: behind the command the driver's name and its version, 32 bytes each.
fn driver(socket: &OwnedFd, request: libc::ifreq) -> io::Result<[String; 2]> {
    let mut info = [0_u32; 49];
    info[0] = ETHTOOL_GDRVINFO;
    ethtool(socket, request, &mut info)?;
    let text = |words: &[u32]| {
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_ne_bytes()).take_while(|&b| b != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Ok([text(&info[1..9]), text(&info[9..17])])
}

#[cfg(test)]
mod tests {
    use super::dropped_in;

    #[test]
    fn dropped_frames_are_read_from_the_right_row() {
        let table = "Inter-|   Receive          |  Transmit\n face |bytes    packets errs drop fifo ...\n\
                     \x20   lo: 1 2 3 4 5 6 7 8 9\n  eth0: 10 20 30 40 50 60 70 80\neth01: 1 1 1 1 1 1\n";
        assert_eq!(dropped_in(table, "eth0"), Some(90));
        assert_eq!(dropped_in(table, "lo"), Some(9));
        assert_eq!(dropped_in(table, "eth"), None);
    }
}
