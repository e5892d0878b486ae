//! See [`ringward_fuzz::overlaps`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringward_fuzz::overlaps(data));
