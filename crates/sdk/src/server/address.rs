//! Addresses of aggregators, and what they say about TLS.

use std::{fmt, str::FromStr};

use rustls::pki_types::ServerName;
use tonic::transport::{Endpoint, Uri};

use super::InvalidServer;
use crate::credentials::Credentials;

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

    /// Whether TLS is spoken there: where the address does not say, if there is something that only TLS has a use for.
    pub(super) fn tls(&self, credentials: &Credentials) -> Result<bool, InvalidServer> {
        match (self.scheme, credentials.of_tls()) {
            (Some(Scheme::Http), Some(field)) => Err(InvalidServer::Contradiction {
                server: self.clone(),
                field,
            }),
            (Some(Scheme::Https), _) | (None, Some(_)) => Ok(true),
            (Some(Scheme::Http) | None, None) => Ok(false),
        }
    }

    /// The name to be found in the certificate.
    pub(super) fn name(&self) -> Result<ServerName<'static>, InvalidServer> {
        let uri = self.uri("https");
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        ServerName::try_from(host.to_owned()).map_err(|_| InvalidServer::Address {
            server: self.to_string(),
            source: None,
        })
    }

    pub(super) fn uri(&self, scheme: &str) -> Uri {
        let uri = format!("{scheme}://{}", self.authority).parse();
        uri.expect("an authority, seen when it was parsed")
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
}
