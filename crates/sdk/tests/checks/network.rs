//! TCP and gRPC.

use std::{
    net::{SocketAddr, TcpListener as Blocking},
    time::Duration,
};

use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::{JoinHandle, JoinSet},
};
use tokio_stream::wrappers::TcpListenerStream;
use ward_grpc_health::{Health, ServingStatus};
use ward_sdk::{
    Status::{Healthy, Unhealthy},
    checks::{Grpc, Tcp},
};

use super::{
    becomes, leaves_nothing, says,
    server::{Server, Trick},
};

#[tokio::test]
async fn tcp_connects_or_says_why_not() {
    let listener = Blocking::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let check = Tcp::new("x", format!("127.0.0.1:{port}")).check();
    says(&check, Healthy, "").await;
    says(&Tcp::new("x", format!("localhost:{port}")).check(), Healthy, "").await;
    drop(listener);
    says(&check, Unhealthy, "refused").await;
    let unresolved = Tcp::new("x", "no-such-name.invalid:1").check();
    says(&unresolved, Unhealthy, "resolve no-such-name.invalid:1").await;
}

#[tokio::test]
async fn tcp_that_is_not_taken_ends_with_the_timeout() {
    // A backlog of one that is full drops what comes next, as a dead network does.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut filling = JoinSet::new();
    for _ in 0..8 {
        filling.spawn(tokio::net::TcpStream::connect(addr));
    }
    let check = Tcp::new("x", addr.to_string())
        .check()
        .timeout(Duration::from_millis(50));
    becomes(&check, Unhealthy).await;
    leaves_nothing(&check, 20).await;
}

/// A server of `grpc.health.v1`.
struct Serving {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Serving {
    async fn start(health: &Health, at: &str) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let server = tonic::transport::Server::builder().add_service(health.server());
        let serving = server.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stopped);
        let task = tokio::spawn(async move { drop(serving.await) });
        Self { addr, stop, task }
    }

    /// Closes its connections too.
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }
}

#[tokio::test]
async fn grpc_says_what_the_server_says() {
    let health = Health::new();
    health.set("", ServingStatus::Serving);
    health.set("bank.Ledger", ServingStatus::Serving);
    let serving = Serving::start(&health, "127.0.0.1:0").await;
    let addr = serving.addr;
    let of = |service: &str| {
        Grpc::new("x", format!("localhost:{}", addr.port()))
            .service(service)
            .check()
    };
    let ledger = of("bank.Ledger");
    says(&of(""), Healthy, "").await;
    says(&ledger, Healthy, "").await;
    health.set("bank.Ledger", ServingStatus::NotServing);
    says(&ledger, Unhealthy, "bank.Ledger is NOT_SERVING").await;
    says(
        &of("bank.Other"),
        Unhealthy,
        "does not know bank.Other: check the name",
    )
    .await;

    health.set("bank.Ledger", ServingStatus::Serving);
    serving.stop().await;
    becomes(&ledger, Unhealthy).await;
    let serving = Serving::start(&health, &addr.to_string()).await;
    becomes(&ledger, Healthy).await;
    serving.stop().await;
}

#[tokio::test]
async fn grpc_keeps_its_connection() {
    let health = Health::new();
    health.set("", ServingStatus::Serving);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (accepted, mut counted) = tokio::sync::mpsc::channel(64);
    let incoming = counting(listener, accepted);
    let server = tonic::transport::Server::builder().add_service(health.server());
    let mut serving = JoinSet::new();
    serving.spawn(async move { drop(server.serve_with_incoming(incoming).await) });
    let check = Grpc::new("x", addr.to_string()).check();
    for _ in 0..10 {
        says(&check, Healthy, "").await;
    }
    assert!(counted.try_recv().is_ok());
    assert!(counted.try_recv().is_err(), "one connection for all runs");
}

fn counting(
    listener: TcpListener,
    accepted: tokio::sync::mpsc::Sender<()>,
) -> impl tokio_stream::Stream<Item = std::io::Result<tokio::net::TcpStream>> {
    use tokio_stream::StreamExt as _;
    TcpListenerStream::new(listener).map(move |stream| {
        accepted.try_send(()).unwrap();
        stream
    })
}

#[tokio::test]
async fn grpc_without_health_and_without_grpc() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    let routes = tonic::service::Routes::default();
    let server = tonic::transport::Server::builder().add_routes(routes);
    serving.spawn(async move { drop(server.serve_with_incoming(TcpListenerStream::new(listener)).await) });
    says(
        &Grpc::new("x", addr.to_string()).check(),
        Unhealthy,
        "has no grpc.health.v1",
    )
    .await;

    let garbage = Server::start(Trick::Answer(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).await;
    says(&Grpc::new("x", garbage.addr.to_string()).check(), Unhealthy, "").await;
    let resets = Server::start(Trick::Reset).await;
    says(&Grpc::new("x", resets.addr.to_string()).check(), Unhealthy, "").await;
    let hangs = Server::start(Trick::Hang).await;
    let check = Grpc::new("x", hangs.addr.to_string())
        .check()
        .timeout(Duration::from_millis(100));
    says(&check, Unhealthy, "timed out").await;
    leaves_nothing(&check, 20).await;
    let closed = Blocking::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    says(&Grpc::new("x", closed.to_string()).check(), Unhealthy, "refused").await;
}
