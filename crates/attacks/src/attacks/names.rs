//! Services that nobody has: as many names as can be thought of, told over few streams.

use anyhow::Context;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use ward_proto::v1::{self, GetSystemRequest, Hello, ReportRequest};

use crate::{Size, attack::Outcome, honest::connect, target::Target};

const STREAMS: usize = 4;
/// Names in one request: well within a message of 64 KiB.
const TOGETHER: usize = 250;
/// Most services there may be (`ward_model::bounds::SERVICES`).
const SERVICES: u32 = 10_000;

/// Stopped if no more services are known than there may be.
pub(crate) async fn distinct(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let each = size.of(30_000, 1_000_000) / STREAMS;
    let mut telling = JoinSet::new();
    for stream in 0..STREAMS {
        telling.spawn(tell(target.grpc, stream, each));
    }
    let mut handled = 0;
    while let Some(told) = telling.join_next().await {
        handled += told??;
    }
    let mut client = connect(target.grpc).await?;
    let answer = client.get_system(GetSystemRequest::default()).await?.into_inner();
    let known = answer
        .system
        .and_then(|system| system.services)
        .context("a system without counts")?
        .total;
    Ok(Outcome {
        stopped: known == SERVICES,
        happened: format!("{handled} names told, {known} services known"),
    })
}

/// Says hello under so many names, and returns how many were handled: a stream is read as far as it is acknowledged.
async fn tell(addr: std::net::SocketAddr, stream: usize, names: usize) -> anyhow::Result<usize> {
    let mut client = connect(addr).await?;
    let (requests, sent) = mpsc::channel(4);
    let messages = names.div_ceil(TOGETHER);
    let telling = tokio::spawn(async move {
        for message in 0..messages {
            let hellos = (0..TOGETHER)
                .map(|at| hello(stream, message * TOGETHER + at))
                .collect();
            let request = ReportRequest {
                hellos,
                ..ReportRequest::default()
            };
            if requests.send(request).await.is_err() {
                return;
            }
        }
        // The stream is not ended before all is acknowledged.
        requests.closed().await;
    });
    let mut answers = client.report(ReceiverStream::new(sent)).await?.into_inner();
    let mut handled = 0;
    while handled < messages {
        let answer = answers.message().await?.context("the stream was ended")?;
        handled = usize::try_from(answer.acknowledged)?;
    }
    telling.abort();
    Ok(handled * TOGETHER)
}

fn hello(stream: usize, number: usize) -> Hello {
    v1::Hello {
        service: format!("nobody-{stream}-{number}"),
        instance: "one".into(),
        incarnation: "one".into(),
        ..Hello::default()
    }
}
