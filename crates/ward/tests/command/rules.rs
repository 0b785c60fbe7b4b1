//! `ward rules`: the rules of a configuration, and what a recording would have been with others.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tempfile::TempDir;
use ward_alerts::{Facts, ServiceFacts};
use ward_model::{Name, Status, Wall};
use ward_proto::v1;

use crate::{
    alerting::{Alerting, Heard},
    evil,
    house::{masked, nowhere, ward, ward_with},
};

fn file(text: &str) -> (TempDir, String) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("tried.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (home, path)
}

#[test]
fn list_shows_where_each_rule_comes_from() {
    let shipped = ward(&["rules", "list"]);
    assert_eq!((shipped.code, shipped.stderr.as_str()), (0, ""));
    let row = |text: &str, name: &str| {
        let line = text
            .lines()
            .find(|line| line.split(' ').next() == Some(name))
            .unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        row(&shipped.stdout, "ServiceUnhealthy"),
        "ServiceUnhealthy critical 30s status == 'unhealthy' shipped"
    );
    assert_eq!(row(&shipped.stdout, "Watchdog"), "Watchdog none 0s true shipped");

    let (_home, path) = file(
        "[alerting.rules.ServiceUnhealthy]\nfor = \"1m30s\"\n[alerting.rules.CpuHigh]\nenabled = false\n\
         [alerting.rules.QueueTooLong]\nexpr = \"signals.queue_length > 1000.0\"\nseverity = \"info\"\n",
    );
    let done = ward_with(&["rules", "list"], &[("WARD_CONFIG", &path)]);
    let places: Vec<_> = ["ServiceUnhealthy", "CpuHigh", "QueueTooLong", "Watchdog"]
        .map(|name| row(&done.stdout, name).replace(&path, "FILE"))
        .into();
    assert_eq!(
        places,
        [
            "ServiceUnhealthy critical 1m30s status == 'unhealthy' changed (FILE:2)",
            "CpuHigh warning 5m signals.cpu_ratio > 0.8 switched off (FILE:4)",
            "QueueTooLong info 0s signals.queue_length > 1000.0 own (FILE:6)",
            "Watchdog none 0s true shipped",
        ]
    );
    let json = ward(&["rules", "list", "--config", &path, "-o", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let own = json
        .as_array()
        .unwrap()
        .iter()
        .find(|rule| rule["name"] == "QueueTooLong")
        .unwrap();
    assert_eq!((&own["origin"], &own["enabled"]), (&"own".into(), &true.into()));

    let (_home, broken) = file("[alerting.rules.CpuHihg]\nfor = \"1m\"");
    let done = ward(&["rules", "list", "--config", &broken]);
    assert!(
        done.code == 64 && done.stderr.contains("did you mean `CpuHigh`?"),
        "{}",
        done.stderr
    );
}

#[test]
fn written_histories_are_run_by_the_rules_of_a_configuration() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../alerts/histories/shipped.toml");
    let good = ward(&["rules", "test", shipped]);
    assert_eq!((good.code, good.stderr.as_str()), (0, ""), "{}", good.stdout);
    assert!(
        good.stdout.ends_with(" tests, all as expected\n"),
        "{}",
        good.stdout
    );

    let (_home, history) = file(
        "[[test]]\nname = \"a bank that breaks\"\n[test.at.0s]\nbank = \"unhealthy\"\n[test.at.30s]\n\
         expect.firing = [\"bank/ServiceUnhealthy\"]\n",
    );
    assert_eq!(
        ward(&["rules", "test", &history])
            .stdout
            .replace(&history, "FILE"),
        "ok      FILE:1  a bank that breaks\n1 test, all as expected\n"
    );
    let (_home, slower) = file("[rules.ServiceUnhealthy]\nfor = \"31s\"\n");
    let (_home, whole) = file("[alerting.rules.ServiceUnhealthy]\nfor = \"31s\"\n");
    for args in [["--rules", &slower], ["--config", &whole], ["--rules", &whole]] {
        let done = ward(&[&["rules", "test", &history], &args[..]].concat());
        assert_eq!((done.code, done.stderr.as_str()), (1, ""), "{args:?}");
        let text = done.stdout.replace(&history, "FILE");
        assert!(
            text.starts_with("FAILED  FILE:1  a bank that breaks\n        FILE:6, at 30s: ")
                && text.ends_with("\n1 test, 1 other than expected\n"),
            "{text}"
        );
    }
    let json = ward(&["rules", "test", &history, "--rules", &slower, "-o", "json"]);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        (json[0]["passed"].as_bool(), &json[0]["missed"][0]["at_ms"]),
        (Some(false), &30_000.into())
    );
}

