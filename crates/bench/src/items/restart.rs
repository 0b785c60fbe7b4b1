//! B14a: how long `ward aggregator` takes to be there when it knows a million instances from before.
//!
//! From the start of the process until `/readyz` answers 200 and all of them are known: the first as an orchestrator sees
//! it, the second by the figures of `/metrics`. The limit is to read the same rows out of the same database and nothing
//! else, so that the ratio is what it costs to know them.
//!
//! The server is not kept to one core as where clients load it: nobody asks it for anything yet, it reads and decides in
//! two threads, and it is started as people start it. What it takes on one core is shown beside.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::ensure;
use tokio::runtime;
use ward_chassis::Clock;
use ward_model::{Criticality, Freshness, Incarnation, InstanceId, MinHealthy, Name, Reason, Status, Wall};
use ward_store::{Config, KnownInstance, KnownService, Place, Retention, Store, Write};

use crate::{
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subjects},
    machine,
    product::Aggregator,
    progress::Progress,
};

/// Instances of a service.
const EACH: usize = 200;
/// How long anything here may take before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let instances = if effort.quick { 20_000 } else { 1_000_000 };
    let clock = Clock::start();
    let data = Arc::new(tempfile::tempdir()?);
    runtime()?.block_on(fill(data.path(), instances, &clock))?;
    let (there, at) = (data.clone(), clock.clone());
    let mut subjects = Subjects {
        limit: Some(Box::new(move || {
            let begun = at.mono();
            ensure!(
                runtime()?.block_on(read(there.path(), &at))? == instances,
                "rows are missing"
            );
            let took = millis(at.mono().since(begun));
            Ok(vec![took, took])
        })),
        ward: Some(Box::new(|| {
            let start = || Aggregator::start_here(data.path());
            started(|| machine::on_all_cores(start), instances, &clock)
        })),
        peers: vec![(
            "the same on one core",
            Box::new(|| started(|| Aggregator::start_in(data.path()), instances, &clock)),
        )],
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let row = |measure, what: &str, peer, goal| {
        taken.row(Question {
            item: "B14a",
            what: &format!("{instances} instances known from before: from the start of the process {what}; limit: reading them"),
            unit: "ms",
            measure,
            peer,
            goal,
        })
    };
    let second = Goal::Under(1_000.0);
    Ok(vec![
        row(0, "until /readyz answers 200", None, second),
        row(1, "until all are known", None, second),
        row(1, "until all are known", Some(0), Goal::None),
    ])
}

fn started(
    start: impl FnOnce() -> anyhow::Result<Aggregator>,
    instances: usize,
    clock: &Clock,
) -> anyhow::Result<Vec<f64>> {
    let begun = clock.mono();
    let late = || clock.mono().since(begun) > PATIENCE;
    let aggregator = start()?;
    while !aggregator.get("/readyz")?.starts_with("HTTP/1.1 200") {
        ensure!(!late(), "it does not become ready");
    }
    let ready = clock.mono().since(begun);
    while aggregator.metric("ward_instances{freshness=\"suspect\"}")? < instances as f64 {
        ensure!(!late(), "not all are known again");
    }
    Ok(vec![millis(ready), millis(clock.mono().since(begun))])
}

fn store(dir: &Path, clock: &Clock) -> anyhow::Result<Store> {
    let config = Config {
        place: Place::Sqlite(dir.join("ward.db")),
        retention: Retention::default(),
    };
    Ok(Store::open(config, clock.clone())?)
}

async fn read(dir: &Path, clock: &Clock) -> anyhow::Result<usize> {
    let store = store(dir, clock)?;
    let (mut count, mut known) = (0, store.known()?);
    while let Some(piece) = known.next().await? {
        count += piece.len();
    }
    store.stop(PATIENCE).await;
    Ok(count)
}

async fn fill(dir: &Path, instances: usize, clock: &Clock) -> anyhow::Result<()> {
    let store = store(dir, clock)?;
    for number in 0..instances {
        let service = Name::service(&format!("s{}", number / EACH))?;
        if number % EACH == 0 {
            store.put(Write::Service(known(service.clone())));
        }
        store.put(Write::Instance(KnownInstance {
            id: InstanceId {
                service,
                instance: Name::instance(&format!("i{}", number % EACH))?,
            },
            incarnation: Incarnation::new(&format!("{number:032x}"))?,
            interval_ms: 5_000,
            status: Status::Healthy,
            freshness: Freshness::Fresh,
        }));
    }
    let left = store.stop(PATIENCE).await;
    ensure!(left == 0, "{left} rows were not written");
    Ok(())
}

fn known(name: Name) -> KnownService {
    KnownService {
        name,
        criticality: Criticality::Important,
        min_healthy: MinHealthy::Count(1),
        dependencies: Vec::new(),
        status: Status::Healthy,
        reason: Reason::Reported,
        message: String::new(),
        since: Wall(0),
    }
}

fn runtime() -> anyhow::Result<runtime::Runtime> {
    Ok(runtime::Builder::new_current_thread().enable_all().build()?)
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}
