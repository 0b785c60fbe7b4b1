//! Backups: of one moment, checked, taken while the store is written, and restored into either kind of database.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
};

use ward_chassis::Clock;
use ward_model::{Name, Status, Wall};
use ward_store::{BackupError, Config, Place, Retention, Store, Write, backup, holds_anything, restore};

use super::{
    history::{history, now, transition},
    known::{instance, instances, service, window},
    over_both,
    place::{Home, until, written},
};

over_both!(
    a_backup_comes_back_in_either_database,
    what_is_there_is_not_overwritten,
    whether_anything_is_kept_is_known_before_it_is_replaced
);

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn fill(store: &Store) {
    let now = now();
    for revision in 1..3_000_u64 {
        let status = Status::ALL[revision as usize % 4];
        store.put(transition(
            Some("web"),
            now - 10_000 + revision.cast_signed(),
            revision,
            status,
        ));
    }
    for number in 0..6_000 {
        store.put(Write::Instance(instance("web", number, Status::Degraded)));
    }
    store.put(Write::Service(service("web", Status::Degraded)));
    store.put(Write::Maintenance(window("bank", None)));
}

async fn a_backup_comes_back_in_either_database(home: Home) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let store = home.open();
    fill(&store);
    written(&store).await;
    let before = (
        instances(&store).await,
        store.services().await,
        store.maintenance().await,
    );
    let was = store
        .history(
            Some(Name::service("web").unwrap()),
            Wall(0),
            Wall(now() - 6_000),
            50_000,
        )
        .await
        .unwrap();
    store.backup_to(file.clone()).await.unwrap();
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );

    // What comes later is not in it.
    store.put(Write::InstanceGone(instance("web", 7, Status::Healthy).id));
    store.put(transition(Some("later"), now(), 1, Status::Healthy));
    written(&store).await;
    drop(store);
    let others = [Home::sqlite().await, Home::postgres().await];
    for other in std::iter::once(home).chain(others.into_iter().flatten()) {
        let (place, from) = (other.place(), file.clone());
        // The last handle is dropped, and its threads end in a moment.
        until("nobody writes to it", async || {
            let (place, from) = (place.clone(), from.clone());
            let told = std::sync::Arc::new(AtomicBool::new(false));
            let seen = std::sync::Arc::clone(&told);
            let restored = blocking(move || {
                restore(&from, &place, |progress| {
                    seen.fetch_or(progress.done == progress.all, Ordering::Relaxed);
                })
            });
            match restored.await {
                Ok(()) => {
                    assert!(told.load(Ordering::Relaxed), "it is told when all is done");
                    true
                }
                Err(error) => {
                    assert!(error.to_string().contains("another aggregator writes"), "{error}");
                    false
                }
            }
        })
        .await;
        let store = other.open();
        written(&store).await;
        let after = (
            instances(&store).await,
            store.services().await,
            store.maintenance().await,
        );
        assert!(before == after);
        let name = Some(Name::service("web").unwrap());
        let is = store.history(name, was.since, was.until, 50_000).await.unwrap();
        assert_eq!(is.spans[..is.spans.len() - 1], was.spans[..was.spans.len() - 1]);
        assert!(history(&store, Some("later")).await.spans.is_empty());
        // Ids of new names are behind those that were restored.
        store.put(transition(Some("new"), now(), 1, Status::Healthy));
        written(&store).await;
        assert_eq!(history(&store, Some("new")).await.spans.len(), 1);
    }
}

async fn whether_anything_is_kept_is_known_before_it_is_replaced(home: Home) {
    let holds = async || {
        let place = home.place();
        blocking(move || holds_anything(&place)).await.unwrap()
    };
    assert!(!holds().await, "nobody has used it");
    assert!(!holds().await, "and asking leaves nothing there");
    let store = home.open();
    store.put(transition(Some("web"), now(), 1, Status::Healthy));
    written(&store).await;
    drop(store);
    assert!(holds().await);
}

async fn what_is_there_is_not_overwritten(home: Home) {
    let folder = tempfile::tempdir().unwrap();
    let store = home.open();
    written(&store).await;
    let file = folder.path().join("there");
    fs::write(&file, "mine").unwrap();
    let refused = store.backup_to(file.clone()).await.unwrap_err();
    assert!(matches!(refused, BackupError::Exists(_)), "{refused}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let nowhere = folder.path().join("no/where");
    assert!(matches!(
        store.backup_to(nowhere).await,
        Err(BackupError::Io { .. })
    ));

    // What is no backup replaces nothing.
    store.put(transition(None, now(), 1, Status::Healthy));
    written(&store).await;
    let place = home.place();
    let refused = blocking(move || restore(&file, &place, |_| {}))
        .await
        .unwrap_err();
    assert!(matches!(refused, BackupError::Open(_)), "{refused}");
    assert_eq!(history(&store, None).await.spans.len(), 1);
}

#[tokio::test]
async fn a_backup_under_writes_is_one_moment_and_does_not_hold_them_up() {
    let home = Home::sqlite().await.unwrap();
    let store = home.open();
    fill(&store);
    written(&store).await;
    let writing = AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut revision = 10_000;
            while writing.load(Ordering::Relaxed) {
                revision += 1;
                // Both in one batch, or the later in a later one.
                store.put(transition(Some("a"), now(), revision, Status::Healthy));
                store.put(transition(Some("b"), now(), revision, Status::Healthy));
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
        });
        let folder = tempfile::tempdir().unwrap();
        for round in 0..5 {
            let file = folder.path().join(format!("{round}.db"));
            backup(&home.place(), &file, |_| {}).unwrap();
            let raw = rusqlite::Connection::open(&file).unwrap();
            let count = |name: &str| -> i64 {
                let sql =
                    "SELECT count(*) FROM transition t JOIN subject s ON s.id = t.subject WHERE s.name = ?1";
                raw.query_row(sql, [name], |row| row.get(0)).unwrap()
            };
            let (a, b) = (count("a"), count("b"));
            assert!((0..=1).contains(&(a - b)), "{a} {b}");
        }
        writing.store(false, Ordering::Relaxed);
    });
    written(&store).await;
}

