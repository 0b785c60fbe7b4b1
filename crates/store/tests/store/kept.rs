//! What is kept by key: the last word of each, through outages, other databases, and backups.

use std::time::Duration;

use ward_model::{Status, Wall};
use ward_store::{Kept, Record, Store, Write, restore};

use super::{
    history::{history, now},
    known::instances,
    over_both,
    place::{Home, until, written},
    recorded::{lately, record, recorded},
};

over_both!(
    the_last_word_of_each_is_kept,
    a_restored_backup_tells_nobody,
    what_version_1_kept_is_there_and_what_is_new_is_as_well,
    a_backup_of_version_1_comes_back,
    a_key_that_a_database_refuses_takes_nothing_with_it,
);

pub(crate) fn keep(kind: Kept, key: &str, body: Option<&str>) -> Write {
    let (key, body) = (key.to_owned(), body.map(str::to_owned));
    Write::Keep { kind, key, body }
}

async fn kept(store: &Store, kind: Kept) -> Vec<(String, String)> {
    store.kept(kind).await.unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(key, body): &(&str, &str)| ((*key).to_owned(), (*body).to_owned());
    pairs.iter().map(owned).collect()
}

async fn the_last_word_of_each_is_kept(home: Home) {
    let store = home.open();
    for round in 0..200 {
        store.put(keep(Kept::Alert, "b", Some(&format!("{{\"n\":{round}}}"))));
        store.put(keep(Kept::Alert, "B/\u{e9}", Some("")));
        store.put(keep(Kept::Owed, "b", Some("another kind")));
        store.put(keep(Kept::Alert, "gone", Some("there")));
        store.put(keep(Kept::Alert, "gone", None));
        store.put(keep(Kept::Owed, "back", None));
        store.put(keep(Kept::Owed, "back", Some("again")));
    }
    assert!(store.standing().queued <= 10, "{:?}", store.standing());
    written(&store).await;
    // In the order of bytes, in either database.
    let alerts = pairs(&[("B/\u{e9}", ""), ("b", "{\"n\":199}")]);
    assert_eq!(kept(&store, Kept::Alert).await, alerts);
    let owed = pairs(&[("b", "another kind"), ("back", "again")]);
    assert_eq!(kept(&store, Kept::Owed).await, owed);
    assert!(kept(&store, Kept::Acknowledgement).await.is_empty());
    store.put(keep(Kept::Alert, "b", None));
    store.put(keep(Kept::Acknowledgement, "web", Some("ann")));
    // Without a wait in between: stopping writes what waits.
    assert_eq!(store.stop(Duration::from_secs(10)).await, 0);
    let store = home.open();
    written(&store).await;
    assert_eq!(kept(&store, Kept::Alert).await, pairs(&[("B/\u{e9}", "")]));
    assert_eq!(kept(&store, Kept::Owed).await, owed);
    assert_eq!(
        kept(&store, Kept::Acknowledgement).await,
        pairs(&[("web", "ann")])
    );
}

#[tokio::test]
async fn the_last_word_counts_when_a_server_was_frozen_and_killed() {
    let Some(mut home) = Home::postgres().await else {
        return;
    };
    let store = home.open();
    for round in 0..30 {
        match (round, &mut home) {
            (10, Home::Postgres(server)) => server.running.as_ref().unwrap().freeze(),
            (20, Home::Postgres(server)) => {
                until("it is down", async || {
                    store.standing().state != ward_store::State::Up
                })
                .await;
                // Killed, without a word to anybody.
                drop(server.running.take());
                server.run();
            }
            _ => {}
        }
        store.put(keep(Kept::Alert, "a", Some(&round.to_string())));
        store.put(keep(Kept::Alert, &round.to_string(), Some("x")));
        store.put(keep(Kept::Alert, &(round - 1).to_string(), None));
        store.put(record(now(), None, &round.to_string()));
        if round < 10 {
            assert!(store.durable(Duration::from_secs(60)).await);
        }
    }
    assert!(store.durable(Duration::from_secs(60)).await);
    assert_eq!(
        kept(&store, Kept::Alert).await,
        pairs(&[("29", "x"), ("a", "29")])
    );
    let seen: Vec<_> = recorded(&store, 0, i64::MAX).await;
    let bodies: Vec<_> = seen.iter().map(|record| record.body.clone()).collect();
    let all: Vec<_> = (0..30).map(|round: i32| round.to_string()).collect();
    assert_eq!(bodies, all, "each once, in order");
    let standing = store.standing();
    assert_eq!(
        (standing.left_out, standing.recorded_dropped, standing.resend),
        (0, 0, 0)
    );
}

