//! Whom we believe to be a receiver, and what we show it: from files that may change at any time.

use std::path::{Path, PathBuf};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use ward_chassis::Stamp;

use super::{file, provider, with_tls};
use crate::Receiver;

/// Longest file. All authorities of a system are a quarter of a megabyte.
const FILE_BYTES: u64 = 4 << 20;

/// The client of the files as they were when they were last looked at.
#[derive(Debug, Default)]
pub(super) struct Tls {
    made: Option<(Files, reqwest::Client)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Files {
    secure: bool,
    ca: Option<PathBuf>,
    identity: Option<(PathBuf, PathBuf)>,
    stamps: Vec<Stamp>,
}

impl Tls {
    /// The client to ask with, made anew if a file changed.
    pub(super) fn client(&mut self, receiver: &Receiver, secure: bool) -> Result<reqwest::Client, String> {
        let files = Files::look(secure, receiver.ca.clone(), receiver.identity.clone());
        let made = match self.made.take() {
            Some((before, client)) if before == files => (files, client),
            _ => {
                let client = config(&files).and_then(with_tls)?;
                (files, client)
            }
        };
        Ok(self.made.insert(made).1.clone())
    }
}

impl Files {
    fn look(secure: bool, ca: Option<PathBuf>, identity: Option<(PathBuf, PathBuf)>) -> Self {
        let (cert, key) = identity.as_ref().map(|(cert, key)| (cert, key)).unzip();
        let all = [ca.as_ref(), cert, key].into_iter().flatten();
        Self {
            secure,
            stamps: all.map(|path| Stamp::of(path)).collect(),
            ca,
            identity,
        }
    }
}

fn config(files: &Files) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("ring has the default versions of TLS")
        .with_root_certificates(roots(files)?);
    let Some((cert, key)) = files.identity.as_ref().filter(|_| files.secure) else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(cert)?;
    let private = PrivateKeyDer::from_pem_slice(&bytes("a private key", key)?)
        .map_err(|_| format!("read a private key from {key:?}: there is none in PEM in it"))?;
    builder
        .with_client_auth_cert(chain, private)
        .map_err(|error| format!("use the certificate in {cert:?} with the key in {key:?}: {error}"))
}

fn roots(files: &Files) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match &files.ca {
        // Nobody is asked who they are.
        _ if !files.secure => {}
        Some(path) => {
            for certificate in certificates(path)? {
                let added = roots.add(certificate);
                added.map_err(|error| format!("trust the authorities in {path:?}: {error}"))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(
                    "trust this system's certificate authorities: there are none; name a file \
                            (ca) or install the package ca-certificates"
                        .to_owned(),
                );
            }
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = bytes("certificates", path)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match all {
        Ok(all) if all.is_empty() => Err(format!(
            "read certificates from {path:?}: there is none in PEM in it"
        )),
        Ok(all) => Ok(all),
        Err(error) => Err(format!("read certificates from {path:?}: it is not PEM: {error}")),
    }
}

fn bytes(what: &str, path: &Path) -> Result<Vec<u8>, String> {
    file::read(path, FILE_BYTES).map_err(|error| format!("read {what} from {path:?}: {error}"))
}
