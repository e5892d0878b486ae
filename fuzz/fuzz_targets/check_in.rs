//! See [`ringward_fuzz::check_in`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringward_fuzz::check_in(data));
