//! A `grpc.health.v1` server for tonic that keeps to the letter of its specification, and the generated client.
//!
//! ```no_run
//! use ward_grpc_health::{Health, ServingStatus};
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let health = Health::new();
//! health.set("shop.Payments", ServingStatus::NotServing);
//!
//! let serving = tonic::transport::Server::builder()
//!     .add_service(health.server())
//!     // .add_service(PaymentsServer::new(payments))
//!     .serve("127.0.0.1:50051".parse()?);
//!
//! health.set("shop.Payments", ServingStatus::Serving); // from anywhere, at any time
//! // ... and before the server is stopped, so that clients leave and watches do not keep it from stopping:
//! // health.drain();
//! serving.await?;
//! # Ok(())
//! # }
//! ```
//!
//! What it promises:
//!
//! - `Check`: the status now; `NOT_FOUND` for a name that was not set.
//! - `Watch`: the status at once and whenever it changes, never the same twice in a row. A name that was not set, or was
//!   removed, is `SERVICE_UNKNOWN` on a stream that stays open, and is told when it appears. A client that does not read
//!   gets the newest status when it does, and costs neither memory nor the other clients' time meanwhile.
//! - `List`: all of them, each as it is when it is looked at; `RESOURCE_EXHAUSTED` beyond one message of
//!   [`Limits::list_bytes`].
//! - [`Health::drain`]: all that is known is `NOT_SERVING` from now on, every watch is told so and then ends.
//!
//! It decides nothing: it does not run checks, and does not ask a service whether it is ready, as `tonic-health` can.
//! That crate was not taken because there a watch of an unknown name fails and a removed name ends its watches, both
//! against the specification, and it has neither `List` nor a drain.

mod codec;
mod registry;
mod service;
#[cfg(test)]
mod tests;
mod watching;

use std::{future::Future, sync::Arc};

use futures_util::FutureExt;
use tonic::{Extensions, Status};

pub use registry::Limits;
pub use service::Service;

use registry::Registry;
use service::Ending;
use v1::health_server::HealthServer;

/// `grpc.health.v1`, as generated: messages, `health_client` and `health_server`.
#[expect(missing_docs, clippy::all, clippy::allow_attributes, reason = "generated")]
pub mod v1 {
    tonic::include_proto!("grpc.health.v1");
}

/// The encoded descriptor set, for server reflection.
pub const DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

/// Whether requests should be sent to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServingStatus {
    /// They should.
    Serving,
    /// They should not.
    NotServing,
}

/// The statuses that are served, by name. Clones share them; any may be used from any thread, and none ever waits.
#[derive(Clone, Debug)]
pub struct Health(Arc<Registry>);

impl Health {
    /// Knows that the server as a whole (`""`) is serving, as other implementations begin, and nothing else.
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// The same with other limits on what strangers may cost.
    pub fn with_limits(limits: Limits) -> Self {
        let health = Self(Arc::new(Registry::new(limits)));
        health.set("", ServingStatus::Serving);
        health
    }

    /// Sets the status of `name`, known from now on if it was not. The empty name is the server as a whole. Ignored
    /// behind [`Self::drain`].
    ///
    /// As many names as are set are kept, however long: who takes them from outside has to bound them.
    pub fn set(&self, name: &str, status: ServingStatus) {
        self.0.set(name, status);
    }

    /// Forgets `name`. Watches of it are told `SERVICE_UNKNOWN` and stay open. Ignored behind [`Self::drain`].
    pub fn remove(&self, name: &str) {
        self.0.remove(name);
    }

    /// The status of `name`, if it is known.
    pub fn status(&self, name: &str) -> Option<ServingStatus> {
        self.0.status(name)
    }

    /// From now on every known name is `NOT_SERVING`, whatever is set; every watch, of unknown names too and those that
    /// are yet to come, is told `NOT_SERVING` and then ends. There is no way back.
    ///
    /// For the beginning of a shutdown: it returns at once, and watches end as their clients read.
    pub fn drain(&self) {
        self.0.drain();
    }

    /// How many watches are open.
    pub fn watches(&self) -> usize {
        self.0.watches()
    }

    /// The service, to be added to a tonic server.
    pub fn server(&self) -> HealthServer<Service> {
        Service::new(self.0.clone(), None).into_server()
    }

    /// The same, where each watch ends, without a last word, when the future that `ending` makes for it resolves:
    /// clients come back, on a new connection if need be. `ending` is given the extensions of the request, and may refuse
    /// the watch instead. The future is dropped with the watch, so what it holds on to is held as long.
    ///
    /// For servers that close connections by age (a watch never ends by itself, and would hold its connection for ever),
    /// and for those that count what each client has.
    pub fn server_ending<E, F>(&self, ending: E) -> HealthServer<Service>
    where
        E: Fn(&Extensions) -> Result<F, Status> + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let ending: Ending = Arc::new(move |extensions| ending(extensions).map(FutureExt::boxed));
        Service::new(self.0.clone(), Some(ending)).into_server()
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}
