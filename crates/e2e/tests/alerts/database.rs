//! The store is away: on a disk that is full, or behind a database that stands still. A page does not wait for it for long.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    alertmanager::{self, Alertmanager},
    away::{CADENCE, slowest_verdict},
    outside::not_run,
    people::People,
    postgres::Postgres,
    scene::{Scene, breaks, mends},
    small::Small,
};

/// Within this a page leaves that waits for nothing but its `for`, and a moment for the disk.
const SOON: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_pages_and_resolutions_arrive() {
    let Some(program) = alertmanager::program() else {
        return;
    };
    let Some(small) = Small::mount() else {
        return not_run("alerts on a full disk", "file system of our own to be had");
    };
    let people = People::come().await;
    let alertmanager = Alertmanager::start(program, &people);
    let scene = Scene::around(people, alertmanager, "1s", "", &small.path());
    let bank = scene.service("bank", &[]).await;
    let pulse = scene.service("pulse", &[]).await;
    small.fill();
    let broke = Instant::now();
    breaks(&bank, "the ledger is gone");
    scene.people.page("people", "firing bank").await;
    let took = broke.elapsed();
    println!("on a full disk: a page after {took:?}");
    assert!(took < SOON, "{took:?}");
    assert!(slowest_verdict(&scene, "pulse", &pulse).await < CADENCE);
    mends(&bank);
    scene.people.page("people", "resolved bank").await;
    assert_eq!(scene.people.titles("people"), ["firing bank", "resolved bank"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_database_that_stands_still_pages_and_resolutions_arrive() {
    let Some(program) = alertmanager::program() else {
        return;
    };
    let Some(postgres) = Postgres::start().await else {
        return not_run(
            "alerts behind PostgreSQL",
            "postgres on PATH or in the folder $PG_BIN",
        );
    };
    let people = People::come().await;
    let alertmanager = Alertmanager::start(program, &people);
    let folder = std::env::temp_dir();
    let mut scene = Scene::around(people, alertmanager, "1s", &postgres.settings(), &folder);
    let bank = scene.service("bank", &[]).await;
    let mail = scene.service("mail", &[]).await;
    let pulse = scene.service("pulse", &[]).await;
    breaks(&bank, "the ledger is gone");
    scene.people.page("people", "firing bank").await;
    postgres.freeze();
    assert!(slowest_verdict(&scene, "pulse", &pulse).await < CADENCE);
    let broke = Instant::now();
    breaks(&mail, "the queue is full");
    mends(&bank);
    scene.people.page("people", "firing mail").await;
    let took = broke.elapsed();
    println!("behind a database that stands still: a page after {took:?}");
    assert!(took < SOON, "{took:?}");
    scene.people.page("people", "resolved bank").await;

    // What it could not be told, it is told once it answers; and from there a restart goes on.
    postgres.thaw();
    scene.until_written().await;
    let before = scene.alertmanager.alert("mail").await;
    scene.ward.kill();
    scene.ward.start_again();
    let same = |listed: &[serde_json::Value]| {
        let mail = listed.iter().find(|alert| alert["labels"]["service"] == "mail");
        mail.is_some_and(|mail| mail["updatedAt"] != before["updatedAt"])
    };
    scene.alertmanager.until("alerts", same).await;
    let after = scene.alertmanager.alert("mail").await;
    assert_eq!(after["startsAt"], before["startsAt"]);
    let told = ["firing bank", "firing mail", "resolved bank"];
    let mut titles = scene.people.titles("people");
    titles.sort();
    assert_eq!(titles, told);
}
