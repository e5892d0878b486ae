//! See [`ringward_fuzz::stix_pattern`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringward_fuzz::stix_pattern(data));
