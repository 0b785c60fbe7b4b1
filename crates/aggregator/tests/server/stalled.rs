//! Watchers over gRPC that read nothing while their connection lives. tonic's client renews windows by itself, so these
//! speak HTTP/2 over `h2`, which answers pings and leaves the rest to the test.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, header};
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};
use ward_aggregator::{ClientLimits, Config};
use ward_proto::v1::{self, Status::Healthy};

use crate::harness::{Aggregator, hello, start_with, until};

/// How many one client may have.
const WATCHERS: usize = 16;
/// Three sweeps, of 5 s each, until they are ended, one more until they are cut, and as much again for a busy machine.
const FOUND: Duration = Duration::from_secs(40);

/// A connection with that many watches, the windows of whose streams are shut; it ends with the task.
async fn shut(ward: &Aggregator) -> JoinHandle<()> {
    let tcp = TcpStream::connect(ward.app.grpc_addr()).await.unwrap();
    let mut client = h2::client::Builder::new();
    let (mut send, connection) = client
        .initial_window_size(0)
        .handshake::<_, Bytes>(tcp)
        .await
        .unwrap();
    let driven = tokio::spawn(async move {
        // However it ends.
        drop(connection.await);
    });
    let mut begun = Vec::new();
    for _ in 0..WATCHERS {
        let uri = format!(
            "http://{}/ward.health.v1.HealthService/Watch",
            ward.app.grpc_addr()
        );
        let request = Request::post(uri)
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(())
            .unwrap();
        send = send.ready().await.unwrap();
        let (response, mut body) = send.send_request(request, false).unwrap();
        // A message of nothing: everything.
        body.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
        begun.push(response);
    }
    let begun = join_all(begun).await;
    tokio::spawn(async move {
        // Bodies that are held and never read.
        let bodies: Vec<_> = begun
            .into_iter()
            .map(|response| response.unwrap().into_body())
            .collect();
        driven.await.unwrap();
        drop(bodies);
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn who_shuts_its_window_and_answers_pings_is_cut_and_its_places_are_free() {
    let ward = start_with(|config| Config {
        stall_after: Duration::from_secs(1),
        client_limits: ClientLimits {
            watchers: WATCHERS,
            watchers_in_all: WATCHERS,
            ..ClientLimits::default()
        },
        ..config
    })
    .await;
    let connection = shut(&ward).await;
    let series = r#"ward_watchers{transport="grpc"}"#;
    assert_eq!(ward.metric(series).await, WATCHERS as f64);
    let mut other = ward.client().await;
    let full = other.watch(v1::WatchRequest::default()).await.unwrap_err();
    assert_eq!(full.code(), tonic::Code::ResourceExhausted);
    // Their first message has left the hub. Now there is more to tell.
    ward.reporter().await.hello(hello("bank", Healthy)).await;
    timeout(FOUND, connection)
        .await
        .expect("the connection ends")
        .unwrap();
    until("all places are free", async || {
        (ward.metric(series).await == 0.0).then_some(())
    })
    .await;
    assert_eq!(ward.metric("ward_stalled_watchers_total").await, WATCHERS as f64);
    other.watch(v1::WatchRequest::default()).await.unwrap();
}
