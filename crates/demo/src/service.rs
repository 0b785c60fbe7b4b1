//! One process of the shop on its leash, from its first order to its last.
//!
//! The leash is its standard input (see `seat`). It listens on a port that the system chooses. What it does is in
//! `process`. Databases of the environment are not its own: the demo brings all it needs, and must not write into what
//! somebody has a shell set up for.

use std::{
    io::{self, BufRead},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use tokio::sync::watch;
use ward_chassis::{
    logs::{Format, Lines, LogsError},
    telemetry::{self, Telemetry},
};

use crate::{
    How,
    backing::Urls,
    health::Reports,
    plan::{self, Member},
    process::{Process, Setting},
    registry::Registry,
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

/// How the log of a process looks, and where it goes beside standard error. That of the demo is for people, and there alone.
#[derive(Clone, Debug, Default)]
pub struct Logging {
    /// How lines look on standard error.
    pub format: Format,
    /// Where they are in files as well, of this process alone.
    pub dir: Option<PathBuf>,
}

/// Why a process of the shop could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Not a member of the shop.
    #[error("nobody named {0:?} is in the shop, there are: {names}", names = plan::names())]
    Unknown(String),
    /// An address of one that it does not call.
    #[error("{name} does not call {upstream:?}, but: {needs}")]
    NotNeeded {
        /// Which member.
        name: &'static str,
        /// Whom it was told of.
        upstream: String,
        /// Whom it calls.
        needs: String,
    },
    /// An address of a database that is none.
    #[error("use {variable}: {expected}")]
    Url {
        /// Where it stands.
        variable: &'static str,
        /// What should. What does is not said: it has a password in it.
        expected: String,
    },
    /// Its port.
    #[error("listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    /// Its entry in the registry.
    #[error("publish its address")]
    Publish(#[source] io::Error),
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

impl ServiceError {
    pub(crate) fn url(variable: &'static str, expected: impl ToString) -> Self {
        Self::Url {
            variable,
            expected: expected.to_string(),
        }
    }

    /// The member of that name.
    pub(crate) fn member(name: &str) -> Result<&'static Member, Self> {
        Member::find(name).ok_or_else(|| Self::Unknown(name.into()))
    }
}

/// Runs one process of the shop until its standard input ends.
///
/// Returns at once if it ends before the first order.
pub async fn service(options: ServiceOptions) -> Result<(), ServiceError> {
    die_with_parent();
    let _telling = begin_telling(&options.name, "info", &Logging::default())?;
    let setting = Setting {
        member: ServiceError::member(&options.name)?,
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        registry: Registry::new(&options.registry),
        reports: Reports::Demo(options.server),
        urls: Urls::default(),
    };
    let mut orders = leash();
    // What it starts with comes first; without that, whoever started it is gone.
    if orders.changed().await.is_err() {
        return Ok(());
    }
    tokio::select! {
        // Before all else: one that is to crash at the start says not a word to Ward.
        biased;
        () = follow(orders.clone()) => Ok(()),
        done = work(&setting, orders) => done,
    }
}

/// Whoever waits for an answer when the shop closes waits in vain: it closes for all at once.
async fn work(setting: &Setting, fault: watch::Receiver<Option<How>>) -> Result<(), ServiceError> {
    let process = Process::open(setting, fault.clone()).await?;
    process.run(left(fault), Duration::ZERO).await
}

/// Logs to standard error, and sends traces where the environment asks for them, as the service of that name; `None` if
/// whoever called has begun to already. What is returned is to be dropped last.
pub(crate) fn begin_telling(
    name: &str,
    filter: &str,
    logging: &Logging,
) -> Result<Option<Telemetry>, LogsError> {
    let lines = Lines {
        format: logging.format,
        filter,
        dir: logging.dir.as_deref(),
    };
    match telemetry::begin(name, lines) {
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
