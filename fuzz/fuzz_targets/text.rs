//! See [`ringward_fuzz::text`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringward_fuzz::text(data));
