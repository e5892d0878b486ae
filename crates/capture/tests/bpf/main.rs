//! The XDP programs, packet in and verdict out, through BPF_PROG_RUN. Needs root; skipped and counted as
//! ignored without it.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

mod capture_program;
mod every_shape;
mod guard_port;
mod guard_program;
mod inline_program;
mod isolate_program;
mod kernel;
mod lab;
mod packets;
mod steering;
mod tables;
mod targets;
mod wrapped;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let skip = !rustix::process::geteuid().is_root();
    if skip {
        eprintln!("SKIPPED: tests of the BPF programs need root");
    }
    let tests = [
        capture_program::TESTS,
        inline_program::TESTS,
        steering::TESTS,
        guard_port::TESTS,
        guard_program::TESTS,
        isolate_program::TESTS,
        targets::TESTS,
        tables::TESTS,
        wrapped::TESTS,
        every_shape::TESTS,
    ]
    .concat();
    let trial = |(name, test): (&str, fn())| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(skip)
    };
    let trials = tests.into_iter().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
