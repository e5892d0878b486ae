//! The XDP programs, packet in and verdict out, through BPF_PROG_RUN. Needs root; skipped and counted as
//! ignored without it.

mod capture_program;
mod guard_program;
mod isolate_program;
mod kernel;
mod packets;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let skip = !rustix::process::geteuid().is_root();
    if skip {
        eprintln!("SKIPPED: tests of the BPF programs need root");
    }
    let mut trials = Vec::new();
    let mut add = |name: &str, test: fn()| {
        let run = move || {
            test();
            Ok(())
        };
        trials.push(Trial::test(name, run).with_ignored_flag(skip));
    };
    capture_program::tests(&mut add);
    guard_program::tests(&mut add);
    isolate_program::tests(&mut add);
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
