//! What a connection trusts, and who it says it is.
//!
//! The provider of cryptography is named here and not taken from the process: another crate in the same binary could
//! have installed another.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use tonic::metadata::{Ascii, MetadataValue};
use ward_sdk::{Bearer, Credentials};

use super::address::{Address, Place, Protocol};
use crate::access::as_flags;

#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Speak TLS; grpcs:// and https:// do by themselves
    #[arg(long)]
    tls: bool,
    /// Trust these certificates (PEM) instead of the system's
    #[arg(long, alias = "tls-ca", value_name = "FILE")]
    tls_ca_cert: Option<PathBuf>,
    /// Show this certificate (PEM, with its chain) to the server
    #[arg(long, alias = "tls-cert", value_name = "FILE", requires = "tls_client_key")]
    tls_client_cert: Option<PathBuf>,
    /// The key (PEM) of that certificate
    #[arg(long, alias = "tls-key", value_name = "FILE", requires = "tls_client_cert")]
    tls_client_key: Option<PathBuf>,
    /// Expect this name in the server's certificate instead of the address's
    #[arg(long, value_name = "NAME")]
    tls_server_name: Option<String>,
    /// Believe any certificate: who answers may be anybody
    #[arg(long, conflicts_with_all = ["tls_ca_cert", "tls_server_name"])]
    tls_no_verify: bool,
    /// Show the bearer token in this file; over TLS only
    #[arg(long, value_name = "FILE", conflicts_with = "tls_no_verify")]
    token_file: Option<PathBuf>,
}

/// TLS as it was asked for.
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) server_name: ServerName<'static>,
    /// What the server is called where it is not called by its address.
    pub(super) authority: Option<String>,
    /// What to do if a certificate is not trusted.
    pub(super) hint: &'static str,
}

impl TlsArgs {
    /// With what the other commands show to the aggregator, where nothing is said. Only for the aggregator: anybody else who
    /// is asked must not be shown a token that is not meant for them.
    pub(super) fn or(&mut self, credentials: Credentials) {
        let Credentials {
            tls_ca,
            tls_cert,
            tls_key,
            token_file,
        } = credentials;
        if !self.tls_no_verify {
            self.tls_ca_cert = self.tls_ca_cert.take().or(tls_ca);
            self.token_file = self.token_file.take().or(token_file);
        }
        if self.tls_client_cert.is_none() {
            (self.tls_client_cert, self.tls_client_key) = (tls_cert, tls_key);
        }
        self.tls |= self.tls_ca_cert.is_some() || self.tls_client_cert.is_some();
    }

    /// What shows the token, if there is one.
    pub(super) fn authorization(&self) -> Result<Option<MetadataValue<Ascii>>, String> {
        let Some(file) = &self.token_file else {
            return Ok(None);
        };
        let bearer = Bearer::read(file).map_err(|invalid| as_flags(&invalid.to_string()))?;
        let value = bearer.authorization();
        Ok(value.map(|value| MetadataValue::try_from(value.as_bytes()).expect("a token is visible ASCII")))
    }

    /// `None` without TLS. What is wrong with the arguments, or with a file they name.
    pub(super) fn settings(self, address: &Address) -> Result<Option<Tls>, String> {
        let is_http = matches!(address.protocol, Protocol::Http { .. });
        if self.tls && is_http && !address.tls {
            return Err("--tls contradicts http://: ask https:// instead".into());
        }
        if !self.tls && !address.tls {
            return match self.pointless() {
                Some(option) => Err(format!(
                    "{option} without TLS: add --tls, or ask grpcs:// or https://"
                )),
                None => Ok(None),
            };
        }
        let host = match &address.place {
            Place::Tcp { host, .. } => host,
            Place::Unix(_) => "localhost",
        };
        let name = self.tls_server_name.as_deref().unwrap_or(host).to_owned();
        let server_name = ServerName::try_from(name.clone())
            .map_err(|_| format!("{name:?} is neither a DNS name nor an IP address, and TLS needs one"))?;
        let (mut config, hint) = self.config()?;
        config.alpn_protocols = vec![if is_http {
            b"http/1.1".to_vec()
        } else {
            b"h2".to_vec()
        }];
        Ok(Some(Tls {
            config: Arc::new(config),
            server_name,
            authority: self.tls_server_name,
            hint,
        }))
    }

    fn pointless(&self) -> Option<&'static str> {
        [
            ("--tls-ca-cert", self.tls_ca_cert.is_some()),
            ("--tls-client-cert", self.tls_client_cert.is_some()),
            ("--tls-server-name", self.tls_server_name.is_some()),
            ("--tls-no-verify", self.tls_no_verify),
            ("--token-file", self.token_file.is_some()),
        ]
        .into_iter()
        .find_map(|(option, given)| given.then_some(option))
    }

    fn config(&self) -> Result<(ClientConfig, &'static str), String> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let mut hint = "";
        let builder = if self.tls_no_verify {
            let anybody = Arc::new(Anybody(provider));
            builder.dangerous().with_custom_certificate_verifier(anybody)
        } else {
            let roots = match &self.tls_ca_cert {
                Some(path) => roots(path)?,
                None => system_roots(),
            };
            if roots.is_empty() {
                hint = "; this system has no trusted certificates: name some with --tls-ca-cert";
            }
            builder.with_root_certificates(roots)
        };
        let config = match (&self.tls_client_cert, &self.tls_client_key) {
            (Some(certificate), Some(key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(|error| format!("use {} with {}: {error}", certificate.display(), key.display()))?,
            _ => builder.with_no_client_auth(),
        };
        Ok((config, hint))
    }
}

/// None at all is no failure: certificates may yet be trusted by nobody, and that is said then.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| format!("trust {}: {error}", path.display()))?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed =
        |error: &dyn std::fmt::Display| format!("read certificates from {}: {error}", path.display());
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| failed(&error))?;
    if certificates.is_empty() {
        return Err(failed(&io::Error::other("there are none in it, expected PEM")));
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(|error| format!("read a key from {}: {error}", path.display()))
}

/// Believes every certificate. That whoever shows it has its key is still checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