#[test]
fn a_history_that_is_none_is_told_with_its_line() {
    let (_home, good) = file("[[test]]\nname = \"x\"\n");
    let (_home, bad) = file("[[test]]\nname = \"x\"\n[test.at.0s]\nbank = \"unhealthly\\u001b[2J\"\n");
    let done = ward(&["rules", "test", &good, &bad]);
    assert_eq!((done.code, done.stdout.as_str()), (64, ""));
    assert!(
        done.stderr.contains(&format!("error: {bad}:4: ")),
        "{}",
        done.stderr
    );
    assert!(!done.stderr.contains('\u{1b}'), "{:?}", done.stderr);
    let missing = ward(&["rules", "test", "/nowhere/x.toml"]);
    assert!(
        missing.code == 64 && missing.stderr.contains("/nowhere/x.toml"),
        "{}",
        missing.stderr
    );
    assert_eq!(ward(&["rules", "test"]).code, 64);
}

#[expect(
    clippy::disallowed_methods,
    reason = "what was recorded lately is counted from now"
)]
fn minutes_ago(minutes: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    i64::try_from(now).unwrap() - minutes * 60_000
}

fn seen(at_unix_ms: i64, service: &str, status: Status) -> v1::RecordedFacts {
    let facts = ServiceFacts {
        status,
        causes: if status.is_bad() {
            vec![Name::new("bank").unwrap()]
        } else {
            vec![]
        },
        since: Wall(at_unix_ms),
        ..ServiceFacts::default()
    };
    let facts = Facts::Service(Name::new(service).unwrap(), Box::new(facts));
    v1::RecordedFacts {
        at_unix_ms,
        facts: serde_json::to_vec(&facts).unwrap(),
    }
}

/// As it is shipped, without its `hold`.
fn unhealthy() -> v1::Rule {
    v1::Rule {
        name: "ServiceUnhealthy".into(),
        expr: "status == 'unhealthy'".into(),
        for_ms: 30_000,
        severity: v1::Severity::Critical.into(),
        suppression: true,
        annotations: [("summary".to_owned(), "{{ service }} is {{ status }}".to_owned())].into(),
        ..v1::Rule::default()
    }
}

/// Of the last hours: an hour ago the bank was down for ten minutes and the atm with it, and then for two minutes again.
/// It is told in two pages, with how things were before, and is kept for 90 minutes.
fn recording() -> Vec<v1::ReadRecordingResponse> {
    use Status::{Healthy, Unhealthy};
    let both = |minutes, status| {
        ["atm", "bank"]
            .map(|service| seen(minutes_ago(minutes), service, status))
            .to_vec()
    };
    let page = |recorded: Vec<Vec<_>>| v1::ReadRecordingResponse {
        since_unix_ms: minutes_ago(90),
        until_unix_ms: minutes_ago(0),
        recorded: recorded.concat(),
    };
    vec![
        page(vec![both(300, Healthy), both(60, Unhealthy)]),
        page(vec![both(50, Healthy), both(40, Unhealthy), both(38, Healthy)]),
    ]
}

async fn served(recording: Vec<v1::ReadRecordingResponse>) -> (String, Heard) {
    let off = v1::Rule {
        name: "Loud".into(),
        expr: "true".into(),
        off: true,
        ..unhealthy()
    };
    Alerting {
        recording,
        rules: vec![unhealthy(), off],
        ..Alerting::default()
    }
    .serve()
    .await
}

