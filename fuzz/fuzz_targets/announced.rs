//! See [`ringward_fuzz::announced`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringward_fuzz::announced(data));
