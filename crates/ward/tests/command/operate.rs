//! `ward maintenance` and `ward forget`: what operators do, and what they are told when it makes no sense.

use serde_json::Value;
use ward_proto::v1;

use crate::{
    evil,
    house::{self, Aggregator, Done, masked, nowhere, ward},
    terminal::Terminal,
};

fn told(done: &Done) -> (i32, &str, &str) {
    (done.code, &done.stdout, &done.stderr)
}

#[tokio::test]
async fn maintenance_is_started_listed_and_ended() {
    let ward = Aggregator::start();
    ward.shop(v1::Status::Healthy).await;
    let empty = ward.run(&["maintenance", "list"]);
    assert_eq!(
        told(&empty),
        (
            0,
            "nothing is in maintenance\n",
            "start one with `ward maintenance start SERVICE --why TEXT --for 2h`\n"
        )
    );

    let start = [
        "maintenance",
        "start",
        "payments",
        "--why",
        "new disks",
        "--for",
        "1h30m",
    ];
    let started = ward.run_with(&start, &[("USER", "ann")]);
    assert_eq!((started.code, started.stderr.as_str()), (0, ""));
    let said = masked(&started.stdout).replace("SPAN 30m", "SPAN");
    assert!(
        said.starts_with("payments is in maintenance until DAY TIME (1h ")
            && said.ends_with(", by ann: new disks\n"),
        "{said}"
    );
    let open = ward.run(&[
        "maintenance",
        "start",
        "bank",
        "--why",
        "moving house",
        "--by",
        "bob",
    ]);
    assert_eq!(
        told(&open),
        (
            0,
            "bank is in maintenance until it is ended, with `ward maintenance end bank`, by bob: moving house\n",
            ""
        )
    );
    let listed = ward.run(&["maintenance", "list"]);
    assert_eq!(
        masked(&listed.stdout),
        "\
SERVICE   STATE   FROM                 UNTIL                BY   WHY
bank      active  DAY TIME  it is ended          bob  moving house
payments  active  DAY TIME  DAY TIME  ann  new disks
"
    );
    let json: Value = serde_json::from_str(&ward.run(&["maintenance", "list", "-o", "json"]).stdout).unwrap();
    assert_eq!(json["server"], ward.grpc.as_str());
    assert_eq!(json["active"][0]["service"], "bank");
    assert_eq!(json["active"][0]["end"], Value::Null);
    let window = &json["active"][1];
    let length = window["end"].as_i64().unwrap() - window["start"].as_i64().unwrap();
    assert_eq!((window["by"].as_str(), length), (Some("ann"), 5_400_000));
    assert_eq!(json["upcoming"], Value::Array(Vec::new()));
    assert!(
        ward.run(&["status", "payments"])
            .stdout
            .contains("by ann: new disks")
    );

    let ended = ward.run(&["maintenance", "end", "payments"]);
    assert_eq!(told(&ended), (0, "payments is no longer in maintenance\n", ""));
    let again = ward.run(&["maintenance", "end", "payments"]);
    assert_eq!((again.code, again.stdout.as_str()), (64, ""));
    assert!(again.stderr.contains("not in maintenance"), "{}", again.stderr);
}

