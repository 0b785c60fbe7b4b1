//! The command as people and scripts meet it: real processes, real sockets, exit codes, both streams.
//!
//! Services are reported through the wire contract alone, so that what is shown here does not rest on the sdk's reporter.

#[path = "command/access.rs"]
mod access;
#[path = "command/alerting.rs"]
mod alerting;
#[path = "command/alerts.rs"]
mod alerts;
#[path = "command/audit.rs"]
mod audit;
#[path = "command/backup.rs"]
mod backup;
#[path = "command/bench.rs"]
mod bench;
#[path = "command/canary.rs"]
mod canary;
#[path = "command/check.rs"]
mod check;
#[path = "command/config.rs"]
mod config;
#[path = "command/evil.rs"]
mod evil;
#[path = "command/house.rs"]
mod house;
#[path = "command/identity.rs"]
mod identity;
#[path = "command/operate.rs"]
mod operate;
#[path = "command/report.rs"]
mod report;
#[path = "command/rules.rs"]
mod rules;
#[path = "command/run.rs"]
mod run;
#[path = "command/screen.rs"]
mod screen;
#[path = "command/servers.rs"]
mod servers;
#[path = "command/telling.rs"]
mod telling;
#[path = "command/terminal.rs"]
mod terminal;
#[path = "command/top.rs"]
mod top;
#[path = "command/witness.rs"]
mod witness;

use std::{io::Write, net::TcpListener, time::Duration};

use serde_json::Value;
use ward_proto::v1;

use house::{Aggregator, Watch, masked, ward};

#[test]
fn mistakes_end_with_64_and_say_so_on_standard_error() {
    for args in [
        &["frobnicate"] as &[&str],
        &["status", "--server", "nowhere"],
        &["status", "--server", "https://127.0.0.1"],
        &[
            "status",
            "--server",
            "http://127.0.0.1:1",
            "--tls-ca",
            "/dev/null",
        ],
        &["status", "--token-file", "/dev/null"],
        &["status", "--tls-cert", "/dev/null"],
        &["watch", "--token-file", "/dev/null"],
        &["bench", "--token-file", "/dev/null"],
        &["status", "Bank"],
        &["status", "liveness"],
        &["status", "bank\u{1b}[2J"],
        &["status", "a", "b"],
        &["status", "-o", "xml"],
        &["watch", "--level", "deep"],
        &["watch", "--least-severity", "ill"],
        &["explain", "--unknown"],
        &["top", "--least-severity", "ill"],
        &["top", "Bank"],
        &["demo", "--grpc", "0.0.0.0:0"],
        &["demo", "--http", "[::]:0"],
        &["demo", "break", "bank"],
        &["demo", "break", "bank", "--how", "gently"],
        &["aggregator", "--grpc", "7700"],
        &["completions", "cmd"],
        &["maintenance"],
        &["maintenance", "start", "payments"],
        &["maintenance", "start", "Payments", "--why", "disks"],
        &["maintenance", "start", "payments", "--why", "disks", "--for", "2"],
        &[
            "maintenance",
            "start",
            "payments",
            "--why",
            "disks",
            "--for",
            "0s",
        ],
        &["maintenance", "end"],
        &["forget"],
        &["forget", "payments", "a_b"],
        &["bench", "--target", "nowhere"],
        &["bench", "--instances", "0"],
        &["bench", "--instances", "5", "--streams", "6"],
        &["bench", "--interval", "2h", "--for", "3h"],
        &["report"],
        &["report", "payments"],
        &["report", "payments", "--status", "ill"],
        &["report", "payments", "--message", "why"],
        &["report", "payments", "--check", "disk"],
        &["report", "payments", "--check", "disk=full"],
        &["report", "payments", "--signal", "waiting=many"],
        &["report", "payments", "--status", "healthy", "--label", "=x"],
        &["report", "payments", "--status", "healthy", "--interval", "32d"],
        &["report", "payments", "--status", "healthy", "--instance", "a_b"],
        &["report", "payments", "--status", "healthy", "--goodbye"],
        &["report", "payments", "--status", "healthy", "--timeout", "1s"],
        &["report", "payments", "--status", "healthy", "--run", "true"],
        &["report", "payments", "--run"],
        &["report", "payments", "--run", "--"],
        &["report", "Payments", "--run", "true"],
        &[],
    ] {
        let done = ward(args);
        assert_eq!(done.code, 64, "{args:?}: {}", done.stderr);
        assert_eq!(done.stdout, "", "{args:?}");
        assert!(
            !done.stderr.is_empty() && !done.stderr.contains('\u{1b}'),
            "{args:?}: {:?}",
            done.stderr
        );
    }
}