#[tokio::test]
async fn a_backup_with_a_flipped_bit_is_told_or_harmless() {
    let home = Home::sqlite().await.unwrap();
    let store = home.open();
    fill(&store);
    written(&store).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    store.backup_to(file.clone()).await.unwrap();
    let good = fs::read(&file).unwrap();
    let target = Place::Sqlite(folder.path().join("ward.db"));
    let mut refused = 0;
    for at in (0..good.len()).step_by(good.len() / 40) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(&file, &bad).unwrap();
        match restore(&file, &target, |_| {}) {
            Err(_) => refused += 1,
            // In a text or a number: SQLite has no checksums, and what it gives back is still a database.
            Ok(()) => {
                let retention = Retention::default();
                let place = target.clone();
                drop(Store::open(Config { place, retention }, Clock::start()).unwrap());
            }
        }
    }
    assert!(refused > 0, "the header, and what holds pages together");
    fs::write(&file, &good[..good.len() / 2]).unwrap();
    assert!(restore(&file, &target, |_| {}).is_err(), "half a file");
}

/// Longer than any other call may.
#[tokio::test]
async fn a_slow_server_is_restored_into_all_the_same() {
    let Some(slow) = Home::postgres().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let (home, store) = (Home::sqlite().await.unwrap(), slow.open());
    written(&store).await;
    assert_eq!(store.stop(std::time::Duration::from_secs(5)).await, 0);
    let store = home.open();
    store.put(Write::Maintenance(window("bank", None)));
    written(&store).await;
    store.backup_to(file.clone()).await.unwrap();
    slow.behind(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(11); RETURN NEW; END $$;
        CREATE TRIGGER waits BEFORE INSERT ON maintenance FOR EACH STATEMENT EXECUTE FUNCTION wait()",
    )
    .await;
    let place = slow.place();
    blocking(move || restore(&file, &place, |_| {})).await.unwrap();
    assert_eq!(slow.number("SELECT count(*) FROM maintenance").await, 1);
}

#[tokio::test]
async fn a_database_in_use_is_not_replaced_and_a_damaged_one_is_with_all_beside_it() {
    let home = Home::sqlite().await.unwrap();
    let Home::Sqlite(folder) = &home else {
        unreachable!("it is a file");
    };
    let (path, file) = (folder.path().join("ward.db"), folder.path().join("backup.db"));
    let store = home.open();
    store.put(Write::Instance(instance("kept", 1, Status::Healthy)));
    written(&store).await;
    store.backup_to(file.clone()).await.unwrap();
    store.put(Write::Instance(instance("later", 1, Status::Healthy)));
    written(&store).await;
    let (place, from) = (home.place(), file.clone());
    let refused = blocking(move || restore(&from, &place, |_| {}))
        .await
        .unwrap_err();
    assert!(matches!(refused, BackupError::Open(_)), "{refused}");
    assert_eq!(store.stop(std::time::Duration::from_secs(5)).await, 0);
    drop(store);
    assert_eq!(home.number("SELECT count(*) FROM known_instance").await, 2);

    fs::write(&path, "no database any more ".repeat(500)).unwrap();
    let journal = folder.path().join("ward.db-journal");
    fs::write(&journal, "of another one").unwrap();
    let place = home.place();
    blocking(move || restore(&file, &place, |_| {})).await.unwrap();
    assert!(!journal.exists());
    assert_eq!(home.number("SELECT count(*) FROM known_instance").await, 1);
}

#[tokio::test]
async fn what_a_crash_left_beside_the_old_file_is_no_part_of_the_new() {
    let (kept, crashed) = (Home::sqlite().await.unwrap(), Home::sqlite().await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("backup.db");
    let store = kept.open();
    store.put(Write::Instance(instance("kept", 1, Status::Healthy)));
    written(&store).await;
    store.backup_to(file.clone()).await.unwrap();
    fill(&store);
    written(&store).await;
    let (Home::Sqlite(from), Home::Sqlite(to)) = (&kept, &crashed) else {
        unreachable!("both are files");
    };
    // As it stands on the disk at this moment.
    for name in ["ward.db", "ward.db-wal"] {
        fs::copy(from.path().join(name), to.path().join(name)).unwrap();
    }
    assert!(fs::metadata(to.path().join("ward.db-wal")).unwrap().len() > 0);
    let place = crashed.place();
    blocking(move || restore(&file, &place, |_| {})).await.unwrap();
    let store = crashed.open();
    written(&store).await;
    assert_eq!(instances(&store).await, [instance("kept", 1, Status::Healthy)]);
}
