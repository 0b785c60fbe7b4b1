//! Where the aggregator is, and the connection to it: over TLS or in the clear, with what is to be shown.
//!
//! A name of a server without TLS is never upgraded, and one with TLS never falls back: what is spoken is settled before
//! anything is sent. tonic's own TLS was not taken: it reads what to trust once, passes over certificates it cannot use,
//! and takes whichever provider of cryptography the process happens to have.

mod address;
mod connection;
mod dial;
mod fault;
mod wire;

use std::{error::Error, time::Duration};

use rustls::pki_types::ServerName;
use tokio::task::spawn_blocking;
use tonic::transport::Endpoint;

pub use address::Address;
pub use connection::Connection;
use connection::Note;

use crate::credentials::{Bearer, Credentials, Field, InvalidCredentials};

/// HTTP/2 ping period and how long its answer may take: a peer that is gone without a word is found within 15 s.
const PING: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// How long one attempt to connect may take, the handshake of TLS included. Short: the next is at hand, and a host that
/// came back should be found.
const CONNECT: Duration = Duration::from_secs(1);

/// TLS is why `error` came.
pub(crate) fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    error.is::<fault::Fault>()
}

/// Deeper chains of causes are no more telling.
const CAUSES: usize = 8;

/// An aggregator, as it is to be spoken to.
#[derive(Clone, Debug)]
pub struct Server {
    address: Address,
    credentials: Credentials,
    endpoint: Endpoint,
    /// The name to be found in its certificate; `None` without TLS.
    name: Option<ServerName<'static>>,
    patience: Duration,
}

/// Not how an aggregator can be spoken to.
#[derive(Debug, thiserror::Error)]
pub enum InvalidServer {
    /// Not the address of one.
    #[error("server address {server:?} is not host:port, https://host:port or http://host:port")]
    Address {
        /// As given.
        server: String,
        /// What is wrong with it.
        #[source]
        source: Option<tonic::transport::Error>,
    },
    /// The address says that there is no TLS, and something else that there is.
    #[error(
        "http://{server} is spoken to without TLS, and {field} is for TLS: begin the address with https://"
    )]
    Contradiction {
        /// Which address.
        server: Address,
        /// What asks for TLS.
        field: Field,
    },
    /// Nothing was sent.
    #[error(
        "a token goes over TLS only, and {server} is spoken to without: begin the address with https://, or leave \
         `token_file` out"
    )]
    TokenInClear {
        /// Which address.
        server: Address,
    },
    /// A file cannot be used.
    #[error(transparent)]
    Credentials(#[from] InvalidCredentials),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// A file cannot be used any more.
    #[error(transparent)]
    Credentials(#[from] InvalidCredentials),
    /// Nobody is there, or not whom we trust.
    #[error(transparent)]
    Transport(#[from] tonic::transport::Error),
}

/// What `error` came from, one behind the other.
pub(crate) fn causes<'a>(error: &'a dyn Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |error| (*error).source()).take(CAUSES)
}

impl ConnectError {
    /// The file that cannot be used any more, if that is why.
    pub fn of_credentials(&self) -> Option<&InvalidCredentials> {
        match self {
            Self::Credentials(invalid) => Some(invalid),
            // Read behind the connection to the port, so that the transport carries what was wrong.
            Self::Transport(error) => causes(error).find_map(|error| error.downcast_ref()),
        }
    }
}

