//! TLS in the accept loop: how many handshakes, for how long, and what handlers are told of who came.
//!
//! Which certificates are believed is shown by clients from outside, with the whole program.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{Extension, Router, routing::get};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use ward_chassis::{
    Limits, Peer, Tls, TlsFiles, Transport,
    tls::{Look, TlsError},
};

use crate::server::{LONG, Server};

const ID: &str = "spiffe://example.org/payments";

struct Authority {
    home: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self {
            home: tempfile::tempdir().unwrap(),
            issuer,
        };
        authority.write("ca.pem", &authority.issuer.pem());
        authority.sign("server", SanType::DnsName("localhost".try_into().unwrap()));
        authority.sign("client", SanType::URI(ID.try_into().unwrap()));
        authority
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.home.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join(name)).unwrap()
    }

    fn sign(&self, name: &str, san: SanType) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![san];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        self.write(&format!("{name}.pem"), &certificate.pem());
        self.write(&format!("{name}.key"), &key.serialize_pem());
    }

    fn tls(&self) -> Result<Tls, TlsError> {
        let path = |name: &str| Path::join(self.home.path(), name);
        let files = TlsFiles {
            cert: path("server.pem"),
            key: path("server.key"),
            client_ca: Some(path("ca.pem")),
            crl: None,
        };
        Tls::load(files, [])
    }

    /// A connection that is through its handshake, with the client's certificate or without.
    async fn connect(&self, server: &Server, named: bool) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = if named {
            let chain = rustls::pki_types::CertificateDer::pem_slice_iter(self.read("client.pem").as_bytes())
                .collect::<Result<Vec<_>, _>>()
                .unwrap();
            let key = PrivateKeyDer::from_pem_slice(self.read("client.key").as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        let name = "localhost".try_into().unwrap();
        let connected = TlsConnector::from(Arc::new(config)).connect(name, server.connect().await);
        timeout(LONG, connected).await.unwrap().unwrap()
    }

    /// What a client is answered.
    async fn ask(&self, server: &Server, named: bool) -> String {
        let mut stream = self.connect(server, named).await;
        let request = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(LONG, stream.read_to_string(&mut answer))
            .await
            .unwrap()
            .unwrap();
        answer.rsplit("\r\n").next().unwrap().to_owned()
    }
}

fn who() -> Router {
    let who =
        |Extension(peer): Extension<Peer>| async move { format!("{:?} {}", peer.identity, peer.secure) };
    Router::new().route("/", get(who))
}

#[tokio::test]
async fn handlers_are_told_who_came() {
    let authority = Authority::new();
    let tls = Transport::Tls(Arc::new(authority.tls().unwrap()));
    let server = Server::h1_over(tls, Limits::default(), who());
    assert_eq!(authority.ask(&server, false).await, "Anonymous true");
    assert_eq!(
        authority.ask(&server, true).await,
        format!("Certificate(\"{ID}\") true")
    );
    assert_eq!(server.stop().await, 0);
    let cleartext = Server::h1(Limits::default(), who());
    let mut stream = cleartext.connect().await;
    let request = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("Anonymous false"), "{answer}");
}

/// The certificate of the client is good for years; that of the authority between ends soon.
#[tokio::test]
async fn a_connection_ends_with_the_first_of_its_chain() {
    let authority = Authority::new();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    #[expect(clippy::disallowed_methods, reason = "certificates are valid by the clock")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    params.not_after = date_time_ymd(1970, 1, 1) + now + Duration::from_secs(5);
    let between =
        CertifiedIssuer::signed_by(params, KeyPair::generate().unwrap(), &authority.issuer).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(ID.try_into().unwrap())];
    let key = KeyPair::generate().unwrap();
    let client = params.signed_by(&key, &between).unwrap();
    authority.write("client.pem", &(client.pem() + &between.pem()));
    authority.write("client.key", &key.serialize_pem());

    let tls = Transport::Tls(Arc::new(authority.tls().unwrap()));
    let server = Server::h1_over(tls, Limits::default(), who());
    let mut stream = authority.connect(&server, true).await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let ended = timeout(LONG, stream.read_to_end(&mut answer)).await;
    assert!(
        String::from_utf8(answer)
            .unwrap()
            .ends_with(&format!("Certificate(\"{ID}\") true"))
    );
    assert!(ended.is_ok(), "it is still open");
}

