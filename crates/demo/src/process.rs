//! One process of the shop while it serves: its trade, its probes and metrics, its reports, and how it ends.
//!
//! How it is started, and who tells it to end, is told from outside: over a leash in `ward demo` (`service`), by signals
//! in a container (`serve`).

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{Router, middleware};
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::timeout};
use ward_chassis::Clock;

use crate::{
    How,
    backing::{Backing, Urls},
    fault::{Fault, strike},
    health::{Reporting, Reports},
    measure::{Served, measure},
    metrics::Metrics,
    plan::Member,
    registry::Registry,
    service::ServiceError,
    trade::{Needs, routes},
    upstream::Upstream,
};

/// What a process is made of.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) member: &'static Member,
    pub(crate) listen: SocketAddr,
    pub(crate) registry: Registry,
    pub(crate) reports: Reports,
    pub(crate) urls: Urls,
}

/// One that listens, and reports if it is one that does.
#[derive(Debug)]
pub(crate) struct Process {
    listener: TcpListener,
    app: Router,
    reporting: Option<Reporting>,
    _reading: JoinSet<()>,
}

impl Process {
    /// Listens, and is found from now on.
    pub(crate) async fn open(
        setting: &Setting,
        fault: watch::Receiver<Option<How>>,
    ) -> Result<Self, ServiceError> {
        let Setting { member, registry, .. } = setting;
        let (clock, metrics, client) = (
            Clock::start(),
            Metrics::default(),
            client().map_err(ServiceError::Client)?,
        );
        let mut reading = JoinSet::new();
        let backing = Backing::open(member, &setting.urls, &clock, &metrics, &mut reading)?;
        let upstream = |need| {
            Upstream::new(
                need,
                registry.clone(),
                client.clone(),
                clock.clone(),
                metrics.clone(),
            )
        };
        let needed = member.needs.iter().filter(|need| !backing.replaces(need));
        let needs = Needs::new(needed.map(upstream).collect(), backing.clone());
        let served = Served::new(clock.clone(), metrics.clone());
        let listening = |error| ServiceError::Listen(setting.listen, error);
        let listener = TcpListener::bind(setting.listen).await.map_err(listening)?;
        let address = listener.local_addr().map_err(listening)?;
        let reporting = match member.reports() {
            true => Some(Reporting::start(
                member,
                &setting.reports,
                own(address),
                &needs,
                &served,
                client,
            )?),
            false => None,
        };
        let collector = reporting.as_ref().map(Reporting::collector);
        let probes = reporting
            .as_ref()
            .map(Reporting::routes)
            .unwrap_or_else(plain_probes);
        // The probes stand beside what is measured: to say that one is not ready is no failure.
        let app = broken_and_measured(routes(member.role, needs), fault, served)
            .merge(probes)
            .merge(metrics.routes(backing.pools(), collector));
        registry
            .publish(member.name, address)
            .map_err(ServiceError::Publish)?;
        Ok(Self {
            listener,
            app,
            reporting,
            _reading: reading,
        })
    }

    /// Serves until told to `leave`; then says goodbye, and lets what has begun take until `drain` is over.
    pub(crate) async fn run(
        self,
        leave: impl Future<Output = ()>,
        drain: Duration,
    ) -> Result<(), ServiceError> {
        let goodbye = async {
            if let Some(reporting) = self.reporting {
                reporting.goodbye().await;
            }
        };
        serve_until(self.listener, self.app, leave, goodbye, drain).await
    }
}

/// Serves until told to `leave`, then does `goodbye` while what has begun ends, for at most `drain`.
pub(crate) async fn serve_until(
    listener: TcpListener,
    app: Router,
    leave: impl Future<Output = ()>,
    goodbye: impl Future<Output = ()>,
    drain: Duration,
) -> Result<(), ServiceError> {
    let (told, mut stop) = watch::channel(false);
    let stopped = async move {
        // An error says that nobody can tell it any more.
        stop.wait_for(|told| *told).await.ok();
    };
    let serving = axum::serve(listener, app)
        .with_graceful_shutdown(stopped)
        .into_future();
    tokio::pin!(serving);
    tokio::select! {
        done = &mut serving => done.map_err(ServiceError::Serve)?,
        () = leave => {}
    }
    told.send_replace(true);
    let ((), drained) = tokio::join!(goodbye, timeout(drain, serving));
    if drained.is_err() && !drain.is_zero() {
        tracing::warn!(?drain, "some requests did not end in time");
    }
    Ok(())
}

/// Where a member reaches itself: at an address of this machine, where it listens on all of them.
fn own(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The probes of one that does not report: it lives, and is ready, if it answers.
pub(crate) fn plain_probes() -> Router {
    let ok = || axum::routing::get(|| async { "ok\n" });
    Router::new().route("/livez", ok()).route("/readyz", ok())
}

/// Faults lie inside what is measured, as real ones do.
pub(crate) fn broken_and_measured(
    trade: Router,
    fault: watch::Receiver<Option<How>>,
    served: Served,
) -> Router {
    trade
        .layer(middleware::from_fn_with_state(Fault::new(fault), strike))
        .layer(middleware::from_fn_with_state(served, measure))
}

/// The client for calls between members: never through a proxy, which could not reach them. reqwest wants to know how to
/// speak TLS even where nobody does: it trusts nobody.
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has ciphers for the default versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .connect_timeout(Duration::from_secs(1))
        .build()
}

#[cfg(test)]
mod tests;