#[test]
fn help_has_examples_and_is_no_mistake() {
    for command in [
        "demo",
        "aggregator",
        "status",
        "watch",
        "top",
        "explain",
        "alerts",
        "ack",
        "rules",
        "check",
        "bench",
        "completions",
    ] {
        let done = ward(&[command, "--help"]);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{command}");
        assert!(
            done.stdout.contains(&format!("Examples:\n  ward {command}")),
            "{}",
            done.stdout
        );
    }
    let top = ward(&["--help"]);
    assert!(
        top.code == 0 && top.stdout.contains("Examples:\n  ward demo "),
        "{}",
        top.stdout
    );
    assert!(!top.stdout.contains("demo-service"), "hidden");
    for all in [&top.stdout, &ward(&["status", "--help"]).stdout] {
        assert!(all.contains("70 any other failure"), "{all}");
    }
    let version = ward(&["--version"]);
    assert_eq!(
        (version.code, version.stdout),
        (0, format!("ward {}\n", env!("CARGO_PKG_VERSION")))
    );
}

#[test]
fn completions_are_there_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let done = ward(&["completions", shell]);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{shell}");
        assert!(done.stdout.contains("least-severity"), "{shell}");
    }
}

#[test]
fn nobody_there_ends_with_4_and_says_what_to_do() {
    let nowhere = house::nowhere();
    for command in ["status", "watch", "explain"] {
        let done = ward(&[command, "--server", &nowhere]);
        let expected = format!(
            "error: no aggregator at {nowhere} (Connection refused (os error 111)): start one with `ward demo` or \
             `ward aggregator`, or name another with --server\n"
        );
        assert_eq!(
            (done.code, done.stdout.as_str(), done.stderr),
            (4, "", expected),
            "{command}"
        );
    }
    let done = house::ward_with(&["status", "--server", &nowhere], &[("WARD_SERVER", "")]);
    assert_eq!(done.code, 4, "{}", done.stderr);
    // Whether anybody is at the default address or not, that is who was asked.
    let done = house::ward_with(&["status"], &[("WARD_SERVER", "")]);
    assert!(done.code != 64, "{}", done.stderr);
    let done = house::ward_with(&["status"], &[("WARD_SERVER", &format!("http://{nowhere}/"))]);
    assert!(
        done.code == 4 && done.stderr.contains(&nowhere),
        "{}",
        done.stderr
    );
}

#[test]
fn what_speaks_no_grpc_is_told_in_the_words_of_the_protocol() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in other.incoming() {
            drop(stream.and_then(|mut stream| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")));
        }
    });
    for command in ["status", "watch", "explain"] {
        let done = ward(&[command, "--server", &address]);
        assert_eq!((done.code, done.stdout.as_str()), (4, ""), "{}", done.stderr);
        for wordless in ["transport error", "operation was canceled"] {
            assert!(!done.stderr.contains(wordless), "{command}: {}", done.stderr);
        }
    }
}

#[test]
fn one_who_never_answers_is_not_waited_for() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let done = ward(&["status", "--server", &silent.local_addr().unwrap().to_string()]);
    assert_eq!((done.code, done.stdout.as_str()), (4, ""), "{}", done.stderr);
    assert!(done.stderr.contains("no answer within 5s"), "{}", done.stderr);
    assert!(done.took < Duration::from_secs(15), "{:?}", done.took);
}

#[tokio::test]
async fn the_exit_code_of_status_is_the_verdict() {
    let ward = Aggregator::start();
    let empty = ward.run(&["status"]);
    assert_eq!(empty.code, 3, "{}", empty.stderr);
    assert!(empty.stdout.starts_with("system is unknown"), "{}", empty.stdout);
    assert!(
        empty.stderr.contains("ward-sdk") && empty.stderr.contains(&ward.grpc),
        "{}",
        empty.stderr
    );
    for (status, code) in [
        (v1::Status::Healthy, 0),
        (v1::Status::Degraded, 1),
        (v1::Status::Unhealthy, 2),
        (v1::Status::Unknown, 3),
    ] {
        ward.report(&[("storefront", status, "so it is", &[])]).await;
        let system = ward.run(&["status"]);
        assert_eq!(system.code, code, "{}", system.stdout);
        assert_eq!(ward.run(&["status", "storefront"]).code, code);
        assert_eq!(ward.run(&["status", "-o", "json"]).code, code);
        assert_eq!(ward.run(&["explain", "storefront"]).code, 0);
        assert_eq!(system.stderr, "");
    }
}

