//! `ward audit`: what is in a log, and whether it is what it was.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
};

use serde_json::Value;
use tempfile::TempDir;
use ward_audit::{Draft, Kind, Log, Options, Source, Start};
use ward_chassis::Clock;
use ward_model::{Epoch, Mono, Now, Revision, Wall};
use ward_tlog::LogProof;

use crate::house::{Aggregator, Done, command, until, ward, ward_with};

/// 300 events of 2023, every hundredth a restart with a message that would harm a terminal.
fn log(dir: &Path) -> Log {
    let start = Start {
        clock: Clock::start(),
        boot_id: "boot".to_owned(),
        epoch: Epoch(1),
    };
    let (log, _) = Log::open(dir, Options::default(), start).unwrap();
    for n in 0..300 {
        log.append_blocking(draft(n)).unwrap();
    }
    log
}

fn draft(n: u64) -> Draft {
    let now = Now {
        mono: Mono(n),
        wall: Wall(1_700_000_000_000 + n as i64 * 1000),
    };
    let draft = match n % 100 {
        99 => Draft::new(Kind::Restart, Source::Liveness, "bank/till-1", now)
            .with("message", "gone\u{1b}[2J\u{202e}"),
        _ => Draft::new(Kind::Transition, Source::Engine, "payments", now)
            .with("from", "healthy")
            .with("to", "degraded"),
    };
    draft.at(Epoch(1), Revision(n))
}

/// `ward audit` about a log in a data directory.
fn audit(home: &TempDir, args: &[&str]) -> Done {
    let args = [&["audit"], args].concat();
    ward_with(&args, &[("WARD_DATA_DIR", home.path().to_str().unwrap())])
}

fn home() -> (TempDir, Log) {
    let home = tempfile::tempdir().unwrap();
    let log = log(&home.path().join("audit"));
    (home, log)
}