/// With columns one space apart.
fn tight(text: &str) -> String {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    masked(text).lines().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_tells_what_fired_and_what_was_withheld_and_why() {
    let (server, heard) = served(recording()).await;
    let done = ward(&["rules", "replay", "--since", "2h", "--server", &server]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{}", done.stdout);
    let length = if done.stdout.starts_with("1h 29m") {
        "1h 29m"
    } else {
        "1h 30m"
    };
    assert_eq!(
        tight(&done.stdout).replace("1h SPAN", length),
        format!(
            "\
{length} from DAY TIME to DAY TIME: 8 changes
2 fired, 2 suppressed, 0 pending and over before they fired

fired: 2
ALERT SEVERITY FIRED LASTED CAUSE WHAT
bank/ServiceUnhealthy critical DAY TIME 9m SPAN bank bank is unhealthy
bank/ServiceUnhealthy critical DAY TIME 1m SPAN bank bank is unhealthy

suppressed: 2
ALERT SEVERITY FROM LASTED WHY
atm/ServiceUnhealthy critical DAY TIME 9m SPAN caused by bank/ServiceUnhealthy, which has an alert of its own
atm/ServiceUnhealthy critical DAY TIME 1m SPAN caused by bank/ServiceUnhealthy, which has an alert of its own
"
        )
        .replace("9m SPAN", "SPAN SPAN")
        .replace("1m SPAN", "SPAN SPAN")
    );
    assert!(
        heard
            .last()
            .starts_with("ReadRecordingRequest { since_unix_ms: 1"),
        "{}",
        heard.last()
    );
    let bank = ward(&[
        "rules",
        "replay",
        "--service",
        "bank",
        "--since",
        "2h",
        "--limit",
        "1",
        "--server",
        &server,
    ]);
    assert!(!bank.stdout.contains("atm"), "{}", bank.stdout);
    assert!(
        bank.stdout
            .ends_with("and 1 more: raise --limit, or read -o json\n"),
        "{}",
        bank.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_tells_what_other_rules_change() {
    let (server, _) = served(recording()).await;
    let (_home, path) = file(
        "[rules.ServiceUnhealthy]\nfor = '5m'\n[rules.AtmDown]\nservices = ['atm']\nexpr = \"status == 'unhealthy'\"\n\
         severity = 'warning'\nfor = '1m'\n",
    );
    let args = [
        "rules", "replay", "--since", "2h", "--rules", &path, "--server", &server,
    ];
    let done = ward(&args);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{}", done.stdout);
    let text = tight(&done.stdout.replace(&path, "FILE"));
    let text = text.split_once('\n').unwrap().1;
    assert_eq!(
        text,
        "\
in force: 2 fired, 2 suppressed, 0 pending and over before they fired
FILE: 3 fired, 1 suppressed, 2 pending and over before they fired
other rules: AtmDown (new), ServiceUnhealthy (changed)

only with FILE: 2
ALERT SEVERITY FIRED LASTED CAUSE WHAT
atm/AtmDown warning DAY TIME SPAN SPAN bank
atm/AtmDown warning DAY TIME SPAN SPAN bank

only with the rules in force: 1
ALERT SEVERITY FIRED LASTED CAUSE WHAT
bank/ServiceUnhealthy critical DAY TIME SPAN SPAN bank bank is unhealthy

otherwise: 1
ALERT SEVERITY FIRED LASTED FIRES NOW LASTS NOW
bank/ServiceUnhealthy critical DAY TIME SPAN SPAN DAY TIME SPAN SPAN

alike: 0

suppressed with FILE: 1
ALERT SEVERITY FROM LASTED WHY
atm/ServiceUnhealthy critical DAY TIME SPAN SPAN caused by bank/ServiceUnhealthy, which has an alert of its own
"
    );
    let json = ward(&[&args[..], &["-o", "json"]].concat());
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let difference = &json["difference"];
    assert_eq!(
        difference["rules"][0],
        serde_json::json!({"name": "AtmDown", "is": "new"})
    );
    assert_eq!(difference["only_in_force"].as_array().unwrap().len(), 1);
    let moved = &difference["moved"][0];
    let fired = |which: &str| moved[which]["fired"].as_i64().unwrap();
    assert_eq!(fired("changed") - fired("in_force"), 270_000);
    assert_eq!(json["in_force"]["fired"][0]["fired_ms"], 570_000);
    assert_eq!(
        json["in_force"]["suppressed"][0]["withheld"][0]["why"]["cause"]["service"],
        "bank"
    );

    let (_home, same) = file("[rules.ServiceUnhealthy]\nfor = '30s'\n");
    let done = ward(&[
        "rules", "replay", "--since", "2h", "--rules", &same, "--server", &server,
    ]);
    assert!(
        done.stdout
            .contains("no rule is other than it is in force\nnothing fires otherwise: 2 alike\n"),
        "{}",
        done.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn replay_may_take_the_rules_from_a_file() {
    let (server, _) = served(recording()).await;
    let (_home, path) = file("[alerting.rules.ServiceUnhealthy]\nfor = \"9m\"\n");
    let done = ward(&[
        "rules", "replay", "--since", "2h", "--config", &path, "--server", &server,
    ]);
    assert!(
        done.stdout.contains("\n1 fired, 1 suppressed, 2 pending "),
        "{}",
        done.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_recording_and_a_strange_line_are_told() {
    let (server, _) = served(Vec::new()).await;
    let empty = ward(&["rules", "replay", "--server", &server]);
    assert_eq!(empty.code, 0);
    assert!(
        masked(&empty.stdout).contains(": 0 changes\n0 fired, "),
        "{}",
        empty.stdout
    );
    assert!(empty.stderr.contains("from its start on"), "{}", empty.stderr);

    let mut strange = recording();
    strange[0].recorded[0].facts = evil::TEXT.into();
    let (server, _) = served(strange).await;
    let done = ward(&["rules", "replay", "--since", "2h", "--server", &server]);
    assert!(
        done.stdout
            .contains("\nlines that this version does not understand: 1\n"),
        "{}",
        done.stdout
    );
    assert!(done.stdout.contains("\n2 fired, 2 suppressed"), "{}", done.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_a_recording_is_too_coarse_for_are_named() {
    let mut sends = recording();
    let first = &mut sends[0].recorded[0];
    let mut facts = serde_json::from_slice(&first.facts).unwrap();
    if let Facts::Service(_, facts) = &mut facts {
        facts.signals.insert(Name::new("error_ratio").unwrap(), 0.0);
    }
    first.facts = serde_json::to_vec(&facts).unwrap();
    let (server, _) = served(sends).await;
    let (_home, path) = file(
        "[rules.Errors]\nexpr = 'signals.error_ratio > 0.1'\nfor = '30s'\nseverity = 'warning'\n\
         [rules.Slow]\nexpr = 'signals.p99 > 0.1'\nfor = '30s'\nseverity = 'warning'\n",
    );
    let done = ward(&[
        "rules", "replay", "--since", "2h", "--rules", &path, "--server", &server,
    ]);
    let named: Vec<_> = done
        .stdout
        .lines()
        .filter(|line| line.starts_with("told roughly only"))
        .collect();
    assert_eq!(named.len(), 1, "{}", done.stdout);
    assert!(
        named[0].contains("Errors") && !named[0].contains("Slow"),
        "{named:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_of_replays_end_before_anything_is_read() {
    let (server, heard) = served(recording()).await;
    let (_home, broken) = file("[rules.ServiceUnhealthy]\nexpr = \"status == 'unhealthly'\"");
    let nowhere = nowhere();
    for (args, code, said) in [
        (&["--rules", broken.as_str()] as &[&str], 64, "tried.toml:2:"),
        (&["--rules", "/nowhere/rules.toml"], 64, "/nowhere/rules.toml"),
        (
            &["--since", "1h", "--until", "2h"],
            64,
            "--since 1h is not before --until 2h",
        ),
        (&["--since", "yesterday"], 64, "expected a length of time"),
        (&["--service", "Bank"], 64, "name"),
        (&["--server", &nowhere], 4, "no aggregator"),
    ] {
        let variables = [("WARD_SERVER", server.as_str())];
        let done = ward_with(&[&["rules", "replay"], args].concat(), &variables);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (code, ""),
            "{args:?}: {}",
            done.stderr
        );
        assert!(done.stderr.contains(said), "{args:?}: {}", done.stderr);
    }
    assert_eq!(heard.last(), "");
}
