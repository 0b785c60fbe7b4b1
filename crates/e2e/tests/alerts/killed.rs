//! kill -9 of Ward, and a restart on the same data: nothing fires twice as something new, and what is owed arrives.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::time::Instant;

use crate::scene::{Scene, breaks, mends};

/// What an alert is to who receives it.
fn identity(alert: &Value) -> (&Value, &Value, &Value) {
    (&alert["fingerprint"], &alert["startsAt"], &alert["labels"])
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fires_is_the_same_after_kill_9_and_is_resolved() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    let bank = scene.service("bank", &[]).await;
    let _payments = scene.service("payments", &["bank"]).await;
    breaks(&bank, "the ledger is gone");
    scene.people.page("people", "firing bank").await;
    let before = scene.alertmanager.alert("bank").await;
    let own = scene.until("bank", "ServiceUnhealthy", "firing").await;
    scene.until("payments", "ServiceUnhealthy", "suppressed").await;

    scene.ward.kill();
    scene.ward.start_again();
    // Alertmanager would keep the earlier of two starts.
    let same = scene.until("bank", "ServiceUnhealthy", "firing").await;
    assert_eq!(same["fired"], own["fired"], "it fires on");
    let told_again = |listed: &[Value]| {
        let bank = listed.iter().find(|alert| alert["labels"]["service"] == "bank");
        bank.is_some_and(|bank| bank["updatedAt"] != before["updatedAt"])
    };
    let listed = scene.alertmanager.until("alerts", told_again).await;
    let about = |alert: &&Value| alert["labels"]["service"].is_string();
    let after: Vec<_> = listed.iter().filter(about).map(identity).collect();
    assert_eq!(after, [identity(&before)], "the same, and nobody else's");

    scene.until("payments", "ServiceUnhealthy", "suppressed").await;
    mends(&bank);
    scene.people.page("people", "resolved bank").await;
    assert_eq!(scene.people.titles("people"), ["firing bank", "resolved bank"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pending_at_kill_9_fires_once() {
    let Some(mut scene) = Scene::set_with("4s", "").await else {
        return;
    };
    let bank = scene.service("bank", &[]).await;
    breaks(&bank, "the ledger is gone");
    scene.until("bank", "ServiceUnhealthy", "pending").await;
    scene.ward.kill();
    scene.ward.start_again();
    scene.people.page("people", "firing bank").await;
    mends(&bank);
    scene.people.page("people", "resolved bank").await;
    assert_eq!(scene.people.titles("people"), ["firing bank", "resolved bank"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_at_kill_9_arrives_once_both_are_back() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    let bank = scene.service("bank", &[]).await;
    let mail = scene.service("mail", &[]).await;
    breaks(&mail, "the queue is full");
    scene.people.page("people", "firing mail").await;

    // A firing and a resolution are owed.
    scene.alertmanager.end(Signal::SIGTERM);
    breaks(&bank, "the ledger is gone");
    mends(&mail);
    let owed = scene.until("bank", "ServiceUnhealthy", "firing").await;
    scene.until("mail", "ServiceUnhealthy", "resolved").await;
    // What is shown is owed, and on disk a moment later.
    scene.until_written().await;
    scene.ward.kill();
    scene.alertmanager.start_again();
    scene.ward.start_again();
    scene.people.page("people", "firing bank").await;
    scene.people.page("people", "resolved mail").await;
    let arrived = scene.alertmanager.alert("bank").await;
    let moment = |text: &Value| text.as_str().unwrap()[..19].to_owned();
    assert_eq!(
        moment(&arrived["startsAt"]),
        moment(&owed["fired"]),
        "as it was owed"
    );
    mends(&bank);
    scene.people.page("people", "resolved bank").await;
    let mut told = scene.people.titles("people");
    told.sort();
    assert_eq!(
        told,
        ["firing bank", "firing mail", "resolved bank", "resolved mail"]
    );
}

/// At any moment between the first word and the resolution, wherever that falls in a delivery.
#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_pages_once_and_resolves_once() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    let bank = scene.service("bank", &[]).await;
    breaks(&bank, "the ledger is gone");
    for round in 0..5 {
        tokio::time::sleep(Duration::from_millis(300 + 457 * round)).await;
        scene.ward.kill();
        scene.ward.start_again();
    }
    scene.people.page("people", "firing bank").await;
    mends(&bank);
    tokio::time::sleep(Duration::from_millis(700)).await;
    scene.ward.kill();
    scene.ward.start_again();
    scene.people.page("people", "resolved bank").await;
    scene.until("bank", "ServiceUnhealthy", "resolved").await;
    assert_eq!(scene.people.titles("people"), ["firing bank", "resolved bank"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fires_and_what_is_over_is_shown_from_the_start() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    let bank = scene.service("bank", &[]).await;
    breaks(&bank, "the ledger is gone");
    scene.people.page("people", "firing bank").await;
    mends(&bank);
    scene.people.page("people", "resolved bank").await;
    scene.ward.kill();
    scene.ward.start_again();
    let restarted = Instant::now();
    scene.until("bank", "ServiceUnhealthy", "resolved").await;
    let alerts = scene.alerts().await.unwrap();
    assert!(
        alerts.iter().any(|alert| alert["rule"] == "Watchdog"),
        "{alerts:#?}"
    );
    let took = restarted.elapsed();
    assert!(
        took < Duration::from_secs(20),
        "not only with what is said each minute: {took:?}"
    );
}
