//! `ward history`, `ward backup` and `ward restore`, around a real aggregator.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use serde_json::Value;
use ward_audit::{Draft, Filter, Kind, Log, Options, Reader, Source, Start, verify::verify};
use ward_chassis::Clock;
use ward_model::Epoch;
use ward_proto::v1;

use crate::house::{Aggregator, until, ward};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// What it was last: the words of the last span.
fn last(ward: &Aggregator, name: &str) -> Option<(String, String)> {
    let history = ward.run(&["history", name, "-o", "json"]);
    let told = json(&history.stdout);
    let span = told["spans"].as_array()?.last()?.clone();
    Some((span["status"].as_str()?.into(), span["reason"].as_str()?.into()))
}

#[tokio::test]
async fn a_history_is_shown_and_goes_on_after_a_crash() {
    let mut ward = Aggregator::start();
    ward.shop(v1::Status::Unhealthy).await;
    until("the bank's end is remembered", || {
        last(&ward, "bank").is_some_and(|(status, _)| status == "unhealthy")
    });
    let shown = ward.run(&["history", "bank"]);
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert!(lines[0].starts_with("bank  unhealthy for "), "{}", shown.stdout);
    assert!(lines[1].ends_with('X'), "{}", shown.stdout);
    assert!(
        shown.stdout.contains("no ledger") && shown.stdout.contains("FROM"),
        "{}",
        shown.stdout
    );
    assert!(ward.run(&["history"]).stdout.starts_with("system  "));

    let unknown = ward.run(&["history", "blank"]);
    assert_eq!(unknown.code, 64, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("bank"), "{}", unknown.stderr);

    ward.kill_and_restart();
    until("the time without a witness is shown", || {
        let told = json(&ward.run(&["history", "bank", "-o", "json"]).stdout);
        let spans = told["spans"].as_array().cloned().unwrap_or_default();
        spans.iter().any(|span| span["status"] == "unhealthy")
            && spans.last().is_some_and(|span| span["status"] == "unknown")
    });
}

/// The data directory of a stopped aggregator, from a backup.
fn restored(from: &Path, to: &Path, force: bool) -> crate::house::Done {
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    let mut args = vec!["restore", from, "--data-dir", to];
    args.extend(force.then_some("--force"));
    ward(&args)
}

#[tokio::test]
async fn what_is_kept_while_it_runs_comes_back_under_a_log_of_its_own() {
    let mut running = Aggregator::start();
    running.shop(v1::Status::Degraded).await;
    until("something is remembered", || {
        last(&running, "bank").is_some_and(|(status, _)| status == "degraded")
    });
    let data = running.data_dir();
    let token = ward(&["token", "new", "--right", "watch", "--data-dir", &data]);
    assert_eq!(token.code, 0, "{}", token.stderr);
    let home = tempfile::tempdir().unwrap();
    let kept = home.path().join("kept");
    let backup = |force: &[&str]| {
        let args = [&["backup", kept.to_str().unwrap(), "--data-dir", &data], force].concat();
        ward(&args)
    };
    let done = backup(&[]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    for part in [
        "the database",
        "the audit log ward.",
        "1 tokens",
        "all of it checked",
    ] {
        assert!(done.stderr.contains(part), "{}", done.stderr);
    }
    assert!(!kept.join("audit/key").exists(), "what signs is not kept");
    let again = backup(&[]);
    assert_eq!(again.code, 64);
    assert!(again.stderr.contains("--force"), "{}", again.stderr);
    assert_eq!(backup(&["--force"]).code, 0);
    assert_eq!(
        fs::read_dir(home.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );

    let held = restored(&kept, Path::new(&data), true);
    assert_eq!(held.code, 70);
    assert!(held.stderr.contains("holds it; stop that one"), "{}", held.stderr);
    running.kill();
    let refused = restored(&kept, Path::new(&data), false);
    assert_eq!(refused.code, 64);
    assert!(refused.stderr.contains("say --force"), "{}", refused.stderr);

    let before = Reader::open(&kept.join("audit")).unwrap();
    let done = restored(&kept, Path::new(&data), true);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let now = Reader::open(&Path::new(&data).join("audit")).unwrap();
    assert_ne!(now.origin(), before.origin());
    let first = now.newest(&Filter::default(), 10).unwrap().pop().unwrap();
    assert_eq!((first.index, first.kind), (0, Kind::Origin));
    let evidence = serde_json::to_value(&first).unwrap()["evidence"].clone();
    assert_eq!(evidence["origin"], before.origin());
    assert_eq!(evidence["size"], before.head().unwrap().size.to_string());
    assert_eq!(evidence["root"], before.head().unwrap().root.to_string());
    let witnessed = |key: &str| evidence[key].as_str().unwrap().to_owned();
    let of_before: Vec<_> = fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("audit-"))
        .collect();
    assert_eq!(
        of_before.len(),
        2,
        "the one that was there, and the one that was kept"
    );
    assert!(
        of_before
            .iter()
            .all(|log| verify(log, None, None, &mut |_, _| {}).is_whole())
    );

    let aside = of_before
        .iter()
        .find(|log| log.to_str().unwrap().contains("audit-until-"))
        .unwrap();
    let aside = Reader::open(aside).unwrap();
    assert_eq!(witnessed("aside_origin"), aside.origin());
    assert_eq!(witnessed("aside_size"), aside.size().unwrap().to_string());
    assert_eq!(witnessed("aside_root"), aside.head().unwrap().root.to_string());

    running.restart();
    let told = json(&running.run(&["history", "bank", "-o", "json"]).stdout);
    let spans = told["spans"].as_array().unwrap();
    assert!(spans.iter().any(|span| span["status"] == "degraded"), "{told}");
}

/// A log in a data directory that somebody writes.
fn log(dir: &Path) -> Log {
    let start = Start {
        clock: Clock::start(),
        boot_id: "boot".to_owned(),
        epoch: Epoch(1),
    };
    Log::open(&dir.join("audit"), Options::default(), start)
        .unwrap()
        .0
}

fn write(log: &Log, events: u64) {
    for _ in 0..events {
        let now = Clock::start().now();
        log.append_blocking(Draft::new(Kind::Restart, Source::Liveness, "bank", now))
            .unwrap();
    }
}

fn backed_up(data: &Path, to: &Path) -> u64 {
    let args = [
        "backup",
        to.to_str().unwrap(),
        "--data-dir",
        data.to_str().unwrap(),
    ];
    let done = ward(&args);
    assert_eq!(done.code, 0, "{}", done.stderr);
    Reader::open(&to.join("audit")).unwrap().size().unwrap()
}

/// All files of a folder, as they are after a kill.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn what_is_durable_and_not_yet_published_is_in_a_backup() {
    let home = tempfile::tempdir().unwrap();
    let (data, killed) = (home.path().join("data"), home.path().join("killed"));
    fs::create_dir(&data).unwrap();
    let log = log(&data);
    // Published a second ago, and once more: what comes now waits for its second.
    write(&log, 1);
    until("it is published", || {
        Reader::open(&data.join("audit")).is_ok_and(|reader| reader.size().is_ok_and(|size| size == 1))
    });
    write(&log, 5);
    copy(&data, &killed);
    let published = Reader::open(&killed.join("audit")).unwrap().size().unwrap();
    assert!(published < 6, "nothing is left to publish");
    let running = backed_up(&data, &home.path().join("running"));
    assert_eq!(running, 6, "while it runs");
    assert_eq!(backed_up(&killed, &home.path().join("after")), 6, "after a kill");
    log.close().unwrap();
}

