//! Report streams whose caller loses, or is given, something meanwhile. Peers that read no answers are made here: what a
//! connection keeps for one is not to be seen from outside.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderValue, header};
use nix::{fcntl::OFlag, sys::stat::Mode, unistd::mkfifo};
use prost::Message;
use tokio::{sync::mpsc, time::sleep};
use tokio_stream::wrappers::ReceiverStream;
use tower::Service;
use ward_access::{Grants, Token};
use ward_chassis::{Peer, TlsFiles, listener::Identity};
use ward_model::{Freshness, Name, Wall};

use super::*;
use crate::access::Caller;

const ID: &str = "spiffe://example.org/payments";

fn reporting(services: &[&str]) -> Grants {
    Grants {
        report: services.iter().map(|service| service.parse().unwrap()).collect(),
        ..Grants::default()
    }
}

fn policy(services: &[&str]) -> Policy {
    Policy::new([(ID.to_owned(), reporting(services))])
}

/// One that knows who calls.
async fn strict(home: &tempfile::TempDir) -> App {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles {
        cert: home.path().join("server.pem"),
        key: home.path().join("server.key"),
        client_ca: None,
        crl: None,
    };
    std::fs::write(&files.cert, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    App::start(Config {
        grpc: any,
        http: any,
        tls: Some(files),
        access: policy(&["payments"]),
        ..Config::new(home.path().join("data"))
    })
    .await
    .unwrap()
}

struct Stream {
    requests: mpsc::Sender<Result<Bytes, tonic::Status>>,
    answers: edge::Answers,
}

impl Stream {
    fn begin(app: &App, caller: Caller) -> Self {
        let (requests, out) = mpsc::channel(4);
        let answers = edge::report(&app.edge, ReceiverStream::new(out), caller).unwrap();
        Self { requests, answers }
    }

    async fn hello(&self, service: &str) {
        let hello = v1::Hello {
            service: service.into(),
            instance: "one".into(),
            incarnation: "first".into(),
            interval_ms: 60_000,
            sequence: 1,
            ..Default::default()
        };
        let request = v1::ReportRequest {
            hellos: vec![hello],
            ..Default::default()
        };
        self.requests
            .send(Ok(request.encode_to_vec().into()))
            .await
            .unwrap();
    }

    async fn answer(&mut self) -> v1::ReportResponse {
        timeout(SOON, self.answers.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    }
}

fn secure(identity: Identity) -> Peer {
    Peer::of(([127, 0, 0, 1], 1).into(), identity, true)
}

fn let_in(app: &App, peer: &Peer, headers: &HeaderMap) -> Caller {
    let now = || app.edge.clock.wall();
    app.edge.access.caller(Some(peer), headers, now).unwrap()
}

async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let reached = timeout(SOON, async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(reached.await.is_ok(), "not so: {what}");
}

/// How its one instance is heard, once it is known.
async fn freshness(app: &App, service: &str) -> Option<Freshness> {
    let name = Name::new(service).unwrap();
    let ask = move |engine: &ward_engine::Engine| {
        let instances = engine.instances(&name, 1);
        instances.first().map(|instance| instance.freshness)
    };
    app.edge.decider.read(ask).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_stays_a_stranger_to_the_listener() {
    let home = tempfile::tempdir().unwrap();
    let app = strict(&home).await;
    let call = async |peer: &Peer, method: &str| {
        let mut request = http::Request::new(tonic::body::Body::empty());
        *request.uri_mut() = format!("/ward.health.v1.HealthService/{method}").parse().unwrap();
        request.extensions_mut().insert(peer.clone());
        drop(edge::grpc::routes(&app.edge).call(request).await);
    };
    let stranger = secure(Identity::Anonymous);
    call(&stranger, "GetSystem").await;
    assert!(!stranger.is_admitted(), "nobody has proved anything");
    let certified = secure(Identity::Certificate(ID.into()));
    call(&certified, "GetSystem").await;
    assert!(!certified.is_admitted(), "a right it has not");
    call(&certified, "ReportOnce").await;
    assert!(certified.is_admitted(), "a right it has");
    assert!(app.stop().await.is_clean());
}

/// Reports for the bank with a token of its own, good for so long.
async fn report_with_token(app: &App, store: &TokenStore, good_for_ms: Option<i64>) -> (Token, Stream) {
    let token = Token::new([1; 6], [2; 32]);
    let wall = app.edge.clock.wall();
    let expires = good_for_ms.map(|ms| Wall(wall.0 + ms));
    store
        .add(&token, reporting(&["bank"]), (wall, expires), "")
        .unwrap();
    until("the token is in force", async || {
        app.edge.metrics.access.tokens() == 1
    })
    .await;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", token.reveal())).unwrap();
    let headers = HeaderMap::from_iter([(header::AUTHORIZATION, bearer)]);
    let stream = Stream::begin(app, let_in(app, &secure(Identity::Anonymous), &headers));
    stream.hello("bank").await;
    until("it is heard", async || freshness(app, "bank").await.is_some()).await;
    assert_eq!(app.edge.metrics.report_streams.get(), 1);
    (token, stream)
}

async fn until_over(app: &App) {
    until("the stream is over", async || {
        app.edge.metrics.report_streams.get() == 0
    })
    .await;
}

/// A file that hangs whoever reads it, as long as this lives.
struct Hanging {
    file: PathBuf,
    _writer: File,
}

impl Drop for Hanging {
    fn drop(&mut self) {
        // Or the next look would hang for ever, and the end of the test with it.
        drop(std::fs::remove_file(&self.file));
    }
}

/// Whoever reads the file hangs from now on; somebody does.
async fn hang(file: &Path) -> Hanging {
    let pipe = file.with_extension("pipe");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    std::fs::rename(&pipe, file).unwrap();
    let opened = timeout(SOON, async {
        loop {
            // It cannot be opened so while nobody reads.
            let mut options = OpenOptions::new();
            options.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
            match options.open(file) {
                Ok(opened) => break opened,
                Err(_) => sleep(Duration::from_millis(20)).await,
            }
        }
    });
    Hanging {
        file: file.to_owned(),
        _writer: opened.await.expect("it is looked at"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_reports_no_more_though_its_answers_are_not_read() {
    let home = tempfile::tempdir().unwrap();
    let app = strict(&home).await;
    let store = TokenStore::new(home.path().join("data"));
    let (token, _stream) = report_with_token(&app, &store, None).await;
    store.revoke(token.id()).unwrap();
    // Nobody has read an answer, and nobody does.
    until_over(&app).await;
    assert_eq!(
        freshness(&app, "bank").await,
        Some(Freshness::Fresh),
        "that this side ended it says nothing about the instance"
    );
    assert!(app.stop().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_reports_no_more_though_the_disk_of_certificates_hangs() {
    let home = tempfile::tempdir().unwrap();
    let app = strict(&home).await;
    let store = TokenStore::new(home.path().join("data"));
    let (token, _stream) = report_with_token(&app, &store, None).await;
    let hanging = hang(&home.path().join("server.pem")).await;
    store.revoke(token.id()).unwrap();
    until_over(&app).await;
    drop(hanging);
    assert!(app.stop().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_reports_no_more_though_the_disk_of_tokens_hangs() {
    let home = tempfile::tempdir().unwrap();
    let app = strict(&home).await;
    let store = TokenStore::new(home.path().join("data"));
    let (_token, _stream) = report_with_token(&app, &store, Some(8_000)).await;
    let hanging = hang(&store.path()).await;
    assert_eq!(app.edge.metrics.report_streams.get(), 1, "it has not expired yet");
    until_over(&app).await;
    drop(hanging);
    assert!(app.stop().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_given_more_goes_on_and_has_it_at_once() {
    let home = tempfile::tempdir().unwrap();
    let app = strict(&home).await;
    let payments = secure(Identity::Certificate(ID.into()));
    let mut stream = Stream::begin(&app, let_in(&app, &payments, &HeaderMap::new()));
    stream.hello("payments").await;
    assert_eq!(stream.answer().await.registrations.len(), 1);
    stream.hello("bank").await;
    let denied = stream.answer().await.rejections;
    assert_eq!(denied[0].code(), v1::RejectionCode::Denied);
    assert_eq!(denied[0].message, "the right `report` for bank is missing");
    app.edge.access.replace_policy(&policy(&["payments", "bank"]));
    stream.hello("bank").await;
    assert_eq!(stream.answer().await.registrations[0].service, "bank");
    app.edge.access.replace_policy(&policy(&["bank"]));
    let end = timeout(SOON, async {
        loop {
            match stream.answers.next().await {
                Some(Ok(_)) => {}
                end => break end,
            }
        }
    });
    let end = end.await.unwrap().unwrap().unwrap_err();
    assert_eq!(end.code(), Code::Unavailable, "{end:?}");
    assert_eq!(freshness(&app, "payments").await, Some(Freshness::Fresh));
    assert!(app.stop().await.is_clean());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_of_tokens_changes_nothing_until_it_is_put_back() {
    let home = tempfile::tempdir().unwrap();
    let app = strict(&home).await;
    let metrics = &app.edge.metrics.access;
    let store = TokenStore::new(home.path().join("data"));
    let wall = app.edge.clock.wall();
    store
        .add(
            &Token::new([1; 6], [2; 32]),
            reporting(&["bank"]),
            (wall, None),
            "",
        )
        .unwrap();
    until("it is in force", async || metrics.tokens() == 1).await;
    let (file, aside) = (store.path(), home.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    std::fs::write(&file, "no tokens").unwrap();
    until("it is said", async || !metrics.tokens_are_well()).await;
    assert_eq!(metrics.tokens(), 1);
    std::fs::rename(&aside, &file).unwrap();
    until("all is well", async || metrics.tokens_are_well()).await;
    assert_eq!(metrics.tokens(), 1);
    assert!(app.stop().await.is_clean());
}
