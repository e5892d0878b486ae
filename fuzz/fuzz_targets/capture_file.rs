//! See [`ringward_fuzz::capture_file`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringward_fuzz::capture_file(data));
