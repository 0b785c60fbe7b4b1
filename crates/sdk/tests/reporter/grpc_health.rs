//! `grpc.health.v1` of a service, on the service's own server, asked by the generated client.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU32},
};

use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Streaming, transport::Server};
use ward_grpc_health::v1::{
    HealthCheckRequest, HealthCheckResponse,
    health_check_response::ServingStatus::{self, NotServing, ServiceUnknown, Serving},
    health_client::HealthClient,
};
use ward_sdk::{Builder, Reporter, Status};

use crate::{PATIENCE, at, say, scripted};

/// A service's own server, and the word to stop it.
struct Shop {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

async fn serve(reporter: &Reporter) -> Shop {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = Server::builder().add_service(reporter.grpc_health(&["shop.Payments"]));
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stopped = async { drop(stopped.await) };
        let incoming = TcpListenerStream::new(listener);
        server
            .serve_with_incoming_shutdown(incoming, stopped)
            .await
            .unwrap();
    });
    Shop { addr, stop, serving }
}

/// One that nobody hears: what it serves does not need an aggregator.
fn payments() -> Builder {
    at(([127, 0, 0, 1], 9).into())
}

fn request(name: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: name.into() }
}

async fn check(shop: &Shop, name: &str) -> Result<ServingStatus, Code> {
    let mut client = HealthClient::connect(format!("http://{}", shop.addr))
        .await
        .unwrap();
    let answer = client.check(request(name)).await;
    answer
        .map(|answer| answer.get_ref().status())
        .map_err(|status| status.code())
}

async fn watch(shop: &Shop, name: &str) -> Streaming<HealthCheckResponse> {
    let mut client = HealthClient::connect(format!("http://{}", shop.addr))
        .await
        .unwrap();
    client.watch(request(name)).await.unwrap().into_inner()
}

/// Reads on until the stream says so.
async fn until(watch: &mut Streaming<HealthCheckResponse>, expected: ServingStatus) {
    let reading = async {
        loop {
            let message = watch.message().await.unwrap().expect("it is still open");
            if message.status() == expected {
                return;
            }
        }
    };
    timeout(PATIENCE, reading)
        .await
        .unwrap_or_else(|_| panic!("{expected:?} in time"));
}

const READY: [&str; 3] = ["", "readiness", "shop.Payments"];

#[tokio::test]
async fn it_says_what_the_probes_say_and_follows_the_checks() {
    let db = Arc::new(AtomicU32::new(Status::Unhealthy as u32));
    let reporter = payments()
        .await_own_word()
        .check(scripted("db", &db).debounce(1, 1))
        .start()
        .unwrap();
    let shop = serve(&reporter).await;
    assert_eq!(check(&shop, "liveness").await, Ok(Serving));
    assert_eq!(
        check(&shop, "startup").await,
        Ok(NotServing),
        "its own word is missing"
    );
    assert_eq!(check(&shop, "payments").await, Ok(NotServing));
    assert_eq!(check(&shop, "shop.Orders").await, Err(Code::NotFound));
    let mut startup = watch(&shop, "startup").await;
    let mut ready = Vec::new();
    for name in READY {
        let mut watch = watch(&shop, name).await;
        until(&mut watch, NotServing).await;
        ready.push(watch);
    }
    reporter.set_status(Status::Healthy, "");
    until(&mut startup, Serving).await;
    say(&db, Status::Degraded);
    for watch in &mut ready {
        until(watch, Serving).await;
    }
    until(&mut watch(&shop, "payments").await, Serving).await;
    say(&db, Status::Unhealthy);
    for watch in &mut ready {
        until(watch, NotServing).await;
    }
    assert_eq!(
        check(&shop, "liveness").await,
        Ok(Serving),
        "that is no reason to restart it"
    );
}

#[tokio::test]
async fn a_name_that_is_served_later_is_told_to_who_waits_for_it() {
    let reporter = payments().start().unwrap();
    let shop = serve(&reporter).await;
    let mut orders = watch(&shop, "shop.Orders").await;
    until(&mut orders, ServiceUnknown).await;
    drop(reporter.grpc_health(&["shop.Orders"]));
    until(&mut orders, Serving).await;
}

#[tokio::test]
async fn a_shutdown_ends_watches_and_lets_the_server_stop() {
    let reporter = payments().start().unwrap();
    let shop = serve(&reporter).await;
    let mut watch = watch(&shop, "shop.Payments").await;
    until(&mut watch, Serving).await;
    reporter.shutdown().await;
    until(&mut watch, NotServing).await;
    assert!(
        timeout(PATIENCE, watch.message())
            .await
            .unwrap()
            .unwrap()
            .is_none(),
        "a clean end"
    );
    drop((watch, shop.stop));
    timeout(PATIENCE, shop.serving)
        .await
        .expect("nothing holds it")
        .unwrap();
}

#[tokio::test]
async fn nothing_serves_without_a_reporter() {
    let reporter = payments().start().unwrap();
    let shop = serve(&reporter).await;
    let mut watch = watch(&shop, "").await;
    until(&mut watch, Serving).await;
    drop(reporter);
    until(&mut watch, NotServing).await;
    assert_eq!(check(&shop, "payments").await, Ok(NotServing));
}
