//! `ward history`, `ward backup` and `ward restore`, around a real aggregator.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, path::Path};

use serde_json::Value;
use ward_audit::{Filter, Kind, Reader, verify::verify};
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

    running.restart();
    let told = json(&running.run(&["history", "bank", "-o", "json"]).stdout);
    let spans = told["spans"].as_array().unwrap();
    assert!(spans.iter().any(|span| span["status"] == "degraded"), "{told}");
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
