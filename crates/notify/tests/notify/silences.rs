//! Silences, where an Alertmanager does not do as it should; that the real one understands them is seen in `real`.

use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    memory::Memory,
    sample::{MS, acknowledged, alertmanager, config, firing, now, quick, resolved, start, tell},
    server::{Asked, Reply, Server},
};

/// Silences as an Alertmanager keeps them.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Value>>>);

impl Kept {
    fn answer(&self, asked: &Asked) -> Reply {
        let mut kept = self.0.lock();
        match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", "/api/v2/silences") => {
                let mut silence = asked.json();
                let id = silence["id"]
                    .as_str()
                    .map_or(format!("id-{}", kept.len()), Into::into);
                silence["id"] = id.clone().into();
                silence["status"] = json!({"state": "active"});
                kept.retain(|known| known["id"] != *id);
                kept.push(silence);
                Reply::Json(200, json!({ "silenceID": id }).to_string())
            }
            ("DELETE", path) => {
                let id = path.rsplit('/').next().unwrap();
                let found = kept.iter_mut().find(|known| known["id"] == *id).unwrap();
                found["status"] = json!({"state": "expired"});
                Reply::ok()
            }
            ("GET", _) => Reply::Json(200, Value::from(kept.clone()).to_string()),
            _ => Reply::ok(),
        }
    }
}

fn position(log: &[Asked], what: impl Fn(&Asked) -> bool) -> Option<usize> {
    log.iter().position(what)
}

const LONG: std::time::Duration = std::time::Duration::from_secs(3_600);

#[tokio::test]
async fn a_silence_is_set_once_and_ends_before_the_resolution_is_sent() {
    let kept = Kept::default();
    let answers = kept.clone();
    let server = Server::start(move |asked| answers.answer(asked)).await;
    let notifier = start([alertmanager("am", server.url())], &Memory::new());
    let bank = firing("bank", "ServiceUnhealthy", now());
    tell(&notifier, vec![bank.clone()]);
    let said = acknowledged("bank", &["ServiceUnhealthy", "CpuHigh"], LONG);
    notifier.silence(vec![said]);
    let set = |asked: &Asked| asked.method == "POST" && asked.path == "/api/v2/silences";
    let silence = server
        .until("the silence", |log| Some(log[position(log, set)?].json()))
        .await;
    let mut matchers = silence["matchers"].as_array().unwrap().clone();
    matchers.sort_by_key(|matcher| matcher["name"].to_string());
    let is = |name: &str, value: &str, is_regex: bool| json!({"name": name, "value": value, "isRegex": is_regex, "isEqual": true});
    let expected = [
        is("alertname", "^(ServiceUnhealthy|CpuHigh)$", true),
        is("cluster", "eu-1", false),
        is("service", "bank", false),
        is("source", "ward", false),
    ];
    assert_eq!(matchers, expected);
    tokio::time::sleep(3 * quick().resend).await;
    assert_eq!(server.log().iter().filter(|asked| set(asked)).count(), 1);
    // In either order of the two calls' effects, the silence is gone first.
    notifier.silence(Vec::new());
    let over = resolved(&bank);
    tell(&notifier, vec![over.clone()]);
    // What fires has an end as well, which may have passed by now.
    let ended = |asked: &Asked| {
        let over = |alert: &Value| {
            let end: jiff::Timestamp = alert["endsAt"].as_str().unwrap().parse().unwrap();
            Some(end.as_millisecond()) == over.resolved.map(|at| at.0)
        };
        asked.is_alerts() && asked.alerts().iter().any(over)
    };
    let sent = server.until("the resolution", |log| position(log, ended)).await;
    let deleted = position(&server.log(), |asked| asked.method == "DELETE").unwrap();
    assert!(deleted < sent, "{deleted} {sent}");
}

#[tokio::test]
async fn a_silence_that_somebody_ended_is_set_again_and_one_too_many_is_ended() {
    let kept = Kept::default();
    let answers = kept.clone();
    let server = Server::start(move |asked| answers.answer(asked)).await;
    let notifier = start([alertmanager("am", server.url())], &Memory::new());
    notifier.silence(vec![acknowledged("bank", &["ServiceUnhealthy"], LONG)]);
    let sets = |log: &[Asked]| {
        log.iter()
            .filter(|asked| asked.path == "/api/v2/silences")
            .count()
    };
    server.until_is("the first", |log| sets(log) == 1).await;
    kept.0.lock().clear();
    server.until_is("the second", |log| sets(log) == 2).await;
    let mut twin = kept.0.lock()[0].clone();
    twin["id"] = "twin".into();
    kept.0.lock().push(twin);
    let ends = |asked: &Asked| asked.method == "DELETE" && asked.path == "/api/v2/silence/twin";
    server
        .until_is("the end of the twin", |log| log.iter().any(ends))
        .await;
    assert_eq!(sets(&server.log()), 2);
}