#[tokio::test]
async fn status_shows_the_worst_first() {
    let ward = Aggregator::start();
    ward.shop(v1::Status::Unhealthy).await;
    let done = ward.run(&["status"]);
    assert_eq!(
        without_observer(&masked(&done.stdout)).replace(&ward.grpc, "ADDR"),
        "\
system is unhealthy for SPAN, since DAY TIME
  Dependency: storefront is unhealthy: payments is unhealthy
  cause: bank
  3 services: 3 unhealthy
  aggregator 0.1.0 at ADDR, up SPAN

SERVICE     STATUS     INSTANCES      FRESHNESS  UP SINCE       CAUSE
bank        unhealthy  0/1, 1 wanted  fresh      TIME (SPAN)  Reported: ledger: no ledger
payments    unhealthy  1/1            fresh      TIME (SPAN)  bank; Dependency: bank is unhealthy
storefront  unhealthy  1/1            fresh      TIME (SPAN)  bank; Dependency: payments is unhealthy
"
    );
}

#[tokio::test]
async fn status_of_one_service_shows_all_of_it() {
    let ward = Aggregator::start();
    ward.shop(v1::Status::Unhealthy).await;
    let done = ward.run(&["status", "payments"]);
    assert_eq!(
        masked(&done.stdout),
        "\
payments is unhealthy for SPAN, since DAY TIME
  Dependency: bank is unhealthy
  cause: bank
  own status: healthy
  criticality: important
  instances: 1/1; freshness: fresh; up since: DAY TIME (SPAN)

NEEDS  KIND  STATUS
bank   hard  unhealthy

INSTANCE  STATUS   FRESHNESS  VERSION  UP SINCE       REASON
0         healthy  fresh      1.2.3    TIME (SPAN)  Reported

INSTANCE  CHECK   STATUS   FOR  KIND      REASON
0         ledger  healthy  SPAN   required  Reported
"
    );
    let mut hello = house::hello(("bank", v1::Status::Unhealthy, "no ledger", &[]));
    let level = |raise| {
        Some(v1::SignalLevel {
            raise,
            clear: raise / 2.0,
        })
    };
    hello.signals = vec![v1::SignalDeclaration {
        name: "error_ratio".into(),
        degraded: level(0.01),
        unhealthy: level(0.05),
    }];
    hello.values = vec![v1::SignalValue {
        name: "error_ratio".into(),
        value: 0.25,
    }];
    ward.say(hello).await;
    let bank = ward.run(&["status", "bank"]);
    assert_eq!(
        masked(&bank.stdout),
        "\
bank is unhealthy for SPAN, since DAY TIME
  Reported: ledger: no ledger
  cause: bank
  criticality: important
  instances: 0/1, 1 wanted; freshness: fresh; up since: DAY TIME (SPAN)

INSTANCE  STATUS     FRESHNESS  VERSION  UP SINCE       REASON
0         unhealthy  fresh      1.2.3    TIME (SPAN)  Reported: ledger: no ledger

INSTANCE  CHECK   STATUS     FOR  KIND      REASON
0         ledger  unhealthy  SPAN   required  Reported: no ledger

INSTANCE  SIGNAL       VALUE  STATUS     DEGRADED FROM  UNHEALTHY FROM
0         error_ratio  0.25   unhealthy  0.01           0.05
"
    );
}

#[tokio::test]
async fn an_unknown_name_is_a_mistake_and_near_ones_are_told() {
    let ward = Aggregator::start();
    ward.shop(v1::Status::Healthy).await;
    for command in ["status", "explain"] {
        let done = ward.run(&[command, "paymnets"]);
        let expected = "error: no service named paymnets; did you mean payments?\n";
        assert_eq!(
            (done.code, done.stdout.as_str(), done.stderr.as_str()),
            (64, "", expected)
        );
    }
}

