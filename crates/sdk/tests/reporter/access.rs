//! Who is let in, and who is spoken to: TLS, client certificates and tokens, against real servers of both kinds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{error::Error as _, fs, io, net::TcpListener, time::Duration};

use tokio::time::timeout;
use tonic::{Code, Status};
use tracing::Level;
use ward_chassis::Clock;
use ward_model::Mono;
use ward_sdk::{
    Builder, Credentials, InvalidServer, Reporter, Server as Aggregator, StartError,
    watch::{Error, Event, Watcher},
};

use super::{
    INTERVAL,
    authority::Authority,
    eventually,
    log::Log,
    server::{PATIENCE, Server},
};

const CANARY: &str = "hunter2";

fn payments(server: &str) -> Builder {
    Reporter::builder("payments").server(server).interval(INTERVAL)
}

fn https(server: &Server) -> String {
    format!("https://localhost:{}", server.addr.port())
}

/// Why a watch was lost first: the error, and its causes.
async fn lost(watch: ward_sdk::watch::Builder) -> (Error, String) {
    let mut watcher = watch.start().unwrap();
    match timeout(PATIENCE, watcher.next()).await.unwrap() {
        Event::Lost { error } => {
            let mut said = error.to_string();
            // A status has its cause behind it, the others are one.
            let mut cause = match &error {
                Error::Call(status) => status.source(),
                error => error.source(),
            };
            while let Some(error) = cause {
                said = format!("{said}: {error}");
                cause = error.source();
            }
            (error, said)
        }
        event => panic!("expected the connection to be lost, not {event:?}"),
    }
}

#[tokio::test]
async fn what_is_rotated_is_shown_at_the_next_connection() {
    let ward = Authority::new();
    let mut server = Server::start_tls(ward.mutual()).await;
    let (cert, key, first) = ward.client();
    let token = ward.file("token", "the-first\n");
    let _reporter = payments(&https(&server))
        .tls_ca(ward.ca())
        .tls_cert(cert, key)
        .token_file(token)
        .start()
        .unwrap();
    let (talk, _) = server.welcome(1).await;
    assert_eq!(talk.authorization.as_deref(), Some("Bearer the-first"));
    assert_eq!(talk.certificate, Some(first.clone()));

    ward.file("token", "the-second");
    let (.., second) = ward.client();
    assert_ne!(first, second);
    drop(talk);
    let (talk, _) = server.welcome(1).await;
    assert_eq!(talk.authorization.as_deref(), Some("Bearer the-second"));
    assert_eq!(talk.certificate, Some(second));
}

#[tokio::test]
async fn a_bare_address_means_tls_where_there_is_something_for_it() {
    let ward = Authority::new();
    let mut server = Server::start_tls(ward.server()).await;
    let bare = format!("localhost:{}", server.addr.port());
    let _reporter = payments(&bare).tls_ca(ward.ca()).start().unwrap();
    let (talk, _) = server.welcome(1).await;
    assert_eq!((talk.authorization, talk.certificate), (None, None));
}

#[tokio::test]
async fn what_is_wrong_with_tls_is_told_in_words() {
    let (ward, other) = (Authority::new(), Authority::new());
    let watch = |server: &Server| Watcher::builder(https(server)).tls_ca(ward.ca());
    let tls = async |config| Server::start_tls(config).await;

    let stranger = tls(other.server()).await;
    let misnamed = tls(ward.server_called("elsewhere", 2999, false)).await;
    let expired = tls(ward.server_called("localhost", 2020, false)).await;
    let early = tls(ward.server()).await;
    let mutual = tls(ward.mutual()).await;
    let mut no_http2 = ward.server();
    no_http2.alpn_protocols = vec![b"http/1.1".to_vec()];
    let no_http2 = tls(no_http2).await;
    let mut no_alpn = ward.server();
    no_alpn.alpn_protocols.clear();
    let no_alpn = tls(no_alpn).await;
    let plain = Server::start().await;
    let (cert, key, _) = other.client();
    for (watch, words) in [
        (
            watch(&stranger),
            "not trusted: name the authority that issued it with `tls_ca`",
        ),
        (watch(&misnamed), "is for elsewhere, not for localhost"),
        (watch(&expired), "has expired at 2020-12-31"),
        (
            watch(&mutual),
            "wants to be shown a certificate: name one with `tls_cert`",
        ),
        (
            watch(&mutual).tls_cert(cert, key),
            "does not accept the certificate it was shown",
        ),
        (watch(&no_http2), "does not speak HTTP/2"),
        (watch(&no_alpn), "does not speak HTTP/2"),
        (watch(&plain), "the server speaks no TLS"),
        (
            Watcher::builder(format!("http://{}", early.addr)),
            "the server speaks TLS and is spoken to without: begin the address with https://",
        ),
    ] {
        let (_, said) = lost(watch).await;
        assert!(said.contains("TLS: ") && said.contains(words), "{words}: {said}");
    }
}

