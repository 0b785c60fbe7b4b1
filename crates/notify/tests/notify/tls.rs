//! Receivers over TLS: whom we believe, what we show, and files that change.

use std::{fs, path::Path, sync::Arc};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use ward_notify::Notifier;

use crate::{
    memory::Memory,
    sample::{MS, firing, now, start, tell, webhook},
    server::{Reply, SOON, Server},
};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate by `authority` and its key, in PEM.
fn issued(authority: &Authority, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new([name.to_owned()]).unwrap();
    let cert = params.signed_by(&key, authority).unwrap();
    (cert.pem(), key.serialize_pem())
}

fn server_side(authority: &Authority, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let (cert, key) = issued(authority, "localhost");
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

async fn error(notifier: &Notifier, part: &str) {
    let waiting = async {
        while !notifier.standing()[0]
            .error
            .as_ref()
            .is_some_and(|error| error.contains(part))
        {
            tokio::time::sleep(MS).await;
        }
    };
    let came = tokio::time::timeout(SOON, waiting).await;
    came.unwrap_or_else(|_| panic!("waited for {part:?}: {:?}", notifier.standing()));
}

fn write(path: &Path, text: &str) {
    // As rotations do: there is never half of a file.
    let beside = path.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path).unwrap();
}

#[tokio::test]
async fn only_who_is_trusted_is_told_and_files_are_looked_at_anew() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (ours, other) = (authority(), authority());
    let server = Server::start_tls(server_side(&ours, Some(&ours)), |_| Reply::ok()).await;
    let mut hook = webhook("hook", format!("https://localhost:{}", server.address().port()));
    hook.ca = Some(at("ca.pem"));
    hook.identity = Some((at("cert.pem"), at("key.pem")));
    let notifier = start([hook], &Memory::new());
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    error(&notifier, "ca.pem").await;
    write(&at("ca.pem"), "nothing");
    error(&notifier, "none in PEM").await;
    write(&at("ca.pem"), &other.pem());
    error(&notifier, "cert.pem").await;
    let (cert, _) = issued(&other, "ward");
    let (_, key) = issued(&other, "ward");
    write(&at("cert.pem"), &cert);
    write(&at("key.pem"), &key);
    error(&notifier, "use the certificate in").await;
    let (cert, key) = issued(&other, "ward");
    write(&at("cert.pem"), &cert);
    write(&at("key.pem"), &key);
    error(&notifier, "invalid peer certificate").await;
    write(&at("ca.pem"), &ours.pem());
    // Now it is the server that does not believe us.
    error(&notifier, "alert").await;
    assert!(server.log().is_empty());
    let (cert, key) = issued(&ours, "ward");
    write(&at("cert.pem"), &cert);
    write(&at("key.pem"), &key);
    server.until_is("the event", |log| log.len() == 1).await;
}

#[tokio::test]
async fn the_systems_authorities_do_not_vouch_for_a_stranger() {
    let ours = authority();
    let server = Server::start_tls(server_side(&ours, None), |_| Reply::ok()).await;
    let hook = webhook("hook", format!("https://localhost:{}", server.address().port()));
    let notifier = start([hook], &Memory::new());
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    let waiting = async {
        while notifier.standing()[0].requests[1] == 0 {
            tokio::time::sleep(MS).await;
        }
    };
    tokio::time::timeout(SOON, waiting).await.unwrap();
    assert!(server.log().is_empty());
}
