//! What holds across processes: locks, signals, and what reaches stderr.

use std::io::Read;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use ward_chassis::{
    Clock,
    data_dir::{DataDir, DataDirError},
};

use crate::child::Process;

#[test]
fn a_directory_is_free_again_the_moment_its_holder_is_killed() {
    let home = tempfile::tempdir().unwrap();
    let mut other = Process::start("hold_a_directory", home.path().to_str().unwrap(), &[]);
    other.until_it_says("holding");
    let refused = DataDir::lock(home.path(), &Clock::start()).unwrap_err();
    let DataDirError::Held {
        holder: Some(holder), ..
    } = &refused
    else {
        panic!("{refused}")
    };
    assert_eq!(holder.pid, other.0.id());
    assert!(
        refused.to_string().contains("listening on 127.0.0.1:7700"),
        "{refused}"
    );
    // SIGKILL: nothing in it can clean up.
    other.0.kill().unwrap();
    other.0.wait().unwrap();
    DataDir::lock(home.path(), &Clock::start()).unwrap();
}

#[test]
fn the_first_signal_drains_and_the_second_aborts() {
    for (first, second) in [
        (Signal::SIGTERM, Signal::SIGINT),
        (Signal::SIGINT, Signal::SIGINT),
    ] {
        let mut process = Process::start("drain_for_ever", "", &[]);
        let pid = Pid::from_raw(i32::try_from(process.0.id()).unwrap());
        process.until_it_says("waiting for a signal");
        kill(pid, first).unwrap();
        process.until_it_says("draining");
        kill(pid, second).unwrap();
        process.until_it_says("aborted at the step \"stuck\"");
        assert!(
            process.0.wait().unwrap().success(),
            "main decides how it ends, not the signal"
        );
    }
}

fn logged(role: &str, format: &str, environment: &[(&str, &str)]) -> String {
    let mut process = Process::start(role, format, environment);
    let mut text = String::new();
    process
        .0
        .stderr
        .as_mut()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(process.0.wait().unwrap().success(), "{text}");
    text
}

#[test]
fn logs_are_for_people_or_for_machines() {
    let quiet = [("WARD_LOG", ""), ("RUST_LOG", "")];
    let compact = logged("log_a_line", "compact", &quiet);
    assert!(
        compact.contains("hello") && !compact.contains("details"),
        "{compact}"
    );
    assert!(
        !compact.contains('\u{1b}'),
        "no colour into a pipe, and none from outside: {compact}"
    );
    let json = logged(
        "log_a_line",
        "json",
        &[("WARD_LOG", "debug"), ("RUST_LOG", "off")],
    );
    let lines: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["message"], "hello");
    assert_eq!(lines[1]["level"], "DEBUG", "WARD_LOG goes before RUST_LOG");
    let refused = logged("log_a_line", "compact", &[("WARD_LOG", "ward=nonsense")]);
    assert!(
        refused.contains("refused: read the log filter in WARD_LOG"),
        "{refused}"
    );
}

#[test]
fn who_floods_the_log_is_left_out_and_nobody_else() {
    let log = logged("log_a_flood", "", &[("WARD_LOG", ""), ("RUST_LOG", "")]);
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |message: &str| lines.iter().filter(|line| line["message"] == message).count();
    // On a machine that takes seconds for it, some more.
    let written = of("again");
    assert!((50..500).contains(&written), "{written}");
    assert_eq!(of("asked for"), 1_000, "debug is not bounded");
    let other = lines.last().unwrap();
    assert_eq!(
        (&other["message"], &other["dropped"]),
        (&"somebody else".into(), &(1_000 - written).into())
    );
    let said = lines
        .iter()
        .find(|line| line["message"] == "lines like this were left out")
        .unwrap();
    assert_eq!((&said["level"], &said["lines"]), (&"WARN".into(), &1.into()));
    assert!(said["file"].as_str().unwrap().ends_with("child.rs"), "{said}");
}

#[test]
fn a_panic_that_nobody_catches_is_logged_once() {
    let log = logged(
        "panic_outside_of_handlers",
        "",
        &[("WARD_LOG", "info"), ("RUST_BACKTRACE", "0")],
    );
    let line: serde_json::Value =
        serde_json::from_str(log.trim()).expect("one line of JSON and nothing else");
    assert_eq!(line["panic"], "\"stray\"");
}
