//! One process of the shop, from its first order to its last.
//!
//! Its standard input is its leash (see `seat`). It serves its trade on a port of its own, measures itself and what it
//! calls, and, unless it is a store, reports that to Ward through the sdk as any service would.

use std::{
    io::{self, BufRead},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use axum::{Router, middleware};
use tokio::{net::TcpListener, sync::watch};
use ward_chassis::{
    Clock,
    logs::{Format, Lines, LogsError},
    telemetry::{self, Telemetry},
};

use crate::{
    How,
    fault::{Fault, strike},
    health,
    measure::{Served, measure},
    plan::Member,
    registry::Registry,
    trade::{Needs, routes},
    upstream::Upstream,
};

/// How a process of the shop is started.
#[derive(Clone, Debug)]
pub struct ServiceOptions {
    /// Which member of the shop it is.
    pub name: String,
    /// The aggregator it reports to: `host:port`.
    pub server: String,
    /// The directory in which the members' addresses are published.
    pub registry: PathBuf,
}

/// Why a process of the shop could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Not a member of the shop.
    #[error("nobody named {0:?} is in the shop: this command is for ward demo itself")]
    Unknown(String),
    /// Its port.
    #[error("listen on a loopback port")]
    Listen(#[source] io::Error),
    /// Its entry in the registry.
    #[error("publish its address in {0}")]
    Publish(PathBuf, #[source] io::Error),
    /// Its log.
    #[error("begin logging")]
    Logs(#[from] LogsError),
    /// The client that calls others.
    #[error("make an http client")]
    Client(#[source] reqwest::Error),
    /// Its reporter.
    #[error("report to ward")]
    Report(#[from] ward_sdk::StartError),
    /// Its server.
    #[error("serve")]
    Serve(#[source] io::Error),
}

/// Runs one process of the shop until its standard input ends.
///
/// Returns at once if it ends before the first order.
pub async fn service(options: ServiceOptions) -> Result<(), ServiceError> {
    die_with_parent();
    let _telemetry = begin_telling(&options.name, "info")?;
    let member = Member::find(&options.name).ok_or_else(|| ServiceError::Unknown(options.name.clone()))?;
    let mut orders = leash();
    // What it starts with comes first; without that, whoever started it is gone.
    if orders.changed().await.is_err() {
        return Ok(());
    }
    tokio::select! {
        // Before all else: one that is to crash at the start says not a word to Ward.
        biased;
        () = follow(orders.clone()) => Ok(()),
        done = work(member, &options, orders) => done,
    }
}

async fn work(
    member: &'static Member,
    options: &ServiceOptions,
    fault: watch::Receiver<Option<How>>,
) -> Result<(), ServiceError> {
    let clock = Clock::start();
    let registry = Registry::new(&options.registry);
    let client = client().map_err(ServiceError::Client)?;
    let upstreams = member.needs.iter();
    let needs = Needs::new(
        upstreams
            .map(|need| Upstream::new(need, registry.clone(), client.clone(), clock.clone()))
            .collect(),
    );
    let served = Served::new(clock);
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .map_err(ServiceError::Listen)?;
    let address = listener.local_addr().map_err(ServiceError::Listen)?;
    let reporting = match member.reports() {
        true => Some(health::Reporting::start(
            member, options, address, &needs, &served, client,
        )?),
        false => None,
    };
    let probes = reporting
        .as_ref()
        .map(health::Reporting::routes)
        .unwrap_or_default();
    // The probes stand beside what is measured: to say that one is not ready is no failure.
    let app = broken_and_measured(routes(member.role, needs), fault.clone(), served).merge(probes);
    registry
        .publish(member.name, address)
        .map_err(|error| ServiceError::Publish(options.registry.clone(), error))?;
    let serving = axum::serve(listener, app);
    tokio::select! {
        done = serving.into_future() => done.map_err(ServiceError::Serve)?,
        () = left(fault) => {}
    }
    if let Some(reporting) = reporting {
        reporting.goodbye().await;
    }
    Ok(())
}

/// Faults lie inside what is measured, as real ones do.
fn broken_and_measured(trade: Router, fault: watch::Receiver<Option<How>>, served: Served) -> Router {
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

/// Logs to standard error, and sends traces if the environment says where to, unless whoever called has begun to already.
pub(crate) fn begin_telling(service: &str, filter: &str) -> Result<Option<Telemetry>, LogsError> {
    let lines = Lines {
        format: Format::Compact,
        filter,
        dir: None,
    };
    match telemetry::begin(service, lines) {
        Err(LogsError::Installed) => Ok(None),
        begun => begun.map(Some),
    }
}

/// Orders from standard input, the newest one; closed when that ends.
///
/// Read by a thread of its own: a read of standard input cannot be cancelled, and a runtime would wait for it.
fn leash() -> watch::Receiver<Option<How>> {
    let (orders, followed) = watch::channel(None);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            // Every word that is no fault mends.
            orders.send_replace(line.parse().ok());
        }
    });
    followed
}

/// Resolves when the leash is gone.
async fn left(mut orders: watch::Receiver<Option<How>>) {
    while orders.changed().await.is_ok() {}
}

/// Never resolves; ends the process the hard way when told to crash, be it at the start.
async fn follow(mut orders: watch::Receiver<Option<How>>) {
    // The sender outlives every order, so an error means that there will be none: `work` says goodbye and returns.
    if orders.wait_for(|how| *how == Some(How::Crash)).await.is_ok() {
        tracing::error!("told to crash");
        if let Err(error) = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL) {
            tracing::error!(%error, "cannot even do that");
        }
    }
    std::future::pending().await
}

/// Has the kernel end this process with the one that started it: even while it is stopped and cannot see its leash.
fn die_with_parent() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL) {
        tracing::warn!(%error, "this process may outlive the demo if that is killed");
    }
}

#[cfg(test)]
mod tests;
