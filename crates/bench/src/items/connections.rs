//! B8, the part with sockets: what a connection with one `Report` stream adds to a server's resident memory, and what a
//! further stream on a connection does.
//!
//! Each stream says hello for one instance and beats once, so that a row of Ward's includes what an instance costs. A
//! server is fresh for each sample, because resident memory hardly shrinks, and has some connections before the first
//! look at it, so that what it makes once is not counted.

use anyhow::{Context, bail, ensure};
use tokio::{runtime::Runtime, sync::mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Channel};
use ward_proto::v1::{Hello, ReportRequest, ReportResponse, health_service_client::HealthServiceClient};

use super::beats::client;
use crate::{
    flow::connect,
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subjects},
    progress::Progress,
    server::Server,
};

/// There before the first look.
const BEFORE: usize = 16;
/// Nobody is to be convicted while others still connect.
const INTERVAL_MS: u32 = 3_600_000;

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let many = if effort.quick { 200 } else { 2_000 };
    let runtime = client()?;
    let mut subjects = Subjects {
        limit: Some(Box::new(|| each(&runtime, "noop", many))),
        ward: Some(Box::new(|| each(&runtime, "ward", many))),
        peers: Vec::new(),
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let row = |measure: usize, what: &str, goal| {
        taken.row(Question {
            item: "B8",
            what,
            unit: "KiB",
            measure,
            peer: None,
            goal,
        })
    };
    let connection = format!("a connection of {many} with one stream, an instance included");
    let stream = format!("a further stream of {many} on one connection, an instance included (6 KiB wanted)");
    Ok(vec![
        row(0, &connection, Goal::AtMost(1.1)),
        row(1, &stream, Goal::None),
    ])
}

/// KiB that each of `many` connections adds to a fresh server of this kind, and each of `many` streams to another. Both
/// at once: it is waiting for acknowledgements that takes time.
fn each(runtime: &Runtime, kind: &str, many: usize) -> anyhow::Result<Vec<f64>> {
    runtime.block_on(async {
        let (alone, shared) = (Server::start(&[kind])?, Server::start(&[kind])?);
        let mut both = [Streams::new(&alone, false), Streams::new(&shared, true)];
        let mut before = Vec::new();
        for streams in &mut both {
            streams.add(BEFORE).await?;
            before.push(streams.server.memory()?);
        }
        for streams in &mut both {
            streams.add(many).await?;
        }
        let mut figures = Vec::new();
        for (streams, before) in both.iter_mut().zip(before) {
            streams.are_heard().await?;
            let added = streams.server.memory()?.saturating_sub(before);
            figures.push(added as f64 / many as f64 / 1_024.0);
        }
        Ok(figures)
    })
}

/// Streams to one server, all of them open.
#[derive(Debug)]
struct Streams<'a> {
    server: &'a Server,
    /// The connection of all of them, where they have one.
    shared: Option<Option<Channel>>,
    open: Vec<Stream>,
}

/// One of them.
#[derive(Debug)]
struct Stream {
    /// Holds the stream open.
    _requests: mpsc::Sender<ReportRequest>,
    answers: Streaming<ReportResponse>,
}

impl<'a> Streams<'a> {
    fn new(server: &'a Server, shared: bool) -> Self {
        Self {
            server,
            shared: shared.then_some(None),
            open: Vec::new(),
        }
    }

    /// Opens more, each of which says hello and beats once.
    async fn add(&mut self, more: usize) -> anyhow::Result<()> {
        let known = self.open.len();
        for number in known..known + more {
            let channel = self.channel().await?;
            self.open.push(Stream::open(channel, number).await?);
        }
        Ok(())
    }

    /// Waits until each was heard, both times.
    async fn are_heard(&mut self) -> anyhow::Result<()> {
        for stream in &mut self.open {
            stream.heard(2).await?;
        }
        Ok(())
    }

    async fn channel(&mut self) -> anyhow::Result<Channel> {
        match &mut self.shared {
            None => connect(self.server.addr()).await,
            Some(Some(channel)) => Ok(channel.clone()),
            Some(none) => Ok(none.insert(connect(self.server.addr()).await?).clone()),
        }
    }
}

impl Stream {
    async fn open(channel: Channel, number: usize) -> anyhow::Result<Self> {
        let (requests, outbox) = mpsc::channel(1);
        let hello = Hello {
            service: format!("service-{}", number % 100),
            instance: format!("instance-{number:07}"),
            incarnation: "1".to_owned(),
            interval_ms: INTERVAL_MS,
            ..Hello::default()
        };
        let hello = ReportRequest {
            hellos: vec![hello],
            ..ReportRequest::default()
        };
        requests.send(hello).await.context("say hello")?;
        let mut client = HealthServiceClient::new(channel);
        let answers = client.report(ReceiverStream::new(outbox)).await?.into_inner();
        let beat = ReportRequest {
            // Handles of a stream begin at 0.
            beats: vec![0],
            ..ReportRequest::default()
        };
        requests.send(beat).await.context("beat")?;
        Ok(Self {
            _requests: requests,
            answers,
        })
    }

    /// Waits until so many requests are acknowledged.
    async fn heard(&mut self, requests: u64) -> anyhow::Result<()> {
        while let Some(answer) = self.answers.message().await? {
            let complaints = (answer.rejections, answer.closing, answer.full_state_wanted);
            ensure!(
                complaints == (vec![], None, vec![]),
                "not just heard: {complaints:?}"
            );
            if answer.acknowledged >= requests {
                return Ok(());
            }
        }
        bail!("the server ended a stream");
    }
}
