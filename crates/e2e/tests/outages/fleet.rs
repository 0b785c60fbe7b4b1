//! A thousand instances, each on a connection of its own, that do what the sdk does: say hello, beat, come back.
//!
//! Not the sdk itself: a thousand reporters would be a thousand liveness threads in one process.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::interval,
};
use tokio_stream::wrappers::ReceiverStream;
use ward_proto::v1::{Hello, ReportRequest, health_service_client::HealthServiceClient};

pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// Instances of ten services. They end when this is dropped.
pub(crate) struct Fleet {
    members: JoinSet<()>,
    first: AbortHandle,
}

impl Fleet {
    pub(crate) fn join(addr: SocketAddr, instances: usize) -> Self {
        let mut members = JoinSet::new();
        let first = members.spawn(live(addr, 0, instances));
        for number in 1..instances {
            members.spawn(live(addr, number, instances));
        }
        Self { members, first }
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    /// One of them dies: its connection breaks and does not come back.
    pub(crate) fn lose_one(&self) {
        self.first.abort();
    }
}

async fn live(addr: SocketAddr, number: usize, instances: usize) {
    // Phases are spread over the interval, as those of processes that started on their own are.
    tokio::time::sleep(INTERVAL.mul_f64(number as f64 / instances as f64)).await;
    loop {
        if let Err(error) = report(addr, number).await {
            note(number, &error);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The first of the fleet speaks for all: a thousand lines say no more.
#[expect(clippy::print_stderr, reason = "shown when the test fails")]
fn note(number: usize, error: &tonic::Status) {
    if number == 0 {
        eprintln!("an instance lost its stream: {error}");
    }
}

async fn report(addr: SocketAddr, number: usize) -> Result<(), tonic::Status> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{addr}"))
        .unwrap()
        .tcp_nodelay(true);
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let (say, said) = mpsc::channel(4);
    let hello = Hello {
        service: format!("service-{}", number % 10),
        instance: format!("i-{number}"),
        incarnation: format!("life-{number}"),
        interval_ms: INTERVAL.as_millis() as u32,
        ..Hello::default()
    };
    say.try_send(ReportRequest {
        hellos: vec![hello],
        ..ReportRequest::default()
    })
    .unwrap();
    let mut client = HealthServiceClient::new(channel);
    let mut answers = client.report(ReceiverStream::new(said)).await?.into_inner();
    let first = answers
        .message()
        .await?
        .ok_or_else(|| tonic::Status::aborted("no answer to the hello"))?;
    let handle = first
        .registrations
        .first()
        .map(|registration| registration.handle);
    let handle = handle.ok_or_else(|| tonic::Status::aborted(format!("refused: {:?}", first.rejections)))?;
    let mut beats = interval(INTERVAL);
    loop {
        tokio::select! {
            _ = beats.tick() => {
                let beat = ReportRequest { beats: vec![handle], ..ReportRequest::default() };
                if say.send(beat).await.is_err() {
                    return Ok(());
                }
            }
            answer = answers.message() => if answer?.is_none_or(|answer| answer.closing.is_some()) {
                return Ok(());
            }
        }
    }
}
