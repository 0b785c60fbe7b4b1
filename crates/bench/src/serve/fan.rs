//! Fan-out with nothing of Ward in it: each update that comes in over `Report` goes out to all who `Watch`.
//!
//! A tokio broadcast channel stands between them, which is what one writes first. Naive, a message goes through it and
//! is encoded for each watcher; shared, its bytes do, encoded once. Both say what Ward says of a flip, and know of
//! nothing: no state, no filter, no cursor to resume from, and a watcher that falls behind is lost.

mod codec;
mod said;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use clap::ValueEnum;
use prost::{Message, bytes::Bytes};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::{
    Stream, StreamExt,
    wrappers::{BroadcastStream, ReceiverStream, TcpListenerStream, errors::BroadcastStreamRecvError},
};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService, ServerStreamingService, StreamingService},
    transport::Server,
};
use tonic_prost::ProstCodec;
use ward_proto::v1::{Registration, ReportRequest, ReportResponse, WatchRequest, WatchResponse};

use self::codec::BytesCodec;
use super::{listener, until_over};

/// More than are ever under way, so that nobody falls behind.
const KEPT: usize = 1_024;

/// What goes through the channel.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Fan {
    /// Messages, encoded for each watcher
    Naive,
    /// Bytes, encoded once
    Shared,
}

pub(super) async fn serve(fan: Fan) -> anyhow::Result<()> {
    let listener = listener().await?;
    let addr = listener.local_addr()?;
    let serve = Server::builder()
        .tcp_nodelay(true)
        .add_service(Service(Arc::new(Channels::new(fan))))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::select! {
        served = serve => Ok(served?),
        over = until_over(addr) => over,
    }
}

#[derive(Debug)]
struct Channels {
    fan: Fan,
    messages: broadcast::Sender<WatchResponse>,
    bytes: broadcast::Sender<Bytes>,
    revision: AtomicU64,
}

impl Channels {
    fn new(fan: Fan) -> Self {
        Self {
            fan,
            messages: broadcast::Sender::new(KEPT),
            bytes: broadcast::Sender::new(KEPT),
            revision: AtomicU64::new(0),
        }
    }

    fn publish(&self, message: WatchResponse) {
        // Nobody may be watching.
        match self.fan {
            Fan::Naive => drop(self.messages.send(message)),
            Fan::Shared => drop(self.bytes.send(message.encode_to_vec().into())),
        }
    }
}

#[derive(Clone, Debug)]
struct Service(Arc<Channels>);

impl NamedService for Service {
    const NAME: &'static str = "ward.health.v1.HealthService";
}

impl tower::Service<http::Request<Body>> for Service {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let channels = self.0.clone();
        let is_report = request.uri().path().ends_with("/Report");
        Box::pin(async move {
            Ok(match channels.fan {
                _ if is_report => {
                    let mut grpc = Grpc::new(ProstCodec::<ReportResponse, ReportRequest>::default());
                    grpc.streaming(Report(channels), request).await
                }
                Fan::Naive => {
                    let mut grpc = Grpc::new(ProstCodec::<WatchResponse, WatchRequest>::default());
                    grpc.server_streaming(Watch(channels.messages.clone()), request)
                        .await
                }
                Fan::Shared => {
                    let mut grpc = Grpc::new(BytesCodec);
                    grpc.server_streaming(Watch(channels.bytes.clone()), request)
                        .await
                }
            })
        })
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Answered<T> = Pin<Box<dyn Future<Output = Result<Response<Answers<T>>, Status>> + Send>>;

struct Watch<T>(broadcast::Sender<T>);

impl<T: Clone + Send + 'static> ServerStreamingService<WatchRequest> for Watch<T> {
    type Response = T;
    type ResponseStream = Answers<T>;
    type Future = Answered<T>;

    fn call(&mut self, _: Request<WatchRequest>) -> Self::Future {
        let behind = |BroadcastStreamRecvError::Lagged(by)| Status::data_loss(format!("{by} are lost"));
        let told = BroadcastStream::new(self.0.subscribe()).map(move |told| told.map_err(behind));
        let told: Answers<T> = Box::pin(told);
        Box::pin(async { Ok(Response::new(told)) })
    }
}

struct Report(Arc<Channels>);

impl StreamingService<ReportRequest> for Report {
    type Response = ReportResponse;
    type ResponseStream = Answers<ReportResponse>;
    type Future = Answered<ReportResponse>;

    fn call(&mut self, request: Request<Streaming<ReportRequest>>) -> Self::Future {
        let (out, answers) = mpsc::channel(2);
        tokio::spawn(read(self.0.clone(), request.into_inner(), out));
        let answers: Self::ResponseStream = Box::pin(ReceiverStream::new(answers));
        Box::pin(async { Ok(Response::new(answers)) })
    }
}

/// Reads to the end of the stream, or until the peer takes no answer. Handles count from 1 in the order of hellos.
async fn read(
    channels: Arc<Channels>,
    mut requests: Streaming<ReportRequest>,
    out: mpsc::Sender<Result<ReportResponse, Status>>,
) {
    let mut names = Vec::new();
    while let Some(Ok(request)) = requests.next().await {
        for hello in request.hellos {
            names.push(hello.service);
            let registration = Registration {
                handle: u32::try_from(names.len()).unwrap_or(u32::MAX),
                ..Registration::default()
            };
            let answer = ReportResponse {
                registrations: vec![registration],
                ..ReportResponse::default()
            };
            if out.send(Ok(answer)).await.is_err() {
                return;
            }
        }
        for update in request.updates {
            let service = (update.handle as usize)
                .checked_sub(1)
                .and_then(|at| names.get(at));
            let (Some(service), Some(result)) = (service, update.results.first()) else {
                return;
            };
            let revision = channels.revision.fetch_add(1, Relaxed) + 1;
            channels.publish(said::of_flip(service, result.status(), revision));
        }
    }
}
