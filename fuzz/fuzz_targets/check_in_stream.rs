//! See [`ringward_fuzz::check_in_stream`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringward_fuzz::check_in_stream(data));
