//! Servers of all kinds, good and bad, and certificates for them. They end with the test's process.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
    thread,
};

use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener as Listener, UnixListener},
    sync::mpsc,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream, UnixListenerStream};
use tonic::{service::Routes, transport::Server};

async fn listener() -> (Listener, String) {
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// gRPC.
pub(crate) async fn serve(routes: Routes) -> String {
    let (listener, address) = listener().await;
    let serving = Server::builder()
        .add_routes(routes)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(serving);
    address
}

/// gRPC on a socket in the file system.
pub(crate) fn serve_unix(path: &Path, routes: Routes) {
    let incoming = UnixListenerStream::new(UnixListener::bind(path).unwrap());
    tokio::spawn(Server::builder().add_routes(routes).serve_with_incoming(incoming));
}

/// gRPC over TLS.
pub(crate) async fn serve_with_tls(config: ServerConfig, routes: Routes) -> String {
    let (listener, address) = listener().await;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (accepted, incoming) = mpsc::channel(16);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, accepted) = (acceptor.clone(), accepted.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    drop(accepted.send(Ok::<_, std::io::Error>(stream)).await);
                }
            });
        }
    });
    tokio::spawn(
        Server::builder()
            .add_routes(routes)
            .serve_with_incoming(ReceiverStream::new(incoming)),
    );
    address
}

/// Answers everything that is said to it with `bytes`, and closes unless they are a beginning.
pub(crate) fn says(bytes: &'static [u8]) -> String {
    let stays = bytes.first() == Some(&0);
    answers(bytes.to_vec(), move |_| stays)
}

/// Answers every request with `answer`, and closes.
pub(crate) fn http(answer: String) -> String {
    answers(answer.into_bytes(), |_| false)
}

/// Answers every request with the beginning of an answer, and keeps what comes of it waiting.
pub(crate) fn http_begins(answer: String) -> String {
    answers(answer.into_bytes(), |_| true)
}

/// The same as [`http`], and tells what was asked.
pub(crate) fn hears(answer: &str) -> (String, Receiver<String>) {
    let (told, heard) = sync_channel(16);
    let address = answers(answer.as_bytes().to_vec(), move |request| {
        told.send(String::from_utf8_lossy(request).into_owned()).unwrap();
        false
    });
    (address, heard)
}

/// Keeps a connection open if `stays` says so of what was heard on it.
fn answers(answer: Vec<u8>, stays: impl Fn(&[u8]) -> bool + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut heard = [0; 4096];
            let Ok(count) = stream.read(&mut heard) else {
                continue;
            };
            drop(stream.write_all(&answer));
            if stays(&heard[..count]) {
                open.push(stream);
            }
        }
    });
    address
}

/// HTTP over TLS: answers every request with `answer`.
pub(crate) async fn http_over_tls(config: ServerConfig, answer: String) -> String {
    let (listener, address) = listener().await;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            tokio::spawn(async move {
                let mut stream = acceptor.accept(stream).await?;
                let mut request = [0; 4096];
                if stream.read(&mut request).await? > 0 {
                    stream.write_all(answer.as_bytes()).await?;
                }
                stream.shutdown().await
            });
        }
    });
    address
}

/// One that issues certificates.
pub(crate) struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self {
            certificate: params.self_signed(&key).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for `name`, and its key.
    pub(crate) fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (
            params.signed_by(&key, &self.issuer).unwrap().pem(),
            key.serialize_pem(),
        )
    }

    /// A server called `name`, which asks its clients for a certificate of this authority if it is `mutual`.
    pub(crate) fn server(&self, name: &str, mutual: bool) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let (certificate, key) = self.issue(name);
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if mutual {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificate.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}