#[tokio::test]
async fn explain_leads_to_the_evidence() {
    let ward = Aggregator::start();
    ward.shop(v1::Status::Unhealthy).await;
    assert_eq!(
        masked(&ward.run(&["explain", "storefront"]).stdout),
        "\
storefront is unhealthy for SPAN: Dependency, payments is unhealthy
└─ payments (hard) unhealthy for SPAN: Dependency, bank is unhealthy
   └─ bank (hard) unhealthy for SPAN: Reported, ledger: no ledger
      · bank/0 check ledger unhealthy for SPAN: Reported, no ledger
"
    );
    let system: Value = serde_json::from_str(&ward.run(&["explain", "-o", "json"]).stdout).unwrap();
    assert_eq!(system["name"], Value::Null);
    let links = system["chains"][0]["links"].as_array().unwrap();
    let names: Vec<_> = links
        .iter()
        .map(|link| link["service"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["storefront", "payments", "bank"]);
    assert_eq!(links[2]["evidence"][0]["name"], "ledger");
}

#[tokio::test]
async fn json_is_what_programs_were_promised() {
    let ward = Aggregator::start();
    ward.shop(v1::Status::Degraded).await;
    let seen: Value = serde_json::from_str(&ward.run(&["status", "-o", "json"]).stdout).unwrap();
    let keys: Vec<_> = seen.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["server", "version", "uptime_ms", "cursor", "system", "services"].sorted()
    );
    assert_eq!(seen["server"], ward.grpc.as_str());
    assert_eq!(seen["cursor"]["epoch"].as_str().unwrap().len(), 16);
    assert!(seen["cursor"]["revision"].as_u64().unwrap() > 0);
    assert_eq!(seen["system"]["condition"]["status"], "degraded");
    assert_eq!(seen["services"][0]["name"], "bank");
    assert_eq!(seen["services"][0]["condition"]["reason"], "Reported");
    assert_eq!(seen["services"][0]["instances"]["total"], 1);

    let bank: Value = serde_json::from_str(&ward.run(&["status", "payments", "-o", "json"]).stdout).unwrap();
    assert_eq!(bank["service"]["name"], "payments");
    assert_eq!(bank["dependencies"][0]["service"], "bank");
    assert_eq!(bank["dependencies"][0]["status"], "degraded");
    assert_eq!(bank["instances"][0]["checks"][0]["name"], "ledger");
}

#[tokio::test(flavor = "multi_thread")]
async fn colour_is_for_terminals_and_text_from_outside_cannot_bring_its_own() {
    let evil = evil::aggregator().await.to_string();
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let variables: Vec<_> = variables
            .iter()
            .copied()
            .chain([("WARD_SERVER", evil.as_str())])
            .collect();
        house::ward_with(args, &variables)
    };
    let commands: [&[&str]; 8] = [
        &["status"],
        &["status", "bank"],
        &["explain"],
        &["watch", "--once", "--level", "instance"],
        &["status", "-o", "json"],
        &["status", "bank", "-o", "json"],
        &["explain", "-o", "json"],
        &["watch", "--once", "--level", "instance", "-o", "json"],
    ];
    let harmful = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    for args in commands {
        let piped = run(args, &[]);
        assert!(!piped.stdout.contains(harmful), "{args:?}: {:?}", piped.stdout);
        let text = args.last() != Some(&"json");
        assert!(piped.stdout.contains("bad"), "{args:?}: {}", piped.stdout);
        // Where colour is forced it is there, else its absence above would show nothing.
        let forced = run(args, &[("CLICOLOR_FORCE", "1")]);
        assert_eq!(
            forced.stdout.contains('\u{1b}'),
            text,
            "{args:?}: {:?}",
            forced.stdout
        );
        assert!(!forced.stdout.contains("\u{1b}[2J"), "{args:?}");
        let plain = run(args, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]);
        assert!(!plain.stdout.contains('\u{1b}'), "{args:?}");
    }
    // What is not made harmless where it is read is where it is shown.
    let (shown, written) = (run(&["status"], &[]), run(&["status", "-o", "json"], &[]));
    assert!(
        shown
            .stdout
            .contains("bad\\u{1b}[2J\\u{9b}31m\\u{d}\\u{a}news\\u{202e}"),
        "{}",
        shown.stdout
    );
    assert!(
        written
            .stdout
            .contains("bad\\u001b[2J\\u009b31m\\r\\nnews\\u202e"),
        "{}",
        written.stdout
    );
}

#[tokio::test]
async fn watch_tells_changes_as_they_happen() {
    let ward = Aggregator::start();
    ward.shop(v1::Status::Healthy).await;
    let mut watch = Watch::start(&ward, &["storefront", "bank"]);
    watch.expect(&[
        "system - -> healthy",
        "bank - -> healthy",
        "storefront - -> healthy",
    ]);
    ward.shop(v1::Status::Unhealthy).await;
    watch.expect(&[
        "system healthy -> unhealthy Dependency:",
        "bank healthy -> unhealthy Reported: ledger: no ledger",
        "storefront healthy -> unhealthy Dependency:",
    ]);
    ward.shop(v1::Status::Healthy).await;
    watch.expect(&[
        "system unhealthy -> healthy",
        "bank unhealthy -> healthy",
        "storefront unhealthy -> healthy",
    ]);
    watch.interrupt();
    assert_eq!(watch.ended(), (0, String::new()));
}

