//! Which certificate authorities a client trusts, as a configuration of rustls.
//!
//! Always with the ring provider, said explicitly: a program may have several, and which one is its default is not this
//! crate's to decide.

use std::sync::Arc;

use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore,
    client::WantsClientCert,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, pem::PemObject as _},
};
#[cfg(any(feature = "certificate", feature = "http"))]
use ward_proto::Invalid;

/// Authorities to trust.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    roots: Arc<RootCertStore>,
}

impl Trust {
    /// Those in `pem`; without it the system's, whose files are read here.
    #[cfg(any(feature = "certificate", feature = "http"))]
    pub(crate) fn new(pem: Option<&[u8]>) -> Result<Self, Invalid> {
        let trust = match pem {
            Some(pem) => Self::in_pem(pem),
            None => Self::of_the_system(),
        };
        trust.map_err(|fault| Invalid::new("ca", fault))
    }

    /// Those in `pem`, at least one; or what is wrong with it.
    pub(crate) fn in_pem(pem: &[u8]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(pem)? {
            let added = roots.add(certificate);
            added.map_err(|error| format!("cannot be used: {error}"))?;
        }
        Ok(Self {
            roots: Arc::new(roots),
        })
    }

    /// The system's, at least one. Single files that cannot be read are no reason to trust none of the others.
    pub(crate) fn of_the_system() -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(
                "must be given: this system has no certificate authorities (package ca-certificates)".into(),
            );
        }
        Ok(Self {
            roots: Arc::new(roots),
        })
    }

    /// Nobody: for a client that has no use for TLS, and need not read the system's files.
    #[cfg(feature = "http")]
    pub(crate) fn nobody() -> Self {
        Self {
            roots: Arc::new(RootCertStore::empty()),
        }
    }

    pub(crate) fn provider() -> Arc<CryptoProvider> {
        Arc::new(ring::default_provider())
    }

    /// For a client that lets nobody pass whom it does not trust. Who it is itself is left to say.
    pub(crate) fn client(&self) -> ConfigBuilder<ClientConfig, WantsClientCert> {
        ClientConfig::builder_with_provider(Self::provider())
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions of TLS")
            .with_root_certificates(Arc::clone(&self.roots))
    }

    /// What such a client asks about a certificate.
    #[cfg(feature = "certificate")]
    pub(crate) fn verifier(&self) -> Arc<rustls::client::WebPkiServerVerifier> {
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.roots), Self::provider())
            .build()
            .expect("there are roots")
    }
}

/// All certificates in `pem`, at least one; what else is in it is passed over.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err("has no certificate in PEM (-----BEGIN CERTIFICATE-----)".into()),
        Ok(all) => Ok(all),
        Err(error) => Err(format!("is not PEM: {error}")),
    }
}
