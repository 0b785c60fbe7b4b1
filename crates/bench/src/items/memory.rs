//! B8: what an instance adds to the memory of an aggregator; to the engine alone, and all in.
//!
//! All in is the process, seen from outside, between two fleets of different size on the same streams: connections, streams
//! and the history of revisions, which is full in both, are the same and fall out of the difference. Subtracting an
//! estimate of them was not taken: it would be the largest number in it.

use std::{
    env,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use tokio::{runtime, task::JoinSet};
use tokio_stream::StreamExt;
use tonic::{
    Streaming,
    transport::{Channel, Endpoint},
};
use ward_proto::v1::{self, health_service_client::HealthServiceClient};

use crate::{
    fleet,
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subjects},
    progress::Progress,
    server::Server,
};

const SERVICES: usize = 1_000;
const STREAMS: usize = 200;
const CONNECTIONS: usize = 10;
/// Hellos to a request, as an agent with many instances sends them.
const TOGETHER: usize = 50;

/// A fleet before and after it grew. The smaller one has more instances than the aggregator keeps revisions.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    before: usize,
    after: usize,
}

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let sizes = if effort.quick {
        Sizes {
            before: 1_000,
            after: 6_000,
        }
    } else {
        Sizes {
            before: 100_000,
            after: 300_000,
        }
    };
    let added = sizes.after - sizes.before;
    let mut subjects = Subjects {
        ward: Some(Box::new(|| {
            let mut figures = all_in(sizes)?;
            figures.push(in_engine(added)?);
            Ok(figures)
        })),
        ..Subjects::default()
    };
    // Memory is the same every time.
    let taken = Rounds::take(&mut subjects, 1, effort, progress)?;
    let row = |measure, what: &str, unit, goal| {
        taken.row(Question {
            item: "B8",
            what,
            unit,
            measure,
            peer: None,
            goal,
        })
    };
    let all_in = format!("an instance, all in: {added} more on {STREAMS} streams");
    let registered = format!("a registration of those, {TOGETHER} a message: CPU");
    Ok(vec![
        row(0, &all_in, "B", Goal::Under(256.0)),
        row(2, "an instance in the engine alone", "B", Goal::None),
        row(1, &registered, "us", Goal::None),
    ])
}

/// Bytes an instance in an engine that has a process to itself.
fn in_engine(instances: usize) -> anyhow::Result<f64> {
    let mut command = Command::new(env::current_exe().context("find this program")?);
    command.args(["serve", "engine", "--instances", &instances.to_string()]);
    let output = command.stdin(Stdio::null()).output().context("start an engine")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = text.trim().parse();
    figure.with_context(|| format!("an engine that says {text:?}"))
}

/// Bytes, and microseconds of CPU time, an instance that is added to an aggregator.
fn all_in(sizes: Sizes) -> anyhow::Result<Vec<f64>> {
    let server = Server::start(&["ward"])?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut streams = open(&server).await?;
        streams = grow(streams, 0, sizes.before).await?;
        let (memory, cpu) = (server.memory()?, server.cpu()?);
        streams = grow(streams, sizes.before, sizes.after).await?;
        let (memory, cpu) = (server.memory()?.saturating_sub(memory), server.cpu()? - cpu);
        verify(&server, sizes.after).await?;
        drop(streams);
        let added = (sizes.after - sizes.before) as f64;
        Ok(vec![memory as f64 / added, cpu.as_secs_f64() * 1e6 / added])
    })
}

/// One report stream, from the side of who reports.
struct Reports {
    requests: tokio::sync::mpsc::Sender<v1::ReportRequest>,
    answers: Streaming<v1::ReportResponse>,
}

async fn open(server: &Server) -> anyhow::Result<Vec<Reports>> {
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = connect(server).await?;
        for _ in 0..STREAMS / CONNECTIONS {
            let (requests, outgoing) = tokio::sync::mpsc::channel(1);
            let outgoing = tokio_stream::wrappers::ReceiverStream::new(outgoing);
            let answers = client.clone().report(outgoing).await.context("open a stream")?;
            streams.push(Reports {
                requests,
                answers: answers.into_inner(),
            });
        }
    }
    Ok(streams)
}

async fn connect(server: &Server) -> anyhow::Result<HealthServiceClient<Channel>> {
    let endpoint = Endpoint::new(format!("http://{}", server.addr()))?;
    Ok(HealthServiceClient::new(endpoint.connect().await?))
}

/// Registers the instances of these numbers, spread over all streams, and lets the aggregator come to rest.
async fn grow(streams: Vec<Reports>, from: usize, to: usize) -> anyhow::Result<Vec<Reports>> {
    let count = streams.len();
    let mut all = JoinSet::new();
    for (number, stream) in streams.into_iter().enumerate() {
        let indices: Vec<_> = (from..to).skip(number).step_by(count).collect();
        all.spawn(register(stream, indices));
    }
    let mut streams = Vec::new();
    while let Some(stream) = all.join_next().await {
        streams.push(stream??);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    Ok(streams)
}

async fn register(mut stream: Reports, indices: Vec<usize>) -> anyhow::Result<Reports> {
    for together in indices.chunks(TOGETHER) {
        let hellos = together.iter().map(|&index| hello(index));
        let hellos = hellos.collect::<anyhow::Result<_>>()?;
        let request = v1::ReportRequest {
            hellos,
            ..Default::default()
        };
        stream.requests.send(request).await.context("send hellos")?;
        let mut registered = 0;
        while registered < together.len() {
            let answer = stream.answers.next().await.context("a stream that ended")??;
            ensure!(answer.rejections.is_empty(), "rejected: {:?}", answer.rejections);
            registered += answer.registrations.len();
        }
    }
    Ok(stream)
}

/// Nobody beats here, so they are heard seldom enough not to be suspect meanwhile.
fn hello(index: usize) -> anyhow::Result<v1::Hello> {
    let hello = fleet::hello_of(SERVICES, index)?;
    Ok(v1::Hello {
        interval_ms: 300_000,
        ..v1::Hello::from(&hello)
    })
}

/// The aggregator has counted as many.
async fn verify(server: &Server, instances: usize) -> anyhow::Result<()> {
    let mut client = connect(server).await?;
    let mut counted = 0;
    for index in 0..SERVICES {
        let request = v1::GetServiceRequest {
            name: format!("service-{index}"),
        };
        let service = client.get_service(request).await?.into_inner().service;
        let service = service.context("a service without a state")?;
        counted += service.instances.map_or(0, |instances| instances.total) as usize;
    }
    ensure!(counted == instances, "{counted} of {instances} are registered");
    Ok(())
}
