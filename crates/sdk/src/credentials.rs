//! What a client shows to an aggregator, and whom it trusts to be one: names of files, and what is in them.
//!
//! The files are read anew for each connection, so that a certificate or a token that was rotated is taken up without a
//! restart; what was read is kept no longer than the connection. Watching the files was not taken: a connection is the only
//! time at which they matter.

mod bearer;

use std::{
    env, fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use rustls::{
    ClientConfig,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
};

pub use bearer::Bearer;

use crate::trust::{Trust, certificates};

/// The authorities of a whole system take a quarter of it.
const PEM_BYTES: u64 = 1 << 20;

/// Files for a connection to an aggregator. Nothing is said where all are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Certificates of the authorities to trust (PEM); the system's when left out.
    pub tls_ca: Option<PathBuf>,
    /// The certificate to show, with its chain (PEM). Goes with `tls_key`.
    pub tls_cert: Option<PathBuf>,
    /// The private key of that certificate (PEM, not encrypted).
    pub tls_key: Option<PathBuf>,
    /// A file with a bearer token, which goes over TLS only.
    pub token_file: Option<PathBuf>,
}

/// Which of the [`Credentials`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The authorities to trust.
    TlsCa,
    /// The certificate to show.
    TlsCert,
    /// Its key.
    TlsKey,
    /// The token.
    TokenFile,
}

/// A file of the [`Credentials`] that cannot be used. Says nothing of what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}{} {fault}", shown(.path))]
pub struct InvalidCredentials {
    /// Which.
    pub field: Field,
    /// Its name; `None` where it is the system's, or missing.
    pub path: Option<PathBuf>,
    /// What is wrong with it, and what to do.
    pub fault: String,
}

fn shown(path: &Option<PathBuf>) -> String {
    let shown = |path: &PathBuf| format!(" {}:", path.display());
    path.as_ref().map(shown).unwrap_or_default()
}

impl Field {
    /// As it is called in code: `tls_ca`.
    pub fn name(self) -> &'static str {
        match self {
            Self::TlsCa => "tls_ca",
            Self::TlsCert => "tls_cert",
            Self::TlsKey => "tls_key",
            Self::TokenFile => "token_file",
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::TlsCa => "expected a PEM file of the authorities to trust",
            Self::TlsCert => "expected a PEM file of the certificate to show, with its chain",
            Self::TlsKey => "expected a PEM file of the private key of `tls_cert`, not encrypted",
            Self::TokenFile => "expected a file with one token: 1 to 512 visible ASCII characters",
        }
    }

    fn invalid(self, path: &Path, fault: impl fmt::Display) -> InvalidCredentials {
        InvalidCredentials {
            field: self,
            path: Some(path.into()),
            fault: format!("{fault}; {}", self.expected()),
        }
    }

    /// What is in `path`, or that it is longer than `most` bytes, which is no file of this kind.
    fn read(self, path: &Path, most: u64) -> Result<Vec<u8>, InvalidCredentials> {
        let mut bytes = Vec::new();
        let read = File::open(path).and_then(|file| file.take(most + 1).read_to_end(&mut bytes));
        read.map_err(|error: io::Error| self.invalid(path, format_args!("cannot be read: {error}")))?;
        match bytes.len() as u64 > most {
            true => Err(self.invalid(path, format_args!("is longer than {most} bytes"))),
            false => Ok(bytes),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.name())
    }
}

impl Credentials {
    /// Those that `WARD_TLS_CA`, `WARD_TLS_CERT`, `WARD_TLS_KEY` and `WARD_TOKEN_FILE` name. A variable set to nothing
    /// says nothing.
    pub fn from_env() -> Self {
        let file = |variable| {
            env::var_os(variable)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        Self {
            tls_ca: file("WARD_TLS_CA"),
            tls_cert: file("WARD_TLS_CERT"),
            tls_key: file("WARD_TLS_KEY"),
            token_file: file("WARD_TOKEN_FILE"),
        }
    }

    /// These, and those of `other` where nothing is said. A certificate and its key come from the same of both.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let own = self.tls_cert.is_some() || self.tls_key.is_some();
        let (tls_cert, tls_key) = match own {
            true => (self.tls_cert, self.tls_key),
            false => (other.tls_cert, other.tls_key),
        };
        Self {
            tls_ca: self.tls_ca.or(other.tls_ca),
            tls_cert,
            tls_key,
            token_file: self.token_file.or(other.token_file),
        }
    }

    /// What asks for TLS without the address saying so.
    pub(crate) fn of_tls(&self) -> Option<Field> {
        let ca = self.tls_ca.as_ref().map(|_| Field::TlsCa);
        let cert = self.tls_cert.as_ref().map(|_| Field::TlsCert);
        ca.or(cert).or(self.tls_key.as_ref().map(|_| Field::TlsKey))
    }

