//! A database that is away, hung, killed, full, wrong or another: whoever puts does not notice, it is said, and nothing is
//! lost that there was room for.

use std::{
    fs,
    os::unix::fs::chown,
    path::PathBuf,
    time::{Duration, Instant},
};

use ward_chassis::Clock;
use ward_model::Status;
use ward_store::{Config, OpenError, Place, Retention, State, Store, Write};

use super::{
    history::{history, now, told, transition},
    known::{instance, instances, service},
    over_both,
    place::{Home, PASSWORD, Server, until, written},
};

over_both!(what_is_refused_for_good_is_left_out_alone_and_counted);

fn folder(home: &Home) -> PathBuf {
    match home {
        Home::Sqlite(folder) => folder.path().to_owned(),
        Home::Postgres(_) => unreachable!("a test of files"),
    }
}

fn server(home: &mut Home) -> &mut Server {
    match home {
        Home::Postgres(server) => server,
        Home::Sqlite(_) => unreachable!("a test of servers"),
    }
}

fn refused(place: Place) -> OpenError {
    let retention = Retention::default();
    Store::open(Config { place, retention }, Clock::start()).unwrap_err()
}

async fn says(store: &Store, what: &str) {
    until(
        &format!("it says {what:?}"),
        async || matches!(store.standing().state, State::Down { why, .. } if why.contains(what)),
    )
    .await;
    let line = store.standing().to_string();
    assert!(!line.contains(PASSWORD), "{line}");
}

