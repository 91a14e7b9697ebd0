//! `broker::fuzz::recovery` under libFuzzer, in a folder of this process.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let dir = std::env::temp_dir().join(format!("broker-fuzz-{}", std::process::id()));
    broker::fuzz::recovery(data, &dir);
});
