//! `log_proof` under libFuzzer; what it asserts is in crates/fuzzed.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| ward_fuzzed::run("log_proof", input));
