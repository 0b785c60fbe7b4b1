//! `ward alerts` and `ward ack`: what people and scripts see of alerts, and what an aggregator is asked.

use serde_json::Value;
use ward_proto::v1;

use crate::{
    alerting::Alerting,
    evil,
    house::{Aggregator, masked, nowhere, until, ward, ward_with},
};

fn key(about: &str, rule: &str) -> Option<v1::AlertKey> {
    Some(v1::AlertKey {
        service: about.into(),
        rule: rule.into(),
    })
}

fn alert(about: &str, rule: &str, severity: v1::Severity, state: v1::AlertState) -> v1::Alert {
    v1::Alert {
        key: key(about, rule),
        severity: severity.into(),
        state: state.into(),
        labels: [("alertname".to_owned(), rule.to_owned())].into(),
        annotations: [("summary".to_owned(), "so it is".to_owned())].into(),
        since_unix_ms: 1_000,
        causes: vec!["bank".into()],
        ..v1::Alert::default()
    }
}

fn acknowledgement(by: &str, why: &str) -> v1::Acknowledgement {
    v1::Acknowledgement {
        service: "bank".into(),
        rules: vec!["ServiceUnhealthy".into()],
        by: by.into(),
        why: why.into(),
        start_unix_ms: 1_000,
        end_unix_ms: 5_401_000,
    }
}

/// The bank is down and somebody works on it; payments follows; the cart is being looked at and the catalog was bad.
fn outage() -> Vec<v1::Alert> {
    use v1::{AlertState::*, Severity::*};
    let mut all = vec![
        alert("", "Watchdog", None, Firing),
        alert("bank", "ServiceUnhealthy", Critical, Firing),
        alert("cart", "CpuHigh", Warning, Pending),
        alert("catalog", "ServiceUnhealthy", Critical, Resolved),
        alert("payments", "ErrorRatioHigh", Warning, Firing),
        alert("payments", "ServiceUnhealthy", Critical, Suppressed),
    ];
    all[1].acknowledged = Some(acknowledgement("ann", "restarting"));
    all[1].fired_unix_ms = 31_000;
    all[1].unknown_since_unix_ms = 41_000;
    all[3].resolved_unix_ms = 61_000;
    all[5].suppression = Some(v1::Suppression {
        because: key("bank", "ServiceUnhealthy").map(v1::suppression::Because::Cause),
    });
    all
}

async fn served(alerts: Vec<v1::Alert>) -> (String, crate::alerting::Heard) {
    Alerting {
        alerts,
        ..Alerting::default()
    }
    .serve()
    .await
}

/// Dates are long ago, and how long they are is left out, with what that does to columns.
fn shown(text: &str) -> String {
    let age = |word: &&str| {
        word.starts_with('(') && word.ends_with('d') || word.ends_with("h)") || word.ends_with("h);")
    };
    let line = |line: &str| {
        let indent = if line.starts_with("  ") { "  " } else { "" };
        let words: Vec<_> = line.split_whitespace().filter(|word| !age(word)).collect();
        format!("{indent}{}\n", words.join(" "))
    };
    text.lines().map(line).collect()
}

/// Where there are alerts nothing is said on the other stream.
const NOTHING_BESIDE: &str = "";

