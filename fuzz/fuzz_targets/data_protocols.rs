//! See [`ringward_fuzz::data_protocols`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringward_fuzz::data_protocols(data));
