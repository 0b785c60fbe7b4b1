//! Certificates of TLS servers that are fine, old, strangers, misnamed, or no TLS servers; and HTTPS.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, ServerTlsConfig};
use ward_grpc_health::{Health, ServingStatus};
use ward_sdk::{
    Status::{Degraded, Healthy, Unhealthy, Unknown},
    checks::{Certificate, Grpc, Http},
};

use super::{
    becomes, leaves_nothing, says,
    server::{Server, Trick},
};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3_600)
}

fn authority(name: &str) -> Issuer {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `localhost` that ends in so many days from now; in the past if negative.
fn issue(issuer: &Issuer, ends_in_days: i64) -> (CertificateDer<'static>, PrivateKeyDer<'static>, String) {
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    let (year, month, day) = in_days(ends_in_days);
    params.not_after = rcgen::date_time_ymd(year, month, day);
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    let private = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    (certificate.der().clone(), private, certificate.pem())
}

fn in_days(days: i64) -> (i32, u8, u8) {
    let date = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date() + jiff::Span::new().days(days);
    let small = |part: i8| u8::try_from(part).unwrap();
    (i32::from(date.year()), small(date.month()), small(date.day()))
}

/// A TLS server that answers HTTP, until its tasks are dropped.
async fn serve(issuer: &Issuer, ends_in_days: i64, asks_for_client: bool) -> (SocketAddr, JoinSet<()>) {
    let (certificate, key, _) = issue(issuer, ends_in_days);
    let provider = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let config = if asks_for_client {
        let mut roots = RootCertStore::empty();
        roots.add(issuer.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        config.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        config.with_no_client_auth()
    };
    let config = config.with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            if matches!(stream.read(&mut [0; 1024]).await, Ok(read) if read > 0) {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                drop(stream.write_all(answer).await);
                drop(stream.shutdown().await);
            }
        }
    });
    (addr, serving)
}

fn of(addr: SocketAddr, issuer: &Issuer) -> Certificate {
    Certificate::of_server("x", addr.to_string())
        .server_name("localhost")
        .ca(issuer.pem())
}

#[tokio::test]
async fn a_servers_certificate_is_judged_by_what_is_left() {
    let issuer = authority("issuer");
    for (left, status, words) in [
        (60, Healthy, "expires in 59 days"),
        (10, Degraded, "expires in 9 days"),
        (2, Unhealthy, "expires in 1 days"),
        (-5, Unhealthy, "expired 5 days ago"),
    ] {
        let (addr, _serving) = serve(&issuer, left, false).await;
        says(&of(addr, &issuer).check(), status, words).await;
    }
    let (addr, _serving) = serve(&issuer, 60, false).await;
    says(
        &of(addr, &issuer).left(days(90), days(10)).check(),
        Degraded,
        "expires in 59 days",
    )
    .await;
    let check = Certificate::of_server("x", format!("localhost:{}", addr.port())).ca(issuer.pem());
    says(&check.check(), Healthy, "expires in 59 days").await;
}

#[tokio::test]
async fn strangers_and_other_names_are_told_with_their_dates() {
    let (issuer, stranger) = (authority("issuer"), authority("stranger"));
    let (addr, _serving) = serve(&stranger, 60, false).await;
    let told = says(&of(addr, &issuer).check(), Unhealthy, "its issuer is not trusted").await;
    assert!(told.message.contains("expires in 59 days"), "{told:?}");
    says(
        &of(addr, &issuer).any_issuer().check(),
        Healthy,
        "expires in 59 days",
    )
    .await;
    let system = Certificate::of_server("x", addr.to_string())
        .server_name("localhost")
        .check();
    says(&system, Unhealthy, "not trusted").await;
    let other = of(addr, &stranger).server_name("bank.example").check();
    says(&other, Unhealthy, "not for bank.example").await;
}

#[tokio::test]
async fn a_server_that_wants_to_know_its_client_is_judged_all_the_same() {
    let issuer = authority("issuer");
    let (addr, _serving) = serve(&issuer, 60, true).await;
    says(&of(addr, &issuer).check(), Healthy, "expires in 59 days").await;
}

#[tokio::test]
async fn what_speaks_no_tls_says_so_and_what_hangs_ends() {
    let issuer = authority("issuer");
    let plain = Server::start(Trick::Answer(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())).await;
    let hangs = of(plain.addr, &issuer)
        .check()
        .timeout(Duration::from_millis(100));
    says(&hangs, Unhealthy, "timed out").await;
    leaves_nothing(&hangs, 20).await;
    let resets = Server::start(Trick::Reset).await;
    says(&of(resets.addr, &issuer).check(), Unhealthy, "shake hands").await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    says(&of(closed, &issuer).check(), Unhealthy, "refused").await;
}

#[tokio::test]
async fn a_file_is_read_each_time() {
    let issuer = authority("issuer");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tls.pem");
    let check = Certificate::of_file("x", &path).server_name("localhost").check();
    says(&check, Unknown, "No such file").await;
    std::fs::write(&path, "-----BEGIN NOTHING").unwrap();
    says(&check, Unknown, "").await;
    says(&check, Unhealthy, "").await;
    let (_, _, old) = issue(&issuer, 10);
    std::fs::write(&path, format!("{old}{}", issuer.key().serialize_pem())).unwrap();
    says(&check, Degraded, "expires in 9 days").await;
    let (_, _, new) = issue(&issuer, 60);
    std::fs::write(&path, new).unwrap();
    says(&check, Healthy, "expires in 59 days").await;
    std::fs::write(&path, issuer.key().serialize_pem()).unwrap();
    says(&check, Unknown, "has no certificate").await;
}

#[tokio::test]
async fn https_trusts_whom_it_is_told_to() {
    let issuer = authority("issuer");
    let (addr, _serving) = serve(&issuer, 60, false).await;
    let url = format!("https://localhost:{}/", addr.port());
    says(&Http::get("x", &url).ca(issuer.pem()).check(), Healthy, "").await;
    says(&Http::get("x", &url).check(), Unhealthy, "UnknownIssuer").await;
    let by_address = format!("https://{addr}/");
    says(
        &Http::get("x", by_address).ca(issuer.pem()).check(),
        Unhealthy,
        "",
    )
    .await;
    // It speaks no HTTP/2, but the handshake says whether it is trusted.
    let grpc = Grpc::new("x", url.trim_end_matches('/')).check();
    says(&grpc, Unhealthy, "UnknownIssuer").await;
}

/// A channel goes on with its connection when a run is given up.
#[tokio::test]
async fn grpc_does_not_wait_for_ever_for_a_handshake_that_hangs() {
    let issuer = authority("issuer");
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = hangs.local_addr().unwrap();
    let check = Grpc::new("x", format!("https://localhost:{}", addr.port()))
        .ca(issuer.pem())
        .check()
        .timeout(Duration::from_secs(1));
    let (told, held) = tokio::join!(check.look(), hangs.accept());
    assert_eq!(told.message, "timed out after 1s");
    drop(hangs);

    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let identity = Identity::from_pem(certificate.pem(), key.serialize_pem());
    let health = Health::new();
    health.set("", ServingStatus::Serving);
    let server = tonic::transport::Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))
        .unwrap()
        .add_service(health.server());
    let incoming = TcpListenerStream::new(TcpListener::bind(addr).await.unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move { drop(server.serve_with_incoming(incoming).await) });
    becomes(&check, Healthy).await;
    drop(held);
}
