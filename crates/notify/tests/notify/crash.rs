//! The process dies at every step of a delivery: each thing is told at least once, and as the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use serde_json::Value;
use ward_model::{Alert, AlertState};
use ward_notify::Notifier;

use crate::{
    memory::{Kept, Memory},
    sample::{MS, alertmanager, config, firing, now, quick, resolved, start, tell, watchdog, webhook},
    server::{Asked, Reply, SOON, Server},
};

/// What there was when the process died.
#[derive(Clone)]
struct Moment {
    kept: Kept,
    /// How many of the steps were told; the next may be half told.
    told: usize,
    /// What the two had received.
    received: (Vec<Asked>, Vec<Asked>),
}

/// Alerts that fire and resolve, a step at a time.
fn history() -> Vec<Vec<Alert>> {
    let bank = firing("bank", "ServiceUnhealthy", now());
    let shop = firing("shop", "ServiceUnhealthy", now());
    vec![
        vec![watchdog(), bank.clone(), shop.clone()],
        vec![resolved(&bank), firing("cart", "CpuHigh", now())],
        vec![resolved(&shop)],
    ]
}

/// What fires after so many steps: what whoever decides knows after its restart, with the labels that it was told with.
fn fires(history: &[Vec<Alert>]) -> Vec<Alert> {
    let mut fires = BTreeMap::new();
    for alert in history.iter().flatten() {
        let mut alert = alert.clone();
        alert.labels.insert("cluster".into(), "eu-1".into());
        match alert.state {
            AlertState::Firing => fires.insert(alert.key.clone(), alert.clone()),
            _ => fires.remove(&alert.key),
        };
    }
    fires.into_values().collect()
}

async fn settled(notifier: &Notifier) {
    let waiting = async {
        while notifier.standing().iter().any(|standing| standing.owed > 0) {
            tokio::time::sleep(MS).await;
        }
    };
    tokio::time::timeout(SOON, waiting)
        .await
        .expect("nothing is owed");
}

/// A life, step by step, and every moment at which it could have ended.
async fn live(history: &[Vec<Alert>]) -> Vec<Moment> {
    let am = Arc::new(Server::start(answer).await);
    let hook = Arc::new(Server::start(|_| Reply::ok()).await);
    let outbox = Memory::new();
    let moments = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::new(Mutex::new(0));
    let seen = (
        Arc::clone(&moments),
        Arc::clone(&told),
        Arc::clone(&am),
        Arc::clone(&hook),
    );
    outbox.watch(move |kept| {
        let (moments, told, am, hook) = &seen;
        moments.lock().push(Moment {
            kept: kept.clone(),
            told: *told.lock(),
            received: (am.log(), hook.log()),
        });
    });
    let notifier = start(
        [alertmanager("am", am.url()), webhook("hook", hook.url())],
        &outbox,
    );
    notifier.restored(Vec::new());
    for step in history {
        tell(&notifier, step.clone());
        *told.lock() += 1;
        settled(&notifier).await;
    }
    outbox.watch(|_| ());
    moments.lock().clone()
}

fn answer(asked: &Asked) -> Reply {
    Reply::Json(
        200,
        if asked.method == "GET" {
            "[]".into()
        } else {
            String::new()
        },
    )
}

/// The events by what they are about, with their ids.
fn events(log: &[Asked]) -> BTreeMap<(String, String), BTreeSet<String>> {
    let mut events: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for event in log.iter().map(Asked::json) {
        let text = |key: &str| event[key].as_str().unwrap().to_owned();
        events
            .entry((text("type"), text("subject")))
            .or_default()
            .insert(text("id"));
    }
    events
}

/// What an Alertmanager believes at last of each alert it was ever told of: by its labels and start, its end.
fn believes(log: &[Asked]) -> BTreeMap<(String, String), i64> {
    let mut all = BTreeMap::new();
    for alert in log
        .iter()
        .filter(|asked| asked.is_alerts())
        .flat_map(Asked::alerts)
    {
        let end: jiff::Timestamp = alert["endsAt"].as_str().unwrap().parse().unwrap();
        let key = (alert["labels"].to_string(), alert["startsAt"].to_string());
        all.insert(key, end.as_millisecond());
    }
    all
}

/// The life after: all of it is told, with what was told before the end.
async fn goes_on(moment: &Moment, history: &[Vec<Alert>]) -> (Vec<Asked>, Vec<Asked>) {
    let am = Server::start(answer).await;
    let hook = Server::start(|_| Reply::ok()).await;
    let outbox = Memory::with(moment.kept.clone());
    let notifier = start(
        [alertmanager("am", am.url()), webhook("hook", hook.url())],
        &outbox,
    );
    notifier.restored(fires(&history[..moment.told]));
    for step in &history[moment.told..] {
        tell(&notifier, step.clone());
    }
    tokio::time::sleep(5 * MS).await;
    settled(&notifier).await;
    am.until_is("anything", |log| log.iter().any(Asked::is_alerts))
        .await;
    assert!(outbox.kept().is_empty());
    let together = |mut before: Vec<Asked>, after: Vec<Asked>| {
        before.extend(after);
        before
    };
    let (to_am, to_hook) = moment.received.clone();
    (together(to_am, am.log()), together(to_hook, hook.log()))
}