    /// A client of TLS that shows and trusts what is said here. Reads the files.
    pub(crate) fn client(&self) -> Result<ClientConfig, InvalidCredentials> {
        let builder = self.trust()?.client();
        let mut config = match (&self.tls_cert, &self.tls_key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(cert), Some(key)) => {
                let chain = Field::TlsCert.read(cert, PEM_BYTES)?;
                let chain = certificates(&chain).map_err(|fault| Field::TlsCert.invalid(cert, fault))?;
                let mismatched =
                    |error| Field::TlsKey.invalid(key, format_args!("does not go with `tls_cert`: {error}"));
                let key = private_key(key)?;
                builder.with_client_auth_cert(chain, key).map_err(mismatched)?
            }
            (Some(_), None) => return Err(missing(Field::TlsKey, Field::TlsCert)),
            (None, Some(_)) => return Err(missing(Field::TlsCert, Field::TlsKey)),
        };
        config.alpn_protocols = vec![ALPN.to_vec()];
        Ok(config)
    }

    fn trust(&self) -> Result<Trust, InvalidCredentials> {
        let Some(path) = &self.tls_ca else {
            return Trust::of_the_system().map_err(|fault| InvalidCredentials {
                field: Field::TlsCa,
                path: None,
                fault,
            });
        };
        let pem = Field::TlsCa.read(path, PEM_BYTES)?;
        Trust::in_pem(&pem).map_err(|fault| Field::TlsCa.invalid(path, fault))
    }

    /// What shows the token, if there is one. Reads the file.
    pub(crate) fn bearer(&self) -> Result<Bearer, InvalidCredentials> {
        self.token_file
            .as_deref()
            .map_or(Ok(Bearer::nobody()), Bearer::read)
    }
}

/// gRPC is HTTP/2 and nothing else.
pub(crate) const ALPN: &[u8] = b"h2";

/// What the parser says is not repeated: it may quote the file.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, InvalidCredentials> {
    let pem = Field::TlsKey.read(path, PEM_BYTES)?;
    let none = |_| Field::TlsKey.invalid(path, "has no private key that can be used");
    PrivateKeyDer::from_pem_slice(&pem).map_err(none)
}

fn missing(field: Field, given: Field) -> InvalidCredentials {
    InvalidCredentials {
        field,
        path: None,
        fault: format!("is missing, and {given} is given: they go together"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Option<PathBuf> {
        Some(path.into())
    }

    #[test]
    fn what_is_said_goes_before_the_environment_and_pairs_stay_together() {
        let environment = Credentials {
            tls_ca: file("ca"),
            tls_cert: file("cert"),
            tls_key: file("key"),
            token_file: file("token"),
        };
        assert_eq!(Credentials::default().or(environment.clone()), environment);
        let half = Credentials {
            tls_cert: file("own"),
            ..Credentials::default()
        };
        let both = half.or(environment);
        assert_eq!((both.tls_cert, both.tls_key), (file("own"), None));
        assert_eq!(both.token_file, file("token"));
    }

    #[test]
    fn what_cannot_be_used_is_told_with_field_file_and_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            Some(path)
        };
        let issued = rcgen::generate_simple_self_signed(["ward".to_owned()]).unwrap();
        let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let (cert, key) = (
            write("cert", &issued.cert.pem()),
            write("key", &issued.signing_key.serialize_pem()),
        );
        let (ca, other, text) = (cert.clone(), write("other", &other), write("text", "hunter2"));
        let gone = Some(folder.path().join("gone"));
        let of = |tls_ca: &Option<PathBuf>, tls_cert: &Option<PathBuf>, tls_key: &Option<PathBuf>| {
            Credentials {
                tls_ca: tls_ca.clone(),
                tls_cert: tls_cert.clone(),
                tls_key: tls_key.clone(),
                token_file: None,
            }
            .client()
        };
        assert!(of(&ca, &None, &None).is_ok() && of(&ca, &cert, &key).is_ok());
        for (client, field, fault) in [
            (of(&gone, &None, &None), "`tls_ca` /", "No such file"),
            (of(&text, &None, &None), "`tls_ca` /", "no certificate in PEM"),
            (of(&ca, &text, &key), "`tls_cert` /", "no certificate in PEM"),
            (of(&ca, &cert, &text), "`tls_key` /", "no private key"),
            (of(&ca, &cert, &other), "`tls_key` /", "does not go with"),
            (of(&ca, &cert, &None), "`tls_key` is missing", "go together"),
            (of(&ca, &None, &key), "`tls_cert` is missing", "go together"),
        ] {
            let said = client.unwrap_err().to_string();
            assert!(said.starts_with(field) && said.contains(fault), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
            assert!(said.contains("expected") || said.contains("missing"), "{said}");
        }
    }
}
