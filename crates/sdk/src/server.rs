//! Where the aggregator is, and the transport to it.

use std::time::Duration;

use tonic::transport::Endpoint;

/// HTTP/2 ping period and how long its answer may take: a peer that is gone without a word is found within 15 s.
const PING: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));
/// How long one attempt to connect may take. Short: the next is at hand, and a host that came back should be found.
const CONNECT: Duration = Duration::from_secs(1);

/// Not the address of an aggregator.
#[derive(Debug, thiserror::Error)]
#[error("server address {server:?} is not host:port or http://host:port")]
pub struct InvalidServer {
    /// As given.
    pub server: String,
    /// What is wrong with it.
    #[source]
    pub source: Option<tonic::transport::Error>,
}

/// The transport to `server`: `host:port`, or a URL of nothing else.
pub(crate) fn endpoint(server: &str) -> Result<Endpoint, InvalidServer> {
    let invalid = |source| InvalidServer {
        server: server.into(),
        source,
    };
    let url = if server.contains("://") {
        server.into()
    } else {
        format!("http://{server}")
    };
    let endpoint = Endpoint::from_shared(url).map_err(|source| invalid(Some(source)))?;
    let uri = endpoint.uri();
    if uri.scheme_str() != Some("http") || uri.port_u16().is_none() || uri.path() != "/" {
        return Err(invalid(None));
    }
    Ok(endpoint
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .keep_alive_while_idle(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in [
            "127.0.0.1:7700",
            "[::1]:7700",
            "ward.example:7700",
            "http://ward:1",
        ] {
            assert!(endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "7700",
            "ward",
            "https://ward:7700",
            "http://ward:7700/x",
            "a b:1",
        ] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
    }
}
