//! See [`ringward_fuzz::web`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringward_fuzz::web(data));
