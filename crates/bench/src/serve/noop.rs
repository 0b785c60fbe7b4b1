//! `Report` with nothing in it: requests are decoded and counted, and acknowledged at Ward's pace.
//!
//! It is what a plain tonic server makes of the same definition, and the limit of what is measured over `Report`. The
//! count it acknowledges tells the client that everything was read.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_stream::{
    Stream, StreamExt,
    wrappers::{ReceiverStream, TcpListenerStream},
};
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService, StreamingService},
    transport::Server,
};
use tonic_prost::ProstCodec;
use ward_proto::v1::{ReportRequest, ReportResponse};

use super::{listener, until_over};

/// As Ward has it: an acknowledgement comes after so many requests, or so long after the last.
const ACKNOWLEDGE_EACH: u64 = 64;
const ACKNOWLEDGE_AFTER: Duration = Duration::from_secs(1);

pub(super) async fn serve() -> anyhow::Result<()> {
    let listener = listener().await?;
    let addr = listener.local_addr()?;
    let serve = Server::builder()
        .tcp_nodelay(true)
        .add_service(Noop)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::select! {
        served = serve => Ok(served?),
        over = until_over(addr) => over,
    }
}

/// The service, of which only `Report` is there.
#[derive(Clone, Debug)]
struct Noop;

impl NamedService for Noop {
    const NAME: &'static str = "ward.health.v1.HealthService";
}

impl tower::Service<http::Request<Body>> for Noop {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = Grpc::new(ProstCodec::<ReportResponse, ReportRequest>::default());
            Ok(grpc.streaming(Report, request).await)
        })
    }
}

struct Report;

impl StreamingService<ReportRequest> for Report {
    type Response = ReportResponse;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<ReportResponse, Status>> + Send>>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Self::ResponseStream>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<ReportRequest>>) -> Self::Future {
        let (out, answers) = mpsc::channel(2);
        tokio::spawn(read(request.into_inner(), out));
        let answers: Self::ResponseStream = Box::pin(ReceiverStream::new(answers));
        Box::pin(async { Ok(Response::new(answers)) })
    }
}

/// Reads to the end of the stream, or until the peer takes no answer.
async fn read(mut requests: Streaming<ReportRequest>, out: mpsc::Sender<Result<ReportResponse, Status>>) {
    let (mut handled, mut acknowledged) = (0, 0);
    let mut looks = interval(ACKNOWLEDGE_AFTER);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let due = tokio::select! {
            request = requests.next() => match request {
                Some(Ok(request)) => {
                    std::hint::black_box(request);
                    handled += 1;
                    handled - acknowledged >= ACKNOWLEDGE_EACH
                }
                _ => return,
            },
            _ = looks.tick() => handled > acknowledged,
        };
        if due {
            acknowledged = handled;
            let answer = ReportResponse {
                acknowledged,
                ..ReportResponse::default()
            };
            if out.send(Ok(answer)).await.is_err() {
                return;
            }
        }
    }
}
