//! Delivery to webhooks.

use std::{collections::BTreeMap, fs};

use serde_json::Value;
use ward_model::Severity;
use ward_notify::{Auth, Kind, Notifier};

use crate::{
    memory::Memory,
    sample::{
        MS, alertmanager, config, firing, now, quick, receiver, resolved, start, tell, watchdog, webhook,
    },
    server::{Asked, Reply, SOON, Server},
};

/// What an event is about: its last word and its subject.
fn told(asked: &Asked) -> (String, String) {
    let event = asked.json();
    let kind = event["type"].as_str().unwrap();
    let last = kind.rsplit('.').next().unwrap().to_owned();
    (last, event["subject"].as_str().unwrap().to_owned())
}

fn all(log: &[Asked]) -> Vec<(String, String)> {
    log.iter().map(told).collect()
}

fn pair(kind: &str, subject: &str) -> (String, String) {
    (kind.to_owned(), subject.to_owned())
}

async fn until(what: &str, notifier: &Notifier, is: impl Fn(&ward_notify::Standing) -> bool) {
    let waiting = async {
        while !is(&notifier.standing()[0]) {
            tokio::time::sleep(MS).await;
        }
    };
    let came = tokio::time::timeout(SOON, waiting).await;
    came.unwrap_or_else(|_| panic!("{what}: {:?}", notifier.standing()));
}

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn each_thing_is_told_once_as_a_cloud_event() {
    let server = Server::start(|_| Reply::Json(202, String::new())).await;
    let outbox = Memory::new();
    let notifier = start([webhook("hook", server.url())], &outbox);
    let mut bank = firing("bank", "ServiceUnhealthy", now());
    bank.traceparent = Some(TRACEPARENT.into());
    tell(&notifier, vec![bank.clone()]);
    server.until_is("the first", |log| log.len() == 1).await;
    // What varies is no event.
    let mut varied = bank.clone();
    varied.annotations.insert("summary".into(), "worse".into());
    tell(&notifier, vec![varied.clone()]);
    tell(&notifier, vec![resolved(&varied)]);
    tell(&notifier, vec![resolved(&varied)]);
    server.until_is("the second", |log| log.len() == 2).await;
    until("nothing owed", &notifier, |standing| standing.owed == 0).await;
    tokio::time::sleep(3 * quick().resend).await;
    let log = server.log();
    assert_eq!(all(&log), [pair("firing", "bank"), pair("resolved", "bank")]);
    assert!(outbox.kept().is_empty());
    assert_eq!(log[0].path, "/hook");
    assert_eq!(log[0].headers["content-type"], "application/cloudevents+json");
    let event = log[0].json();
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "dev.ward.alert.firing");
    assert_eq!(event["source"], "http://ward.example/");
    assert_eq!(event["datacontenttype"], "application/json");
    let time: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
    assert_eq!(time.as_millisecond(), bank.fired.unwrap().0);
    assert_eq!(event["data"]["rule"], "ServiceUnhealthy");
    assert_eq!(event["traceparent"], TRACEPARENT);
    assert!(!log[0].headers.contains_key("traceparent"), "nobody traces here");
    assert_eq!(event["data"]["labels"]["cluster"], "eu-1");
    assert_ne!(event["id"], log[1].json()["id"]);
}