/// Puts some, and shows that nobody waits for that.
fn put_some(store: &Store, revisions: std::ops::Range<u64>) -> i64 {
    let at = now();
    let began = Instant::now();
    for revision in revisions {
        store.put(transition(
            Some("web"),
            at,
            revision,
            Status::ALL[revision as usize % 4],
        ));
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    at
}

#[tokio::test]
async fn a_file_that_cannot_be_one_is_refused_with_what_to_do() {
    let home = Home::sqlite().await.unwrap();
    let folder = folder(&home);
    let place = |name: &str| Place::Sqlite(folder.join(name));
    let file = |name: &str, text: &[u8]| {
        fs::write(folder.join(name), text).unwrap();
        place(name)
    };
    fs::create_dir(folder.join("dir")).unwrap();
    assert!(matches!(refused(place("dir")), OpenError::Directory(_)));
    std::os::unix::fs::symlink(folder.join("x"), folder.join("link")).unwrap();
    assert!(matches!(refused(place("link")), OpenError::NoFile(_)));
    let text = b"not a database, but long enough to be one ".repeat(100);
    assert!(matches!(refused(file("text", &text)), OpenError::NoDatabase(_)));
    assert!(matches!(refused(place("nowhere/ward.db")), OpenError::Io { .. }));

    let other = rusqlite::Connection::open(folder.join("other")).unwrap();
    other.execute_batch("CREATE TABLE x (y)").unwrap();
    assert!(matches!(refused(place("other")), OpenError::NotOurs(_)));

    drop(home.open());
    home.behind("PRAGMA user_version = 99").await;
    let newer = refused(home.place());
    assert!(matches!(newer, OpenError::Newer { found: 99, .. }), "{newer}");
    assert!(newer.to_string().contains("run the newer Ward"), "{newer}");
    home.behind("PRAGMA user_version = 2").await;
    drop(home.open());

    // Only root can give files away.
    if nix::unistd::geteuid().is_root() {
        chown(folder.join("ward.db"), Some(12_345), None).unwrap();
        assert!(matches!(
            refused(home.place()),
            OpenError::Owner {
                owner: 12_345,
                us: 0,
                ..
            }
        ));
        chown(folder.join("ward.db"), Some(0), None).unwrap();
    }
    for (name, mode) in [("ward.db", 0o600), ("ward.db-wal", 0o600)] {
        let is = fs::metadata(folder.join(name))
            .map(|file| std::os::unix::fs::PermissionsExt::mode(&file.permissions()));
        assert!(
            is.is_err() || is.unwrap() & 0o777 == mode,
            "{name} is for this user only"
        );
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_without_being_told() {
    for address in [
        "",
        "hunter2",
        "http://x:hunter2@y/z",
        "postgresql://u:hunter2@h/d?color=blue",
    ] {
        let refused = refused(Place::Postgres(address.into()));
        let text = format!("{refused} {refused:?}");
        assert!(
            matches!(refused, OpenError::Address) && !text.contains("hunter2"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_file_replaced_by_a_directory_is_told_and_then_begun_anew() {
    let home = Home::sqlite().await.unwrap();
    let path = folder(&home).join("ward.db");
    let store = home.open();
    put_some(&store, 1..3);
    written(&store).await;
    let changes = store.on_change();
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(folder(&home).join(format!("ward.db{suffix}"))).unwrap();
    }
    fs::create_dir(&path).unwrap();
    put_some(&store, 3..5);
    says(&store, "it is a directory").await;
    assert!(changes.has_changed().unwrap());
    assert!(store.standing().queued >= 2);
    fs::remove_dir(&path).unwrap();
    written(&store).await;
    assert_eq!(store.standing().resend, 1, "what was known is lost and asked for");
    let told = told(&history(&store, Some("web")).await);
    assert_eq!(told.last().unwrap().2, Status::ALL[0]);
}

/// On a file system of its own, of sixteen megabytes, that goes with the namespace it is in.
#[tokio::test]
async fn a_full_disk_is_told_and_survived() {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=16m ward \"$1\" || exit 9; shift; exec \"$@\"";
    let role = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "outages::role_of_a_full_disk",
            "--ignored",
            "--nocapture",
        ])
        .env("WARD_STORE_FULL", folder.path())
        .output();
    match role {
        Ok(role) if role.status.success() => {
            let said = String::from_utf8_lossy(&role.stdout);
            assert!(said.contains("SURVIVED"), "{said}");
        }
        Ok(role) if role.status.code() == Some(101) => {
            panic!(
                "{}{}",
                String::from_utf8_lossy(&role.stdout),
                String::from_utf8_lossy(&role.stderr)
            )
        }
        refused => super::program::not_run(&format!(
            "no namespace with a file system of its own: {refused:?}"
        )),
    }
}

#[tokio::test]
#[ignore = "role: runs where the disk is small"]
async fn role_of_a_full_disk() {
    let Ok(folder) = std::env::var("WARD_STORE_FULL").map(PathBuf::from) else {
        return;
    };
    let place = Place::Sqlite(folder.join("ward.db"));
    let retention = Retention::default();
    let store = Store::open(Config { place, retention }, Clock::start()).unwrap();
    put_some(&store, 1..10);
    written(&store).await;
    // All the room there is.
    let mut ballast = fs::File::create(folder.join("ballast")).unwrap();
    while std::io::Write::write_all(&mut ballast, &[0; 4096]).is_ok() {}
    drop(ballast);
    put_some(&store, 10..5_000);
    says(&store, "the disk is full; make room").await;
    assert!(store.standing().queued > 0);
    assert_eq!(
        history(&store, Some("web")).await.spans.last().unwrap().message,
        "as of 9"
    );
    fs::remove_file(folder.join("ballast")).unwrap();
    written(&store).await;
    assert_eq!(store.standing().left_out, 0);
    let raw = rusqlite::Connection::open(folder.join("ward.db")).unwrap();
    let all = raw.query_row("SELECT count(*) FROM transition", [], |row| row.get::<_, i64>(0));
    assert_eq!(all.unwrap(), 4_999, "each that waited is there");
    assert_eq!(
        history(&store, Some("web")).await.spans.last().unwrap().message,
        "as of 4999"
    );
    println!("SURVIVED");
}

#[tokio::test]
async fn a_server_that_is_away_at_first_is_waited_for() {
    let Some(mut home) = Home::postgres().await else {
        return;
    };
    server(&mut home).running.take().unwrap().stop();
    let began = Instant::now();
    let store = home.open();
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "opening waits for nobody"
    );
    let at = put_some(&store, 1..5);
    says(&store, "the server cannot be reached").await;
    assert!(store.services().await.is_err());
    assert_eq!(
        store.stop(Duration::from_millis(300)).await,
        4,
        "what is left is said"
    );
    let store = home.open();
    put_some(&store, 5..9);
    server(&mut home).run();
    written(&store).await;
    let web = history(&store, Some("web")).await;
    assert!(web.since.0 >= at && web.spans.last().unwrap().message == "as of 8");
}

#[tokio::test]
async fn a_server_that_is_frozen_killed_and_back_has_everything() {
    let Some(mut home) = Home::postgres().await else {
        return;
    };
    let store = home.open();
    put_some(&store, 1..10);
    written(&store).await;
    server(&mut home).running.as_ref().unwrap().freeze();
    put_some(&store, 10..20);
    says(&store, "did not answer within").await;
    let began = Instant::now();
    assert!(store.services().await.is_err());
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "who asks is told in time"
    );
    put_some(&store, 20..30);
    server(&mut home).running.as_ref().unwrap().thaw();
    written(&store).await;
    // Killed, without a word to anybody.
    drop(server(&mut home).running.take());
    put_some(&store, 30..40);
    until("it is down", async || {
        matches!(store.standing().state, State::Down { .. })
    })
    .await;
    server(&mut home).run();
    put_some(&store, 40..50);
    written(&store).await;
    let standing = store.standing();
    assert_eq!((standing.left_out, standing.resend), (0, 0), "{standing:?}");
    assert_eq!(
        home.number("SELECT count(*) FROM transition").await,
        49,
        "each that waited is there"
    );
    let web = history(&store, Some("web")).await;
    assert_eq!(web.spans.last().unwrap().message, "as of 49");
}

#[tokio::test]
async fn two_aggregators_on_one_database_are_told() {
    let Some(home) = Home::postgres().await else {
        return;
    };
    let first = home.open();
    written(&first).await;
    let second = home.open();
    put_some(&second, 1..5);
    says(&second, "another aggregator writes to this database").await;
    assert_eq!(first.stop(Duration::from_secs(10)).await, 0);
    written(&second).await;
}

#[tokio::test]
async fn a_database_that_is_another_one_now_is_told_everything_again() {
    let Some(home) = Home::postgres().await else {
        return;
    };
    let store = home.open();
    put_some(&store, 1..5);
    written(&store).await;
    // Restored from before: it does not know this life, and who was connected no longer is.
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ward'";
    home.behind(&format!("DELETE FROM life; {others}")).await;
    put_some(&store, 5..9);
    until("all is asked for", async || store.standing().resend == 1).await;
    written(&store).await;

    home.behind(&format!("UPDATE version SET version = 99; {others}"))
        .await;
    put_some(&store, 9..12);
    says(&store, "schema is version 99").await;
    home.behind("UPDATE version SET version = 2").await;
    written(&store).await;

    home.behind("ALTER TABLE transition RENAME TO transitions").await;
    put_some(&store, 12..14);
    says(&store, "its tables are not Ward's any more").await;
    home.behind("ALTER TABLE transitions RENAME TO transition").await;
    written(&store).await;
    assert_eq!(
        history(&store, Some("web")).await.spans.last().unwrap().message,
        "as of 13"
    );
}

#[tokio::test]
async fn a_schema_of_somebody_else_is_left_alone() {
    let Some(mut home) = Home::postgres().await else {
        return;
    };
    server(&mut home)
        .run_sql("CREATE SCHEMA ward; CREATE TABLE ward.meta (x int)")
        .await;
    let store = home.open();
    put_some(&store, 1..5);
    says(&store, "a schema `ward` that is not Ward's").await;
    server(&mut home).run_sql("DROP SCHEMA ward CASCADE").await;
    written(&store).await;
}

#[tokio::test]
async fn a_database_that_cannot_keep_every_text_is_refused() {
    let Some(mut home) = Home::postgres().await else {
        return;
    };
    let server = server(&mut home);
    server
        .run_sql("CREATE DATABASE old TEMPLATE template0 ENCODING 'LATIN1'")
        .await;
    let address = server.address().replace("/postgres", "/old");
    let place = Place::Postgres(address.into());
    let retention = Retention::default();
    let store = Store::open(Config { place, retention }, Clock::start()).unwrap();
    put_some(&store, 1..5);
    says(&store, "keeps text as LATIN1").await;
    let refused = store.services().await.unwrap_err();
    assert!(refused.to_string().contains("--encoding=UTF8"), "{refused}");
}

#[tokio::test]
async fn tables_that_are_not_made_or_newer_are_not_read() {
    let Some(mut home) = Home::postgres().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let reads = async |home: &Home| {
        let (place, to) = (home.place(), folder.path().join("backup.db"));
        let backup = tokio::task::spawn_blocking(move || ward_store::backup(&place, &to, |_| {}));
        backup.await.unwrap().unwrap_err().to_string()
    };
    assert!(
        reads(&home).await.contains("not made yet"),
        "{}",
        reads(&home).await
    );
    let store = home.open();
    written(&store).await;
    home.behind("UPDATE version SET version = 99").await;
    assert!(
        reads(&home).await.contains("schema is version 99"),
        "{}",
        reads(&home).await
    );
    let refused = store.services().await.unwrap_err().to_string();
    assert!(refused.contains("schema is version 99"), "{refused}");
    server(&mut home).run_sql("DROP SCHEMA ward CASCADE").await;
}

/// Raises `code` from now on whenever a transition is written.
async fn failing(home: &Home, code: &str) {
    let raising = format!(
        "CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '{code}'; END $$;
        DROP TRIGGER IF EXISTS fails ON transition;
        CREATE TRIGGER fails BEFORE INSERT ON transition FOR EACH ROW EXECUTE FUNCTION fail()"
    );
    home.behind(&raising).await;
}

#[tokio::test]
async fn a_server_that_is_full_or_takes_no_writes_is_told_and_waited_for() {
    let Some(home) = Home::postgres().await else {
        return;
    };
    let store = home.open();
    written(&store).await;
    failing(&home, "53100").await;
    put_some(&store, 1..5);
    says(&store, "the server's disk is full; make room").await;
    home.behind("DROP TRIGGER fails ON transition").await;
    written(&store).await;

    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ward'";
    home.behind("ALTER DATABASE postgres SET default_transaction_read_only = on")
        .await;
    home.behind(others).await;
    put_some(&store, 5..9);
    says(&store, "the server takes no writes").await;
    home.behind("SET TRANSACTION READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only")
        .await;
    written(&store).await;
    assert_eq!(store.standing().left_out, 0);
    assert_eq!(
        history(&store, Some("web")).await.spans.last().unwrap().message,
        "as of 8"
    );
}

/// One row that is refused takes nothing with it.
async fn what_is_refused_for_good_is_left_out_alone_and_counted(home: Home) {
    let store = home.open();
    written(&store).await;
    let raise = match &home {
        Home::Sqlite(_) => {
            "CREATE TRIGGER fails BEFORE INSERT ON transition
            WHEN new.revision IN (3, 700) AND new.reason <> 'NotRecorded' OR new.revision = 5
            BEGIN SELECT RAISE(ABORT, 'made up'); END"
        }
        Home::Postgres(_) => {
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '22000'; END $$;
            CREATE TRIGGER fails BEFORE INSERT ON transition FOR EACH ROW
            WHEN (new.revision IN (3, 700) AND new.reason <> 'NotRecorded' OR new.revision = 5)
            EXECUTE FUNCTION fail()"
        }
    };
    home.behind(raise).await;
    store.put(Write::Service(service("web", Status::Degraded)));
    put_some(&store, 1..1_001);
    store.put(Write::Instance(instance("web", 1, Status::Healthy)));
    written(&store).await;
    let standing = store.standing();
    assert_eq!((standing.left_out, standing.resend), (3, 0), "{standing:?}");
    assert_eq!(
        (
            store.services().await.unwrap().len(),
            instances(&store).await.len()
        ),
        (1, 1)
    );
    let count = async |which: &str| {
        home.number(&format!("SELECT count(*) FROM transition WHERE {which}"))
            .await
    };
    assert_eq!(count("reason <> 'NotRecorded'").await, 997);
    assert_eq!(count("reason = 'NotRecorded' AND revision IN (3, 700)").await, 2);
    // Not even the word that it is missing.
    assert_eq!(count("revision = 5").await, 0);
}

#[tokio::test]
async fn a_server_that_is_slow_holds_nobody_up() {
    let Some(home) = Home::postgres().await else {
        return;
    };
    let store = home.open();
    written(&store).await;
    home.behind(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(30); RETURN NEW; END $$;
        CREATE TRIGGER waits BEFORE INSERT ON transition FOR EACH STATEMENT EXECUTE FUNCTION wait()",
    )
    .await;
    put_some(&store, 1..3);
    until("it is down", async || {
        matches!(store.standing().state, State::Down { .. })
    })
    .await;
    put_some(&store, 3..5);
    let began = Instant::now();
    assert_eq!(store.stop(Duration::from_millis(500)).await, 4);
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "a stop keeps its time: {:?}",
        began.elapsed()
    );
}

/// What a server shows is checked, whatever `sslmode` says; libpq takes anything for `prefer` and `require`.
#[tokio::test]
async fn a_server_of_tls_has_to_be_who_it_says() {
    let Some(mut home) = Home::postgres().await else {
        return;
    };
    let trusted = server(&mut home).speak_tls().await;
    let address = server(&mut home).address();
    // Its first connections may come before it has read its settings again.
    let open = |mode: &str| {
        let place = Place::Postgres(format!("{address}?sslmode={mode}").into());
        let retention = Retention::default();
        Store::open(Config { place, retention }, Clock::start()).unwrap()
    };
    let stranger = open("require");
    says(&stranger, "certificate").await;
    drop(stranger);
    let open = open("disable");
    written(&open).await;
    drop(open);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trusted.pem");
    fs::write(&file, trusted).unwrap();
    let role = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "outages::role_of_one_who_trusts_it",
            "--ignored",
            "--nocapture",
        ])
        .env("WARD_STORE_TLS", format!("{address}?sslmode=require"))
        .env("SSL_CERT_FILE", file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&role.stdout);
    assert!(
        said.contains("TRUSTED"),
        "{said}{}",
        String::from_utf8_lossy(&role.stderr)
    );
}

#[tokio::test]
#[ignore = "role: runs with an authority of its own"]
async fn role_of_one_who_trusts_it() {
    let Ok(address) = std::env::var("WARD_STORE_TLS") else {
        return;
    };
    let place = Place::Postgres(address.into());
    let retention = Retention::default();
    let store = Store::open(Config { place, retention }, Clock::start()).unwrap();
    written(&store).await;
    println!("TRUSTED");
}
