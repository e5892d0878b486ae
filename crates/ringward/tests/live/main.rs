//! The running sensor among real hosts, in network namespaces. Needs root; skipped and counted as ignored
//! without it.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

#[path = "../support/mod.rs"]
mod support;

mod bypass;
mod comeback;
mod control;
mod crash;
mod demo;
mod doctor;
mod files;
mod fleet;
mod fragments;
mod guards;
mod hold;
mod isolation;
mod lab;
mod lifecycle;
mod policy;
mod push;
mod refusals;
mod reload;
mod steering;
mod wire;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let skip = !rustix::process::geteuid().is_root();
    if skip {
        eprintln!("SKIPPED: live tests need root");
    } else {
        lab::sweep();
    }
    let tests = [
        isolation::TESTS,
        hold::TESTS,
        lifecycle::TESTS,
        policy::TESTS,
        refusals::TESTS,
        reload::TESTS,
        steering::TESTS,
        bypass::TESTS,
        fragments::TESTS,
        wire::TESTS,
        comeback::TESTS,
        guards::TESTS,
        files::TESTS,
        crash::TESTS,
        control::TESTS,
        doctor::TESTS,
        push::TESTS,
        demo::TESTS,
        fleet::TESTS,
    ]
    .concat();
    let trial = |(name, test): (&str, fn())| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(skip)
    };
    libtest_mimic::run(&Arguments::from_args(), tests.into_iter().map(trial).collect()).exit();
}
