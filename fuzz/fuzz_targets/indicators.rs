//! See [`ringward_fuzz::indicators`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringward_fuzz::indicators(data));
