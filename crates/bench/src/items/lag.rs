//! B4 over the wire: how long after the deadline of a silent instance a watcher hears that it is lost.
//!
//! The guards against a lying observer are off, or convictions would be spread over minutes on purpose. Each instance
//! beats for the last time at a moment of its own, or all together; its deadline is that moment, as the client knows it,
//! plus what the registration said. The beat is received a little after it was sent, so a truthful server is never
//! early: a watcher that hears of a loss before the deadline is an error of the run.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use tokio::{
    runtime,
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use ward_chassis::Clock;
use ward_model::Mono;
use ward_proto::v1::{
    self, Hello, ReportRequest, entity::State, health_service_client::HealthServiceClient,
    watch_response::Event,
};

use crate::{
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subjects},
    progress::Progress,
    server::Server,
};

/// The shortest there is: lost 3.1 s after the last beat.
const INTERVAL_MS: u32 = 100;
/// Last beats are sent in so many messages, spread over [`SPREAD`].
const MESSAGES: u32 = 100;
const SPREAD: Duration = Duration::from_secs(1);
/// Hellos in one message, far below its 64 KiB.
const HELLOS: usize = 200;
/// Between the last beats of the ones and the others. The others are suspect a second before they are lost: neither moment
/// is to fall into the second in which the ones are lost, or what is measured of the ones is what the others cost.
const APART: Duration = Duration::from_millis(1_200);
/// Of those with deadlines of their own, and of those with one for all.
const SERVICES: [&str; 2] = ["spread", "aligned"];
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Deltas of thousands of instances do not fit into the transport's default of 4 MiB.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let sizes: &[u32] = if effort.quick { &[1_000] } else { &[1_000, 10_000] };
    let mut rows = Vec::new();
    for &size in sizes {
        rows.extend(row(size, effort, progress)?);
    }
    Ok(rows)
}