#[tokio::test(flavor = "multi_thread")]
async fn what_fires_is_shown_the_most_urgent_first_and_is_the_exit_code() {
    let (server, _) = served(outage()).await;
    let done = ward(&["alerts", "--server", &server]);
    assert_eq!(
        (done.code, done.stderr.as_str()),
        (2, NOTHING_BESIDE),
        "{}",
        done.stdout
    );
    assert_eq!(
        shown(&done.stdout),
        "\
ABOUT ALERT SEVERITY STATE SINCE CAUSE WHAT
bank ServiceUnhealthy critical firing (acknowledged) 1970-01-01 bank acknowledged by ann until 1970-01-01 01:30:01: restarting; nobody can know since 1970-01-01 so it is
payments ErrorRatioHigh warning firing 1970-01-01 bank so it is
"
    );
    let pages: Vec<_> = outage().into_iter().filter(|alert| alert.state == 3).collect();
    for (most, code) in [(4, 2), (3, 1), (2, 0), (1, 0)] {
        let mut alerts = pages.clone();
        alerts
            .iter_mut()
            .for_each(|alert| alert.severity = alert.severity.min(most));
        let (server, _) = served(alerts).await;
        assert_eq!(ward(&["alerts", "--server", &server]).code, code, "{most}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_shows_what_is_withheld_and_why() {
    let (server, _) = served(outage()).await;
    let done = ward(&["alerts", "--all", "--server", &server]);
    let order: Vec<_> = done
        .stdout
        .lines()
        .skip(1)
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert_eq!(
        order,
        ["bank", "payments", "system", "payments", "cart", "catalog"]
    );
    for said in [
        "caused by bank/ServiceUnhealthy, which has an alert of its own; so it is",
        "resolved 1970-01-01 ",
        "Watchdog",
    ] {
        assert!(done.stdout.contains(said), "{said}: {}", done.stdout);
    }
    let json = ward(&["alerts", "--all", "-o", "json", "--server", &server]);
    assert_eq!(json.code, 2);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["server"], server.as_str());
    assert_eq!(json["alerts"].as_array().unwrap().len(), 6, "page after page");
    assert_eq!(json["alerts"][0]["rule"], "ServiceUnhealthy");
    assert_eq!(json["alerts"][0]["acknowledged"]["by"], "ann");
    assert_eq!(json["alerts"][3]["suppression"]["cause"]["service"], "bank");
    assert_eq!(json["receivers"], Value::Array(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_a_state_and_a_severity_are_asked_for() {
    let (server, heard) = served(outage()).await;
    for (args, asked) in [
        (
            &[] as &[&str],
            "name: \"\", states: [Firing], least_severity: Info",
        ),
        (
            &["--all"],
            "name: \"\", states: [Pending, Suppressed, Firing, Resolved], least_severity: None",
        ),
        (
            &["system"],
            "name: \"system\", states: [Firing], least_severity: Info",
        ),
        (
            &[
                "bank",
                "--state",
                "pending",
                "--state",
                "firing",
                "--severity",
                "critical",
            ],
            "name: \"bank\", states: [Pending, Firing], least_severity: Critical",
        ),
    ] {
        ward_with(&[&["alerts"], args].concat(), &[("WARD_SERVER", &server)]);
        assert!(heard.last().contains(asked), "{args:?}: {}", heard.last());
    }
    let unknown = ward(&["alerts", "bnak", "--server", &server]);
    assert_eq!(
        (unknown.code, unknown.stdout.as_str(), unknown.stderr.as_str()),
        (64, "", "error: no service named bnak; did you mean bank?\n")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_service_all_is_shown() {
    let (server, _) = served(outage()).await;
    let done = ward(&["alerts", "bank", "--server", &server]);
    let text = shown(&masked(&done.stdout));
    assert!(
        text.starts_with("bank/ServiceUnhealthy is firing (critical) for "),
        "{text}"
    );
    assert!(
        text.ends_with(
            "\
  fired DAY
  acknowledged by ann until DAY TIME: restarting
  nobody can know since DAY
  cause: bank
  summary: so it is
  labels: alertname=\"ServiceUnhealthy\"
"
        ),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_fires_it_is_said_and_who_is_behind_too() {
    let server = Alerting {
        receivers: vec![v1::Receiver {
            name: "am-1".into(),
            kind: v1::ReceiverKind::Alertmanager.into(),
            owed: 3,
            oldest_unix_ms: 1_000,
            error: "connection refused".into(),
            ..v1::Receiver::default()
        }],
        ..Alerting::default()
    };
    let (server, _) = server.serve().await;
    let done = ward(&["alerts", "--server", &server]);
    assert_eq!(done.code, 0);
    assert!(
        done.stdout
            .starts_with("nothing fires\n\nalertmanager am-1 is behind: 3 alerts owed since "),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout
            .ends_with(", never told anything: connection refused\n"),
        "{}",
        done.stdout
    );
    assert!(done.stderr.contains("`ward alerts --all`"), "{}", done.stderr);
    let all = ward(&["alerts", "--all", "--server", &server]);
    assert!(
        all.stdout.starts_with("there is no such alert\n") && all.stderr.is_empty(),
        "{}",
        all.stderr
    );
    let bank = ward(&["alerts", "bank", "--server", &server]);
    assert!(
        bank.stdout.starts_with("nothing fires about bank\n"),
        "{}",
        bank.stdout
    );
    let urgent = ward(&["alerts", "bank", "--severity", "critical", "--server", &server]);
    assert!(
        urgent
            .stdout
            .starts_with("nothing of severity critical or above fires about bank\n"),
        "{}",
        urgent.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fires_is_acknowledged_shown_and_heard_again() {
    let acknowledgements = vec![acknowledgement("ann", "restarting")];
    let (server, heard) = Alerting {
        acknowledgements,
        ..Alerting::default()
    }
    .serve()
    .await;
    let variables = [("WARD_SERVER", server.as_str()), ("USER", "ann")];
    let args = [
        "ack",
        "bank",
        "--for",
        "90m",
        "--why",
        "restarting",
        "--rule",
        "ServiceUnhealthy",
    ];
    let done = ward_with(&args, &variables);
    assert_eq!(
        (done.code, done.stdout.as_str(), done.stderr.as_str()),
        (
            0,
            "ServiceUnhealthy of bank is acknowledged until 1970-01-01 01:30:01 (1h 30m), by ann: restarting\n",
            ""
        )
    );
    let asked = "name: \"bank\", by: \"ann\", why: \"restarting\", duration_ms: 5400000, rules: [\"ServiceUnhealthy\"]";
    assert!(heard.last().contains(asked), "{}", heard.last());
    ward_with(&["ack", "system", "--why", "x", "--by", "bob"], &variables);
    let asked = "name: \"system\", by: \"bob\", why: \"x\", duration_ms: 7200000, rules: []";
    assert!(heard.last().contains(asked), "{}", heard.last());

    let listed = ward_with(&["ack", "--list"], &variables);
    assert_eq!(
        listed.stdout,
        "\
ABOUT  ALERTS            FROM                 UNTIL                BY   WHY
bank   ServiceUnhealthy  1970-01-01 00:00:01  1970-01-01 01:30:01  ann  restarting
"
    );
    let json: Value =
        serde_json::from_str(&ward_with(&["ack", "--list", "-o", "json"], &variables).stdout).unwrap();
    assert_eq!(json["acknowledgements"][0]["rules"][0], "ServiceUnhealthy");

    let ended = ward_with(&["ack", "bank", "--end"], &variables);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "bank is no longer acknowledged: what fires is heard\n")
    );
    let unknown = ward_with(&["ack", "bnak", "--end"], &variables);
    assert!(
        unknown.code == 64 && unknown.stderr.contains("did you mean bank?"),
        "{}",
        unknown.stderr
    );
    assert_eq!(ward_with(&["ack", "system", "--end"], &variables).code, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_to_acknowledge_is_refused() {
    let (server, _) = Alerting::default().serve().await;
    let variables = [("WARD_SERVER", server.as_str())];
    let done = ward_with(&["ack", "bank", "--why", "x"], &variables);
    assert_eq!(
        (done.code, done.stdout.as_str(), done.stderr.as_str()),
        (64, "", "error: nothing about bank fires\n")
    );
    let empty = ward_with(&["ack", "--list"], &variables);
    assert_eq!(
        (empty.code, empty.stdout.as_str()),
        (0, "nothing is acknowledged\n")
    );
    assert!(empty.stderr.contains("ward ack NAME"), "{}", empty.stderr);
    for args in [
        &["ack"] as &[&str],
        &["ack", "bank"],
        &["ack", "Bank", "--why", "x"],
        &["ack", "bank", "--why", "x", "--for", "8d"],
        &["ack", "bank", "--why", "x", "--rule", "no-rule"],
        &["ack", "bank", "--why", "x", "--end"],
        &["ack", "bank", "--list"],
        &["alerts", "Bank"],
        &["alerts", "--state", "loud"],
        &["alerts", "--severity", "loud"],
        &["alerts", "--all", "--state", "firing"],
    ] {
        let done = ward_with(args, &variables);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (64, ""),
            "{args:?}: {}",
            done.stderr
        );
    }
    let nowhere = nowhere();
    for args in [
        &["alerts"] as &[&str],
        &["ack", "--list"],
        &["ack", "bank", "--why", "x"],
        &["ack", "bank", "--end"],
    ] {
        assert_eq!(ward_with(args, &[("WARD_SERVER", &nowhere)]).code, 4, "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_alerts_does_nothing_to_a_terminal() {
    let mut alert = alert(
        "bank",
        "ServiceUnhealthy",
        v1::Severity::Critical,
        v1::AlertState::Firing,
    );
    let evil = || evil::TEXT.to_owned();
    alert.annotations = [("summary".to_owned(), evil()), (evil(), evil())].into();
    alert.labels = [(evil(), evil())].into();
    alert.acknowledged = Some(acknowledgement(evil::TEXT, evil::TEXT));
    alert.fired_unix_ms = i64::MAX;
    alert.since_unix_ms = i64::MIN;
    let server = Alerting {
        alerts: vec![alert],
        receivers: vec![v1::Receiver {
            name: evil(),
            error: evil(),
            ..v1::Receiver::default()
        }],
        acknowledgements: vec![acknowledgement(evil::TEXT, evil::TEXT)],
        ..Alerting::default()
    };
    let (server, _) = server.serve().await;
    let variables = [("WARD_SERVER", server.as_str())];
    for args in [
        &["alerts"] as &[&str],
        &["alerts", "bank"],
        &["alerts", "-o", "json"],
        &["ack", "bank", "--why", "x"],
        &["ack", "system", "--end"],
        &["ack", "--list"],
        &["ack", "--list", "-o", "json"],
    ] {
        let done = ward_with(args, &variables);
        let all = format!("{}{}", done.stdout, done.stderr);
        let harmful = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(all.contains("bad") && !all.contains(harmful), "{args:?}: {all:?}");
    }
    let forced = ward_with(&["alerts"], &[("WARD_SERVER", &server), ("CLICOLOR_FORCE", "1")]);
    assert!(
        forced.stdout.contains('\u{1b}') && !forced.stdout.contains("\u{1b}[2J"),
        "{:?}",
        forced.stdout
    );
}

#[tokio::test]
async fn a_real_aggregator_is_asked_told_and_replayed() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("ward.toml");
    std::fs::write(&file, "[alerting.rules.ServiceUnhealthy]\nfor = \"1s\"\n").unwrap();
    let ward = Aggregator::configured(&file);
    ward.shop(v1::Status::Healthy).await;
    ward.shop(v1::Status::Unhealthy).await;
    let says = |args: &[&str], said: &str| {
        let done = ward.run(args);
        let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        done.stdout.lines().any(|shown| line(shown).starts_with(said))
    };
    until("the bank's alert fires", || {
        says(&["alerts"], "bank ServiceUnhealthy critical firing ")
    });
    until("those of others are withheld", || {
        says(
            &["alerts", "--all"],
            "storefront ServiceUnhealthy critical suppressed ",
        )
    });
    let all = ward.run(&["alerts", "--all"]);
    assert_eq!((all.code, all.stderr.as_str()), (2, ""));
    assert!(
        all.stdout.contains("caused by bank/ServiceUnhealthy"),
        "{}",
        all.stdout
    );
    assert!(
        says(&["alerts", "--all"], "system Watchdog none firing "),
        "{}",
        all.stdout
    );

    let refused = ward.run(&["ack", "storefront", "--why", "x"]);
    assert_eq!(
        (refused.code, refused.stdout.as_str()),
        (64, ""),
        "{}",
        refused.stderr
    );
    let done = ward.run(&["ack", "bank", "--why", "restarting", "--by", "ann"]);
    let begins = "ServiceUnhealthy of bank is acknowledged until ";
    assert!(
        done.code == 0 && done.stdout.starts_with(begins),
        "{}{}",
        done.stdout,
        done.stderr
    );
    until("it is acknowledged", || {
        says(
            &["alerts"],
            "bank ServiceUnhealthy critical firing (acknowledged) ",
        )
    });
    assert!(says(&["ack", "--list"], "bank ServiceUnhealthy "));
    assert_eq!(ward.run(&["ack", "bank", "--end"]).code, 0);
    until("it is heard again", || {
        ward.run(&["ack", "--list"]).stdout == "nothing is acknowledged\n"
    });

    ward.shop(v1::Status::Healthy).await;
    until("it is resolved", || {
        ward.run(&["alerts"]).stdout == "nothing fires\n"
    });
    until("the recording has it", || {
        says(
            &["rules", "replay", "--since", "1h"],
            "bank/ServiceUnhealthy critical ",
        )
    });
    is_replayed(&ward, home.path());
}

fn is_replayed(ward: &Aggregator, home: &std::path::Path) {
    let replay = ward.run(&["rules", "replay", "--since", "1h"]);
    assert!(
        replay.stdout.contains("\nstorefront/ServiceUnhealthy  critical "),
        "{}",
        replay.stdout
    );
    assert!(
        !replay.stdout.starts_with("1h"),
        "it begins at the start: {}",
        replay.stdout
    );
    assert!(!replay.stdout.contains("Watchdog"), "{}", replay.stdout);
    assert!(
        replay.stdout.contains("around which less was seen than was: 1 ("),
        "the start is in it: {}",
        replay.stdout
    );
    let slower = home.join("slower.toml");
    std::fs::write(&slower, "[rules.ServiceUnhealthy]\nfor = \"1h\"\n")
        .expect("a file in a directory of the test");
    let tried = ward.run(&[
        "rules",
        "replay",
        "--since",
        "1h",
        "--rules",
        slower.to_str().expect("a path of UTF-8"),
    ]);
    assert!(
        tried
            .stdout
            .contains("\nother rules: ServiceUnhealthy (changed)\n"),
        "{}",
        tried.stdout
    );
    assert!(
        tried.stdout.contains("\nonly with the rules in force: 1\n"),
        "{}",
        tried.stdout
    );
}