#[test]
fn events_are_listed_for_people_and_for_programs_and_harm_no_terminal() {
    let (home, log) = home();
    log.close().unwrap();
    let listed = audit(&home, &["list", "--type", "restart", "--limit", "2"]);
    assert_eq!((listed.code, listed.stderr.as_str()), (0, ""), "{listed:?}");
    let lines: Vec<_> = listed.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{listed:?}");
    for part in [
        "299",
        "2023-11-14 22:18:19",
        "restart",
        "bank/till-1",
        "ward (liveness)",
        "message=gone\\u{1b}[2J\\u{202e}",
    ] {
        assert!(lines[1].contains(part), "{part}: {}", lines[1]);
    }
    let json = audit(&home, &["list", "--subject", "bank", "-o", "json"]);
    let events: Vec<Value> = json
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let indices: Vec<_> = events
        .iter()
        .map(|event| event["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indices, [299, 199, 99]);
    assert_eq!(events[0]["evidence"]["message"], "gone\u{1b}[2J\u{202e}");
    assert!(!json.stdout.contains(['\u{1b}', '\u{202e}']));
    let since = audit(
        &home,
        &["list", "--since", "2023-11-14T22:18:18Z", "--source", "engine"],
    );
    assert_eq!(since.stdout.lines().count(), 2, "{since:?}");
    assert!(since.stdout.contains("healthy -> degraded"));
    let none = audit(&home, &["list", "--since", "1h"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    assert!(none.stderr.contains("no such events"), "{none:?}");
    let tail = audit(&home, &["tail", "--limit", "2"]);
    let first: Vec<_> = tail
        .stdout
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(first, ["298", "299"]);
    for (args, word) in [
        (["list", "--type", "restarted"], "breaker_trip"),
        (["list", "--since", "yesterday"], "how long ago"),
    ] {
        let wrong = audit(&home, &args);
        assert_eq!(wrong.code, 64);
        assert!(wrong.stderr.contains(word), "{wrong:?}");
    }
}

#[test]
fn what_is_exported_are_the_bytes_that_proofs_are_about() {
    let (home, log) = home();
    let verifier = log.verifier().clone();
    let exported = audit(&home, &["export"]);
    // Of a running log what is published: all of it, within a second.
    until("all of it is exported", || {
        audit(&home, &["export"]).stdout.lines().count() == 300
    });
    assert_eq!(exported.code, 0, "{exported:?}");
    let file = home.path().join("proof");
    let proved = audit(&home, &["prove", "99", "-o", file.to_str().unwrap()]);
    assert_eq!((proved.code, proved.stdout.as_str()), (0, ""), "{proved:?}");
    let exported = audit(&home, &["export"]);
    let line = exported.stdout.lines().nth(99).unwrap();
    let proof = LogProof::parse(&fs::read_to_string(&file).unwrap()).unwrap();
    proof
        .verify(ward_tlog::leaf_hash(line.as_bytes()), &verifier)
        .unwrap();
    let beyond = audit(&home, &["prove", "300"]);
    assert_eq!(beyond.code, 70);
    assert!(
        beyond.stderr.contains("has 300 events, and none with index 300"),
        "{beyond:?}"
    );
    let restarts = audit(&home, &["export", "--type", "restart"]);
    assert_eq!(restarts.stdout.lines().count(), 3);
}

#[test]
fn what_was_done_to_a_log_is_said_with_an_exit_code_each() {
    let (home, log) = home();
    let dir = home.path().join("audit");
    let kept = home.path().join("kept");
    log.close().unwrap();
    fs::copy(dir.join("checkpoint"), &kept).unwrap();
    let kept = kept.to_str().unwrap();
    let sound = audit(&home, &["verify"]);
    assert_eq!((sound.code, sound.stderr.as_str()), (0, ""), "{sound:?}");
    for part in [
        "300 signed",
        "integrity     sound",
        "completeness  sound",
        "unanchored",
        log.origin(),
    ] {
        assert!(sound.stdout.contains(part), "{part}: {}", sound.stdout);
    }
    let key = fs::read_to_string(dir.join("key.pub")).unwrap();
    let anchored = audit(&home, &["verify", "--checkpoint", kept, "--key", key.trim()]);
    assert_eq!(anchored.code, 0, "{anchored:?}");
    assert!(
        anchored.stdout.contains("begins with the 300 events"),
        "{anchored:?}"
    );

    let other = tempfile::tempdir().unwrap();
    self::log(&other.path().join("audit")).close().unwrap();
    let elsewhere = audit(&other, &["verify", "--checkpoint", kept]);
    assert_eq!(elsewhere.code, 2, "{elsewhere:?}");
    assert!(elsewhere.stdout.contains("ANOTHER LOG"), "{elsewhere:?}");

    let bundle = dir.join("tile/entries/000");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[5000] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let damaged = ward(&["audit", "verify", dir.to_str().unwrap(), "-o", "json"]);
    assert_eq!(damaged.code, 1, "{damaged:?}");
    let report: Value = serde_json::from_str(&damaged.stdout).unwrap();
    assert_eq!(
        (&report["sound"], &report["verified"]),
        (&Value::from(false), &Value::from(300))
    );
    assert!(
        report["integrity"][0]["path"]
            .as_str()
            .unwrap()
            .ends_with("tile/entries/000"),
        "{report}"
    );
    let damaged = audit(&home, &["verify"]);
    assert!(damaged.stdout.contains("integrity     BROKEN\n  "), "{damaged:?}");
    fs::remove_file(&bundle).unwrap();
    let missing = audit(&home, &["verify"]);
    assert_eq!(missing.code, 1);
    assert!(
        missing.stdout.contains("completeness  BROKEN") && missing.stdout.contains("is missing"),
        "{missing:?}"
    );
    let nowhere = audit(&home, &["verify", "/nowhere/at/all"]);
    assert_eq!(nowhere.code, 70);
    assert!(
        nowhere.stderr.contains("there is no such directory"),
        "{nowhere:?}"
    );
    let listed = audit(&home, &["list", "--dir", "/nowhere/at/all"]);
    assert_eq!(listed.code, 70);
    assert!(listed.stderr.contains("--data-dir"), "{listed:?}");
}

#[test]
fn a_running_aggregator_is_asked_and_followed() {
    let aggregator = Aggregator::start();
    let started = aggregator.run(&["audit", "list", "--type", "aggregator_start", "-o", "json"]);
    assert_eq!(
        (started.code, started.stdout.lines().count()),
        (0, 1),
        "{started:?}"
    );
    let event: Value = serde_json::from_str(&started.stdout).unwrap();
    assert_eq!(
        (&event["subject"], &event["index"]),
        (&"aggregator".into(), &0.into())
    );
    let maintain = |why: &str| {
        let begun = aggregator.run(&["maintenance", "start", "bank", "--by", "ada", "--why", why]);
        assert_eq!(begun.code, 0, "{begun:?}");
    };
    assert_eq!(aggregator.run(&["report", "bank", "--status", "healthy"]).code, 0);
    maintain("disks");
    let args = [
        "audit",
        "tail",
        "--follow",
        "--type",
        "maintenance_start",
        "--server",
        &aggregator.grpc,
    ];
    let mut tail = command(&args, &[]).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut told = || told.next().unwrap().unwrap();
    let intent = told();
    assert!(
        intent.contains("maintenance_start  bank  by ada (operator)  intent"),
        "{intent}"
    );
    assert!(told().contains("outcome=done") && intent.contains("why=disks"));
    maintain("memory");
    assert!(told().contains("why=memory"), "it is followed");
    tail.kill().unwrap();
    tail.wait().unwrap();
    let files = [
        "audit",
        "list",
        "--data-dir",
        &aggregator.data_dir(),
        "-o",
        "json",
    ];
    // The files are published within a second.
    until("the files have it as well", || {
        let files = aggregator.run(&files);
        assert_eq!(files.code, 0, "{files:?}");
        files.stdout.contains("memory")
    });
}
