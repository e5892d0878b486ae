//! Putting an XDP program on a device without harming anybody else's.

use std::os::fd::{AsFd, BorrowedFd};

use libbpf_rs::query::ProgInfoIter;
use libbpf_rs::{Program, Xdp, XdpFlags};

use crate::error::CaptureError;
use crate::netdev::Device;

/// Names of Ringward's XDP programs as the kernel has them; a program of that name left behind by an
/// earlier run may be replaced.
const OWN_PROGRAMS: [&str; 5] = ["rw_capture", "rw_capture_nic", "rw_inline", "rw_inline_nic", "rw_guard"];

/// How the kernel runs the program.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpMode {
    /// In the driver, before a socket buffer is made.
    #[default]
    Native,
    /// In the kernel's slow path: works on any device, copies every packet.
    Generic,
    /// Native if the driver can, else generic.
    Auto,
}

impl XdpMode {
    fn flags(self) -> XdpFlags {
        match self {
            XdpMode::Native | XdpMode::Auto => XdpFlags::DRV_MODE,
            XdpMode::Generic => XdpFlags::SKB_MODE,
        }
    }

    /// The name in configuration and logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            XdpMode::Native => "native",
            XdpMode::Generic => "generic",
            XdpMode::Auto => "auto",
        }
    }
}

/// An XDP program on a device. It stays there when this is dropped, as it does when the process dies:
/// whoever wants it off calls [`Attachment::detach`].
#[derive(Debug)]
pub struct Attachment {
    device: Device,
    mode: XdpMode,
    id: u32,
}

impl Attachment {
    /// Attaches `program`, in place of a Ringward program that an earlier run left behind.
    ///
    /// # Errors
    /// `Occupied` if somebody else's program is there; `Attach` if the driver refuses.
    pub fn new(device: &Device, mode: XdpMode, program: &Program<'_>) -> Result<Self, CaptureError> {
        if mode != XdpMode::Auto {
            return Self::attach(device, mode, program);
        }
        match Self::attach(device, XdpMode::Native, program) {
            Err(CaptureError::Attach { source, .. }) => {
                tracing::warn!(
                    "{}: the driver ({}) refused native XDP ({source}); generic XDP, the slow path, is used",
                    device.name,
                    device.driver
                );
                Self::attach(device, XdpMode::Generic, program)
            }
            other => other,
        }
    }

    /// Native or generic.
    #[must_use]
    pub fn mode(&self) -> XdpMode {
        self.mode
    }

    fn attach(device: &Device, mode: XdpMode, program: &Program<'_>) -> Result<Self, CaptureError> {
        let xdp = Xdp::new(program.as_fd());
        if let Some((id, old_mode)) = attached(&xdp, device)? {
            if id == program_id(program.as_fd()) && old_mode == mode {
                // A device that was away, in another network namespace, and kept it.
                return Ok(Attachment { device: device.clone(), mode, id });
            }
            let name = program_name(id);
            if !OWN_PROGRAMS.contains(&name.as_str()) {
                let owner = format!("\"{name}\", id {id}");
                return Err(CaptureError::Occupied { name: device.name.clone(), owner });
            }
            tracing::info!("{}: taking over from \"{name}\" (id {id}) of an earlier run", device.name);
            if old_mode == mode && replace(&xdp, device, id).is_ok() {
                return Ok(Attachment { device: device.clone(), mode, id: program_id(program.as_fd()) });
            }
            let _ = xdp.detach(device.index, old_mode.flags());
        }
        xdp.attach(device.index, mode.flags() | XdpFlags::UPDATE_IF_NOEXIST).map_err(|source| {
            CaptureError::Attach { name: device.name.clone(), driver: device.driver.clone(), source }
        })?;
        Ok(Attachment { device: device.clone(), mode, id: program_id(program.as_fd()) })
    }

    /// Takes the program off, unless somebody has put another one in its place meanwhile.
    ///
    /// # Errors
    /// What the kernel said; a device that is gone is no error.
    pub fn detach(&self, program: BorrowedFd<'_>) -> Result<(), CaptureError> {
        let xdp = Xdp::new(program);
        match attached(&xdp, &self.device) {
            Ok(Some((id, mode))) if id == self.id && mode == self.mode => xdp
                .detach(self.device.index, self.mode.flags())
                .map_err(|source| CaptureError::Map { map: "XDP detach", source }),
            _ => Ok(()),
        }
    }

    /// Why the program is not in force on `now`, which is the device as it is now, if it is not. What the kernel does
    /// not tell is taken for good.
    #[must_use]
    pub fn trouble(&self, now: &Device) -> Option<String> {
        // The library wants a program's descriptor for everything; a question does not use it.
        let unused = std::io::stdin();
        match attached(&Xdp::new(unused.as_fd()), now) {
            Ok(Some((id, _))) if id != self.id => Some(format!(
                "interface {}: another XDP program (\"{}\", id {id}) is in the place of Ringward's",
                now.name,
                program_name(id)
            )),
            Ok(None) => Some(format!("interface {}: Ringward's XDP program was taken off", now.name)),
            _ => None,
        }
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }
}

/// Id and mode of the program on the device, if there is one.
fn attached(xdp: &Xdp<'_>, device: &Device) -> Result<Option<(u32, XdpMode)>, CaptureError> {
    let found = xdp.query(device.index, XdpFlags::NONE).map_err(|source| CaptureError::Interface {
        name: device.name.clone(),
        source: std::io::Error::other(source.to_string()),
    })?;
    Ok(if found.drv_prog_id != 0 {
        Some((found.drv_prog_id, XdpMode::Native))
    } else if found.skb_prog_id != 0 {
        Some((found.skb_prog_id, XdpMode::Generic))
    } else if found.prog_id != 0 {
        Some((found.prog_id, XdpMode::Native))
    } else {
        None
    })
}

/// Swaps the program in one step, so that no packet passes unguarded.
fn replace(xdp: &Xdp<'_>, device: &Device, id: u32) -> libbpf_rs::Result<()> {
    let old = Program::fd_from_id(id)?;
    xdp.replace(device.index, old.as_fd())
}

fn program_name(id: u32) -> String {
    ProgInfoIter::default()
        .find(|p| p.id == id)
        .map_or_else(|| "?".into(), |p| p.name.to_string_lossy().into_owned())
}

fn program_id(fd: BorrowedFd<'_>) -> u32 {
    Program::id_from_fd(fd).unwrap_or(0)
}

/// An XDP program that is on a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its name, as the kernel has it.
    pub name: String,
    /// The kernel's number for it.
    pub id: u32,
    /// Native or generic.
    pub mode: XdpMode,
    /// It is one of Ringward's.
    pub ours: bool,
}

impl Attached {
    /// The XDP program on a device, if there is one. To learn its name needs privileges.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn on(device: &Device) -> Result<Option<Self>, CaptureError> {
        // The library wants a program's descriptor for everything; a question does not use it.
        let unused = std::io::stdin();
        let Some((id, mode)) = attached(&Xdp::new(unused.as_fd()), device)? else { return Ok(None) };
        let name = program_name(id);
        let ours = OWN_PROGRAMS.contains(&name.as_str());
        Ok(Some(Attached { name, id, mode, ours }))
    }
}
