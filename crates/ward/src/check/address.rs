//! Whom to ask, and by which protocol: what may be typed as ADDR.
//!
//! Not the addresses of aggregators, which are asked by gRPC whatever they begin with: here `http://` means HTTP.

use std::{error::Error, fmt, path::PathBuf, str::FromStr};

use tonic::transport::Uri;

/// Whom to ask, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) protocol: Protocol,
    /// The address itself asks for TLS.
    pub(super) tls: bool,
    pub(super) place: Place,
    typed: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Grpc,
    Http {
        /// With the query.
        path: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Tcp {
        /// Without the brackets of an IPv6 address.
        host: String,
        port: u16,
        /// As it stands in the address.
        authority: String,
    },
    Unix(PathBuf),
}

/// Not an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InvalidAddress(&'static str);

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for InvalidAddress {}

impl From<InvalidAddress> for String {
    fn from(invalid: InvalidAddress) -> Self {
        invalid.to_string()
    }
}

const EXPECTED: InvalidAddress = InvalidAddress(
    "expected host:port, grpc://host:port, grpcs://host:port, http://..., https://... or unix:PATH",
);
const NO_PATH: InvalidAddress =
    InvalidAddress("expected no path behind host:port: name a service with --service");

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.typed)
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(EXPECTED);
            }
            return Ok(Self {
                protocol: Protocol::Grpc,
                tls: false,
                place: Place::Unix(path.into()),
                typed: text.into(),
            });
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("grpc", text));
        let (is_http, tls, port) = match scheme {
            "grpc" => (false, false, None),
            "grpcs" => (false, true, None),
            "http" => (true, false, Some(80)),
            "https" => (true, true, Some(443)),
            _ => return Err(EXPECTED),
        };
        let uri: Uri = format!("{scheme}://{rest}").parse().map_err(|_| EXPECTED)?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        if !is_http && path != "/" {
            return Err(NO_PATH);
        }
        let protocol = match is_http {
            true => Protocol::Http { path: path.into() },
            false => Protocol::Grpc,
        };
        Ok(Self {
            protocol,
            tls,
            place: tcp(&uri, port).ok_or(EXPECTED)?,
            typed: text.into(),
        })
    }
}

fn tcp(uri: &Uri, default_port: Option<u16>) -> Option<Place> {
    let authority = uri.authority()?;
    let host = authority.host();
    let port = match authority.port() {
        Some(_) => authority.port_u16()?,
        // A colon without a number behind it is a slip, not the default.
        None if authority.as_str() != host => return None,
        None => default_port?,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    (port != 0 && !host.is_empty() && !authority.as_str().contains('@')).then(|| Place::Tcp {
        host: host.into(),
        port,
        authority: authority.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(bool, bool, String)> {
        let address: Address = text.parse().ok()?;
        assert_eq!(address.to_string(), text);
        let place = match &address.place {
            Place::Tcp { host, port, .. } => format!("{host} {port}"),
            Place::Unix(path) => path.display().to_string(),
        };
        let path = match &address.protocol {
            Protocol::Grpc => String::new(),
            Protocol::Http { path } => format!(" {path}"),
        };
        let is_http = !path.is_empty();
        Some((is_http, address.tls, place + &path))
    }

    #[test]
    fn addresses() {
        for (text, is_http, tls, place) in [
            ("127.0.0.1:50051", false, false, "127.0.0.1 50051"),
            ("[::1]:1", false, false, "::1 1"),
            ("grpc://payments:1", false, false, "payments 1"),
            ("grpcs://payments:1/", false, true, "payments 1"),
            ("http://a", true, false, "a 80 /"),
            ("https://a/b?c=d", true, true, "a 443 /b?c=d"),
            ("http://[::1]:8080/healthz", true, false, "::1 8080 /healthz"),
            ("unix:/run/a.sock", false, false, "/run/a.sock"),
            ("unix:///run/a.sock", false, false, "/run/a.sock"),
            ("unix:a.sock", false, false, "a.sock"),
        ] {
            assert_eq!(read(text), Some((is_http, tls, place.into())), "{text}");
        }
    }

    #[test]
    fn what_is_no_address() {
        for text in [
            "",
            "payments",
            "payments:",
            "payments:0",
            "payments:65536",
            ":1",
            "grpc://a",
            "grpc://a:1/b",
            "a:1/b",
            "ftp://a:1",
            "http://",
            "http://u@a",
            "http://a:",
            "http://a b",
            "unix:",
            "a:1?b",
            "\u{1b}[2J:1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
