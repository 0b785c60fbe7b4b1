//! B11: the audit log: one durable append, many at once, verification. B11a: opening a log of 10 million events, and a proof
//! in it.
//!
//! The limits do the same work with the same bytes on the same file system, without a log around it: hash, write, fdatasync,
//! in a file that grows; or hash alone. An append is one caller's, through a task, the writer's thread and back. For
//! verification the limit hashes what a Merkle tree hashes, each entry and each pair, from memory.
//!
//! Nothing here is kept to one core, unlike what has a client and a server: a log has a thread that writes and one that
//! publishes, and verification hashes on all cores. The limits are one thread each. What that takes of the cores in all is
//! shown beside.

mod make;

use std::{fs::File, io::Write, path::Path, time::Duration};

use anyhow::{Context, ensure};
use tempfile::TempDir;
use tokio::runtime::Builder;
use ward_audit::{Draft, Kind, Log, Options, Reader, Source, Start, verify::verify};
use ward_chassis::Clock;
use ward_model::{Epoch, Now, Revision};
use ward_tlog::{leaf_hash, node_hash};

use crate::{
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subjects},
    machine,
    progress::Progress,
};

/// Events of a batch.
const BATCH: usize = 64;

fn start() -> Start {
    Start {
        clock: Clock::start(),
        boot_id: "boot".to_owned(),
        epoch: Epoch(1),
    }
}

/// A transition as the aggregator records it: some 350 bytes as an entry.
fn draft(n: u64) -> Draft {
    Draft::new(Kind::Transition, Source::Engine, "payments/web-1", Now::default())
        .at(Epoch(1), Revision(n))
        .with("from", "healthy")
        .with("to", "degraded")
        .with("message", "the card processor answers slowly")
}

/// The bytes that the log makes of it.
fn entry(n: u64) -> Vec<u8> {
    draft(n).placed(n, leaf_hash(&[]), "boot").encode()
}

/// A directory beside this program: `/tmp` may be memory.
fn disk() -> anyhow::Result<TempDir> {
    let program = std::env::current_exe().context("find this program")?;
    let beside = program.parent().context("a program in a directory")?;
    tempfile::tempdir_in(beside).context("make a directory for the log")
}

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    machine::on_all_cores(|| {
        let mut rows = single(effort, progress)?;
        rows.extend(grouped(effort, progress)?);
        rows.extend(verification(effort, progress)?);
        Ok(rows)
    })
}

/// One caller, one event after the other.
fn single(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let events = if effort.quick { 30 } else { 400 };
    let home = disk()?;
    let (log, _) = Log::open(&home.path().join("audit"), Options::default(), start())?;
    let runtime = Builder::new_current_thread().build()?;
    let mut file = File::create(home.path().join("bare"))?;
    let clock = Clock::start();
    let mut n = 0;
    let mut subjects = Subjects {
        limit: Some(Box::new(|| {
            let bytes = entry(1_000_000);
            percentiles(events, &clock, || {
                std::hint::black_box(leaf_hash(&bytes));
                file.write_all(&bytes)?;
                Ok(file.sync_data()?)
            })
        })),
        ward: Some(Box::new(|| {
            percentiles(events, &clock, || {
                n += 1;
                runtime.block_on(log.append(draft(n)))?;
                Ok(())
            })
        })),
        peers: Vec::new(),
    };
    let taken = Rounds::take(&mut subjects, effort.close_rounds, effort, progress)?;
    drop(subjects);
    ensure!(log.head().size == n, "each of the {n} events is in the log once");
    log.close()?;
    let row = |what: &str, measure, goal| {
        let question = Question {
            item: "B11",
            what,
            unit: "us",
            measure,
            peer: None,
            goal,
        };
        taken.row(question)
    };
    Ok(vec![
        row(
            "one durable append after the other (limit: hash, write, fdatasync), p50",
            0,
            Goal::AtMost(1.1),
        ),
        row("the same, p99", 1, Goal::None),
    ])
}

/// p50 and p99 in microseconds.
fn percentiles(
    count: usize,
    clock: &Clock,
    mut once: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<f64>> {
    let mut took = Vec::with_capacity(count);
    for _ in 0..count {
        let begun = clock.mono();
        once()?;
        took.push(micros(clock.mono().since(begun)));
    }
    took.sort_by(f64::total_cmp);
    Ok(vec![took[count / 2], took[count * 99 / 100]])
}

fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1000.0
}

