//! Whether something takes TCP connections.
//!
//! It connects, sends nothing and closes. That a connection is taken says that a kernel listens, not that a program
//! answers: a stopped process passes for as long as its backlog has room. Where there is a check that asks a question
//! (HTTP, gRPC, SQL), it is the better one.

use tokio::net::TcpStream;
use ward_proto::Invalid;

use super::{
    flight::Flight,
    resolve::{fault, resolve},
};
use crate::check::{Check, Verdict};

/// A TCP connection to `host:port` can be made.
///
/// Unhealthy if the name cannot be resolved, if all its addresses refuse, or if the check's timeout passes first; the
/// message says which. The addresses of a name (at most 16) are tried one after the other, as most clients do.
///
/// ```
/// use std::time::Duration;
///
/// let check = ward_sdk::checks::Tcp::new("mail", "smtp.internal:25")
///     .check()
///     .timeout(Duration::from_secs(1))
///     .subject("mail");
/// ```
#[derive(Clone, Debug)]
pub struct Tcp {
    name: String,
    target: String,
}

impl Tcp {
    /// A check called `name` of `target`: a host name or an address, and a port, as in `db.internal:5432` or `[::1]:80`.
    pub fn new(name: impl Into<String>, target: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            target: target.into(),
        }
    }

    /// The check.
    pub fn check(self) -> Check {
        let Self { name, target } = self;
        if let Some(fault) = fault(&target) {
            return Check::mistaken(name, Invalid::new("target", fault));
        }
        let flight = Flight::new();
        Check::new(name, move || connect(target.clone(), flight.clone()))
    }
}

async fn connect(target: String, flight: Flight) -> Verdict {
    let addresses = match resolve(&flight, &target).await {
        Ok(addresses) => addresses,
        Err(error) => return Verdict::unhealthy(format!("resolve {target}: {error}")),
    };
    match TcpStream::connect(addresses.as_slice()).await {
        Ok(_) => Verdict::healthy(),
        Err(error) => Verdict::unhealthy(format!("connect to {target}: {error}")),
    }
}
