//! `ward report`: what is typed is what the aggregator knows.

use serde_json::{Value, json};

use crate::house::{Aggregator, masked, nowhere, ward as ward_alone};

fn service(ward: &Aggregator, name: &str) -> Value {
    let done = ward.run(&["status", name, "-o", "json"]);
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.stderr))
}

#[test]
fn what_is_typed_is_known() {
    let ward = Aggregator::start();
    let done = ward.run(&[
        "report",
        "mail",
        "--status",
        "degraded",
        "--message",
        "412 waiting",
        "--instance",
        "mx1",
        "--interval",
        "5m",
        "--check",
        "disk=healthy",
        "--check",
        "raid=unhealthy:sdb: gone",
        "--signal",
        "waiting=412",
        "--signal",
        "delta=-0.5",
        "--label",
        "zone=a",
        "--criticality",
        "critical",
        "--depends",
        "dns",
        "--depends",
        "store",
    ]);
    assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{}", done.stdout);
    assert_eq!(
        masked(&done.stdout),
        "\
mail/mx1 is reported
  next report expected by DAY TIME (in SPAN SPAN)
  lost, and so unhealthy, without one until DAY TIME (in SPAN SPAN)
"
    );
    let mail = service(&ward, "mail");
    assert_eq!(mail["service"]["criticality"], "critical");
    let needs: Vec<_> = mail["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .map(|needed| &needed["service"])
        .collect();
    assert_eq!(needs, ["dns", "store"]);
    let instance = &mail["instances"][0];
    assert_eq!(instance["interval_ms"], 300_000);
    assert_eq!(instance["labels"], json!({"zone": "a"}));
    let checks: Vec<_> = instance["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| {
            let condition = &check["condition"];
            [&check["name"], &condition["status"], &condition["message"]].map(|value| value.as_str().unwrap())
        })
        .collect();
    assert_eq!(
        checks,
        [
            ["disk", "healthy", ""],
            ["raid", "unhealthy", "sdb: gone"],
            ["self", "degraded", "412 waiting"]
        ]
    );
    let values: Vec<_> = instance["signals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|signal| {
            (
                signal["name"].as_str().unwrap(),
                signal["value"].as_f64().unwrap(),
            )
        })
        .collect();
    assert_eq!(values, [("waiting", 412.0), ("delta", -0.5)]);
}

#[test]
fn one_report_follows_another_in_one_life() {
    let ward = Aggregator::start();
    let report = |args: &[&str]| {
        let done = ward.run(&[&["report", "mail"], args].concat());
        assert_eq!(done.code, 0, "{}", done.stderr);
        done.stdout
    };
    report(&["--check", "disk=healthy", "--check", "raid=healthy"]);
    let first = service(&ward, "mail")["instances"][0].clone();
    // After the host, so that the next one is the same instance.
    assert!(!first["instance"].as_str().unwrap().is_empty());
    assert_eq!(first["interval_ms"], 86_400_000);
    report(&["--check", "disk=unhealthy:full"]);
    let mail = service(&ward, "mail");
    assert_eq!(mail["instances"].as_array().unwrap().len(), 1);
    let second = &mail["instances"][0];
    assert_eq!(second["incarnation"], first["incarnation"]);
    assert_eq!(second["condition"]["status"], "unhealthy");
    assert_eq!(
        second["checks"].as_array().unwrap().len(),
        1,
        "what is no longer said is no longer so"
    );
    let host = first["instance"].as_str().unwrap();
    assert_eq!(report(&["--goodbye"]), format!("mail/{host} has left\n"));
    assert_eq!(service(&ward, "mail")["instances"], json!([]));
    report(&["--status", "healthy"]);
    let third = &service(&ward, "mail")["instances"][0];
    assert_eq!(third["condition"]["status"], "healthy");
    assert_ne!(third["incarnation"], first["incarnation"]);
}

#[test]
fn intervals_reach_to_a_month() {
    let ward = Aggregator::start();
    let done = ward.run(&["report", "mail", "--status", "healthy", "--interval", "31d"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains("(in 31d 0h)"), "{}", done.stdout);
}

#[test]
fn what_is_refused_is_said() {
    let ward = Aggregator::start();
    let long = format!("zone={}", "x".repeat(200));
    for (args, reason) in [
        (
            &["--status", "healthy", "--label", &long] as &[&str],
            "labels.value has 200 bytes",
        ),
        (
            &["--check", "a=healthy", "--check", "a=healthy"],
            "is there twice",
        ),
        (
            &["--status", "healthy", "--check", "self=healthy"],
            "is there twice",
        ),
        (&["--goodbye"], "mail"),
    ] {
        let done = ward.run(&[&["report", "mail"], args].concat());
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (64, ""),
            "{args:?}: {}",
            done.stderr
        );
        assert!(done.stderr.contains(reason), "{args:?}: {}", done.stderr);
    }
    let partly = ward.run(&["report", "mail", "--status", "healthy", "--depends", "mail"]);
    assert_eq!(partly.code, 0);
    assert!(
        partly
            .stderr
            .starts_with("warning: hello.dependencies[0].service is the service itself"),
        "{}",
        partly.stderr
    );
    let nobody = ward_alone(&["report", "mail", "--status", "healthy", "--server", &nowhere()]);
    assert_eq!(
        (nobody.code, nobody.stdout.as_str()),
        (4, ""),
        "{}",
        nobody.stderr
    );
}
