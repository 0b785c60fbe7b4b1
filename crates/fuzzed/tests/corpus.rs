//! The kept inputs, through the same functions as under the fuzzer.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::BTreeSet,
    fs,
    panic::catch_unwind,
    path::{Path, PathBuf},
};

use ward_fuzzed::TARGETS;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The names in a folder, without what is behind a dot.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(fuzz().join(folder)).unwrap();
    let stem = |entry: fs::DirEntry| entry.path().file_stem().unwrap().to_str().unwrap().to_owned();
    entries.map(|entry| stem(entry.unwrap())).collect()
}

#[test]
fn every_target_has_a_program_and_a_corpus() {
    let known: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known.len(), TARGETS.len());
    assert_eq!(names("fuzz_targets"), known);
    assert_eq!(names("corpus"), known);
    let manifest: toml::Table = fs::read_to_string(fuzz().join("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let programs = manifest["bin"].as_array().unwrap().iter();
    assert_eq!(
        programs
            .map(|bin| bin["name"].as_str().unwrap().to_owned())
            .collect::<BTreeSet<_>>(),
        known
    );
    for name in known {
        let program = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(
            program.contains(&format!("ward_fuzzed::run(\"{name}\"")),
            "{name} runs another target"
        );
    }
}

#[test]
fn what_is_kept_goes_well() {
    for (name, target) in TARGETS {
        let mut tried = 0;
        for entry in fs::read_dir(fuzz().join("corpus").join(name)).unwrap() {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            assert!(
                catch_unwind(|| target(&input)).is_ok(),
                "{}: see above",
                path.display()
            );
            tried += 1;
        }
        assert!(tried >= 8, "{name} has {tried} inputs");
    }
}