#[tokio::test]
async fn what_was_missed_is_told_in_order_when_it_is_back() {
    let server = Server::start(|_| Reply::Json(503, String::new())).await;
    let notifier = start([webhook("hook", server.url())], &Memory::new());
    let (bank, shop) = (
        firing("bank", "ServiceUnhealthy", now()),
        firing("shop", "ServiceUnhealthy", now()),
    );
    tell(&notifier, vec![bank.clone(), shop]);
    tell(&notifier, vec![resolved(&bank)]);
    until("failures", &notifier, |standing| standing.requests[1] >= 3).await;
    let before = server.log();
    assert!(before.iter().all(|asked| told(asked) == pair("firing", "bank")));
    server.does(|_| Reply::ok());
    until("nothing owed", &notifier, |standing| standing.owed == 0).await;
    let taken = all(&server.log());
    let last = &taken[taken.len() - 3..];
    assert_eq!(
        last,
        [
            pair("firing", "bank"),
            pair("firing", "shop"),
            pair("resolved", "bank")
        ]
    );
    let ids: std::collections::BTreeSet<String> = server
        .log()
        .iter()
        .map(|asked| asked.json()["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 3, "tried again is the same event");
}

#[tokio::test]
async fn what_is_refused_holds_back_only_its_own_and_is_given_up_in_the_end() {
    let server = Server::start(|asked| {
        let bad = told(asked) == pair("firing", "bad");
        Reply::Json(if bad { 422 } else { 200 }, "no such thing".into())
    })
    .await;
    let outbox = Memory::new();
    let notifier = start([webhook("hook", server.url())], &outbox);
    let bad = firing("bad", "ServiceUnhealthy", now());
    tell(
        &notifier,
        vec![bad.clone(), firing("good", "ServiceUnhealthy", now())],
    );
    tell(&notifier, vec![resolved(&bad)]);
    server
        .until_is("the other", |log| all(log).contains(&pair("firing", "good")))
        .await;
    assert!(
        !all(&server.log()).contains(&pair("resolved", "bad")),
        "in order for each alert"
    );
    until("it is given up", &notifier, |standing| standing.dropped == 1).await;
    server
        .until_is("its end", |log| all(log).contains(&pair("resolved", "bad")))
        .await;
    until("nothing owed", &notifier, |standing| standing.owed == 0).await;
    let tries = all(&server.log())
        .into_iter()
        .filter(|told| *told == pair("firing", "bad"))
        .count();
    assert!((2..=6).contains(&tries), "{tries}");
    assert!(outbox.kept().is_empty());
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Server::start(|_| Reply::ok()).await;
    let to = elsewhere.url();
    let server = Server::start(move |_| Reply::Headers(307, vec![("location", to.clone())])).await;
    let notifier = start([webhook("hook", server.url())], &Memory::new());
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    until("it failed", &notifier, |standing| standing.requests[1] >= 1).await;
    assert!(elsewhere.log().is_empty());
}

#[tokio::test]
async fn an_address_or_a_token_that_is_wrong_for_long_loses_nothing() {
    let server = Server::start(|_| Reply::ok()).await;
    for status in [301, 401, 403, 404] {
        server.does(move |_| Reply::Json(status, String::new()));
        let notifier = start([webhook("hook", server.url())], &Memory::new());
        let name = format!("s{status}");
        tell(&notifier, vec![firing(&name, "ServiceUnhealthy", now())]);
        // Longer than something that is refused is tried.
        tokio::time::sleep(quick().give_up).await;
        let standing = notifier.standing().remove(0);
        assert!(
            standing.requests[1] > 3 && standing.requests[2] == 0,
            "{status}: {standing:?}"
        );
        assert_eq!(
            (standing.owed, standing.dropped),
            (1, 0),
            "{status}: {standing:?}"
        );
        server.does(|_| Reply::ok());
        until("nothing owed", &notifier, |standing| standing.owed == 0).await;
        assert_eq!(all(&server.log()).last(), Some(&pair("firing", &name)));
    }
}

#[tokio::test]
async fn the_sign_of_life_goes_only_where_it_is_wanted_again_and_again() {
    let (wants, not) = (
        Server::start(|_| Reply::ok()).await,
        Server::start(|_| Reply::ok()).await,
    );
    let outbox = Memory::new();
    let wanting = receiver("wants", Kind::Webhook { watchdog: true }, wants.url());
    let notifier = start([wanting, webhook("not", not.url())], &outbox);
    tell(
        &notifier,
        vec![watchdog(), firing("bank", "ServiceUnhealthy", now())],
    );
    let pings = |log: &[Asked]| all(log).into_iter().filter(|told| told.0 == "watchdog").count();
    wants.until_is("three", |log| pings(log) == 3).await;
    let log = wants.log();
    let ids: BTreeMap<String, Value> = log
        .iter()
        .map(|asked| (asked.json()["id"].to_string(), asked.json()))
        .collect();
    assert_eq!(ids.len(), log.len(), "each is one of its own");
    assert_eq!(all(&log).into_iter().filter(|told| told.0 == "firing").count(), 1);
    not.until_is("the alert", |log| all(log) == [pair("firing", "bank")])
        .await;
    assert!(outbox.kept().is_empty());
    // Alerts that it cannot be told are no reason to say nothing.
    wants.does(|asked| Reply::Json(if told(asked).0 == "watchdog" { 200 } else { 400 }, String::new()));
    tell(&notifier, vec![firing("shop", "ServiceUnhealthy", now())]);
    wants.until_is("more of them", |log| pings(log) >= 6).await;
}

#[tokio::test]
async fn what_is_less_urgent_is_not_told() {
    let server = Server::start(|_| Reply::ok()).await;
    let mut pager = webhook("pager", server.url());
    pager.least = Severity::Critical;
    let notifier = start([pager], &Memory::new());
    let mut note = firing("note", "CpuHigh", now());
    note.severity = Severity::Warning;
    tell(&notifier, vec![note, firing("bank", "ServiceUnhealthy", now())]);
    server.until_is("the page", |log| !log.is_empty()).await;
    assert_eq!(all(&server.log()), [pair("firing", "bank")]);
}

#[tokio::test]
async fn credentials_are_read_for_each_request_and_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let server = Server::start(|_| Reply::Json(500, String::new())).await;
    let mut hook = webhook("hook", server.url());
    hook.auth = Auth::Bearer {
        token_file: file.clone(),
    };
    let notifier = start([hook.clone()], &Memory::new());
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    let said = |standing: &ward_notify::Standing| {
        let error = standing.error.clone().unwrap_or_default();
        error.starts_with("read the token from") && error.contains("No such file")
    };
    until("what is missing", &notifier, said).await;
    fs::write(&file, "first\n").unwrap();
    let with = |token: &str, log: &[Asked]| {
        log.iter().any(|asked| {
            asked
                .headers
                .get("authorization")
                .is_some_and(|shown| shown == token)
        })
    };
    server
        .until_is("the token", |log| with("Bearer first", log))
        .await;
    fs::write(&file, "second").unwrap();
    server
        .until_is("the new token", |log| with("Bearer second", log))
        .await;
    fs::write(&file, "a\u{1}hunter2").unwrap();
    until("what is wrong", &notifier, |standing| {
        standing
            .error
            .as_ref()
            .is_some_and(|error| error.contains("visible"))
    })
    .await;
    // A pipe that nobody writes to.
    fs::remove_file(&file).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&file).status().unwrap();
    assert!(made.success());
    until("what is no file", &notifier, |standing| {
        standing
            .error
            .as_ref()
            .is_some_and(|error| error.ends_with("it is no regular file"))
    })
    .await;
    fs::remove_file(&file).unwrap();
    let shown = format!("{notifier:?} {:?}", notifier.standing());
    assert!(!shown.contains("hunter2") && !shown.contains("second"), "{shown}");
    fs::write(&file, "opensesame").unwrap();
    hook.auth = Auth::Basic {
        username: "aladdin".into(),
        password_file: file,
    };
    notifier.replace(config([hook]));
    // RFC 7617's own example has another password; this is `aladdin:opensesame`.
    let basic = "Basic YWxhZGRpbjpvcGVuc2VzYW1l";
    server.until_is("the password", |log| with(basic, log)).await;
}

