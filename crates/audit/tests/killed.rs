//! The writer is killed at any moment, again and again: what it had acknowledged is there, once, and in its place.
//!
//! The writer is this binary again, in a process of its own. It says what was acknowledged, a line each.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    collections::HashMap,
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use ward_audit::{Draft, Kind, Log, Options, Reader, Source, Start, boot_id, verify::verify};
use ward_chassis::Clock;
use ward_model::{Epoch, Now, Revision};

const DIR: &str = "WARD_AUDIT_DIR";
const LIFE: &str = "WARD_AUDIT_LIFE";
/// Who append at once, each waiting for its own.
const CALLERS: u64 = 12;

/// Some of what it writes is recorded only, so that batches are of all sizes.
#[test]
#[ignore = "role: played by a process that a test starts"]
fn be_the_writer() {
    let dir = env::var_os(DIR).unwrap();
    let life: u64 = env::var(LIFE).unwrap().parse().unwrap();
    let start = Start {
        clock: Clock::start(),
        boot_id: boot_id(),
        epoch: Epoch(life),
    };
    let (log, _) = Log::open(Path::new(&dir), Options::default(), start).unwrap();
    let out = Arc::new(Mutex::new(std::io::stdout()));
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (log, out) = (log.clone(), out.clone());
            scope.spawn(move || {
                for n in 0.. {
                    let id = format!("{life}-{caller}-{n}");
                    if n % 5 == 0 {
                        log.record(draft(&format!("{id}r")));
                    }
                    let receipt = log.append_blocking(draft(&id)).unwrap();
                    writeln!(out.lock().unwrap(), "\nack {} {id}", receipt.index).unwrap();
                }
            });
        }
    });
}

fn draft(id: &str) -> Draft {
    Draft::new(Kind::Transition, Source::Engine, "a", Now::default())
        .at(Epoch(1), Revision(1))
        .with("id", id)
        .with("message", "x".repeat(id.len() * 17 % 300))
}

/// One life: what was acknowledged in it.
fn life(dir: &Path, life: u64, lasts: Duration) -> Vec<(u64, String)> {
    let mut writer = Command::new(env::current_exe().unwrap())
        .args(["--exact", "be_the_writer", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .env(LIFE, life.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let reading = thread::spawn(move || {
        let acks = lines.map_while(Result::ok).filter_map(|line| {
            let (index, id) = line.strip_prefix("ack ")?.split_once(' ')?;
            Some((index.parse().ok()?, id.to_owned()))
        });
        acks.collect()
    });
    thread::sleep(lasts);
    writer.kill().unwrap();
    writer.wait().unwrap();
    reading.join().unwrap()
}

/// Says how it went.
fn kill_again_and_again(lives: u64) -> String {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("audit");
    let mut acknowledged = HashMap::new();
    for n in 0..lives {
        // From before it has opened the log to after many batches; primes, so that no two are alike.
        let lasts = Duration::from_micros(5_000 + n * 7_919 % 140_000);
        for (index, id) in life(&dir, n, lasts) {
            assert_eq!(acknowledged.insert(index, id), None, "one place for each");
        }
    }
    let start = Start {
        clock: Clock::start(),
        boot_id: boot_id(),
        epoch: Epoch(lives),
    };
    let (log, opened) = Log::open(&dir, Options::default(), start).unwrap();
    log.close().unwrap();
    let report = verify(&dir, None, None, &mut |_, _| {});
    assert!(report.is_sound(), "{report:?}");
    let mut seen = HashMap::new();
    let reader = Reader::open(&dir).unwrap();
    for event in reader.range(0, usize::MAX).unwrap() {
        let Some(id) = event.evidence.get("id") else {
            continue;
        };
        assert_eq!(
            seen.insert(id.to_owned(), event.index),
            None,
            "{id} is there twice"
        );
        if let Some(expected) = acknowledged.remove(&event.index) {
            assert_eq!(id, expected, "what was acknowledged as {}", event.index);
        }
    }
    assert!(acknowledged.is_empty(), "acknowledged and lost: {acknowledged:?}");
    assert!(seen.len() as u64 > lives, "it wrote next to nothing");
    format!(
        "killed {lives} times: {} events, none lost, none twice; {opened:?}",
        seen.len()
    )
}

#[test]
fn nothing_acknowledged_is_lost_when_the_writer_is_killed() {
    println!("{}", kill_again_and_again(50));
}

#[test]
#[ignore = "long: a thousand lives take four minutes"]
fn nor_when_it_is_killed_a_thousand_times() {
    println!("{}", kill_again_and_again(1000));
}
