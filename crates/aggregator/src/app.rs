//! The composition root: what is started in which order, and how it ends.
//!
//! The data directory is locked before anything else, and sockets are bound before anything runs, so that a second
//! aggregator finds out at once and has touched nothing. Nothing here is global: a test starts two in one process.

mod server;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::interval,
};
use ward_access::{Policy, StoreError, TokenStore};
use ward_chassis::{
    Clock, Drain, Listener, Readiness, Shutdown, Tls, Transport,
    data_dir::{DataDir, DataDirError},
    listener::BindError,
    shutdown::{Aborted, DrainReport},
    tls::TlsError,
};

use self::server::{Server, serve_grpc, serve_http};
use crate::{
    Config,
    access::{self, Access},
    alerting::{self, Alerting},
    decider::{self, Life, Loop},
    edge::{self, Edge},
    hub::{self, STALL_SWEEP},
    maintenance::Keeper,
    memory::{self, Memory, Running},
    metrics::{Listeners, Metrics},
    reload::{ReloadError, Reloaded, Reloader},
};

/// All of a stop takes at most this.
const STOP: Duration = Duration::from_secs(15);
/// One step of it; connections have a shorter bound of their own.
const STEP: Duration = Duration::from_secs(8);

const STOPPING: &str = "the aggregator is stopping: come back in a moment";