#[tokio::test]
async fn a_handshake_that_hangs_is_given_up() {
    let ward = Authority::new();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("https://{}", silent.local_addr().unwrap());
    let (_, said) = lost(Watcher::builder(server).tls_ca(ward.ca())).await;
    assert!(
        said.contains("deadline has elapsed") || said.contains("timed out"),
        "{said}"
    );
}

#[tokio::test]
async fn a_token_never_goes_in_the_clear() {
    let ward = Authority::new();
    let token = ward.file("token", CANARY);
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    nobody.set_nonblocking(true).unwrap();
    let addr = nobody.local_addr().unwrap();
    for server in [addr.to_string(), format!("http://{addr}")] {
        let error = payments(&server).token_file(&token).start().unwrap_err();
        assert!(matches!(
            error,
            StartError::Server(InvalidServer::TokenInClear { .. })
        ));
        assert!(
            error.to_string().starts_with("a token goes over TLS only"),
            "{error}"
        );
        let error = Watcher::builder(&server).token_file(&token).start().unwrap_err();
        assert!(
            error.to_string().starts_with("a token goes over TLS only"),
            "{error}"
        );
    }
    assert_eq!(nobody.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let error = payments(&format!("http://{addr}")).tls_ca(ward.ca()).start();
    assert!(matches!(
        error,
        Err(StartError::Server(InvalidServer::Contradiction { .. }))
    ));
}

#[tokio::test]
async fn a_file_that_breaks_later_is_told_once_and_read_again() {
    let log = Log::begin(Level::DEBUG);
    let ward = Authority::new();
    let mut server = Server::start_tls(ward.server()).await;
    let ca = ward.ca();
    let reporter = payments(&https(&server))
        .tls_ca(&ca)
        .token_file(ward.file("token", CANARY))
        .start()
        .unwrap();
    let (talk, _) = server.welcome(1).await;
    ward.file("token", "");
    drop(talk);
    let tried = || log.lines("still not reporting").len();
    eventually("attempts go on", || tried() >= 2).await;
    let told = |what: &str| {
        let told = log.lines("WARN").into_iter().filter(|line| line.contains(what));
        told.count()
    };
    assert_eq!(told("`token_file`"), 1, "{:?}", log.lines("WARN"));
    assert!(!reporter.is_connected());
    ward.file("token", "another");
    let (talk, _) = server.welcome(1).await;
    assert_eq!(talk.authorization.as_deref(), Some("Bearer another"));
    eventually("it reports again", || reporter.is_connected()).await;

    // The same of a file that is read within the connection.
    fs::remove_file(&ca).unwrap();
    drop(talk);
    eventually("it is told", || told("`tls_ca`") == 1).await;
    ward.ca();
    server.welcome(1).await;
}

#[tokio::test]
async fn that_who_came_back_is_another_is_told_although_nobody_was_there() {
    let log = Log::begin(Level::INFO);
    let (ward, other) = (Authority::new(), Authority::new());
    // Bound, and let go.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = nobody.local_addr().unwrap();
    drop(nobody);
    let server = format!("https://localhost:{}", addr.port());
    let _reporter = payments(&server).tls_ca(ward.ca()).start().unwrap();
    eventually("nobody is there", || !log.lines("refused").is_empty()).await;
    let _impostor = Server::start_as(addr, Some(other.server())).await;
    eventually("it is told", || !log.lines("not trusted").is_empty()).await;
    assert_eq!(log.lines("WARN").len(), 2, "{:?}", log.lines("WARN"));
}

#[tokio::test]
async fn a_refusal_is_told_once_with_its_words_and_asked_again_slowly() {
    let log = Log::begin(Level::DEBUG);
    let ward = Authority::new();
    let mut server = Server::start_tls(ward.server()).await;
    let reporter = payments(&https(&server)).tls_ca(ward.ca()).start().unwrap();
    let (talk, _) = server.welcome(1).await;
    let sentence = "payments is not among what this token may report";
    let refusal = Status::with_details(Code::PermissionDenied, sentence, vec![1, 2, 3].into());
    *server.refusal.lock().unwrap() = Some(refusal.clone());
    drop(talk);
    eventually("it is told", || !log.lines(sentence).is_empty()).await;
    let clock = Clock::start();
    let told = log.lines(sentence).remove(0);
    assert!(told.contains("WARN") && told.contains("token_file"), "{told}");

    let (error, said) = lost(Watcher::builder(https(&server)).tls_ca(ward.ca())).await;
    assert!(
        said.contains(sentence) && said.contains("PermissionDenied"),
        "{said}"
    );
    match error {
        Error::Denied(status) => assert_eq!(status.details(), [1, 2, 3], "details are kept"),
        error => panic!("expected a refusal, not {error:?}"),
    }

    *server.refusal.lock().unwrap() = None;
    let _talk = server.welcome(1).await;
    eventually("it reports again", || reporter.is_connected()).await;
    let pause = clock.mono().since(Mono::default());
    assert!(pause > Duration::from_secs(2), "after {pause:?}");
}

#[tokio::test]
async fn a_token_is_seen_by_its_server_and_nobody_else() {
    let log = Log::begin(Level::TRACE);
    let ward = Authority::new();
    let mut server = Server::start_tls(ward.server()).await;
    let token = ward.file("token", CANARY);
    let mut shown = String::new();
    let mut show = |what: &dyn std::fmt::Debug| shown.push_str(&format!("{what:?} {what:#?}\n"));

    let builder = payments(&https(&server)).tls_ca(ward.ca()).token_file(&token);
    show(&builder);
    let reporter = builder.start().unwrap();
    let (talk, _) = server.welcome(1).await;
    assert_eq!(talk.authorization, Some(format!("Bearer {CANARY}")));
    show(&reporter);

    let watch = Watcher::builder(https(&server))
        .tls_ca(ward.ca())
        .token_file(&token);
    show(&watch);
    let mut watcher = watch.start().unwrap();
    show(&watcher.next().await);
    show(&watcher);

    let credentials = Credentials {
        tls_ca: Some(ward.ca()),
        token_file: Some(token.clone()),
        ..Credentials::default()
    };
    show(&credentials);
    let aggregator = Aggregator::new(https(&server).parse().unwrap(), credentials).unwrap();
    show(&aggregator);
    show(&aggregator.connect().await.unwrap());

    *server.refusal.lock().unwrap() = Some(Status::unauthenticated("unknown token"));
    drop(talk);
    eventually("it is told", || !log.lines("unknown token").is_empty()).await;
    for bad in [
        "hunter2 hunter2",
        "hunter2\nhunter2",
        "hunter2\u{1b}",
        &CANARY.repeat(100),
    ] {
        ward.file("token", bad);
        let error = payments(&https(&server))
            .tls_ca(ward.ca())
            .token_file(&token)
            .start();
        let error = error.unwrap_err();
        show(&error);
        show(&error.to_string());
        // A token where a certificate was to be is a slip that people make.
        for error in [
            payments(&https(&server)).tls_ca(&token).start().unwrap_err(),
            payments(&https(&server))
                .tls_ca(ward.ca())
                .tls_cert(&token, &token)
                .start()
                .unwrap_err(),
        ] {
            show(&error);
            show(&error.to_string());
        }
    }
    assert!(
        !log.lines("h2").is_empty(),
        "what the transport logs is looked at too"
    );
    assert_eq!(log.lines(CANARY), [""; 0]);
    assert!(!shown.contains(CANARY), "{shown}");
}

#[tokio::test]
async fn a_token_that_others_can_read_is_warned_of_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let log = Log::begin(Level::INFO);
    let ward = Authority::new();
    let mut server = Server::start_tls(ward.server()).await;
    let token = ward.file("token", CANARY);
    let start = |mode| {
        fs::set_permissions(&token, fs::Permissions::from_mode(mode)).unwrap();
        payments(&https(&server))
            .tls_ca(ward.ca())
            .token_file(&token)
            .start()
            .unwrap()
    };
    let _mounted = start(0o444);
    let _own = start(0o600);
    for _ in 0..3 {
        server.welcome(1).await;
    }
    assert_eq!(log.lines("can be read by others").len(), 1);
}
