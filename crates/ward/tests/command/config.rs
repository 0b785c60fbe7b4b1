//! `ward config`, and an aggregator that is told to read its file again.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::Value;
use ward_proto::v1;

use crate::house::{Aggregator, ward, ward_with};

const BROKEN: &str = "[aggregator]\ngrcp = \"127.0.0.1:1\"\n[services.Bank]\nmin_healthy = 0\n";

fn file(text: &str) -> (tempfile::TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ward.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (home, path)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test waits for another process, with a deadline"
)]
fn until(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !look() {
        assert!(Instant::now() < deadline, "{what}: not within 30 s");
        sleep(Duration::from_millis(50));
    }
}

#[test]
fn check_says_all_that_is_wrong() {
    let (_home, path) = file(BROKEN);
    for done in [
        ward(&["config", "check", &path]),
        ward_with(&["config", "check"], &[("WARD_CONFIG", &path)]),
    ] {
        assert_eq!((done.code, done.stdout.as_str()), (64, ""));
        for part in [
            "aggregator.grcp is not a known key",
            &format!("--> {path}:2:1"),
            "help: did you mean `grpc`?",
            "services.Bank has 'B'",
            "services.Bank.min_healthy is 0",
            "error: the configuration cannot be used: 3 mistakes",
        ] {
            assert!(
                done.stderr.contains(part),
                "{part} is missing in:\n{}",
                done.stderr
            );
        }
        assert!(!done.stderr.contains('\u{1b}'), "no colours in a pipe");
    }
    let (_home, path) = file("[services.bank]\n");
    let done = ward(&["config", "check", &path]);
    assert_eq!(
        (done.code, done.stdout),
        (0, format!("{path}: nothing is wrong, about 1 service\n"))
    );
    let unnamed = ward(&["config", "check"]);
    assert!(
        unnamed.code == 64 && unnamed.stderr.contains("WARD_CONFIG"),
        "{}",
        unnamed.stderr
    );
    let missing = ward(&["config", "check", "/nowhere/ward.toml"]);
    assert!(
        missing.code == 64 && missing.stderr.contains("ward config init"),
        "{}",
        missing.stderr
    );
}

#[test]
fn an_aggregator_with_mistakes_does_not_start() {
    let (_home, path) = file(BROKEN);
    let done = ward_with(
        &[
            "aggregator",
            "--http",
            "7780",
            "--alertmanager",
            "am:1",
            "--alertmanager",
            "http://b",
            "--config",
            &path,
        ],
        &[("WARD_DEBUG", "perhaps")],
    );
    assert_eq!((done.code, done.stdout.as_str()), (64, ""));
    for part in [
        "aggregator.grcp",
        "--http is \"7780\"",
        "WARD_DEBUG is \"perhaps\"",
        "--alertmanager is \"am:1\"",
        "6 mistakes",
    ] {
        assert!(
            done.stderr.contains(part),
            "{part} is missing in:\n{}",
            done.stderr
        );
    }
}

#[test]
fn a_sample_is_written_once_and_is_valid() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ward.toml");
    let path = path.to_str().unwrap();
    let printed = ward(&["config", "init"]);
    assert_eq!(
        (printed.code, ward(&["config", "init", "-"]).stdout),
        (0, printed.stdout.clone())
    );
    let written = ward(&["config", "init", path]);
    assert_eq!((written.code, written.stdout.as_str()), (0, ""));
    assert_eq!(fs::read_to_string(path).unwrap(), printed.stdout);
    assert_eq!(ward(&["config", "check", path]).code, 0);
    fs::write(path, "# mine\n").unwrap();
    let again = ward(&["config", "init", path]);
    assert!(
        again.code == 64 && again.stderr.contains("--force"),
        "{}",
        again.stderr
    );
    assert_eq!(fs::read_to_string(path).unwrap(), "# mine\n", "untouched");
    assert_eq!(ward(&["config", "init", path, "--force"]).code, 0);
    assert_eq!(fs::read_to_string(path).unwrap(), printed.stdout);
    let nowhere = ward(&["config", "init", "/nowhere/ward.toml"]);
    assert!(
        nowhere.code == 70 && nowhere.stderr.contains("/nowhere/ward.toml"),
        "{}",
        nowhere.stderr
    );
}

#[test]
fn the_schema_is_json() {
    let done = ward(&["config", "schema"]);
    let schema: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!((done.code, schema["title"].as_str()), (0, Some("ward.toml")));
}

#[test]
fn show_says_what_is_in_force_and_why() {
    let (_home, path) = file("[aggregator]\nhttp = \"127.0.0.1:1\"\n[services.bank]\nmin_healthy = 2\n");
    let variables = [
        ("WARD_GRPC", "127.0.0.1:2"),
        ("WARD_DATA_DIR", "/data"),
        ("WARD_GPRC", "x"),
    ];
    let done = ward_with(&["config", "show", "--config", &path], &variables);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(
        done.stderr
            .contains("warning: the variable WARD_GPRC is not known"),
        "{}",
        done.stderr
    );
    for line in [
        "grpc = \"127.0.0.1:2\" # $WARD_GRPC",
        &format!("http = \"127.0.0.1:1\" # {path}:2"),
        "insecure = false # default",
        &format!("min_healthy = 2 # {path}:4"),
    ] {
        assert!(
            done.stdout.lines().any(|shown| shown == line),
            "{line} is missing in:\n{}",
            done.stdout
        );
    }
    let json = ward_with(&["config", "show", "--config", &path, "-o", "json"], &variables);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(
        done.stdout
            .starts_with(&format!("# SHA-256 {}\n", json["hash"].as_str().unwrap()))
    );
    let settings = json["settings"].as_array().unwrap();
    let of = |key: &str| settings.iter().find(|entry| entry["key"] == key).unwrap();
    let bank = of("services.bank.min_healthy");
    assert_eq!(bank["value"], 2);
    assert_eq!(of("alerting.rules.Watchdog.expr")["value"], "true");
    assert_eq!(bank["origin"], format!("{path}:4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_reads_the_file_again() {
    let (_home, path) = file("services.bank.criticality = \"critical\"\n");
    let aggregator = Aggregator::configured(path.as_ref());
    aggregator.shop(v1::Status::Healthy).await;
    let criticality = || {
        let done = aggregator.run(&["status", "bank", "-o", "json"]);
        let json: Value = serde_json::from_str(&done.stdout).unwrap();
        json["service"]["criticality"].as_str().unwrap().to_owned()
    };
    assert_eq!(criticality(), "critical");
    fs::write(&path, BROKEN).unwrap();
    aggregator.hang_up();
    let failed = || {
        aggregator
            .metrics()
            .contains("ward_config_last_reload_successful 0\n")
    };
    until("a broken file is noticed", failed);
    assert_eq!(criticality(), "critical", "what was in force stays");
    fs::write(&path, "services.bank.criticality = \"optional\"\n").unwrap();
    aggregator.hang_up();
    until("the new file is in force", || criticality() == "optional");
    assert!(!failed());
}
