//! Whether a gRPC server says of itself, by `grpc.health.v1`, that it serves.
//!
//! One call of `Check` a run, over a connection that is kept and made again when it breaks. `Watch` was not taken: the
//! server would say when it changes, but one that hangs would say nothing at all.

use std::{error::Error as _, time::Duration};

use tonic::{
    Code, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint},
};
use ward_grpc_health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use ward_proto::Invalid;

use super::chain;
use crate::check::{Check, Verdict};

/// HTTP/2 ping period and how long its answer may take: a connection to what is gone is made anew, and none is kept to
/// what is frozen.
const PING: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// How long a connection may take to be made, and the handshake of TLS on it. A channel goes on with one that hangs, whoever
/// has given up waiting, and would also when the server has long been replaced.
const REACHED_WITHIN: Duration = Duration::from_secs(3);

/// A gRPC server answers `grpc.health.v1.Health/Check` with SERVING.
///
/// Unhealthy if it says NOT_SERVING, does not know the service, does not speak the protocol, cannot be reached, or if the
/// check's timeout passes first; unknown if it says UNKNOWN. The message says which and what to do. The connection is
/// kept between runs.
///
/// ```
/// use ward_sdk::checks::Grpc;
///
/// let server = Grpc::new("ledger", "ledger.internal:50051").check().subject("ledger");
/// let one = Grpc::new("ledger-write", "https://ledger.internal").service("bank.Ledger").check().subject("ledger");
/// ```
#[derive(Clone)]
pub struct Grpc {
    name: String,
    server: String,
    service: String,
    ca: Option<Vec<u8>>,
}

impl std::fmt::Debug for Grpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grpc")
            .field("name", &self.name)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl Grpc {
    /// A check called `name` of `server`: `host:port` or `http://host:port` without, `https://host:port` with TLS by the
    /// certificate authorities of the system.
    pub fn new(name: impl Into<String>, server: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            server: server.into(),
            service: String::new(),
            ca: None,
        }
    }

    /// Of which service it is asked, as in `bank.Ledger`; of the server as a whole unless said.
    #[must_use]
    pub fn service(self, service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            ..self
        }
    }

    /// The certificate authority to trust instead of the system's, as PEM.
    #[must_use]
    pub fn ca(self, pem: impl Into<Vec<u8>>) -> Self {
        Self {
            ca: Some(pem.into()),
            ..self
        }
    }

    /// The check.
    pub fn check(self) -> Check {
        let endpoint = match endpoint(&self.server, self.ca) {
            Ok(endpoint) => endpoint,
            Err(mistake) => return Check::mistaken(self.name, mistake),
        };
        // Made in the first run: a channel has a task and needs the runtime.
        let channel = std::sync::Arc::new(std::sync::OnceLock::<Channel>::new());
        Check::new(self.name, move || {
            let channel = channel.get_or_init(|| endpoint.connect_lazy()).clone();
            ask(channel, self.service.clone())
        })
    }
}

fn endpoint(server: &str, ca: Option<Vec<u8>>) -> Result<Endpoint, Invalid> {
    let url = if server.contains("://") {
        server.to_owned()
    } else {
        format!("http://{server}")
    };
    let invalid = || {
        Invalid::new(
            "server",
            "must be host:port, http://host:port or https://host:port",
        )
    };
    let endpoint = Endpoint::from_shared(url).map_err(|_| invalid())?;
    let uri = endpoint.uri();
    let host = uri.host().is_some_and(|host| !host.is_empty());
    let plain = uri
        .authority()
        .is_some_and(|authority| !authority.as_str().contains('@'));
    let tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(invalid()),
    };
    if !host || !plain || uri.path() != "/" || (!tls && uri.port_u16().is_none()) {
        return Err(invalid());
    }
    let endpoint = endpoint
        .connect_timeout(REACHED_WITHIN)
        .http2_keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .keep_alive_while_idle(true);
    if !tls {
        return match ca {
            Some(_) => Err(Invalid::new("ca", "is of no use without https")),
            None => Ok(endpoint),
        };
    }
    let trust = match ca {
        Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
        None => ClientTlsConfig::new().with_native_roots(),
    };
    let trust = trust.timeout(REACHED_WITHIN);
    endpoint
        .tls_config(trust)
        .map_err(|error| Invalid::new("ca", format!("cannot be used: {}", chain(&error))))
}

async fn ask(channel: Channel, service: String) -> Verdict {
    let shown = if service.is_empty() {
        "the server"
    } else {
        &service
    }
    .to_owned();
    let answer = HealthClient::new(channel)
        .check(HealthCheckRequest { service })
        .await;
    match answer.map(|answer| answer.into_inner().status()) {
        Ok(ServingStatus::Serving) => Verdict::healthy(),
        Ok(ServingStatus::NotServing) => Verdict::unhealthy(format!("{shown} is NOT_SERVING")),
        Ok(ServingStatus::ServiceUnknown) => Verdict::unhealthy(unknown(&shown)),
        Ok(ServingStatus::Unknown) => Verdict::unknown(format!("{shown} is UNKNOWN")),
        Err(status) => Verdict::unhealthy(failure(&shown, &status)),
    }
}

fn unknown(service: &str) -> String {
    format!("the server does not know {service}: check the name, or have the server set its status")
}

fn failure(service: &str, status: &Status) -> String {
    match status.code() {
        Code::NotFound => unknown(service),
        Code::Unimplemented => {
            "the server has no grpc.health.v1: add it there, or check the port with checks::Tcp".into()
        }
        Code::Unauthenticated | Code::PermissionDenied => {
            format!(
                "the server wants to know who asks ({}): let health checks pass",
                status.message()
            )
        }
        code => {
            let source = status.source().map(|source| format!(": {}", chain(source)));
            format!("{code:?}: {}{}", status.message(), source.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers() {
        let field = |server: &str| endpoint(server, None).err().map(|mistake| mistake.field);
        for good in [
            "ledger:50051",
            "[::1]:1",
            "http://10.0.0.1:80",
            "https://ledger.example",
        ] {
            assert_eq!(field(good), None, "{good}");
        }
        for bad in [
            "",
            "ledger",
            "ftp://ledger:1",
            "http://u:hunter2@ledger:1",
            "http://ledger:1/path",
            "a b:1",
        ] {
            assert_eq!(field(bad), Some("server".into()), "{bad}");
        }
        assert!(endpoint("http://ledger:1", Some(vec![])).is_err());
    }
}