/// Why an aggregator could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory is not to be had.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// Certificates and keys are not as they must be.
    #[error("prepare TLS")]
    Tls(#[source] TlsError),
    /// The tokens are not to be had.
    #[error("prepare tokens")]
    Tokens(#[source] StoreError),
    /// An address is not to be had.
    #[error("serve {edge}")]
    Bind {
        /// `gRPC` or `HTTP`.
        edge: &'static str,
        /// What is in the way.
        source: BindError,
    },
    /// The system gives no thread for the decision.
    #[error("start the engine's thread")]
    Thread(#[from] io::Error),
}

/// Why a running aggregator ended other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It did not start.
    #[error("start the aggregator")]
    Start(#[from] StartError),
    /// The decision failed, and nothing can be said about health without it.
    #[error(
        "go on: the engine's thread ended; its panic is in the log, and a restart begins with what reporters say"
    )]
    Failed,
    /// The stop was cut short.
    #[error(transparent)]
    Aborted(#[from] Aborted),
}

/// A running aggregator. Dropping it cuts everything off; [`App::stop`] says goodbye.
#[derive(Debug)]
pub struct App {
    grpc_addr: SocketAddr,
    http_addr: SocketAddr,
    /// Crate-wide for tests that step a part by hand.
    pub(crate) edge: Arc<Edge>,
    decider: Loop,
    grpc: Server,
    http: Server,
    stalls: JoinHandle<()>,
    /// Keeps what `grpc.health.v1` answers up to date.
    standard: JoinHandle<()>,
    maintenance: JoinHandle<()>,
    /// Keeps tokens and certificates up to date.
    access: JoinHandle<()>,
    alerts: JoinHandle<()>,
    tls: Option<Arc<Tls>>,
    remembering: Option<Running>,
    /// Held until the last.
    data_dir: DataDir,
}

impl Drop for App {
    fn drop(&mut self) {
        self.stalls.abort();
        self.standard.abort();
        self.maintenance.abort();
        self.access.abort();
        self.alerts.abort();
    }
}

impl App {
    /// Starts an aggregator. When this returns it is ready, on a runtime that must be multi-threaded or not otherwise
    /// busy.
    ///
    /// # Errors
    ///
    /// Says who holds the directory or the port; nothing is left running.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let clock = Clock::start();
        let readiness = Readiness::new();
        let starting = readiness.latch("start");
        let mut data_dir = DataDir::lock(&config.data_dir, &clock)?;
        let limits = config.limits.clone().fit_descriptors();
        let tls = config
            .tls
            .clone()
            .map(|files| Tls::load(files, names(&config.access)));
        let tls = tls.transpose().map_err(StartError::Tls)?.map(Arc::new);
        let transport = match &tls {
            Some(tls) => Transport::Tls(Arc::clone(tls)),
            None if config.insecure => Transport::Insecure,
            None => Transport::Cleartext,
        };
        let bind = |edge, addr| {
            Listener::bind(addr, limits.clone(), transport.clone())
                .map_err(|source| StartError::Bind { edge, source })
        };
        let (grpc, http) = (bind("gRPC", config.grpc)?, bind("HTTP", config.http)?);
        let (grpc_addr, http_addr) = (grpc.addr(), http.addr());
        data_dir.announce([grpc_addr, http_addr])?;

        let metrics = Metrics::new(config.lost.clone());
        let access = Access::new(tls.is_some(), config.access.clone());
        let tokens = TokenStore::new(data_dir.path());
        let keeper_of_access =
            access::Keeper::start(tokens, tls.clone(), &access, &metrics.access, clock.wall())
                .map_err(StartError::Tokens)?;
        let reloader = Reloader::new(config.settings(), config.source.clone());
        metrics.config.succeeded(clock.wall(), &reloader.now().hash);
        let services = config.services.clone().into_iter();
        let declarations = services.map(|(name, service)| (name, service.declaration));
        let life = Life::new(clock.clone());
        let memory = Arc::new(Memory::open(&config.store, data_dir.path(), &life).await);
        let (decider_loop, decider, hub) = decider::start(
            config.engine.clone(),
            of_hub(&config),
            declarations,
            metrics.timings.clone(),
            life,
        )?;
        let of = memory::InForce {
            config: reloader.now().hash.clone(),
            tokens: keeper_of_access.hash(),
        };
        let remembering = memory.start(&decider, &hub, of).await?;
        let listeners = Listeners {
            grpc: grpc.stats(),
            http: http.stats(),
        };
        let (alerting, commands) = Alerting::start(&reloader.now().settings, &memory, &clock);
        let standard = edge::Standard::new(limits.message_bytes_out);
        let edge = Arc::new(Edge {
            clock,
            access,
            decider,
            hub,
            metrics,
            readiness,
            limits,
            reloader,
            memory,
            alerting,
            upcoming: ArcSwap::default(),
            closings: edge::Closings::default(),
            clients: edge::Clients::new(config.client_limits.clone()),
            streams: edge::Streams::default(),
            standard,
        });
        // What is planned for now is in force before anybody is told a verdict.
        let mut keeper = Keeper::new(edge.reloader.changes());
        if keeper.look(&edge).await.is_err() {
            tracing::error!("planned maintenance is not started: the decision has failed");
        }
        let router = edge::http::router(edge.clone(), listeners, &config);
        let app = Self {
            grpc_addr,
            http_addr,
            decider: decider_loop,
            grpc: serve_grpc(grpc, &edge, config.debug),
            http: serve_http(http, router),
            stalls: tokio::spawn(end_stalled(edge.clone())),
            standard: tokio::spawn(edge::follow(edge.clone())),
            maintenance: tokio::spawn(keeper.run(edge.clone())),
            access: tokio::spawn(keeper_of_access.run(edge.clone())),
            alerts: tokio::spawn(alerting::run(edge.clone(), commands)),
            remembering: Some(remembering),
            tls,
            edge,
            data_dir,
        };
        drop(starting);
        app.edge.standard.look_at_process(&app.edge);
        tracing::info!(grpc = %grpc_addr, http = %http_addr, data_dir = ?app.data_dir.path(), "the aggregator is up");
        Ok(app)
    }

    /// What its edges have in hand.
    #[cfg(test)]
    pub(crate) fn shared(&self) -> Arc<Edge> {
        self.edge.clone()
    }

    /// Where gRPC is served.
    pub fn grpc_addr(&self) -> SocketAddr {
        self.grpc_addr
    }

    /// Where HTTP is served.
    pub fn http_addr(&self) -> SocketAddr {
        self.http_addr
    }

    /// Reads the configuration again and brings what it says into force. Connections, streams and the state of services
    /// about which it says the same are not touched.
    ///
    /// Cancel safe: once begun it is finished, whoever waits for it. It begins when it is first polled, and holds on to
    /// nothing of `self`, so that whoever waits for it can see to a stop meanwhile.
    ///
    /// # Errors
    ///
    /// Says why nothing was changed; what was in force stays.
    pub fn reload(&self) -> impl Future<Output = Result<Reloaded, ReloadError>> + Send + use<> {
        let edge = self.edge.clone();
        let tls = self.tls.clone();
        let reload = async move {
            let reloaded = edge
                .reloader
                .reload(
                    &edge.decider,
                    &edge.hub,
                    &edge.memory,
                    &edge.metrics.config,
                    || edge.clock.now(),
                )
                .await?;
            let policy = edge.reloader.now().settings.access.clone();
            edge.access.replace_policy(&policy);
            if let Some(tls) = tls {
                let names = names(&policy);
                // It reads files, which may be on a disk that hangs.
                let renamed = spawn_blocking(move || (tls.rename(names), tls));
                if let Ok((look, tls)) = renamed.await {
                    access::tell(&tls, &look, &edge.metrics.access);
                }
            }
            Ok(reloaded)
        };
        // A task of its own, so that nobody who stops waiting leaves half of it in force.
        async {
            tokio::spawn(reload)
                .await
                .unwrap_or(Err(ReloadError::Unavailable))
        }
    }

    /// Resolves if the decision fails, without which nothing else is worth anything. Cancel safe.
    pub async fn failed(&mut self) {
        self.decider.ended().await;
    }

    /// Ends it: readiness first, then every stream is told and closed, then the rest.
    pub async fn stop(self) -> DrainReport {
        let never = Shutdown::manual();
        self.stop_unless(&never)
            .await
            .unwrap_or_else(|aborted| unreachable!("nobody aborts: {aborted}"))
    }

    /// The same, cut short when `shutdown` is aborted.
    ///
    /// # Errors
    ///
    /// Names the step at which it was aborted.
    pub async fn stop_unless(mut self, shutdown: &Shutdown) -> Result<DrainReport, Aborted> {
        let clock = self.edge.clock.clone();
        let decider = std::mem::replace(&mut self.decider, Loop::ended_already());
        let edge = self.edge.clone();
        let (grpc, http) = (&mut self.grpc, &mut self.http);
        let remembering = self.remembering.take();
        let remembered = async {
            if let Some(remembering) = remembering {
                edge.memory.stop(remembering).await;
            }
        };
        let told = async {
            edge.readiness.drain();
            // First, so that watches are told before they are ended.
            edge.standard.drain();
            edge.closings.close(STOPPING);
        };
        Drain::new(STOP)
            .step("tell streams", STEP, told)
            .step("gRPC", STEP, grpc.stop())
            .step("HTTP", STEP, http.stop())
            .step("alerts", STEP, edge.alerting.stop())
            .step("engine", STEP, decider.stop())
            .step("memory", STEP, remembered)
            .run(&clock, shutdown)
            .await
    }
}

