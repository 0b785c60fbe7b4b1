//! Whether a client's certificate is believed: its chain by rustls, its name by us.
//!
//! The name is judged within the handshake, so that somebody who names nobody is refused before a byte of HTTP.

use std::{collections::BTreeSet, fmt, sync::Arc};

use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use super::certificate_name;

/// See the module.
pub(crate) struct Verifier {
    chain: Arc<dyn ClientCertVerifier>,
    names: Arc<BTreeSet<String>>,
}

impl Verifier {
    pub(super) fn new(chain: Arc<dyn ClientCertVerifier>, names: Arc<BTreeSet<String>>) -> Self {
        Self { chain, names }
    }

    /// Who the owner of this chain is, at this moment.
    pub(crate) fn name(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<Arc<str>, Error> {
        let (leaf, intermediates) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
        self.chain.verify_client_cert(leaf, intermediates, now)?;
        named(leaf, &self.names)
    }
}

fn named(leaf: &CertificateDer<'_>, names: &BTreeSet<String>) -> Result<Arc<str>, Error> {
    certificate_name(leaf, names)
        .map_err(|error| Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error)))))
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.chain.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.chain.verify_client_cert(leaf, intermediates, now)?;
        named(leaf, &self.names)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}