/// What something took, by the clock and of the cores, each event of so many.
fn per_event(
    events: u64,
    clock: &Clock,
    what: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<f64>> {
    let (begun, used) = (clock.mono(), machine::cpu_of(std::process::id())?);
    what()?;
    let took = clock.mono().since(begun);
    let used = machine::cpu_of(std::process::id())?.saturating_sub(used);
    Ok([took, used]
        .map(|time| time.as_nanos() as f64 / events as f64)
        .to_vec())
}

/// As many as the disk takes, in batches of 64.
fn grouped(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let batches = if effort.quick { 20 } else { 1500 };
    let events = (batches * BATCH) as u64;
    let home = disk()?;
    let (log, _) = Log::open(&home.path().join("audit"), Options::default(), start())?;
    let mut file = File::create(home.path().join("bare"))?;
    let clock = Clock::start();
    let mut n = 0;
    let mut subjects = Subjects {
        limit: Some(Box::new(|| {
            let bytes = entry(1_000_000);
            per_event(events, &clock, || {
                for _ in 0..batches {
                    let mut batch = Vec::with_capacity(BATCH * bytes.len());
                    for _ in 0..BATCH {
                        std::hint::black_box(leaf_hash(&bytes));
                        batch.extend_from_slice(&bytes);
                    }
                    file.write_all(&batch)?;
                    file.sync_data()?;
                }
                Ok(())
            })
        })),
        ward: Some(Box::new(|| {
            per_event(events, &clock, || {
                let until = log.head().size + events;
                let end = n + events;
                while n < end {
                    // Always more than a batch waits, and never more than the queue takes.
                    let room = 4000_u64.saturating_sub(log.standing().queued).min(end - n);
                    for _ in 0..room {
                        n += 1;
                        ensure!(log.record(draft(n)), "an event was left out");
                    }
                    std::thread::sleep(Duration::from_micros(100));
                }
                while log.head().size < until {
                    std::thread::sleep(Duration::from_micros(50));
                }
                Ok(())
            })
        })),
        peers: Vec::new(),
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    drop(subjects);
    ensure!(log.head().size == n, "each of the {n} events is in the log once");
    log.close()?;
    let row = |what: &str, measure, goal| {
        taken.row(Question {
            item: "B11",
            what,
            unit: "ns/event",
            measure,
            peer: None,
            goal,
        })
    };
    Ok(vec![
        row(
            "durable events in batches of 64, tiles and checkpoints included (limit: the same loop, a file that grows)",
            0,
            Goal::AtMost(1.18),
        ),
        row(
            "the same, time of all cores, with whoever has them written",
            1,
            Goal::None,
        ),
    ])
}

fn verification(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let events: u64 = if effort.quick { 5_000 } else { 300_000 };
    let home = disk()?;
    let dir = home.path().join("audit");
    fill(&dir, events)?;
    let reader = Reader::open(&dir)?;
    let mut entries: Vec<Vec<u8>> = Vec::new();
    reader.each(0, &mut |_, entry| {
        entries.push(entry.to_vec());
        Ok(true)
    })?;
    let bytes: usize = entries.iter().map(Vec::len).sum();
    let clock = Clock::start();
    let mut subjects = Subjects {
        limit: Some(Box::new(|| {
            per_event(events, &clock, || {
                let mut row: Vec<_> = entries.iter().map(|entry| leaf_hash(entry)).collect();
                while row.len() > 1 {
                    row = row
                        .chunks(2)
                        .map(|pair| node_hash(&pair[0], &pair[pair.len() - 1]))
                        .collect();
                }
                std::hint::black_box(row);
                Ok(())
            })
        })),
        ward: Some(Box::new(|| {
            per_event(events, &clock, || {
                let report = verify(&dir, None, None, &mut |_, _| {});
                ensure!(report.is_sound() && report.verified == events, "{report:?}");
                Ok(())
            })
        })),
        peers: vec![(
            "SHA-256 of the entries alone",
            Box::new(|| {
                per_event(events, &clock, || {
                    for entry in &entries {
                        std::hint::black_box(leaf_hash(entry));
                    }
                    Ok(())
                })
            }),
        )],
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let log = format!(
        "verify a log of {events} events of {} bytes",
        bytes as u64 / events
    );
    let row = |what: &str, measure, peer, goal| {
        taken.row(Question {
            item: "B11",
            what: &format!("{log}{what}"),
            unit: "ns/event",
            measure,
            peer,
            goal,
        })
    };
    Ok(vec![
        row(
            ", on all cores (limit: its hashes, from memory, one thread)",
            0,
            None,
            Goal::AtMost(1.11),
        ),
        row(", on all cores", 0, Some(0), Goal::None),
        row(", time of all cores (limit: the same)", 1, None, Goal::None),
    ])
}

/// A log of so many events, closed.
fn fill(dir: &Path, events: u64) -> anyhow::Result<()> {
    let (log, _) = Log::open(dir, Options::default(), start())?;
    for n in 0..events {
        while log.standing().queued > 4000 {
            std::thread::sleep(Duration::from_micros(100));
        }
        ensure!(log.record(draft(n)), "an event was left out");
    }
    log.close()?;
    ensure!(log.head().size == events, "all of them are in the log");
    Ok(())
}

/// Opening and proving, in a log too large to be made one event at a time: its tiles are written as they are, with hashes of
/// nothing below, since neither reads more than its right edge. All bundles but the last are left out for the same reason.
pub(crate) fn large(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let size: u64 = if effort.quick { 100_003 } else { 10_000_003 };
    let home = disk()?;
    let dir = home.path().join("audit");
    make::log(&dir, size)?;
    let clock = Clock::start();
    let mut subjects = Subjects {
        limit: None,
        ward: Some(Box::new(|| {
            let begun = clock.mono();
            let (log, opened) = Log::open(&dir, Options::default(), start())?;
            let open = micros(clock.mono().since(begun)) / 1000.0;
            ensure!(opened.size == size, "{opened:?}");
            let reader = log.reader();
            let proofs = percentiles(200, &clock, || {
                let index = rand::random_range(0..size);
                reader.inclusion(index, size)?;
                Ok(())
            })?;
            log.close()?;
            Ok(vec![open, proofs[0] / 1000.0, proofs[1] / 1000.0])
        })),
        peers: Vec::new(),
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let row = |what: &str, measure, goal| {
        let what = format!("{what} a log of {size} events");
        taken.row(Question {
            item: "B11a",
            what: &what,
            unit: "ms",
            measure,
            peer: None,
            goal,
        })
    };
    Ok(vec![
        row("open", 0, Goal::Under(100.0)),
        row("an inclusion proof at random, p50, in", 1, Goal::Under(1.0)),
        row("an inclusion proof at random, p99, in", 2, Goal::None),
    ])
}
