//! The handle a service keeps: sets signals and its own word, serves probes, says goodbye.
//!
//! Nothing here waits for the aggregator, [`Reporter::shutdown`] alone excepted, which is bounded. Dropping the last
//! clone ends the background tasks without a goodbye, so that a crash, an early return and a panic all look like what
//! they are.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::Router;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use tokio::{sync::watch, task::JoinSet, time::timeout};
use ward_grpc_health::v1::health_server::HealthServer;
use ward_model::Status;

use crate::{
    board::Board,
    builder::Builder,
    grpc_health::GrpcHealth,
    health::Health,
    liveness::{Heartbeat, Liveness},
    probes::{ProbeServer, Probes},
    signal::SignalHandle,
};

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Reports a service's health in the background. Clones are the same reporter.
#[derive(Clone, Debug)]
pub struct Reporter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    probes: Probes,
    stop: watch::Sender<bool>,
    // Dropping a set ends its tasks.
    checks: Mutex<JoinSet<()>>,
    reporting: Mutex<JoinSet<()>>,
    grpc_health: OnceLock<Arc<GrpcHealth>>,
    following: Mutex<JoinSet<()>>,
    nowhere: SignalHandle,
    nobody: Heartbeat,
    strangers_told: AtomicBool,
}

impl Reporter {
    /// Starts to describe the service called `service`: `a-z`, `0-9`, `.` and `-`, at most 63.
    pub fn builder(service: impl Into<String>) -> Builder {
        Builder::new(service.into())
    }

    pub(crate) fn new(
        board: Arc<Board>,
        liveness: Arc<Liveness>,
        stop: watch::Sender<bool>,
        checks: JoinSet<()>,
        reporting: JoinSet<()>,
    ) -> Self {
        Self(Arc::new(Inner {
            probes: Probes { board, liveness },
            stop,
            checks: Mutex::new(checks),
            reporting: Mutex::new(reporting),
            grpc_health: OnceLock::new(),
            following: Mutex::default(),
            nowhere: SignalHandle::default(),
            nobody: Heartbeat::default(),
            strangers_told: AtomicBool::new(false),
        }))
    }

    /// Where the signal called `name` is set; clone it to keep it. One that was not declared is set in vain, which is
    /// logged once.
    #[inline]
    pub fn signal(&self, name: &str) -> &SignalHandle {
        let declared = self
            .0
            .probes
            .board
            .signals
            .iter()
            .find(|(declared, _)| declared.as_str() == name);
        match declared {
            Some((_, handle)) => handle,
            None => {
                self.stranger("signal", name);
                &self.0.nowhere
            }
        }
    }

    /// The heartbeat called `name`; clone it to keep it. One that was not declared beats in vain, which is logged once.
    #[inline]
    pub fn heartbeat(&self, name: &str) -> &Heartbeat {
        match self.0.probes.liveness.heartbeat(name) {
            Some(heartbeat) => heartbeat,
            None => {
                self.stranger("heartbeat", name);
                &self.0.nobody
            }
        }
    }

    #[cold]
    fn stranger(&self, kind: &str, name: &str) {
        if !self.0.strangers_told.swap(true, Relaxed) {
            tracing::warn!(kind, ?name, "used without having been declared to the builder");
        }
    }

    /// The service's own word, told at once. It is one check among the others (`self`), required and not debounced. Of
    /// the message at most 512 bytes are kept. Cheap enough for a hot loop: it waits for nothing and allocates nothing,
    /// and the word that was said last costs some nanoseconds to say again.
    pub fn set_status(&self, status: Status, message: impl AsRef<str>) {
        self.0.probes.board.say(status, message.as_ref());
    }

    /// How the service is, by its own checks.
    pub fn health(&self) -> Health {
        Health::of(&self.0.probes.board)
    }

    /// The aggregator hears this service at present.
    pub fn is_connected(&self) -> bool {
        self.0.probes.board.figures.connected.load(Relaxed)
    }

    /// `/livez`, `/readyz`, `/startupz`, `/health` and `/metrics`, to be merged into the service's own router. They
    /// outlive the reporter, with what was known last.
    pub fn routes(&self) -> Router {
        self.0.probes.routes()
    }

    /// The same without `/metrics`, for a service that has metrics of its own and registers [`Self::collector`] with them.
    pub fn probe_routes(&self) -> Router {
        self.0.probes.without_metrics()
    }

    /// What `/metrics` of [`Self::routes`] shows, for a registry of the service.
    pub fn collector(&self) -> impl Collector + use<> {
        self.0.probes.figures()
    }

    /// The routes of [`Self::routes`] at `addr`, on a thread and a runtime of their own: they answer (that the process is stuck) when
    /// the service's runtime does not. For a port that only the orchestrator reaches.
    ///
    /// # Errors
    ///
    /// The address cannot be bound, or no thread started.
    pub fn serve_probes(&self, addr: SocketAddr) -> io::Result<ProbeServer> {
        ProbeServer::start(&self.0.probes, addr)
    }

    /// The standard health service of gRPC (`grpc.health.v1`), to be added to the service's own tonic server. It answers
    /// for `liveness`, `readiness` and `startup` as `/livez`, `/readyz` and `/startupz` do; for the service by its name
    /// as `/health` does; and for the whole server (the empty name) and each of `names`, which are those of its gRPC
    /// services, as for `readiness`. Degraded is serving.
    ///
    /// ```no_run
    /// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    /// let reporter = ward_sdk::Reporter::builder("payments").start()?;
    /// let serving = tonic::transport::Server::builder()
    ///     .add_service(reporter.grpc_health(&["shop.Payments"]))
    ///     // .add_service(PaymentsServer::new(payments))
    ///     .serve(([0, 0, 0, 0], 50051).into());
    /// # serving.await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Behind [`Self::shutdown`], and when the last clone of the reporter is dropped, everything is `NOT_SERVING`: each
    /// watch is told so and ends, so that none keeps the server from stopping.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn grpc_health(&self, names: &[&str]) -> HealthServer<ward_grpc_health::Service> {
        let health = self.0.grpc_health.get_or_init(|| {
            let health = Arc::new(GrpcHealth::new(self.0.probes.clone()));
            self.0.following.lock().spawn(health.clone().follow());
            health
        });
        health.add(names);
        health.served.server()
    }

    /// Says goodbye and stops. Readiness falls at once. Takes at most 2 s, whatever the aggregator does; the second call
    /// does nothing.
    pub async fn shutdown(&self) {
        self.0.probes.board.leaving.store(true, Relaxed);
        if let Some(health) = self.0.grpc_health.get() {
            health.served.drain();
        }
        self.0.checks.lock().abort_all();
        self.0.stop.send_replace(true);
        let mut reporting = std::mem::take(&mut *self.0.reporting.lock());
        if timeout(GOODBYE, reporting.join_next()).await.is_err() {
            tracing::warn!("the aggregator did not take the goodbye in time");
        }
        self.0.probes.board.figures.connected.store(false, Relaxed);
    }
}