impl Server {
    /// Reads the files that `credentials` name, to find now what would be wrong at each connection.
    ///
    /// # Errors
    /// The address and what is to be shown do not go together, or a file cannot be used.
    pub fn new(address: Address, credentials: Credentials) -> Result<Self, InvalidServer> {
        let tls = address.tls(&credentials)?;
        if !tls && credentials.token_file.is_some() {
            return Err(InvalidServer::TokenInClear { server: address });
        }
        // The connector speaks TLS and tonic knows of none: only what the server is told says https.
        let mut endpoint = Endpoint::from(address.uri("http"))
            .http2_keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1)
            .keep_alive_while_idle(true);
        let mut name = None;
        if tls {
            credentials.client()?;
            credentials.bearer()?;
            name = Some(address.name()?);
            endpoint = endpoint.origin(address.uri("https"));
        }
        let server = Self {
            address,
            credentials,
            endpoint,
            name,
            patience: CONNECT,
        };
        Ok(server.connect_timeout(CONNECT))
    }

    /// How long connecting may take, the handshake of TLS included; 1 s unless said.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.endpoint = self.endpoint.connect_timeout(timeout);
        self.patience = timeout;
        self
    }

    /// Where it is.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What it is shown.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Connects. All files are read for that.
    ///
    /// # Errors
    /// A file cannot be used any more, nobody is there, or not whom is trusted.
    pub async fn connect(&self) -> Result<Connection, ConnectError> {
        let bearer = match self.credentials.token_file {
            Some(_) => {
                let credentials = self.credentials.clone();
                let read = spawn_blocking(move || credentials.bearer());
                read.await.expect("reading a file does not panic")?
            }
            None => Bearer::nobody(),
        };
        let note = Note::default();
        let connector = dial::connector(self, note.clone());
        let channel = self.endpoint.connect_with_connector(connector).await?;
        Ok(Connection::new(channel, bearer, note))
    }

    /// Connects when something is first said, and again when the connection broke. The token is read here, once; the files
    /// of TLS for each connection.
    ///
    /// # Errors
    /// The file of the token cannot be used any more.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn connect_lazy(&self) -> Result<Connection, InvalidCredentials> {
        let bearer = self.credentials.bearer()?;
        let note = Note::default();
        let connector = dial::connector(self, note.clone());
        let channel = self.endpoint.connect_with_connector_lazy(connector);
        Ok(Connection::new(channel, bearer, note))
    }

    /// Says once what is odd and no mistake.
    pub(crate) fn warn(&self) {
        if let Some(path) = self
            .credentials
            .token_file
            .as_deref()
            .filter(|path| Bearer::is_open(path))
        {
            tracing::warn!(
                file = %path.display(),
                "the token can be read by others than its owner: chmod 600, unless it is mounted so"
            );
        }
    }
}

/// What is said of an aggregator before anything starts, and what the environment adds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) address: Option<String>,
    pub(crate) credentials: Credentials,
    /// The environment is not asked for credentials.
    pub(crate) complete: bool,
}

impl Wanted {
    pub(crate) fn server(self, default: &str) -> Result<Server, InvalidServer> {
        let address: Address = self.address.as_deref().unwrap_or(default).parse()?;
        let credentials = match self.complete {
            true => self.credentials,
            false => self.credentials.or(Credentials::from_env()),
        };
        let server = Server::new(address, credentials)?;
        server.warn();
        Ok(server)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spoken_is_settled_by_address_and_files() {
        let issued = rcgen::generate_simple_self_signed(["ward".to_owned()]).unwrap();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), issued.cert.pem()).unwrap();
        let token = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(token.path(), "hunter2").unwrap();
        let server = |address: &str, tls, shows| {
            let credentials = Credentials {
                tls_ca: Option::filter(Some(ca.path().into()), |_| tls),
                token_file: Option::filter(Some(token.path().into()), |_| shows),
                ..Credentials::default()
            };
            let server = Server::new(address.parse().unwrap(), credentials);
            server.map(|server| server.name.is_some())
        };
        assert!(matches!(server("ward:1", false, false), Ok(false)));
        assert!(matches!(server("ward:1", true, true), Ok(true)));
        assert!(matches!(server("https://[::1]:1", true, false), Ok(true)));
        assert!(matches!(server("http://ward:1", false, false), Ok(false)));
        assert!(matches!(
            server("http://ward:1", true, false),
            Err(InvalidServer::Contradiction {
                field: Field::TlsCa,
                ..
            })
        ));
        for clear in ["ward:1", "http://ward:1"] {
            let error = server(clear, false, true).unwrap_err();
            assert!(
                error.to_string().starts_with("a token goes over TLS only"),
                "{error}"
            );
        }
    }
}
