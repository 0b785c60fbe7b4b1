//! Where the aggregator is, and the connection to it: over TLS or in the clear, with what is to be shown.
//!
//! A name of a server without TLS is never upgraded, and one with TLS never falls back: what is spoken is settled before
//! anything is sent. tonic's own TLS was not taken: it reads what to trust once, passes over certificates it cannot use,
//! and takes whichever provider of cryptography the process happens to have.

mod connection;
mod dial;
mod fault;
mod wire;

use std::{error::Error as _, fmt, str::FromStr, time::Duration};

use rustls::pki_types::ServerName;
use tokio::task::spawn_blocking;
use tonic::transport::Endpoint;

pub use connection::Connection;
use connection::Note;

use crate::credentials::{Bearer, Credentials, Field, InvalidCredentials, is_open};

/// HTTP/2 ping period and how long its answer may take: a peer that is gone without a word is found within 15 s.
const PING: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// How long one attempt to connect may take, the handshake of TLS included. Short: the next is at hand, and a host that
/// came back should be found.
const CONNECT: Duration = Duration::from_secs(1);

/// Deeper chains of causes are no more telling.
const CAUSES: usize = 8;

/// The address of an aggregator: `host:port`, `https://host:port` or `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    scheme: Option<Scheme>,
    authority: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

/// An aggregator, as it is to be spoken to.
#[derive(Clone, Debug)]
pub struct Server {
    address: Address,
    credentials: Credentials,
    endpoint: Endpoint,
    /// The name to be found in its certificate; `None` without TLS.
    name: Option<ServerName<'static>>,
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

impl ConnectError {
    /// The file that cannot be used any more, if that is why.
    pub fn of_credentials(&self) -> Option<&InvalidCredentials> {
        match self {
            Self::Credentials(invalid) => Some(invalid),
            // Read behind the connection to the port, so that the transport carries what was wrong.
            Self::Transport(error) => {
                let causes = std::iter::successors(error.source(), |error| (*error).source());
                causes.take(CAUSES).find_map(|error| error.downcast_ref())
            }
        }
    }
}

impl FromStr for Address {
    type Err = InvalidServer;

    fn from_str(text: &str) -> Result<Self, InvalidServer> {
        let invalid = |source| InvalidServer::Address {
            server: text.into(),
            source,
        };
        let (scheme, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("http", rest)) => (Some(Scheme::Http), rest),
            Some(("https", rest)) => (Some(Scheme::Https), rest),
            Some(_) => return Err(invalid(None)),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let endpoint =
            Endpoint::from_shared(format!("http://{authority}")).map_err(|source| invalid(Some(source)))?;
        let uri = endpoint.uri();
        let bare = uri.path() == "/" && uri.query().is_none() && !authority.contains(['/', '@', '?', '#']);
        let complete =
            uri.port_u16().is_some_and(|port| port != 0) && uri.host().is_some_and(|host| !host.is_empty());
        match bare && complete {
            true => Ok(Self {
                scheme,
                authority: authority.into(),
            }),
            false => Err(invalid(None)),
        }
    }
}

/// As it is typed to get there: without `http://`, which goes without saying.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https() { "https://" } else { "" };
        write!(f, "{scheme}{}", self.authority)
    }
}

impl Address {
    /// It says itself that TLS is spoken.
    pub fn is_https(&self) -> bool {
        self.scheme == Some(Scheme::Https)
    }

    /// As it was given, `http://` and all.
    pub fn url(&self) -> String {
        let scheme = if self.scheme == Some(Scheme::Http) {
            "http://"
        } else {
            ""
        };
        format!("{scheme}{self}")
    }

    /// `host:port`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    fn invalid(&self) -> InvalidServer {
        InvalidServer::Address {
            server: self.to_string(),
            source: None,
        }
    }

    /// Whether TLS is spoken there: where the address does not say, if there is something that only TLS has a use for.
    fn tls(&self, credentials: &Credentials) -> Result<bool, InvalidServer> {
        match (self.scheme, credentials.of_tls()) {
            (Some(Scheme::Http), Some(field)) => Err(InvalidServer::Contradiction {
                server: self.clone(),
                field,
            }),
            (Some(Scheme::Https), _) | (None, Some(_)) => Ok(true),
            (Some(Scheme::Http) | None, None) => Ok(false),
        }
    }

    fn name(&self, endpoint: &Endpoint) -> Result<ServerName<'static>, InvalidServer> {
        let host = endpoint.uri().host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        ServerName::try_from(host.to_owned()).map_err(|_| self.invalid())
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
        let authority = &address.authority;
        // The connector speaks TLS; tonic knows of none, so that only what is told to the server says https.
        let mut endpoint =
            Endpoint::from_shared(format!("http://{authority}")).map_err(|_| address.invalid())?;
        let name = match tls {
            true => Some(address.name(&endpoint)?),
            false => None,
        };
        if tls {
            credentials.client()?;
            credentials.bearer()?;
            let origin = format!("https://{authority}").parse();
            endpoint = endpoint.origin(origin.map_err(|_| address.invalid())?);
        }
        let endpoint = endpoint
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1)
            .keep_alive_while_idle(true);
        Ok(Self {
            address,
            credentials,
            endpoint,
            name,
        })
    }

    /// How long connecting may take, the handshake of TLS included; 1 s unless said.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.endpoint = self.endpoint.connect_timeout(timeout);
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
        let connector = dial::connector(self.name.clone(), self.credentials.clone(), note.clone());
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
        let connector = dial::connector(self.name.clone(), self.credentials.clone(), note.clone());
        let channel = self.endpoint.connect_with_connector_lazy(connector);
        Ok(Connection::new(channel, bearer, note))
    }

    /// Says once what is odd and no mistake.
    pub(crate) fn warn(&self) {
        if let Some(path) = self
            .credentials
            .token_file
            .as_deref()
            .filter(|path| is_open(path))
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
    fn addresses() {
        for (good, shown) in [
            ("127.0.0.1:7700", "127.0.0.1:7700"),
            ("[::1]:7700", "[::1]:7700"),
            ("http://ward.example:1/", "ward.example:1"),
            ("https://ward:7700", "https://ward:7700"),
        ] {
            assert_eq!(good.parse::<Address>().unwrap().to_string(), shown);
        }
        for bad in [
            "",
            "7700",
            "ward",
            ":7700",
            "ward:0",
            "ftp://ward:7700",
            "https://ward",
            "http://ward:7700/x",
            "u@ward:1",
            "a b:1",
            "a:1?x",
            "a:1#x",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

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
