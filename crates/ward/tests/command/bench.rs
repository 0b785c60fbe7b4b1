//! `ward bench` against a real aggregator: the figures, what is refused, and what is left behind.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{process::Stdio, thread, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use ward_proto::v1;

use super::house::{Aggregator, command, hello, until, ward};

const SMALL: [&str; 9] = [
    "bench",
    "--instances",
    "60",
    "--streams",
    "6",
    "--interval",
    "200ms",
    "--for",
    "2s",
];

fn figures(aggregator: &Aggregator, more: &[&str]) -> Value {
    let args: Vec<_> = SMALL.iter().chain(more).chain(&["-o", "json"]).copied().collect();
    let done = aggregator.run(&args);
    assert_eq!(done.code, 0, "{}", done.stderr);
    serde_json::from_str(&done.stdout).unwrap()
}

fn services(aggregator: &Aggregator) -> String {
    aggregator.run(&["status"]).stdout
}

#[test]
fn beats_are_counted_changes_are_seen_and_nothing_is_left() {
    let aggregator = Aggregator::start();
    let figures = figures(&aggregator, &["--connections", "2"]);
    assert_eq!(figures["registered"], 60, "{figures:#}");
    let (sent, acknowledged) = (&figures["beats_sent"], &figures["beats_acknowledged"]);
    assert_eq!(sent, acknowledged, "{figures:#}");
    // 10 beats each; the first and the last may fall out of what is measured.
    assert!((480..=660).contains(&sent.as_u64().unwrap()), "{figures:#}");
    assert!(figures["changes_made"].as_u64().unwrap() > 50, "{figures:#}");
    assert_eq!(
        figures["changes_made"], figures["seen_ms"]["count"],
        "{figures:#}"
    );
    assert!(figures["seen_ms"]["p50"].as_f64().unwrap() > 0.0, "{figures:#}");
    for none in ["lost", "reconnects"] {
        assert_eq!(figures[none], 0, "{figures:#}");
    }
    assert!(
        services(&aggregator).contains("0 services"),
        "{}",
        services(&aggregator)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_kept_and_so_is_what_is_asked_for() {
    let aggregator = Aggregator::start();
    aggregator
        .say(hello(("bench-001", v1::Status::Healthy, "", &[])))
        .await;
    let args: Vec<_> = SMALL.iter().chain(&["--services", "3"]).copied().collect();
    let done = aggregator.run(&args);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("beats acknowledged"), "{}", done.stdout);
    assert!(
        done.stderr.contains("there before, such as bench-001"),
        "{}",
        done.stderr
    );
    let left = services(&aggregator);
    assert!(
        left.contains("bench-001") && !left.contains("bench-002"),
        "{left}"
    );
    figures(&aggregator, &["--keep"]);
    assert!(services(&aggregator).contains("bench-probe"));
}

#[test]
fn an_early_end_leaves_nothing_either() {
    let aggregator = Aggregator::start();
    let child = command(&["bench", "--for", "1h"], &[("WARD_SERVER", &aggregator.grpc)])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    until("instances report", || services(&aggregator).contains("bench-000"));
    // Long enough for some to beat and some to be in the middle of their hello: both have to end well.
    thread::sleep(Duration::from_millis(300));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        services(&aggregator).contains("0 services"),
        "{}",
        services(&aggregator)
    );
}

#[test]
fn nobody_there_ends_with_4() {
    let done = ward(&["bench", "--target", &super::house::nowhere()]);
    assert_eq!((done.code, done.stdout.as_str()), (4, ""), "{}", done.stderr);
}
