//! B14: how long `ward aggregator` takes to be there, and how long to be gone.
//!
//! Both are about the program as it is released, from outside: until `/readyz` answers 200, and until the process has
//! ended and each of a thousand watchers, on a connection of its own, has read the word that the stream is closing. The
//! limit is a process that only listens.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use tokio::{runtime, sync::Semaphore, task::JoinSet, time::timeout};
use tonic::Streaming;
use ward_chassis::Clock;
use ward_model::Mono;
use ward_proto::v1::{self, health_service_client::HealthServiceClient, watch_response::Event};

use crate::{
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subjects},
    product::Aggregator,
    progress::Progress,
    server::Server,
};

/// How long anything here may take before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(20);
/// Connections that are opened at the same time.
const OPENING: usize = 64;

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    Ok(vec![start(effort, progress)?, drain(effort, progress)?])
}

fn start(effort: Effort, progress: &Progress) -> anyhow::Result<Row> {
    let clock = Clock::start();
    let mut subjects = Subjects {
        limit: Some(Box::new(|| {
            let begun = clock.mono();
            let server = Server::start(&["noop"])?;
            let took = clock.mono().since(begun);
            drop(server);
            Ok(vec![millis(took)])
        })),
        ward: Some(Box::new(|| {
            let begun = clock.mono();
            let aggregator = Aggregator::start()?;
            while !aggregator.get("/readyz")?.starts_with("HTTP/1.1 200") {
                ensure!(clock.mono().since(begun) < PATIENCE, "it does not become ready");
            }
            Ok(vec![millis(clock.mono().since(begun))])
        })),
        peers: Vec::new(),
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    Ok(taken.row(Question {
        item: "B14",
        what: "from the start of the process until /readyz answers 200; limit: until a no-op server listens",
        unit: "ms",
        measure: 0,
        peer: None,
        goal: Goal::Under(50.0),
    }))
}

fn drain(effort: Effort, progress: &Progress) -> anyhow::Result<Row> {
    let watchers = if effort.quick { 100 } else { 1_000 };
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let clock = Clock::start();
    let mut subjects = Subjects {
        ward: Some(Box::new(|| {
            let took = runtime.block_on(drained(watchers, &clock))?;
            Ok(vec![millis(took)])
        })),
        ..Subjects::default()
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    Ok(taken.row(Question {
        item: "B14",
        what: &format!(
            "from SIGTERM until the process is gone and {watchers} watchers on {watchers} connections have read that \
             it closes"
        ),
        unit: "ms",
        measure: 0,
        peer: None,
        goal: Goal::Under(1_000.0),
    }))
}

async fn drained(watchers: usize, clock: &Clock) -> anyhow::Result<Duration> {
    let aggregator = Aggregator::start()?;
    let turns = Arc::new(Semaphore::new(OPENING));
    let mut opening = JoinSet::new();
    for _ in 0..watchers {
        opening.spawn(watch(aggregator.grpc, turns.clone()));
    }
    let mut streams = Vec::with_capacity(watchers);
    while let Some(opened) = opening.join_next().await {
        streams.push(opened??);
    }
    let mut hearing = JoinSet::new();
    for stream in streams {
        let clock = clock.clone();
        hearing.spawn(async move { timeout(PATIENCE, last_word(stream, &clock)).await });
    }
    let begun = clock.mono();
    aggregator.terminate()?;
    let end = clock.clone();
    let ended = tokio::task::spawn_blocking(move || anyhow::Ok((aggregator.wait()?, end.mono())));
    let mut last = begun;
    while let Some(heard) = hearing.join_next().await {
        last = last.max(heard?.context("a watcher heard no last word")??);
    }
    let (status, ended) = ended.await??;
    ensure!(status.success(), "ward ended with {status}");
    Ok(ended.max(last).since(begun))
}

/// A watch that has been told the present state.
async fn watch(addr: SocketAddr, turns: Arc<Semaphore>) -> anyhow::Result<Streaming<v1::WatchResponse>> {
    let _turn = turns.acquire().await?;
    let mut client = HealthServiceClient::connect(format!("http://{addr}")).await?;
    let mut stream = client.watch(v1::WatchRequest::default()).await?.into_inner();
    stream.message().await?.context("a watch without a snapshot")?;
    Ok(stream)
}

/// When the word came that the stream is closing.
async fn last_word(mut stream: Streaming<v1::WatchResponse>, clock: &Clock) -> anyhow::Result<Mono> {
    while let Some(message) = stream.message().await? {
        if let Some(Event::Closing(_)) = message.event {
            return Ok(clock.mono());
        }
    }
    bail!("a watch ended without a word")
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}