#[test]
fn a_restore_that_fails_half_way_leaves_the_log_that_is_there() {
    let home = tempfile::tempdir().unwrap();
    let (data, kept) = (home.path().join("data"), home.path().join("kept"));
    fs::create_dir(&data).unwrap();
    let log = log(&data);
    write(&log, 3);
    log.close().unwrap();
    backed_up(&data, &kept);
    let before = Reader::open(&data.join("audit")).unwrap();
    // A directory where the list of tokens is to be written.
    fs::write(kept.join("tokens.json"), r#"{"version":1,"tokens":[]}"#).unwrap();
    let manifest = fs::read_to_string(kept.join("backup.json")).unwrap();
    let manifest = manifest.replace("\"tokens\": null", "\"tokens\": 0");
    fs::write(kept.join("backup.json"), manifest).unwrap();
    fs::create_dir(data.join("tokens.json.part")).unwrap();
    let failed = restored(&kept, &data, true);
    assert_eq!(failed.code, 70, "{}", failed.stderr);
    assert!(failed.stderr.contains("restore tokens.json"), "{}", failed.stderr);
    let now = Reader::open(&data.join("audit")).unwrap();
    assert_eq!((now.origin(), now.size().unwrap()), (before.origin(), 3));
    let left = fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let left = left.filter(|name| name.to_str().unwrap().starts_with("audit"));
    assert_eq!(left.count(), 1, "nothing is left beside it");

    fs::remove_dir(data.join("tokens.json.part")).unwrap();
    let done = restored(&kept, &data, true);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_ne!(
        Reader::open(&data.join("audit")).unwrap().origin(),
        before.origin()
    );
}

#[test]
fn what_is_no_backup_or_a_damaged_one_restores_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (kept, data) = (home.path().join("kept"), home.path().join("data"));
    let none = restored(&kept, &data, false);
    assert_eq!(none.code, 70);
    assert!(
        none.stderr.contains("is this a backup of Ward?"),
        "{}",
        none.stderr
    );
    let nothing = ward(&[
        "backup",
        kept.to_str().unwrap(),
        "--data-dir",
        data.to_str().unwrap(),
    ]);
    assert_eq!(nothing.code, 64);
    assert!(
        nothing.stderr.contains("there is nothing to keep"),
        "{}",
        nothing.stderr
    );
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("mine"), "").unwrap();
    let mine = ward(&[
        "backup",
        "--force",
        kept.to_str().unwrap(),
        "--data-dir",
        data.to_str().unwrap(),
    ]);
    assert_eq!(mine.code, 64);
    assert!(kept.join("mine").exists() && !data.exists(), "{}", mine.stderr);

    let mut running = Aggregator::start();
    let kept = home.path().join("damaged");
    let done = ward(&[
        "backup",
        kept.to_str().unwrap(),
        "--data-dir",
        &running.data_dir(),
    ]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    running.kill();
    let bundle = kept.join("audit/checkpoint");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[20] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    let damaged = restored(&kept, &data, false);
    assert_eq!(damaged.code, 70);
    assert!(
        damaged.stderr.contains("is damaged") && !data.exists(),
        "{}",
        damaged.stderr
    );
}
