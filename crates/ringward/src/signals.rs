//! Signals that would end the sensor by default and mean nothing to it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGALRM, SIGIO, SIGPROF, SIGUSR1, SIGVTALRM, SIGXCPU, SIGXFSZ};

use crate::Failure;

/// Not in signal-hook's list: a coprocessor's stack fault (unused) and a power failure, which init is told of.
const UNNAMED: [i32; 2] = [16, 30];
/// Signals that are left to programs; 32 and 33 are the C library's.
const REAL_TIME: std::ops::RangeInclusive<i32> = 34..=64;

/// From now on a stray signal does not end this process. SIGINT and SIGTERM stop the sensor, SIGHUP and SIGUSR2 are
/// orders; SIGQUIT still ends it with a core dump, which is what it is for. A file that is larger than the limit of the
/// process is an error of the write, and SIGPIPE one of the connection.
pub fn ignore_strays() -> Result<(), Failure> {
    let nobody = Arc::new(AtomicBool::new(false));
    let named = [SIGUSR1, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGXCPU, SIGXFSZ];
    for signal in named.into_iter().chain(UNNAMED).chain(REAL_TIME) {
        signal_hook::flag::register(signal, nobody.clone()).map_err(Failure::running)?;
    }
    Ok(())
}
