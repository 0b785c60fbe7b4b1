//! From files to a configuration that is whole and checked, or to a sentence about what is wrong.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{
    self, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime, pem, pem::PemObject},
    server::{NoServerSessionStorage, WebPkiClientVerifier},
};
use ward_model::Wall;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{InForce, TlsFiles, Verifier};

/// Longest file. A list of revocations of ten thousand certificates is half a megabyte.
const FILE_BYTES: u64 = 8 << 20;

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// It cannot be read.
    #[error("read {what} from {path:?}")]
    Read {
        /// What was looked for in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It has no such thing in it, or something else.
    #[error("read {what} from {path:?}: {why}")]
    Content {
        /// What was looked for in it.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The certificate is not valid now.
    #[error("use the certificate in {path:?}: it {why}; get a new one")]
    Validity {
        /// The file.
        path: PathBuf,
        /// `has expired`, or `is not valid yet`.
        why: &'static str,
    },
    /// The certificate and the key are not of each other.
    #[error("use the certificate in {cert:?} with the key in {key:?}: they do not belong together")]
    Mismatch {
        /// The one file.
        cert: PathBuf,
        /// The other.
        key: PathBuf,
    },
    /// rustls refuses it for another reason.
    #[error("use {path:?}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
}

const CERTIFICATE: &str = "a certificate";
const KEY: &str = "a private key";
const AUTHORITIES: &str = "certificates of authorities";
const REVOCATIONS: &str = "a list of revocations";

pub(super) fn load(files: &TlsFiles, names: &Arc<BTreeSet<String>>) -> Result<InForce, TlsError> {
    let chain: Vec<CertificateDer<'static>> = all(&files.cert, CERTIFICATE)?;
    let expires = valid_until(&files.cert, &chain[0])?;
    let key = key(&files.key)?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions of TLS");
    let verifier = match &files.client_ca {
        Some(path) => Some(Arc::new(verifier(path, files.crl.as_deref(), names)?)),
        None => None,
    };
    let builder = match &verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|source| match source {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch {
                cert: files.cert.clone(),
                key: files.key.clone(),
            },
            source => TlsError::Refused {
                path: files.cert.clone(),
                source,
            },
        })?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    let speaking = |protocol: &[u8]| {
        let mut config = config.clone();
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config)
    };
    Ok(InForce {
        h2: speaking(b"h2"),
        h1: speaking(b"http/1.1"),
        verifier,
        expires,
    })
}

fn verifier(
    authorities: &Path,
    revoked: Option<&Path>,
    names: &Arc<BTreeSet<String>>,
) -> Result<Verifier, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in all(authorities, AUTHORITIES)? {
        roots.add(certificate).map_err(|source| TlsError::Refused {
            path: authorities.to_owned(),
            source,
        })?;
    }
    let provider = Arc::new(ring::default_provider());
    // Who shows none may still have a token.
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).allow_unauthenticated();
    if let Some(path) = revoked {
        let lists: Vec<CertificateRevocationListDer<'static>> = all(path, REVOCATIONS)?;
        builder = builder.with_crls(lists).only_check_end_entity_revocation();
    }
    let chain = builder.build().map_err(|error| TlsError::Content {
        what: REVOCATIONS,
        path: revoked.unwrap_or(authorities).to_owned(),
        why: error.to_string(),
    })?;
    Ok(Verifier::new(chain, Arc::clone(names)))
}

fn valid_until(path: &Path, certificate: &CertificateDer<'_>) -> Result<Wall, TlsError> {
    let content = |why: String| TlsError::Content {
        what: CERTIFICATE,
        path: path.to_owned(),
        why,
    };
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| content(error.to_string()))?;
    let now = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
    let invalid = |why| TlsError::Validity {
        path: path.to_owned(),
        why,
    };
    let validity = parsed.validity();
    if validity.not_before.timestamp() > now {
        return Err(invalid("is not valid yet"));
    }
    if validity.not_after.timestamp() <= now {
        return Err(invalid("has expired"));
    }
    Ok(Wall(validity.not_after.timestamp().saturating_mul(1_000)))
}

fn all<T: PemObject>(path: &Path, what: &'static str) -> Result<Vec<T>, TlsError> {
    let content = |why: String| TlsError::Content {
        what,
        path: path.to_owned(),
        why,
    };
    let bytes = bytes(path, what)?;
    let all: Result<Vec<T>, pem::Error> = T::pem_slice_iter(&bytes).collect();
    let all = all.map_err(|error| content(format!("it is not PEM: {error}")))?;
    if all.is_empty() {
        return Err(content(
            "there is none in it, expected PEM (-----BEGIN ...)".to_owned(),
        ));
    }
    Ok(all)
}

/// What rustls says of a key is not passed on: it may quote from it.
fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&bytes(path, KEY)?).map_err(|_| TlsError::Content {
        what: KEY,
        path: path.to_owned(),
        why: "there is none in it, expected PEM without a password (-----BEGIN PRIVATE KEY-----)".to_owned(),
    })
}

fn bytes(path: &Path, what: &'static str) -> Result<Vec<u8>, TlsError> {
    let refused = |source| TlsError::Read {
        what,
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(refused)?;
    file.take(FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(refused)?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(refused(io::Error::other(format!(
            "it is longer than {} MiB",
            FILE_BYTES >> 20
        ))));
    }
    Ok(bytes)
}
