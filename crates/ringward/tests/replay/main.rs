//! The binary over capture files: what it says, what it writes, how it fails.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod checkins;
mod determinism;
mod eve;
mod exact;
mod files;
mod fragments;
mod golden;
mod incidents;
mod indicators;
mod inputs;
mod ja4;
mod oracles;
mod output;
mod policy;
mod proof;
mod roles;
mod rule_kinds;
mod rules;
mod story;
mod streams;
mod terminal;