#[tokio::test]
async fn a_new_webhook_is_told_only_what_comes() {
    let (old, new) = (
        Server::start(|_| Reply::ok()).await,
        Server::start(|_| Reply::ok()).await,
    );
    let notifier = start([webhook("old", old.url())], &Memory::new());
    let bank = firing("bank", "ServiceUnhealthy", now());
    tell(&notifier, vec![bank.clone()]);
    notifier.replace(config([webhook("old", old.url()), webhook("new", new.url())]));
    let mut again = bank.clone();
    again.annotations.clear();
    tell(&notifier, vec![again]);
    tell(&notifier, vec![resolved(&bank)]);
    new.until_is("the resolution", |log| !log.is_empty()).await;
    assert_eq!(all(&new.log()), [pair("resolved", "bank")]);
}

#[tokio::test]
async fn the_sign_of_life_ends_when_nobody_makes_alerts_any_more() {
    let (hook, am) = (
        Server::start(|_| Reply::ok()).await,
        Server::start(|_| Reply::Json(200, "[]".into())).await,
    );
    let wanting = receiver("wants", Kind::Webhook { watchdog: true }, hook.url());
    let notifier = start([wanting, alertmanager("am", am.url())], &Memory::new());
    tell(
        &notifier,
        vec![watchdog(), firing("bank", "ServiceUnhealthy", now())],
    );
    let pings = |log: &[Asked]| all(log).into_iter().filter(|told| told.0 == "watchdog").count();
    let signs = |log: &[Asked]| {
        let alerts = log
            .iter()
            .filter(|asked| asked.is_alerts())
            .flat_map(Asked::alerts);
        let named = |name: &'static str| move |alert: &Value| alert["labels"]["alertname"] == name;
        let alerts: Vec<Value> = alerts.collect();
        let count = |name| alerts.iter().filter(|alert| named(name)(alert)).count();
        (count("Watchdog"), count("ServiceUnhealthy"))
    };
    hook.until_is("some", |log| pings(log) >= 2).await;
    notifier.alive();
    tokio::time::sleep(2 * quick().resend).await;
    let before = (pings(&hook.log()), signs(&am.log()));
    tokio::time::sleep(4 * quick().resend).await;
    let after = (pings(&hook.log()), signs(&am.log()));
    assert_eq!((before.0, before.1.0), (after.0, after.1.0));
    assert!(after.1.1 >= before.1.1 + 2, "what fires is sent on");
    let goes_on = async {
        loop {
            notifier.alive();
            tokio::time::sleep(10 * MS).await;
        }
    };
    let more = async {
        hook.until_is("more", |log| pings(log) > after.0).await;
        am.until_is("more", |log| signs(log).0 > after.1.0).await;
    };
    tokio::select! {
        () = goes_on => {}
        () = more => {}
    }
}

#[tokio::test]
async fn a_storm_is_written_down_together_and_is_no_reason_to_knock_for_each() {
    let server = Server::start(|_| Reply::Json(500, String::new())).await;
    let outbox = Memory::new();
    let notifier = start([webhook("hook", server.url())], &outbox);
    let all = (0..1_000).map(|n| firing(&format!("s{n}"), "ServiceUnhealthy", now()));
    tell(&notifier, all.collect());
    tokio::time::sleep(5 * quick().longest).await;
    let tries = server.log().len();
    assert!((3..=20).contains(&tries), "{tries}");
    server.does(|_| Reply::ok());
    until("nothing owed", &notifier, |standing| standing.owed == 0).await;
    assert_eq!(outbox.asked(), 1);
}