#[tokio::test]
async fn handshakes_that_go_nowhere_are_bounded_in_number_and_time() {
    let authority = Authority::new();
    let limits = Limits {
        handshakes_per_address: 3,
        handshake_timeout: Some(Duration::from_millis(500)),
        ..Limits::default()
    };
    let tls = Transport::Tls(Arc::new(authority.tls().unwrap()));
    let server = Server::h1_over(tls, limits, who());
    let mut held = [
        server.connect().await,
        server.connect().await,
        server.connect().await,
    ];
    server.until(|counts| counts.handshaking == 3).await;
    let mut refused = server.connect().await;
    let end = timeout(LONG, refused.read(&mut [0])).await.unwrap();
    assert!(!matches!(end, Ok(1..)), "{end:?}");
    assert_eq!(server.stats.snapshot().refused_handshakes, 1);
    for stream in &mut held {
        let end = timeout(LONG, stream.read(&mut [0])).await.unwrap();
        assert!(!matches!(end, Ok(1..)), "{end:?}");
    }
    server
        .until(|counts| counts.handshake_timeouts == 3 && counts.handshaking == 0)
        .await;
    assert_eq!(authority.ask(&server, false).await, "Anonymous true");
    // What is no TLS at all ends at once.
    let mut plain = server.connect().await;
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    server.until(|counts| counts.failed_handshakes == 1).await;
}

/// With nothing to be let in to but this.
fn open() -> Router {
    let admit = |Extension(peer): Extension<Peer>| async move { peer.admit() };
    who().route("/open", get(admit))
}

async fn ends(mut stream: TlsStream<TcpStream>) -> bool {
    let mut answer = Vec::new();
    timeout(LONG, stream.read_to_end(&mut answer)).await.is_ok()
}

#[tokio::test]
async fn who_proves_nothing_and_is_let_in_to_nothing_is_told_to_go() {
    let authority = Authority::new();
    let tls = Transport::Tls(Arc::new(authority.tls().unwrap()));
    let limits = Limits {
        admitted_within: Some(Duration::from_secs(2)),
        stop_timeout: Duration::from_millis(200),
        header_timeout: None,
        ..Limits::default()
    };
    let h2 = Server::h2_over(tls.clone(), limits.clone(), open());
    let mut named = authority.connect(&h2, true).await;
    let mut stranger = authority.connect(&h2, false).await;
    // The preface and an empty SETTINGS frame; the first ping would come in ten seconds.
    for stream in [&mut named, &mut stranger] {
        let begun = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        stream.write_all(begun).await.unwrap();
    }
    assert!(ends(stranger).await, "over HTTP/2");
    h2.until(|counts| counts.strangers == 1 && counts.active == 1)
        .await;
    drop(named);

    let h1 = Server::h1_over(tls, limits, open());
    let ask = |path| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let mut admitted = authority.connect(&h1, false).await;
    admitted.write_all(ask("/open").as_bytes()).await.unwrap();
    assert!(admitted.read(&mut [0; 1_024]).await.unwrap() > 0);
    let mut refused = authority.connect(&h1, false).await;
    refused.write_all(ask("/").as_bytes()).await.unwrap();
    assert!(ends(refused).await, "over HTTP/1");
    assert_eq!(h1.stats.snapshot().strangers, 1);
    // It came first, and is there still.
    admitted.write_all(ask("/open").as_bytes()).await.unwrap();
    assert!(admitted.read(&mut [0; 1_024]).await.unwrap() > 0);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_handshakes() {
    let authority = Authority::new();
    let limits = Limits {
        handshake_timeout: None,
        stop_timeout: LONG,
        ..Limits::default()
    };
    let tls = Transport::Tls(Arc::new(authority.tls().unwrap()));
    let server = Server::h1_over(tls, limits, who());
    let _held = server.connect().await;
    server.until(|counts| counts.handshaking == 1).await;
    assert_eq!(timeout(LONG / 2, server.stop()).await.expect("at once"), 0);
}

#[tokio::test]
async fn files_are_looked_at_again_when_they_change_and_only_then() {
    let authority = Authority::new();
    let tls = authority.tls().unwrap();
    assert!(matches!(tls.look(), Look::Unchanged));
    let before = tls.expires();
    authority.write("server.key", "no key");
    let Look::Failed(error) = tls.look() else {
        panic!("it has no key")
    };
    assert!(
        error.to_string().contains("server.key") && error.to_string().contains("PRIVATE KEY"),
        "{error}"
    );
    assert!(
        matches!(tls.look(), Look::StillFailed),
        "said once, and tried again"
    );
    authority.sign("server", SanType::DnsName("localhost".try_into().unwrap()));
    assert!(matches!(tls.look(), Look::Renewed));
    assert_eq!(tls.expires(), before, "rcgen's own");
    // A file of the same length, in place and within the same second.
    sleep(Duration::from_millis(20)).await;
    let flipped = authority.read("server.pem").replace("BEGIN", "BEGUN");
    authority.write("server.pem", &flipped);
    assert!(matches!(tls.look(), Look::Failed(TlsError::Content { .. })));
    assert!(matches!(tls.look(), Look::StillFailed));
    authority.sign("server", SanType::DnsName("localhost".try_into().unwrap()));
    assert!(matches!(tls.look(), Look::Renewed));
    for gone in ["ca.pem", "server.pem"] {
        fs::remove_file(authority.home.path().join(gone)).unwrap();
        let Look::Failed(error) = tls.look() else {
            panic!("{gone} is not there")
        };
        assert!(
            matches!(error, TlsError::Read { .. } | TlsError::Content { .. }),
            "{error}"
        );
    }
}
