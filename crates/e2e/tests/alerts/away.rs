//! An Alertmanager that is stopped, killed, away for a while, or comes back with nothing of what it knew; and two of them, of
//! which one is dead.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::time::{Instant, timeout};
use ward_model::{Entity, EntityKey, Name, Status};
use ward_sdk::{Reporter, watch::Watcher};

use crate::{
    alertmanager::{self, Alertmanager},
    people::{PATIENCE, People},
    scene::{Scene, breaks, mends},
};

/// Less than a verdict would take that waited for an Alertmanager which does not answer, or for a page that waits for the
/// store.
pub(crate) const CADENCE: Duration = Duration::from_secs(4);
/// Verdicts that are watched.
const VERDICTS: usize = 20;

/// The longest that a watcher waits to be told how `service` is, of so many verdicts.
pub(crate) async fn slowest_verdict(scene: &Scene, name: &str, service: &Reporter) -> Duration {
    let mut watcher = Watcher::builder(scene.ward.grpc.to_string()).start().unwrap();
    let key = EntityKey::Service(Name::service(name).unwrap());
    let mut slowest = Duration::ZERO;
    // One round more, until the first snapshot is there.
    for round in 0..=VERDICTS {
        let status = [Status::Degraded, Status::Healthy][round % 2];
        let said = Instant::now();
        service.set_status(status, "to see how long that takes");
        let told = async {
            let is = |watcher: &Watcher| matches!(watcher.state().get(&key), Some(Entity::Service(state)) if state.condition.status == status);
            while !is(&watcher) {
                watcher.next().await;
            }
        };
        timeout(PATIENCE, told).await.expect("the watcher is told");
        if round > 0 {
            slowest = slowest.max(said.elapsed());
        }
    }
    println!("{name}: the slowest of {VERDICTS} verdicts took {slowest:?}");
    slowest
}

/// Of the alert about a service.
fn has(service: &'static str) -> impl Fn(&[Value]) -> bool {
    move |listed| listed.iter().any(|alert| alert["labels"]["service"] == service)
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_is_stopped_verdicts_go_on_and_it_is_told_when_it_wakes() {
    let Some(scene) = Scene::set().await else { return };
    let bank = scene.service("bank", &[]).await;
    let pulse = scene.service("pulse", &[]).await;
    scene.alertmanager.signal(Signal::SIGSTOP);
    breaks(&bank, "the ledger is gone");
    let owed = scene.until("bank", "ServiceUnhealthy", "firing").await;
    let slowest = slowest_verdict(&scene, "pulse", &pulse).await;
    assert!(slowest < CADENCE, "{slowest:?}");
    mends(&pulse);
    scene.alertmanager.signal(Signal::SIGCONT);
    let page = scene.people.page("people", "firing bank").await;
    let summary = owed["annotations"]["summary"].as_str().unwrap();
    assert!(page.text.contains(summary), "{page:?}");
    mends(&bank);
    scene.people.page("people", "resolved bank").await;
    assert_eq!(scene.people.titles("people"), ["firing bank", "resolved bank"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_lost_its_state_is_told_of_silences_and_alerts_again() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    let bank = scene.service("bank", &[]).await;
    let mail = scene.service("mail", &[]).await;
    breaks(&bank, "the ledger is gone");
    scene.people.page("people", "firing bank").await;
    let before = scene.alertmanager.alert("bank").await;
    scene.command(&["ack", "bank", "--why", "on it", "--by", "ann"]);
    let active = |listed: &[Value]| {
        listed
            .iter()
            .any(|silence| silence["status"]["state"] == "active")
    };
    scene.alertmanager.until("silences", active).await;

    scene.alertmanager.end(Signal::SIGKILL);
    // Something that it misses, or nobody would notice before the next minute.
    breaks(&mail, "the queue is full");
    scene.until("mail", "ServiceUnhealthy", "firing").await;
    scene.alertmanager.start_empty();
    scene.alertmanager.until("alerts", has("bank")).await;
    scene.alertmanager.until("silences", active).await;
    let after = scene.alertmanager.alert("bank").await;
    assert_eq!(after["startsAt"], before["startsAt"]);
    scene.people.page("people", "firing mail").await;
    let silent = |listed: &[Value]| {
        let bank = listed.iter().find(|alert| alert["labels"]["service"] == "bank");
        bank.is_some_and(|bank| bank["status"]["state"] == "suppressed")
    };
    scene.alertmanager.until("alerts", silent).await;
    assert_eq!(
        scene.people.titles("people"),
        ["firing bank", "firing mail"],
        "the bank is being worked on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fired_and_was_resolved_while_it_was_away_is_told_as_resolved() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    let bank = scene.service("bank", &[]).await;
    let mail = scene.service("mail", &[]).await;
    scene.alertmanager.end(Signal::SIGTERM);
    breaks(&bank, "the ledger is gone");
    scene.until("bank", "ServiceUnhealthy", "firing").await;
    mends(&bank);
    scene.until("bank", "ServiceUnhealthy", "resolved").await;
    scene.alertmanager.start_again();
    let received = "alertmanager_alerts_received_total{status=\"resolved\",version=\"v2\"}";
    let end = Instant::now() + PATIENCE;
    while scene.alertmanager.metric(received).await.unwrap_or_default() < 1.0 {
        assert!(Instant::now() < end, "the resolution does not come");
        tokio::time::sleep(crate::people::GLANCE).await;
    }
    // It is over: a page would be about nothing.
    breaks(&mail, "the queue is full");
    scene.people.page("people", "firing mail").await;
    assert_eq!(scene.people.titles("people"), ["firing mail"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_one_that_is_dead_or_hangs_delays_neither_the_other_nor_verdicts() {
    let Some(mut scene) = Scene::set().await else {
        return;
    };
    let Some(program) = alertmanager::program() else {
        return;
    };
    let others = People::come().await;
    let other = Alertmanager::start(program, &others);
    scene.tell_also(&other, "1s");
    other.until("alerts", |listed| !listed.is_empty()).await;
    let bank = scene.service("bank", &[]).await;
    let mail = scene.service("mail", &[]).await;
    let pulse = scene.service("pulse", &[]).await;

    scene.alertmanager.signal(Signal::SIGSTOP);
    breaks(&bank, "the ledger is gone");
    at_once(&scene, &other, "bank").await;
    assert!(slowest_verdict(&scene, "pulse", &pulse).await < CADENCE);
    scene.alertmanager.signal(Signal::SIGCONT);
    scene.people.page("people", "firing bank").await;

    scene.alertmanager.end(Signal::SIGTERM);
    breaks(&mail, "the queue is full");
    at_once(&scene, &other, "mail").await;
    assert!(slowest_verdict(&scene, "pulse", &pulse).await < CADENCE);
    scene.alertmanager.start_again();
    scene.people.page("people", "firing mail").await;
    others.page("people", "firing mail").await;
    for people in [&scene.people, &others] {
        assert_eq!(people.titles("people"), ["firing bank", "firing mail"]);
    }
}

/// The alert about that service is at an Alertmanager before one that hangs could have been given up.
async fn at_once(scene: &Scene, alertmanager: &Alertmanager, service: &'static str) {
    scene.until(service, "ServiceUnhealthy", "firing").await;
    let fired = Instant::now();
    alertmanager.until("alerts", has(service)).await;
    let took = fired.elapsed();
    println!("{service}: the other one was told {took:?} after it fired");
    assert!(took < CADENCE, "{took:?}");
}
