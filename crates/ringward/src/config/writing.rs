//! What is read out of `[output]`.

use std::time::Duration;

use super::tables::Output;
use super::{ConfigError, Locator, lifetime};

impl Output {
    /// Bytes at which eve.json is renamed; 0: never.
    pub fn rotate_size(&self) -> u64 {
        size(&self.rotate_size).unwrap_or_default()
    }

    /// The period after which eve.json is renamed; zero: never.
    pub fn rotate_every(&self) -> Duration {
        lifetime(&self.rotate_every).unwrap_or_default()
    }

    pub(super) fn check(&self, at: &Locator<'_>) -> Result<(), ConfigError> {
        if self.dir.as_os_str().is_empty() {
            return Err(at.error("output.dir", "must be a directory"));
        }
        if !self.rotate_size.is_empty() {
            size(&self.rotate_size).map_err(|what| at.error("output.rotate_size", &what))?;
        }
        if !self.rotate_every.is_empty() {
            lifetime(&self.rotate_every).map_err(|what| at.error("output.rotate_every", &what))?;
        }
        if self.max_waiting_mib > 4096 {
            return Err(at.error("output.max_waiting_mib", "must be at most 4096"));
        }
        if !self.group.is_empty() {
            self.gid().map_err(|what| at.error("output.group", &what))?;
        }
        Ok(())
    }

    /// The number of the group, if one is given.
    ///
    /// # Errors
    /// There is no such group.
    pub fn gid(&self) -> Result<Option<u32>, String> {
        if self.group.is_empty() {
            return Ok(None);
        }
        match nix::unistd::Group::from_name(&self.group) {
            Ok(Some(group)) => Ok(Some(group.gid.as_raw())),
            Ok(None) => Err(format!("there is no group \"{}\" on this machine", self.group)),
            Err(err) => Err(format!("group \"{}\" cannot be looked up: {err}", self.group)),
        }
    }
}

/// "512KiB", "500MiB", "2GiB" in bytes.
fn size(text: &str) -> Result<u64, String> {
    let units = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
    let found =
        units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?.trim_end(), 1_u64 << shift)));
    found
        .and_then(|(digits, unit)| digits.parse::<u64>().ok()?.checked_mul(unit))
        .filter(|&bytes| bytes > 0 && bytes <= 1 << 50)
        .ok_or_else(|| {
            format!("\"{text}\" is no size; write a number with KiB, MiB or GiB, as in \"500MiB\"")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_bounds() {
        assert_eq!((size("4KiB"), size("1 MiB"), size("2GiB")), (Ok(4096), Ok(1 << 20), Ok(2 << 30)));
        for bad in ["", "5", "0MiB", "MiB", "-1MiB", "1MB", "99999999999999999999GiB", "9999999GiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
