//! Connections from their first byte to their last, on both versions of HTTP.

use std::{future::pending, net::SocketAddr, time::Duration};

use axum::{Extension, Router, routing::get};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, StatusCode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
    time,
};
use ward_chassis::{Limits, Peer, panic::CatchPanicLayer};

use crate::server::{LONG, Server};

fn app() -> Router {
    Router::new()
        .route(
            "/peer",
            get(|Extension(peer): Extension<Peer>| async move { peer.addr.to_string() }),
        )
        .route(
            "/until-told",
            get(|Extension(peer): Extension<Peer>| async move {
                peer.closing().await;
                "last word"
            }),
        )
        .route("/stuck", get(pending::<()>))
        .route("/panic", get(async || -> () { panic!("on purpose") }))
        .layer(CatchPanicLayer::new(false))
}

struct Client {
    addr: SocketAddr,
    send: SendRequest<Bytes>,
    /// Ends with the connection.
    connection: JoinHandle<Result<(), h2::Error>>,
}

impl Client {
    async fn connect(server: &Server) -> Self {
        let tcp = server.connect().await;
        let addr = tcp.local_addr().unwrap();
        let (send, connection) = h2::client::handshake(tcp).await.unwrap();
        Self {
            addr,
            send,
            connection: tokio::spawn(connection),
        }
    }

    async fn begin(&mut self, path: &str) -> h2::client::ResponseFuture {
        self.send = self.send.clone().ready().await.unwrap();
        let request = Request::get(format!("http://ward{path}")).body(()).unwrap();
        self.send.send_request(request, true).unwrap().0
    }

    async fn get(&mut self, path: &str) -> (StatusCode, String) {
        let response = self.begin(path).await;
        finish(response).await
    }

    /// Whether the connection ended without an error.
    async fn ended_well(self) -> bool {
        let Self { connection, send, .. } = self;
        drop(send);
        time::timeout(LONG, connection)
            .await
            .expect("the connection ends")
            .unwrap()
            .is_ok()
    }
}

async fn finish(response: h2::client::ResponseFuture) -> (StatusCode, String) {
    let response = time::timeout(LONG, response).await.unwrap().unwrap();
    let (head, mut body) = response.into_parts();
    let mut text = Vec::new();
    while let Some(data) = time::timeout(LONG, body.data()).await.unwrap() {
        text.extend_from_slice(&data.unwrap());
    }
    (head.status, String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn requests_carry_their_peer_and_survive_a_panic() {
    let server = Server::h2(Limits::default(), app());
    let mut client = Client::connect(&server).await;
    assert_eq!(
        client.get("/peer").await,
        (StatusCode::OK, client.addr.to_string())
    );
    let (status, problem) = client.get("/panic").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(
        problem.contains("\"id\"") && !problem.contains("on purpose"),
        "{problem}"
    );
    assert_eq!(
        client.get("/peer").await.0,
        StatusCode::OK,
        "on the same connection"
    );
    drop(client);
    assert_eq!(server.stop().await, 0);
}

#[tokio::test]
async fn an_old_connection_is_told_to_go_and_may_finish() {
    let limits = Limits {
        connection_age: Some(Duration::from_millis(100)),
        ..Limits::default()
    };
    let server = Server::h2(limits, app());
    let mut client = Client::connect(&server).await;
    assert_eq!(
        client.get("/until-told").await,
        (StatusCode::OK, "last word".into())
    );
    // GOAWAY without an error ends a client's connection by itself.
    assert!(client.ended_well().await);
    server.until(|counts| counts.active == 0).await;
    let counts = server.stats.snapshot();
    assert_eq!((counts.aged, counts.failed), (1, 0));
    server.stop().await;
}

#[tokio::test]
async fn stopping_tells_each_connection_and_cuts_what_does_not_finish() {
    let limits = Limits {
        stop_timeout: Duration::from_millis(200),
        ..Limits::default()
    };
    let server = Server::h2(limits, app());
    let (mut polite, mut stuck) = (Client::connect(&server).await, Client::connect(&server).await);
    let last = polite.begin("/until-told").await;
    let never = stuck.begin("/stuck").await;
    server.until(|counts| counts.active == 2).await;
    // The stream of the second must have arrived, or its connection would end at once, having nothing open.
    assert_eq!(stuck.get("/peer").await.0, StatusCode::OK);
    assert_eq!(polite.get("/peer").await.0, StatusCode::OK);
    server.begin_stop();
    assert_eq!(finish(last).await.1, "last word");
    assert!(polite.ended_well().await);
    let addr = server.addr;
    assert_eq!(server.stop().await, 1);
    assert!(never.await.is_err());
    assert!(
        tokio::net::TcpStream::connect(addr).await.is_err(),
        "nobody listens any more"
    );
}

/// How long until the server closes a connection on which `bytes` were sent.
async fn closed(server: &Server, bytes: &[u8]) -> bool {
    let mut tcp = server.connect().await;
    tcp.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    time::timeout(LONG, tcp.read_to_end(&mut answer)).await.is_ok()
}

#[tokio::test]
async fn silence_is_not_waited_for() {
    let soon = Some(Duration::from_millis(100));
    let limits = Limits {
        handshake_timeout: soon,
        header_timeout: soon,
        ..Limits::default()
    };
    let (h1, h2) = (Server::h1(limits.clone(), app()), Server::h2(limits, app()));
    assert!(closed(&h2, b"").await);
    assert!(closed(&h2, b"PRI * HTTP/2.0\r\n").await);
    assert!(closed(&h1, b"").await);
    assert!(closed(&h1, b"GET /peer HTTP/1.1\r\nhost: wa").await);
    assert_eq!(h2.stats.snapshot().handshake_timeouts, 2);
    assert_eq!(h1.stats.snapshot().handshake_timeouts, 2);
    // A client that has said enough is not bound by it.
    let mut client = Client::connect(&h2).await;
    assert_eq!(client.get("/peer").await.0, StatusCode::OK);
    time::sleep(Duration::from_millis(250)).await;
    assert_eq!(client.get("/peer").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_dead_peer_is_found_by_pings() {
    let keepalive = ward_chassis::limits::Keepalive {
        interval: Duration::from_millis(100),
        timeout: Duration::from_millis(100),
    };
    let server = Server::h2(
        Limits {
            keepalive: Some(keepalive),
            ..Limits::default()
        },
        app(),
    );
    // Speaks the preface and an empty SETTINGS frame, then never again: no answer to a ping.
    assert!(closed(&server, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await);
    server.until(|counts| counts.active == 0).await;
    let counts = server.stats.snapshot();
    assert_eq!((counts.failed, counts.handshake_timeouts), (1, 0));
    let mut living = Client::connect(&server).await;
    time::sleep(Duration::from_millis(500)).await;
    assert_eq!(living.get("/peer").await.0, StatusCode::OK);
}

#[tokio::test]
async fn large_headers_are_refused() {
    let server = Server::h1(Limits::default(), app());
    // reqwest makes no client without, for plain HTTP neither. Any test may have been the first.
    drop(rustls::crypto::ring::default_provider().install_default());
    let http = reqwest::Client::new();
    let url = format!("http://{}/peer", server.addr);
    let answer = |bytes: usize| http.get(&url).header("x-large", "a".repeat(bytes)).send();
    assert_eq!(answer(6 * 1024).await.unwrap().status(), 200);
    assert_eq!(answer(9 * 1024).await.unwrap().status(), 431);
}
