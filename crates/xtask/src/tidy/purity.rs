//! What must not be named where: the invariants of absence.
//!
//! Clippy's `disallowed_methods` sees the same clocks, but an exception to it is one line away; this rule knows of no
//! exception but the rooms it names. What a dependency does inside is not seen; [`super::rooms`] sees which there are.

use super::{
    Finding,
    files::Files,
    source::{has_word, numbered},
};

/// Rooms that decide or name, and touch nothing.
const PURE: &[&str] = &["model", "engine"];
/// What would let them touch something, as words of code.
const TOUCHING: &[&str] = &[
    "tokio",
    "tonic",
    "prost",
    "ward_proto",
    "ward_chassis",
    "Instant",
    "SystemTime",
    "std::fs",
    "std::net",
    "File",
    "TcpStream",
    "UdpSocket",
    "thread_rng",
    "Timestamp::now",
];
const CLOCKS: &[&str] = &["Instant::now", "SystemTime::now", "Timestamp::now", "Zoned::now"];
/// Chassis reads the clocks. The rest of these is the workshop, where time is measured and waited for.
const CLOCK_ROOMS: &[&str] = &["chassis", "e2e", "bench", "xtask"];

/// The model and the engine name nothing that does I/O or reads a clock, not even in their tests.
pub(super) fn decision(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in files.rust() {
        let pure = file.room().is_some_and(|room| PURE.contains(&room)) && !file.path.contains("/benches/");
        for (number, line) in numbered(&source.code).filter(|_| pure) {
            let imported = |name: &str| line.trim_start().starts_with("use std") && has_word(line, name);
            let words = TOUCHING.iter().filter(|word| has_word(line, word));
            for word in words.chain(
                ["fs", "net"]
                    .iter()
                    .filter(|name| imported(name) && !line.contains("std::fs")),
            ) {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("names {word} in a room that is pure"),
                ));
            }
        }
    }
    findings
}

/// Clocks are read in one room; everywhere else time is an argument.
pub(super) fn clocks(files: &Files) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, source) in files.rust() {
        if file.is_test() || file.room().is_some_and(|room| CLOCK_ROOMS.contains(&room)) {
            continue;
        }
        for (number, line) in numbered(&source.code).take(source.lines_before_tests()) {
            for clock in CLOCKS.iter().filter(|clock| has_word(line, clock)) {
                findings.push(Finding::new(
                    &file.path,
                    number,
                    format!("reads {clock}: only chassis does"),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Files {
        Files::sample(&[(path, text)])
    }

    #[test]
    fn a_pure_room_names_nothing_that_touches() {
        for line in [
            "use tokio::sync;",
            "use std::{time::Instant, fmt};",
            "use std::{net, fmt};",
            "std::fs::read(x)",
        ] {
            assert_eq!(decision(&file("crates/engine/src/a.rs", line)).len(), 1, "{line}");
            assert!(
                decision(&file("crates/aggregator/src/a.rs", line)).is_empty(),
                "{line}"
            );
        }
        assert!(
            decision(&file(
                "crates/model/src/a.rs",
                "// no tokio\nuse std::{fmt};\nlet net = 1;"
            ))
            .is_empty()
        );
    }

    #[test]
    fn clocks_are_read_in_one_room() {
        let text = "fn f() { std::time::Instant::now(); }\n";
        assert_eq!(clocks(&file("crates/sdk/src/a.rs", text)).len(), 1);
        for path in [
            "crates/chassis/src/clock.rs",
            "crates/sdk/tests/a.rs",
            "crates/sdk/src/a/tests.rs",
        ] {
            assert!(clocks(&file(path, text)).is_empty(), "{path}");
        }
        let in_tests = format!("#[cfg(test)]\nmod tests {{\n{text}}}\n");
        assert!(clocks(&file("crates/sdk/src/a.rs", &in_tests)).is_empty());
    }
}
