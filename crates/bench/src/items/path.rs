//! B5: from a report that makes a service ill, or well, to the one who watches.
//!
//! Updates leave at a steady pace, whatever became of those before, and the time runs from the moment at which each was
//! to leave. The client never sleeps: waking it would be most of what is measured on a virtual machine. The server does.

mod ways;

use std::time::Duration;

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use tokio::{
    runtime::{self, Runtime},
    task::yield_now,
    time::timeout,
};
use ward_chassis::Clock;
use ward_model::Mono;

use self::ways::{Etcd, Flips, Way};
use crate::{
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subject, Subjects},
    progress::Progress,
};

/// Between two changes: far from what any of the servers can take.
const EVERY: Duration = Duration::from_millis(2);

/// A change that is not heard of within this is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is not measured of a server that has just started.
const WARM: Duration = Duration::from_millis(1_500);

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    // One thread beside this one: pings are answered while nothing is measured.
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let limit = runtime.block_on(Flips::start(&["fan", "naive"]))?;
    let ward = runtime.block_on(Flips::start(&["ward"]))?;
    let mut subjects = Subjects {
        limit: Some(subject(&runtime, limit, effort)?),
        ward: Some(subject(&runtime, ward, effort)?),
        peers: Vec::new(),
    };
    if let Some(etcd) = runtime.block_on(Etcd::start())? {
        let etcd = subject(&runtime, etcd, effort)?;
        subjects.peers.push(("etcd put, synced to disk", etcd));
    }
    let taken = Rounds::take(&mut subjects, effort.close_rounds, effort, progress)?;
    let row = |what, measure, peer, goal| {
        taken.row(Question {
            item: "B5",
            what,
            unit: "us",
            measure,
            peer,
            goal,
        })
    };
    let p50 = "report to one watcher, 100 services, 500 flips/s, p50";
    let p99 = "the same, p99";
    let mut rows = vec![
        row(p50, 0, None, Goal::More(15.0)),
        row(p99, 1, None, Goal::AtMost(1.25)),
    ];
    if !subjects.peers.is_empty() {
        rows.push(row(p50, 0, Some(0), Goal::AtLeast(5.0)));
    }
    Ok(rows)
}

fn subject<W: Way>(runtime: &Runtime, way: W, effort: Effort) -> anyhow::Result<Subject<'_>> {
    // Where the connections are served too, so that nothing has to cross threads.
    let mut way = Some(way);
    let mut sample = move |during: Duration| {
        let mut gone = way.take().context("a sample before this one failed")?;
        let sampled = runtime.block_on(runtime.spawn(async move {
            let sampled = sample(&mut gone, during).await;
            (gone, sampled)
        }));
        let (back, sampled) = sampled?;
        way = Some(back);
        sampled
    };
    if !effort.quick {
        sample(WARM)?;
    }
    Ok(Box::new(move || {
        // Twice as long as others, for the sake of the tail.
        let latencies = sample(effort.sample * 2)?;
        let micros = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
        Ok(vec![micros(0.5), micros(0.99)])
    }))
}

/// Latencies in nanoseconds.
async fn sample(way: &mut impl Way, during: Duration) -> anyhow::Result<Histogram<u64>> {
    let clock = Clock::start();
    let changes = u32::try_from(during.as_nanos() / EVERY.as_nanos())?.max(1);
    let begun = clock.mono() + EVERY;
    let due = |change: u32| begun + EVERY * change;
    let mut latencies = Histogram::new(3)?;
    let mut heard = vec![false; changes as usize];
    for change in 0..changes {
        while clock.mono() < due(change) {
            tokio::select! {
                biased;
                numbers = way.hear() => note(&numbers?, &mut heard, &mut latencies, clock.mono(), due)?,
                () = yield_now() => {}
            }
        }
        way.make(change).await?;
    }
    while heard.contains(&false) {
        let numbers = timeout(PATIENCE, way.hear())
            .await
            .context("a change was not heard of")??;
        note(&numbers, &mut heard, &mut latencies, clock.mono(), due)?;
    }
    way.over();
    Ok(latencies)
}

fn note(
    numbers: &[u32],
    heard: &mut [bool],
    latencies: &mut Histogram<u64>,
    now: Mono,
    due: impl Fn(u32) -> Mono,
) -> anyhow::Result<()> {
    for &number in numbers {
        let heard = heard.get_mut(number as usize);
        let heard = heard.with_context(|| format!("heard of change {number}, which was not made"))?;
        ensure!(
            !std::mem::replace(heard, true),
            "change {number} was heard of twice"
        );
        latencies.record(u64::try_from(now.since(due(number)).as_nanos())?)?;
    }
    Ok(())
}