#[tokio::test]
async fn watch_has_levels_severities_and_records() {
    let ward = Aggregator::start();
    ward.shop(v1::Status::Degraded).await;
    let done = ward.run(&["watch", "--once", "--level", "system"]);
    assert_eq!(
        (done.code, done.stdout.lines().count()),
        (0, 1),
        "{}",
        done.stdout
    );
    let done = ward.run(&["watch", "--once", "bank", "--level", "instance"]);
    let names: Vec<_> = done
        .stdout
        .lines()
        .map(|line| line.split_whitespace().nth(2).unwrap())
        .collect();
    assert_eq!(names, ["system", "bank", "bank/0"]);
    for args in [
        &["watch", "--once", "bank", "paymnets"] as &[&str],
        &["watch", "--once", "paymnets", "--least-severity", "unhealthy"],
    ] {
        let done = ward.run(args);
        assert_eq!(
            (done.code, done.stdout.as_str(), done.stderr.as_str()),
            (
                64,
                "",
                "error: no service named paymnets; did you mean payments?\n"
            )
        );
    }

    ward.report(&[("fine", v1::Status::Healthy, "", &[])]).await;
    let args = ["watch", "--once", "--least-severity", "degraded", "-o", "json"];
    let records: Vec<Value> = ward
        .run(&args)
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<_> = records
        .iter()
        .map(|record| record["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["system", "bank", "payments", "storefront"]);
    let bank = &records[1];
    assert_eq!(
        (&bank["event"], &bank["kind"], &bank["type"]),
        (&"change".into(), &"snapshot".into(), &"service".into())
    );
    assert_eq!(
        (&bank["before"], &bank["after"]),
        (&Value::Null, &"degraded".into())
    );
    assert_eq!(bank["entity"]["condition"]["message"], "ledger: no ledger");
}

#[tokio::test]
async fn watch_ends_well_when_nobody_reads() {
    let ward = Aggregator::start();
    ward.shop(v1::Status::Healthy).await;
    // Nothing changes behind the first state, so nothing is written: it notices all the same.
    let (line, ended) = Watch::read_one_and_leave(&ward);
    assert!(line.contains("system"), "{line}");
    assert_eq!(ended, (0, String::new()));
}

#[tokio::test]
async fn watch_ends_at_a_signal_though_its_reader_stopped_reading() {
    let ward = Aggregator::start();
    // The first state alone is more than a pipe of 64 KiB and the reader's 8 KiB hold.
    let message = "x".repeat(500);
    for number in 0..80 {
        let mut hello = house::hello(("bank", v1::Status::Healthy, "", &[]));
        hello.service = format!("service-{number}");
        hello.results[0].message.clone_from(&message);
        ward.say(hello).await;
    }
    let watch = Watch::read_one_and_stay(&ward, &["-o", "json", "--level", "instance"]);
    watch.interrupt();
    assert_eq!(watch.ended().0, 0);
}

#[tokio::test]
async fn watch_survives_a_killed_aggregator_without_a_false_alarm() {
    let mut ward = Aggregator::start();
    ward.shop(v1::Status::Healthy).await;
    let mut watch = Watch::start(&ward, &["--level", "instance"]);
    watch.expect(&["system - -> healthy", "storefront/0 - -> healthy"]);
    ward.kill_and_restart();
    watch.expect_note("-- connected again: the aggregator was restarted");
    // One by one, with the worst moments in between: others are missing, or unknown.
    for member in house::shop(v1::Status::Healthy).into_iter().rev() {
        ward.report(&[member]).await;
        watch.breathe();
    }
    ward.shop(v1::Status::Degraded).await;
    // The next lines are about what really changed: nothing else was told in between.
    watch.expect_next(&[
        "system healthy -> degraded",
        "bank healthy -> degraded",
        "payments healthy -> degraded",
        "storefront healthy -> degraded",
        "bank/0 healthy -> degraded",
    ]);
    watch.interrupt();
    let (code, notes) = watch.ended();
    assert_eq!(code, 0);
    let notes: Vec<_> = notes.lines().collect();
    assert_eq!(notes.len(), 2, "one loss, one return: {notes:?}");
    assert!(notes[0].starts_with("-- connection lost: "), "{notes:?}");
}

/// How far the observer doubts itself depends on how busy the machine is.
fn without_observer(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with("  observer: "))
        .map(|line| format!("{line}\n"))
        .collect()
}

trait Sorted {
    fn sorted(self) -> Self;
}

impl<const N: usize> Sorted for [&str; N] {
    fn sorted(mut self) -> Self {
        self.sort_unstable();
        self
    }
}