#[tokio::test]
async fn whenever_it_dies_all_is_told_at_least_once_and_as_the_same() {
    let history = history();
    let moments = live(&history).await;
    assert!(moments.len() >= 20, "{}", moments.len());
    let expected: BTreeSet<(String, String)> = [
        ("dev.ward.alert.firing", "bank"),
        ("dev.ward.alert.firing", "shop"),
        ("dev.ward.alert.firing", "cart"),
        ("dev.ward.alert.resolved", "bank"),
        ("dev.ward.alert.resolved", "shop"),
    ]
    .map(|(kind, subject)| (kind.to_owned(), subject.to_owned()))
    .into();
    for (at, moment) in moments.iter().enumerate() {
        let (to_am, to_hook) = goes_on(moment, &history).await;
        let events = events(&to_hook);
        assert_eq!(
            events.keys().cloned().collect::<BTreeSet<_>>(),
            expected,
            "at {at}"
        );
        assert!(events.values().all(|ids| ids.len() == 1), "at {at}: {events:?}");
        let believes = believes(&to_am);
        let over: Vec<bool> = believes.values().map(|end| *end <= now().0).collect();
        let shown: Vec<&String> = believes.keys().map(|(labels, _)| labels).collect();
        // bank and shop are over; cart and the sign of life go on. None is there twice under another start.
        assert_eq!(believes.len(), 4, "at {at}: {shown:?}");
        assert_eq!(over.iter().filter(|over| **over).count(), 2, "at {at}: {shown:?}");
    }
}

#[tokio::test]
async fn what_was_owed_as_firing_and_fires_no_more_is_told_as_resolved() {
    let outbox = Memory::new();
    let before = start([webhook("hook", "http://127.0.0.1:9".into())], &outbox);
    tell(
        &before,
        vec![
            firing("bank", "ServiceUnhealthy", now()),
            firing("shop", "CpuHigh", now()),
        ],
    );
    let shop = fires(&[vec![firing("shop", "CpuHigh", now())]]);
    drop(before);
    let kept = outbox.kept();
    assert_eq!(kept.len(), 2);
    // Which of the two is known first makes no difference.
    for slow in [Duration::ZERO, 50 * MS] {
        let server = Server::start(|_| Reply::ok()).await;
        let mut to = config([webhook("hook", server.url())]);
        to.labels.insert("region".into(), "eu".into());
        let outbox = Memory::with(kept.clone());
        let after = Notifier::start_with(to, outbox as _, ward_chassis::Clock::start(), quick());
        tokio::time::sleep(slow).await;
        let mut fires_on = shop.clone();
        // As it was told.
        let body = kept.values().find(|body| body.contains("CpuHigh")).unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        fires_on[0].fired = Some(ward_model::Wall(body["alert"]["fired"].as_i64().unwrap()));
        after.restored(fires_on);
        let ends = |log: &[Asked]| {
            events(log)
                .keys()
                .map(|(kind, subject)| format!("{kind} {subject}"))
                .collect::<Vec<_>>()
        };
        server
            .until_is("the end of bank", |log| {
                ends(log)
                    == [
                        "dev.ward.alert.firing bank",
                        "dev.ward.alert.firing shop",
                        "dev.ward.alert.resolved bank",
                    ]
            })
            .await;
        // What ends is what began, with whatever labels others get now.
        let labels = |at: usize| server.log()[at].json()["data"]["labels"].clone();
        assert_eq!(labels(2), labels(0));
    }
}

#[tokio::test]
async fn an_outbox_that_lost_all_is_told_it_anew() {
    let outbox = Memory::new();
    let notifier = start([webhook("hook", "http://127.0.0.1:9".into())], &outbox);
    tell(
        &notifier,
        vec![
            firing("bank", "ServiceUnhealthy", now()),
            firing("shop", "CpuHigh", now()),
        ],
    );
    let kept = outbox.kept();
    assert_eq!(kept.len(), 2);
    outbox.lose();
    assert!(outbox.kept().is_empty());
    notifier.keep_again();
    assert_eq!(outbox.kept(), kept);
}

#[tokio::test]
async fn what_nobody_can_read_and_what_is_owed_to_nobody_is_forgotten() {
    let server = Server::start(|_| Reply::ok()).await;
    let first = Memory::new();
    let before = start([webhook("gone", "http://127.0.0.1:9".into())], &first);
    tell(&before, vec![firing("bank", "ServiceUnhealthy", now())]);
    drop(before);
    let mut kept = first.kept();
    kept.insert("hook nonsense".into(), "{\"receiver\":\"hook\"}".into());
    let outbox = Memory::with(kept);
    let after = start([webhook("hook", server.url())], &outbox);
    after.restored(Vec::new());
    let forgotten = async {
        while !outbox.kept().is_empty() {
            tokio::time::sleep(MS).await;
        }
    };
    tokio::time::timeout(SOON, forgotten).await.unwrap();
    assert!(server.log().is_empty());
}
