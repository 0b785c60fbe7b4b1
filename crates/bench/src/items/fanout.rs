//! B6: one change to many watchers, bursts of changes, and one watcher who does not read.
//!
//! A change is made and waited for until the last watcher has it, again and again; so much for time. What the server
//! spends on each delivery is measured along with it, and for bursts it is the figure: a delivery takes it a fraction of
//! a microsecond, and the client, cheap as it is, could not follow on the other core at every moment.

mod audience;
mod stall;

use std::time::Duration;

use tokio::runtime::{self, Runtime};

use self::audience::{Audience, Heard, Kind};
use crate::{
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subject, Subjects},
    progress::Progress,
};

/// Changes in one burst. Ward tells up to 64 apart, so none of these is skipped.
const BURST: u64 = 50;

/// What is not measured of a server that has just started.
const WARM: Duration = Duration::from_millis(1_500);

/// Who watches.
#[derive(Clone, Copy, Debug)]
struct Crowd {
    watchers: usize,
    connections: usize,
}

impl Crowd {
    fn text(self) -> String {
        let Self {
            watchers,
            connections,
        } = self;
        format!("{watchers} watchers on {connections} connections")
    }
}

/// Figures of a turn, by their place.
const LAST_MS: usize = 0;
const CPU_US: usize = 1;
const PER_CORE_SECOND: usize = 2;
const PER_SECOND: usize = 3;

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    // One thread beside this one: pings are answered while nothing is measured.
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let hundredth = if effort.quick { 10 } else { 1 };
    let crowd = |watchers: usize, connections: usize| Crowd {
        watchers: watchers / hundredth,
        connections: (connections / hundredth).max(1),
    };
    let mut rows = few_connections(&runtime, crowd(1_000, 10), effort, progress)?;
    rows.extend(many_connections(&runtime, crowd(1_000, 1_000), effort, progress)?);
    rows.extend(most(&runtime, crowd(10_000, 1_000), effort, progress)?);
    rows.extend(bursts(&runtime, crowd(1_000, 10), effort, progress)?);
    rows.extend(stall::run(&runtime, crowd(1_000, 10), effort, progress)?);
    Ok(rows)
}

/// Changes one at a time: how long until the last has it, and what a delivery costs.
fn singly(
    runtime: &Runtime,
    kind: Kind,
    crowd: Crowd,
    effort: Effort,
) -> anyhow::Result<Option<Subject<'_>>> {
    measured(runtime, kind, crowd, effort, 1)
}

/// The same in bursts of so many.
fn measured(
    runtime: &Runtime,
    kind: Kind,
    crowd: Crowd,
    effort: Effort,
    burst: u64,
) -> anyhow::Result<Option<Subject<'_>>> {
    let Some(mut audience) = runtime.block_on(Audience::gather(kind, crowd))? else {
        return Ok(None);
    };
    runtime.block_on(audience.changes(burst, warm(effort)))?;
    Ok(Some(Box::new(move || {
        let heard = runtime.block_on(audience.changes(burst, effort.sample))?;
        Ok(figures(&heard))
    })))
}

fn figures(heard: &Heard) -> Vec<f64> {
    let deliveries = heard.deliveries as f64;
    let (cpu, time) = (heard.cpu.as_secs_f64(), heard.lasts.iter().sum::<Duration>());
    vec![
        heard.last_ms(),
        cpu * 1e6 / deliveries,
        deliveries / cpu,
        deliveries / time.as_secs_f64(),
    ]
}

fn warm(effort: Effort) -> Duration {
    if effort.quick { Duration::ZERO } else { WARM }
}

fn few_connections(
    runtime: &Runtime,
    crowd: Crowd,
    effort: Effort,
    progress: &Progress,
) -> anyhow::Result<Vec<Row>> {
    let mut subjects = Subjects {
        limit: singly(runtime, Kind::Shared, crowd, effort)?,
        ward: singly(runtime, Kind::Ward, crowd, effort)?,
        peers: Vec::new(),
    };
    let naive = singly(runtime, Kind::Naive, crowd, effort)?;
    subjects.peers.extend(naive.map(|naive| ("naive tonic", naive)));
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let last = format!("one change to {}, the last has it", crowd.text());
    let cost = format!("one change to {}, server CPU a delivery", crowd.text());
    let row = |what: &str, unit, measure, goal| {
        taken.row(Question {
            item: "B6",
            what,
            unit,
            measure,
            peer: Some(0),
            goal,
        })
    };
    Ok(vec![
        row(&last, "ms", LAST_MS, Goal::AtLeast(3.0)),
        row(&cost, "us", CPU_US, Goal::None),
    ])
}

fn many_connections(
    runtime: &Runtime,
    crowd: Crowd,
    effort: Effort,
    progress: &Progress,
) -> anyhow::Result<Vec<Row>> {
    let mut subjects = Subjects {
        limit: singly(runtime, Kind::Shared, crowd, effort)?,
        ward: singly(runtime, Kind::Ward, crowd, effort)?,
        peers: Vec::new(),
    };
    for (name, kind) in [
        ("raw TCP", Kind::Raw),
        ("naive tonic", Kind::Naive),
        ("redis", Kind::Redis),
        ("nats", Kind::Nats),
    ] {
        let peer = singly(runtime, kind, crowd, effort)?;
        subjects.peers.extend(peer.map(|peer| (name, peer)));
    }
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let last = format!("one change to {}, the last has it", crowd.text());
    let cost = format!("one change to {}, server CPU a delivery", crowd.text());
    let row = |what: &str, unit, measure, peer, goal| {
        taken.row(Question {
            item: "B6",
            what,
            unit,
            measure,
            peer,
            goal,
        })
    };
    let mut rows = vec![
        row(&last, "ms", LAST_MS, None, Goal::AtMost(1.15)),
        row(&cost, "us", CPU_US, None, Goal::None),
    ];
    for peer in 0..subjects.peers.len() {
        rows.push(row(&last, "ms", LAST_MS, Some(peer), Goal::None));
    }
    Ok(rows)
}

fn most(runtime: &Runtime, crowd: Crowd, effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let mut subjects = Subjects {
        limit: singly(runtime, Kind::Shared, crowd, effort)?,
        ward: singly(runtime, Kind::Ward, crowd, effort)?,
        peers: Vec::new(),
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let what = format!("one change to {}, the last has it", crowd.text());
    Ok(vec![taken.row(Question {
        item: "B6",
        what: &what,
        unit: "ms",
        measure: LAST_MS,
        peer: None,
        goal: Goal::None,
    })])
}

fn bursts(runtime: &Runtime, crowd: Crowd, effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let burst = |kind| measured(runtime, kind, crowd, effort, BURST);
    let mut subjects = Subjects {
        limit: burst(Kind::Shared)?,
        ward: burst(Kind::Ward)?,
        peers: Vec::new(),
    };
    subjects
        .peers
        .extend(burst(Kind::Naive)?.map(|naive| ("naive tonic", naive)));
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let by_core = format!(
        "bursts of {BURST} changes to {}, delivered a second of the server's core",
        crowd.text()
    );
    let by_clock = "the same by the clock, the client on the other core";
    let row = |what: &str, measure, goal| {
        taken.row(Question {
            item: "B6",
            what,
            unit: "changes/s",
            measure,
            peer: Some(0),
            goal,
        })
    };
    Ok(vec![
        row(&by_core, PER_CORE_SECOND, Goal::Over(3e6)),
        row(by_clock, PER_SECOND, Goal::None),
    ])
}
