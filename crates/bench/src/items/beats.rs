//! B1: heartbeats of many instances on few streams: what a beat costs the server, by how many come in one message.
//!
//! Eight connections with a stream of 256 instances each, a bounded number of requests unacknowledged, the server's core
//! busy throughout. The limit reads the same messages and acknowledges them at the same pace. A turn goes through the
//! whole curve, so that its points share their weather.
//!
//! Peers have no message for many: etcd's keepalive is about one lease, a pipeline of Redis is 32 commands.

use std::{thread, time::Duration};

use tokio::runtime::{self, Runtime};

use crate::{
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subject, Subjects},
    peer::{
        ETCD, REDIS,
        etcd::Keepalives,
        redis::{PIPELINE, Setters},
    },
    progress::Progress,
    reporters::{ACKNOWLEDGED_EACH, Reporters, Spread},
};

/// Instances with a beat in one message.
const BATCHES: [usize; 5] = [1, 4, 16, 64, 256];
const INSTANCES: usize = 256;
const CONNECTIONS: usize = 8;
const SPREAD: Spread = Spread {
    connections: CONNECTIONS,
    instances: INSTANCES,
    window: 1_024,
};
/// etcd answers each keepalive; more under way make it no cheaper.
const ETCD_WINDOW: u64 = 64;
/// Flows before the clock is read.
const LEAD: Duration = Duration::from_millis(30);

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let runtime = client()?;
    let mut limit = Reporters::of_noop(&runtime, SPREAD)?;
    let mut ward = Reporters::of_ward(&runtime, SPREAD)?;
    let mut peers: Vec<(&str, Subject<'_>)> = Vec::new();
    if let Some(keepalives) = Keepalives::start(&runtime, CONNECTIONS, 32, ETCD_WINDOW)? {
        let (runtime, figures) = (&runtime, BATCHES.len());
        let sample = move || Ok(vec![keepalive(runtime, &keepalives, window(effort))?; figures]);
        peers.push((ETCD.file, Box::new(sample)));
    }
    if let Some(mut setters) = Setters::start(&runtime, CONNECTIONS, INSTANCES)? {
        let (runtime, figures) = (&runtime, BATCHES.len());
        let sample = move || Ok(vec![set(runtime, &mut setters, window(effort))?; figures]);
        peers.push((REDIS.file, Box::new(sample)));
    }
    let place = |name: &str| peers.iter().position(|(peer, _)| *peer == name);
    let (etcd, redis) = (place(ETCD.file), place(REDIS.file));
    let mut subjects = Subjects {
        limit: Some(Box::new(|| curve(&runtime, &mut limit, window(effort)))),
        ward: Some(Box::new(|| curve(&runtime, &mut ward, window(effort)))),
        peers,
    };
    let taken = Rounds::take(&mut subjects, effort.close_rounds, effort, progress)?;
    Ok(rows(&taken, etcd, redis))
}

fn rows(taken: &Rounds, etcd: Option<usize>, redis: Option<usize>) -> Vec<Row> {
    let row = |measure: usize, against: &str, peer, goal| {
        let batch = BATCHES[measure];
        let what = format!("messages of {batch}, {CONNECTIONS} streams, {against}");
        taken.row(Question {
            item: "B1",
            what: &what,
            unit: "ns/beat",
            measure,
            peer,
            goal,
        })
    };
    let limits = (0..BATCHES.len()).map(|measure| {
        let window = format!("at most {} unacknowledged", SPREAD.window);
        row(measure, &window, None, Goal::AtMost(1.15))
    });
    let mut rows: Vec<_> = limits.collect();
    // The worst and the best of the curve: one beat a message is how etcd does it.
    for (measure, asked) in [(0, false), (BATCHES.len() - 1, true)] {
        let goal = |goal| if asked { goal } else { Goal::None };
        if etcd.is_some() {
            let against = "against lease keepalives, 64 under way a stream";
            rows.push(row(measure, against, etcd, goal(Goal::AtLeast(60.0))));
        }
        if redis.is_some() {
            let against = format!("against SET EX, {PIPELINE} a pipeline");
            rows.push(row(measure, &against, redis, goal(Goal::AtLeast(10.0))));
        }
    }
    rows
}

/// A runtime with one thread, which stays on the core of the thread that makes it.
pub(super) fn client() -> anyhow::Result<Runtime> {
    let mut builder = runtime::Builder::new_multi_thread();
    Ok(builder.worker_threads(1).enable_all().build()?)
}

/// How long one point of the curve is looked at.
fn window(effort: Effort) -> Duration {
    effort.sample / 4
}

/// Nanoseconds of the server's CPU a beat, for each size of message.
fn curve(runtime: &Runtime, reporters: &mut Reporters, window: Duration) -> anyhow::Result<Vec<f64>> {
    let point = |batch| {
        reporters.play(batch, INSTANCES);
        let flows = &reporters.flows;
        flows.release();
        thread::sleep(LEAD);
        let (cpu, answered) = (reporters.server.cpu()?, flows.answered());
        thread::sleep(window);
        let cpu = reporters.server.cpu()? - cpu;
        let beats = (flows.answered() - answered) * batch as u64;
        flows.hold();
        runtime.block_on(flows.settle(ACKNOWLEDGED_EACH))?;
        reporters.verify()?;
        Ok(nanos_each(cpu, beats))
    };
    BATCHES.into_iter().map(point).collect()
}

fn keepalive(runtime: &Runtime, keepalives: &Keepalives, window: Duration) -> anyhow::Result<f64> {
    let Keepalives { peer, flows } = keepalives;
    flows.release();
    thread::sleep(LEAD);
    let (cpu, answered) = (peer.cpu()?, flows.answered());
    thread::sleep(window);
    let (cpu, answered) = (peer.cpu()? - cpu, flows.answered() - answered);
    flows.hold();
    runtime.block_on(flows.settle(1))?;
    Ok(nanos_each(cpu, answered))
}

fn set(runtime: &Runtime, setters: &mut Setters, window: Duration) -> anyhow::Result<f64> {
    setters.release(runtime);
    thread::sleep(LEAD);
    let (cpu, done) = (setters.peer.cpu()?, setters.done());
    thread::sleep(window);
    let (cpu, done) = (setters.peer.cpu()? - cpu, setters.done() - done);
    setters.hold(runtime)?;
    Ok(nanos_each(cpu, done))
}

fn nanos_each(cpu: Duration, operations: u64) -> f64 {
    cpu.as_nanos() as f64 / operations as f64
}