#[tokio::test]
async fn another_database_keeps_only_what_is_put_anew() {
    let Some(home) = Home::postgres().await else {
        return;
    };
    let store = home.open();
    store.put(keep(Kept::Owed, "old", Some("x")));
    written(&store).await;
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ward'";
    home.behind(&format!("DELETE FROM life; {others}")).await;
    store.put(keep(Kept::Owed, "new", Some("y")));
    until("all is asked for", async || store.standing().resend == 1).await;
    written(&store).await;
    assert_eq!(kept(&store, Kept::Owed).await, pairs(&[("new", "y")]));
}

/// A page of last week would wake somebody for what is long over, and so would an alert: what fires is told again.
async fn a_restored_backup_tells_nobody(home: Home) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let store = home.open();
    store.put(keep(Kept::Alert, "a", Some("fires")));
    store.put(keep(Kept::Owed, "a", Some("a page")));
    store.put(keep(Kept::Acknowledgement, "web", Some("ann")));
    store.put(record(lately(), Some("web"), "seen"));
    written(&store).await;
    store.backup_to(file.clone()).await.unwrap();
    assert_eq!(store.stop(Duration::from_secs(10)).await, 0);
    let raw = rusqlite::Connection::open(&file).unwrap();
    let rows: i64 = raw
        .query_row("SELECT count(*) FROM kept", [], |row| row.get(0))
        .unwrap();
    assert_eq!(rows, 3, "the backup has it");
    drop(raw);
    let others = [Home::sqlite().await, Home::postgres().await];
    for other in std::iter::once(home).chain(others.into_iter().flatten()) {
        let (place, from) = (other.place(), file.clone());
        restored(&from, &place).await;
        let store = other.open();
        written(&store).await;
        assert!(kept(&store, Kept::Alert).await.is_empty());
        assert!(kept(&store, Kept::Owed).await.is_empty());
        assert_eq!(
            kept(&store, Kept::Acknowledgement).await,
            pairs(&[("web", "ann")])
        );
        assert_eq!(recorded(&store, 0, i64::MAX).await.len(), 1);
    }
}

/// The last handle is dropped, and its threads end in a moment.
async fn restored(from: &std::path::Path, place: &ward_store::Place) {
    until("nobody writes to it", async || {
        let (from, place) = (from.to_owned(), place.clone());
        let done = tokio::task::spawn_blocking(move || restore(&from, &place, |_| {})).await;
        match done.unwrap() {
            Ok(()) => true,
            Err(error) => {
                assert!(error.to_string().contains("another aggregator writes"), "{error}");
                false
            }
        }
    })
    .await;
}

const SQLITE_1: &str = include_str!("version_1/sqlite.sql");
const POSTGRES_1: &str = include_str!("version_1/postgres.sql");
const DATA_1: &str = include_str!("version_1/data.sql");

/// As Ward of version 1 left it, somewhere in the year 2099.
async fn older(home: &Home) {
    match home {
        Home::Sqlite(folder) => older_file(&folder.path().join("ward.db")),
        Home::Postgres(server) => {
            let version = "CREATE SCHEMA ward; SET search_path = ward;
                CREATE TABLE version (version BIGINT NOT NULL); INSERT INTO version VALUES (1);";
            let ids = "SELECT setval(pg_get_serial_sequence('subject', 'id'), 3)";
            server
                .run_sql(&format!("{version} {POSTGRES_1} {DATA_1} {ids}"))
                .await;
        }
    }
}

