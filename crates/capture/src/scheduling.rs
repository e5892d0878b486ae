//! How the kernel's scheduler treats the calling thread (sched(7)).

use std::io;
use std::time::Duration;

/// Real-time priority of a thread that decides (1 to 99). The lowest: whatever else on the machine is real-time goes
/// before it, and everything that is not goes behind it.
const REAL_TIME_PRIORITY: i32 = 1;
/// linux/sched/types.h: size of the first version of struct sched_attr.
const SCHED_ATTR_SIZE_VER0: u32 = 48;

/// struct sched_attr of linux/sched/types.h.
#[repr(C)]
struct SchedAttr {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    /// Of SCHED_OTHER since Linux 6.12: the slice that the thread runs for, in nanoseconds.
    runtime: u64,
    deadline: u64,
    period: u64,
}

const _: () = assert!(size_of::<SchedAttr>() == SCHED_ATTR_SIZE_VER0 as usize);

/// From now on this thread runs as soon as it can, before all that is not real-time (SCHED_FIFO). The kernel leaves the
/// others a share (`kernel.sched_rt_runtime_us`).
///
/// # Errors
/// EPERM without CAP_SYS_NICE or RLIMIT_RTPRIO, or where the thread's group has no real-time share
/// (CONFIG_RT_GROUP_SCHED).
pub fn run_first() -> io::Result<()> {
    let param = libc::sched_param { sched_priority: REAL_TIME_PRIORITY };
    // SAFETY: the parameter is a valid sched_param; 0 is the calling thread.
    let done = unsafe {
        libc::sched_setscheduler(0, libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK, &raw const param)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// From now on this thread is ordinary, of that niceness (-20 first, 19 last), and runs for `slice` at a time where
/// others want its core: its share is the same, but nobody waits long for it. Kernels before 6.12 ignore the slice.
///
/// # Errors
/// EPERM for a niceness below the present one without CAP_SYS_NICE.
pub fn run_in_slices(nice: i32, slice: Duration) -> io::Result<()> {
    let attr = SchedAttr {
        size: SCHED_ATTR_SIZE_VER0,
        policy: libc::SCHED_OTHER as u32,
        flags: 0,
        nice,
        priority: 0,
        runtime: u64::try_from(slice.as_nanos()).unwrap_or(u64::MAX),
        deadline: 0,
        period: 0,
    };
    // SAFETY: the attributes are a valid struct sched_attr of the size that it names; 0 is the calling thread.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attr, 0) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Policy, niceness and priority by stat(5) (fields 41, 19, 40) of the calling thread.
    fn standing() -> (i64, i64, i64) {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let of = |field: usize| fields[field - 3].parse().unwrap();
        (of(41), of(19), of(40))
    }

    #[test]
    fn a_thread_runs_in_slices_or_first() {
        std::thread::spawn(|| {
            run_in_slices(7, Duration::from_micros(100)).unwrap();
            assert_eq!(standing(), (i64::from(libc::SCHED_OTHER), 7, 0));
            match run_first() {
                Ok(()) => assert_eq!(
                    standing(),
                    (i64::from(libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK) & 0xff, 7, 1)
                ),
                Err(err) => assert_eq!(err.raw_os_error(), Some(libc::EPERM)),
            }
        })
        .join()
        .unwrap();
    }
}