#[tokio::test]
async fn who_does_it_is_who_types() {
    let ward = Aggregator::start();
    ward.shop(v1::Status::Healthy).await;
    let me = std::process::Command::new("id").arg("-un").output().unwrap();
    let me = String::from_utf8(me.stdout).unwrap();
    for (variables, who) in [
        (&[("USER", "ann"), ("LOGNAME", "bob")] as &[(&str, &str)], "ann"),
        (&[("USER", ""), ("LOGNAME", "bob")], "bob"),
        (&[], me.trim()),
    ] {
        let done = ward.run_with(&["maintenance", "start", "bank", "--why", "x"], variables);
        assert!(
            done.stdout.ends_with(&format!(", by {who}: x\n")),
            "{}{}",
            done.stdout,
            done.stderr
        );
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_the_reason() {
    let ward = Aggregator::start();
    ward.shop(v1::Status::Healthy).await;
    let long = "x".repeat(600);
    for (args, reason) in [
        (
            &["maintenance", "start", "paymnets", "--why", "x"] as &[&str],
            "did you mean payments?",
        ),
        (&["maintenance", "end", "paymnets"], "did you mean payments?"),
        (&["forget", "paymnets", "--yes"], "did you mean payments?"),
        (&["forget", "paymnets", "0"], "did you mean payments?"),
        (&["forget", "payments", "7"], "payments/7"),
        (&["forget", "payments", "0"], "payments/0"),
        (&["forget", "payments", "--yes"], "payments/0"),
        (&["forget", "payments"], "add --yes"),
        (
            &["maintenance", "start", "payments", "--why", &long],
            "why has 600 characters",
        ),
        (
            &["maintenance", "start", "payments", "--why", "a\nb"],
            "control characters",
        ),
        (
            &["maintenance", "start", "payments", "--why", "x", "--by", ""],
            "by is empty",
        ),
    ] {
        let done = ward.run(args);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (64, ""),
            "{args:?}: {}",
            done.stderr
        );
        assert!(done.stderr.contains(reason), "{args:?}: {}", done.stderr);
    }
    assert_eq!(ward.run(&["status", "payments"]).code, 0);
    let nowhere = nowhere();
    for args in [
        &["maintenance", "list"] as &[&str],
        &["maintenance", "start", "a", "--why", "x"],
        &["maintenance", "end", "a"],
        &["forget", "a", "0"],
    ] {
        let done = house::ward(&[args, &["--server", &nowhere]].concat());
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (4, ""),
            "{args:?}: {}",
            done.stderr
        );
    }
}

/// Two instances of a service that fall silent at once.
async fn silent(ward: &Aggregator) {
    for instance in ["0", "1"] {
        let mut hello = house::hello(("bank", v1::Status::Healthy, "", &[]));
        hello.instance = instance.into();
        hello.interval_ms = 100;
        ward.say(hello).await;
    }
    house::until("the instances are no longer fresh", || {
        ward.run(&["status", "bank"]).stdout.matches(" fresh ").count() == 0
    });
}

#[tokio::test]
async fn what_is_gone_is_forgotten() {
    let ward = Aggregator::start();
    silent(&ward).await;
    let one = ward.run(&["forget", "bank", "0"]);
    assert_eq!(told(&one), (0, "forgot bank/0\n", ""));
    let service: Value = serde_json::from_str(&ward.run(&["status", "bank", "-o", "json"]).stdout).unwrap();
    assert_eq!(service["instances"].as_array().unwrap().len(), 1);
    let rest = ward.run(&["forget", "bank", "--yes"]);
    assert_eq!(told(&rest), (0, "forgot bank and its one instance\n", ""));
    assert_eq!(ward.run(&["status", "bank"]).code, 64);
}

#[tokio::test]
async fn a_person_is_asked_before_a_whole_service_is_forgotten() {
    let ward = Aggregator::start();
    silent(&ward).await;
    let server = [("WARD_SERVER", ward.grpc.as_str())];
    for (keys, code, said) in [
        ("n\r", 0, "nothing was forgotten"),
        ("\r", 0, "nothing was forgotten"),
        ("\u{4}", 0, "nothing was forgotten"),
        ("yes\r", 0, "forgot bank and its 2 instances"),
    ] {
        let mut person = Terminal::start(&["forget", "bank"], &server);
        person.expect("forget bank and its 2 instances? [y/N] ");
        person.type_in(keys);
        let (ended, shown) = person.ended();
        assert_eq!(ended, code, "{shown}");
        assert!(shown.contains(said), "{keys:?}: {shown}");
    }
    let mut person = Terminal::start(&["forget", "bank"], &server);
    person.expect("no service named bank");
    assert_eq!(person.ended().0, 64);
}

#[tokio::test(flavor = "multi_thread")]
async fn text_from_outside_does_nothing_to_a_terminal() {
    let server = evil::aggregator().await.to_string();
    for args in [
        &["maintenance", "list"] as &[&str],
        &["maintenance", "list", "-o", "json"],
        &["maintenance", "start", "bank", "--why", "x"],
        &["maintenance", "end", "bank"],
        &["forget", "bank", "0"],
        &["report", "bank", "--status", "healthy"],
        &["report", "bank", "--run", "true"],
        &["history", "bank"],
        &["history", "bank", "-o", "json"],
    ] {
        let done = ward(
            &[
                &args[..args.len().min(2)],
                &["--server", &server],
                &args[args.len().min(2)..],
            ]
            .concat(),
        );
        let all = format!("{}{}", done.stdout, done.stderr);
        let harmful = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(all.contains("bad") && !all.contains(harmful), "{args:?}: {all:?}");
    }
}