fn older_file(path: &std::path::Path) {
    let raw = rusqlite::Connection::open(path).unwrap();
    let marks = "PRAGMA journal_mode = WAL; PRAGMA application_id = 0x57617264; PRAGMA user_version = 1;";
    raw.execute_batch(&format!("{marks} {SQLITE_1} {DATA_1}"))
        .unwrap();
}

/// What was there before, and what has come with version 2.
async fn old_and_new(home: &Home) {
    let store = home.open();
    written(&store).await;
    let services = store.services().await.unwrap();
    assert_eq!(
        (services[0].name.as_str(), services[0].status, services.len()),
        ("web", Status::Unhealthy, 1)
    );
    let windows = store.maintenance().await.unwrap();
    assert_eq!((windows[0].service.as_str(), windows[0].start), ("bank", Wall(7)));
    assert!(instances(&store).await.is_empty());
    assert_eq!(store.last_alive().await, Ok(Some(Wall(4_102_444_800_000))));
    assert_eq!(home.number("SELECT count(*) FROM transition").await, 1);
    assert_eq!(home.number("SELECT max(healthy_ms) FROM day").await, 86_400_000);
    assert!(kept(&store, Kept::Alert).await.is_empty() && recorded(&store, 0, i64::MAX).await.is_empty());
    store.put(keep(Kept::Alert, "a", Some("x")));
    store.put(record(lately(), Some("web"), "old name"));
    store.put(record(now(), Some("new"), "new name"));
    written(&store).await;
    assert_eq!(kept(&store, Kept::Alert).await, pairs(&[("a", "x")]));
    let names: Vec<_> = recorded(&store, 0, i64::MAX)
        .await
        .into_iter()
        .map(|seen: Record| seen.subject)
        .collect();
    let names: Vec<_> = names.iter().flatten().map(|name| name.as_str()).collect();
    assert_eq!(names, ["web", "new"]);
    assert!(history(&store, Some("nobody")).await.spans.is_empty());
}

async fn what_version_1_kept_is_there_and_what_is_new_is_as_well(home: Home) {
    older(&home).await;
    old_and_new(&home).await;
    let version = match &home {
        Home::Sqlite(_) => "SELECT user_version FROM pragma_user_version",
        Home::Postgres(_) => "SELECT version FROM version",
    };
    assert_eq!(home.number(version).await, 2);
}

async fn a_backup_of_version_1_comes_back(home: Home) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    older_file(&file);
    let store = home.open();
    store.put(keep(Kept::Owed, "later", Some("x")));
    written(&store).await;
    assert_eq!(store.stop(Duration::from_secs(10)).await, 0);
    drop(store);
    restored(&file, &home.place()).await;
    old_and_new(&home).await;
}

/// Longer than an index of PostgreSQL takes, and of nothing that could be made shorter.
async fn a_key_that_a_database_refuses_takes_nothing_with_it(home: Home) {
    let store = home.open();
    let mut state = 1_u64;
    let long: String = (0..20_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + (state >> 58) as u8)
        })
        .collect();
    store.put(keep(Kept::Owed, &long, Some("x")));
    store.put(keep(Kept::Owed, "short", Some("x")));
    assert!(store.durable(Duration::from_secs(60)).await);
    let refused = matches!(home, Home::Postgres(_)) as u64;
    assert_eq!(store.standing().left_out, refused, "{:?}", store.standing());
    let kept = kept(&store, Kept::Owed).await;
    assert!(kept.contains(&("short".to_owned(), "x".to_owned())));
    assert_eq!(kept.len() as u64, 2 - refused);
}