fn row(size: u32, effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let server = Server::start(&["ward", "--unguarded"])?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let mut subjects = Subjects {
        ward: Some(Box::new(|| {
            let (spread, aligned) = runtime.block_on(lags(server.addr(), size))?;
            let ms = |lags: &Histogram<u64>, share| lags.value_at_quantile(share) as f64 / 1_000.0;
            Ok(vec![ms(&spread, 0.5), ms(&spread, 0.99), ms(&aligned, 0.99)])
        })),
        ..Subjects::default()
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let row = |measure, what: &str, goal| {
        taken.row(Question {
            item: "B4",
            what: &format!(
                "from the deadline of {size} silent instances until a watcher hears: {what}; no guards"
            ),
            unit: "ms",
            measure,
            peer: None,
            goal,
        })
    };
    Ok(vec![
        row(0, "spread over 1 s, p50", Goal::None),
        row(1, "spread over 1 s, p99", Goal::Under(12.0)),
        row(2, "all at once, p99", Goal::None),
    ])
}

/// The lags, in microseconds, of a fleet whose deadlines are spread, and of another with one for all.
async fn lags(addr: SocketAddr, size: u32) -> anyhow::Result<(Histogram<u64>, Histogram<u64>)> {
    let clock = Clock::start();
    let mut client = HealthServiceClient::connect(format!("http://{addr}"))
        .await?
        .max_decoding_message_size(ANSWER_BYTES);
    let mut spread = Silent::open(&mut client, SERVICES[0], size).await?;
    let mut aligned = Silent::open(&mut client, SERVICES[1], size).await?;
    let request = v1::WatchRequest {
        names: SERVICES.map(str::to_owned).to_vec(),
        level: v1::WatchLevel::Instance.into(),
        ..v1::WatchRequest::default()
    };
    let mut watching = client.watch(request).await?.into_inner();
    spread.beat_for_the_last_time(MESSAGES, &clock).await?;
    // They have been waiting since their hello.
    aligned.beat(&aligned.handles).await?;
    sleep(APART).await;
    aligned.beat_for_the_last_time(1, &clock).await?;
    // What was told meanwhile is suspicion: the first loss is 3.1 s behind the first of these beats.
    let mut missing = 2 * size;
    while missing > 0 {
        let message = timeout(PATIENCE, watching.message())
            .await
            .context("wait for losses")??;
        let heard = clock.mono();
        for lost in losses(message.context("the watch ended")?) {
            let silent = if lost.service == SERVICES[0] {
                &mut spread
            } else {
                &mut aligned
            };
            missing -= u32::from(silent.is_lost(&lost.instance, heard)?);
        }
    }
    let lags = (spread.lags, aligned.lags);
    for service in SERVICES {
        let request = v1::ForgetRequest {
            service: service.to_owned(),
            by: "bench".to_owned(),
            ..v1::ForgetRequest::default()
        };
        client.forget(request).await?;
    }
    Ok(lags)
}

fn losses(message: v1::WatchResponse) -> impl Iterator<Item = v1::InstanceState> {
    let entities = match message.event {
        Some(Event::Delta(delta)) => delta.entities,
        _ => Vec::new(),
    };
    entities.into_iter().filter_map(|entity| match entity.state {
        Some(State::Instance(instance)) if instance.freshness() == v1::Freshness::Lost => Some(instance),
        _ => None,
    })
}

/// Instances of one stream that beat once more and then no longer.
struct Silent {
    out: mpsc::Sender<ReportRequest>,
    /// Held, or the stream ends, which is another way to be lost.
    _answers: Streaming<v1::ReportResponse>,
    /// By the numbers of the instances; the aggregator gives them in the order of the hellos.
    handles: Vec<u32>,
    lost_after: Duration,
    /// When each is to be lost, until it is.
    deadlines: Vec<Option<Mono>>,
    lags: Histogram<u64>,
}

impl Silent {
    async fn open(
        client: &mut HealthServiceClient<tonic::transport::Channel>,
        service: &str,
        size: u32,
    ) -> anyhow::Result<Self> {
        let (out, requests) = mpsc::channel(4);
        let mut answers = client.report(ReceiverStream::new(requests)).await?.into_inner();
        let hellos: Vec<_> = (0..size).map(|number| hello(service, number)).collect();
        for some in hellos.chunks(HELLOS) {
            let request = ReportRequest {
                hellos: some.to_vec(),
                ..ReportRequest::default()
            };
            out.send(request).await.context("say hello")?;
        }
        let (mut handles, mut lost_after) = (Vec::new(), Duration::ZERO);
        while handles.len() < size as usize {
            let answer = timeout(PATIENCE, answers.message())
                .await??
                .context("the stream ended")?;
            ensure!(answer.rejections.is_empty(), "rejected: {:?}", answer.rejections);
            for registered in answer.registrations {
                ensure!(registered.instance == name(handles.len() as u32), "not in order");
                handles.push(registered.handle);
                lost_after = Duration::from_millis(registered.lost_after_ms.into());
            }
        }
        Ok(Self {
            out,
            _answers: answers,
            handles,
            lost_after,
            deadlines: Vec::new(),
            lags: Histogram::new(3)?,
        })
    }

    /// In so many messages; several evenly over [`SPREAD`].
    async fn beat_for_the_last_time(&mut self, messages: u32, clock: &Clock) -> anyhow::Result<()> {
        let each = self.handles.len().div_ceil(messages as usize);
        for beats in self.handles.chunks(each) {
            let sent = clock.mono();
            let deadline = Some(sent + self.lost_after);
            self.deadlines.extend(beats.iter().map(|_| deadline));
            self.beat(beats).await?;
            if messages > 1 {
                sleep(SPREAD / messages).await;
            }
        }
        Ok(())
    }

    async fn beat(&self, beats: &[u32]) -> anyhow::Result<()> {
        let request = ReportRequest {
            beats: beats.to_vec(),
            ..ReportRequest::default()
        };
        self.out.send(request).await.context("beat")
    }

    /// Whether that is news.
    fn is_lost(&mut self, instance: &str, heard: Mono) -> anyhow::Result<bool> {
        let number: usize = instance.parse().context("an instance of somebody else")?;
        let deadline = self
            .deadlines
            .get_mut(number)
            .context("an instance of somebody else")?;
        let Some(deadline) = deadline.take() else {
            return Ok(false);
        };
        ensure!(
            heard >= deadline,
            "{instance} was told lost {:?} before its deadline",
            deadline.since(heard)
        );
        self.lags
            .record(u64::try_from(heard.since(deadline).as_micros())?)?;
        Ok(true)
    }
}

fn name(number: u32) -> String {
    format!("{number:07}")
}

fn hello(service: &str, number: u32) -> Hello {
    Hello {
        service: service.to_owned(),
        instance: name(number),
        incarnation: "1".to_owned(),
        interval_ms: INTERVAL_MS,
        ..Hello::default()
    }
}