#[tokio::test]
async fn that_silences_cannot_be_set_keeps_no_alert_back() {
    for wrong in [
        Reply::Json(403, "no".into()),
        Reply::Json(500, String::new()),
        Reply::Json(200, "no list".into()),
        Reply::Garbage,
        Reply::Hang,
    ] {
        let shown = format!("{wrong:?}");
        let answer = move |asked: &Asked| {
            if asked.is_alerts() {
                Reply::ok()
            } else {
                wrong.clone()
            }
        };
        let server = Server::start(answer).await;
        let notifier = start([alertmanager("am", server.url())], &Memory::new());
        notifier.silence(vec![acknowledged("bank", &["ServiceUnhealthy"], LONG)]);
        for n in 0..3 {
            let name = format!("s{n}");
            tell(&notifier, vec![firing(&name, "ServiceUnhealthy", now())]);
            let came = |asked: &Asked| {
                let is = |alert: &Value| alert["labels"]["service"] == name;
                asked.is_alerts() && asked.alerts().iter().any(is)
            };
            server.until_is(&shown, |log| log.iter().any(came)).await;
        }
        tokio::time::sleep(2 * quick().longest).await;
        let asked = server.log().len() - server.posts().len();
        assert!(asked < 20, "no hot loop: {asked} for {shown}");
        assert_eq!(notifier.standing()[0].error, None, "{shown}");
        tokio::time::sleep(MS).await;
    }
}

#[tokio::test]
async fn a_restart_ends_no_silence_before_it_is_known_which_are_wanted() {
    let kept = Kept::default();
    let answers = kept.clone();
    let server = Server::start(move |asked| answers.answer(asked)).await;
    let said = acknowledged("bank", &["ServiceUnhealthy"], LONG);
    let before = start([alertmanager("am", server.url())], &Memory::new());
    before.silence(vec![said.clone()]);
    let set = |asked: &Asked| asked.path == "/api/v2/silences" && asked.method == "POST";
    server.until_is("the silence", |log| log.iter().any(set)).await;
    drop(before);
    let after = start([alertmanager("am", server.url())], &Memory::new());
    // One that is opened later knows no more.
    let receivers = [
        alertmanager("am", server.url()),
        alertmanager("new", server.url()),
    ];
    after.replace(config(receivers));
    after.restored(vec![firing("bank", "ServiceUnhealthy", now())]);
    let rounds = server.posts().len() + 6;
    server
        .until_is("some rounds", |log| {
            log.iter().filter(|asked| asked.is_alerts()).count() >= rounds
        })
        .await;
    let states = || {
        kept.0
            .lock()
            .iter()
            .map(|all| all["status"]["state"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(states(), ["active"]);
    after.silence(vec![said]);
    let asked = server.log().len();
    server
        .until_is("a look", |log| {
            log[asked..].iter().any(|asked| asked.method == "GET")
        })
        .await;
    assert_eq!(states(), ["active"]);
    after.silence(Vec::new());
    server
        .until_is("its end", |log| log.iter().any(|asked| asked.method == "DELETE"))
        .await;
}

#[tokio::test]
async fn who_asked_to_be_left_alone_is_not_asked_for_silences_either() {
    let server = Server::start(|asked| {
        if asked.is_alerts() {
            Reply::Headers(429, vec![("retry-after", "1".into())])
        } else {
            Reply::Json(200, "[]".into())
        }
    })
    .await;
    let notifier = start([alertmanager("am", server.url())], &Memory::new());
    notifier.silence(Vec::new());
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    server
        .until_is("the answer", |log| log.iter().any(Asked::is_alerts))
        .await;
    let came = std::time::Instant::now();
    let asked = server.log().len();
    // Both what changed and what is looked at anyway.
    notifier.silence(vec![acknowledged("bank", &["ServiceUnhealthy"], LONG)]);
    server.until_is("the next", |log| log.len() > asked).await;
    assert!(came.elapsed() >= 900 * MS, "{:?}", came.elapsed());
}
