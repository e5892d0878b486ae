//! See [`ringward_fuzz::datagrams`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ringward_fuzz::datagrams(data));