/// Runs an aggregator until `shutdown` is triggered.
///
/// # Errors
///
/// It did not start, the decision failed, or the stop was aborted.
pub async fn run(config: Config, shutdown: &Shutdown) -> Result<DrainReport, RunError> {
    let mut app = App::start(config).await?;
    let failed = tokio::select! {
        () = shutdown.triggered() => false,
        () = app.failed() => true,
    };
    let report = app.stop_unless(shutdown).await?;
    if failed { Err(RunError::Failed) } else { Ok(report) }
}

fn of_hub(config: &Config) -> hub::Config {
    hub::Config {
        bookmark_every: config.bookmark_every,
        stall_after: config.stall_after,
        bounds: hub::Bounds::default(),
    }
}

/// The DNS names by which certificates are known.
fn names(policy: &Policy) -> Vec<String> {
    policy.names().map(str::to_owned).collect()
}

/// Watchers cannot notice themselves that they are not being read.
async fn end_stalled(edge: Arc<Edge>) {
    let mut sweeps = interval(STALL_SWEEP);
    loop {
        sweeps.tick().await;
        let ended = edge.hub.end_stalled() as u64;
        if ended > 0 {
            edge.metrics.stalled_watchers.inc_by(ended);
            tracing::warn!(
                watchers = ended,
                "watchers read nothing for too long and were ended"
            );
        }
    }
}

#[cfg(test)]
mod tests;
