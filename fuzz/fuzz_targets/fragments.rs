//! See [`ringward_fuzz::fragments`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringward_fuzz::fragments(data));
