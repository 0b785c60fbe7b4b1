//! Watchers over gRPC that read nothing while their connection lives. tonic's client renews windows by itself, so these
//! speak HTTP/2 over `h2`, which answers pings and leaves the rest to the test.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, header};
use tokio::{net::TcpStream, sync::oneshot, task::JoinHandle, time::timeout};
use ward_aggregator::{ClientLimits, Config};
use ward_proto::v1::{self, Status::Healthy};

use crate::harness::{Aggregator, hello, start_with, until};

/// How many one client may have.
const WATCHERS: usize = 16;
/// Three sweeps, of 5 s each, until they are ended, one more until they are cut, and as much again for a busy machine.
const FOUND: Duration = Duration::from_secs(40);

/// A connection whose answers are not read.
pub(crate) struct Unread {
    /// Ends with the connection.
    pub(crate) driven: JoinHandle<()>,
    pub(crate) bodies: Vec<h2::RecvStream>,
    open: oneshot::Sender<u32>,
}

impl Unread {
    /// Opens the windows of its streams, to what is read from now on.
    pub(crate) fn open(self) -> Vec<h2::RecvStream> {
        let _ended_meanwhile = self.open.send(64 << 10);
        self.bodies
    }
}

/// Calls `path` so many times with an empty message, over a connection whose streams take so many bytes.
pub(crate) async fn unread(ward: &Aggregator, path: &str, count: usize, window: u32) -> Unread {
    let tcp = TcpStream::connect(ward.app.grpc_addr()).await.unwrap();
    let mut client = h2::client::Builder::new();
    let (mut send, mut connection) = client
        .initial_window_size(window)
        .handshake::<_, Bytes>(tcp)
        .await
        .unwrap();
    let (open, opened) = oneshot::channel();
    let driven = tokio::spawn(async move {
        tokio::select! {
            // However it ends.
            _ = &mut connection => return,
            Ok(window) = opened => connection.set_initial_window_size(window).unwrap(),
        }
        drop(connection.await);
    });
    let mut begun = Vec::new();
    for _ in 0..count {
        let uri = format!("http://{}/ward.health.v1.{path}", ward.app.grpc_addr());
        let request = Request::post(uri)
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .body(())
            .unwrap();
        send = send.ready().await.unwrap();
        let (response, mut body) = send.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(&[0; 5]), true).unwrap();
        begun.push(response);
    }
    let begun = join_all(begun).await.into_iter();
    Unread {
        driven,
        bodies: begun.map(|response| response.unwrap().into_body()).collect(),
        open,
    }
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
    // A message of nothing: everything.
    let held = unread(&ward, "HealthService/Watch", WATCHERS, 0).await;
    let series = r#"ward_watchers{transport="grpc"}"#;
    assert_eq!(ward.metric(series).await, WATCHERS as f64);
    let mut other = ward.client().await;
    let full = other.watch(v1::WatchRequest::default()).await.unwrap_err();
    assert_eq!(full.code(), tonic::Code::ResourceExhausted);
    // Their first message has left the hub. Now there is more to tell.
    ward.reporter().await.hello(hello("bank", Healthy)).await;
    timeout(FOUND, held.driven)
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
