//! Delivery of alerts: what is owed to whom, until it is delivered.
//!
//! It decides nothing about alerts, and knows no database: what is owed is kept by an [`Outbox`]. Each receiver has a task
//! of its own, so that one that hangs delays nobody else.

use std::{collections::BTreeMap, fmt, path::PathBuf, pin::Pin, time::Duration};

use ward_model::{Severity, Wall};

/// Where what is owed is kept.
pub trait Outbox: fmt::Debug + Send + Sync + 'static {
    /// Keeps a body under a key, or (`None`) forgets it. Never waits.
    fn keep(&self, key: String, body: Option<String>);

    /// Resolves when all that was kept before the call is on disk; `false` if that cannot be told in a few seconds.
    fn durable(&self) -> Pin<Box<dyn Future<Output = bool> + Send + '_>>;

    /// All that is kept, from the life before.
    fn kept(&self) -> Pin<Box<dyn Future<Output = Vec<(String, String)>> + Send + '_>>;
}

/// What a receiver speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Alertmanager's API v2: all that fires, again and again.
    Alertmanager,
    /// CloudEvents 1.0 over HTTP, structured mode: each alert when it fires and when it resolves.
    Webhook {
        /// It is told the sign of life as well.
        watchdog: bool,
    },
}

/// How one proves to a receiver who one is. Files are read anew for each request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// HTTP basic.
    Basic {
        /// Who.
        username: String,
        /// Where the password stands.
        password_file: PathBuf,
    },
    /// A bearer token.
    Bearer {
        /// Where it stands.
        token_file: PathBuf,
    },
}

/// One receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// For logs and metrics, and what it is owed is kept under: unique, stable.
    pub name: String,
    /// What it speaks.
    pub kind: Kind,
    /// `http` or `https`; of an Alertmanager the address that `/api/v2` is below.
    pub url: String,
    /// Who we are.
    pub auth: Auth,
    /// Authorities to trust instead of the system's, in PEM.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key, in PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// How long one request may take.
    pub timeout: Duration,
    /// What is less urgent is not sent.
    pub least: Severity,
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// To whom.
    pub receivers: Vec<Receiver>,
    /// Labels of every alert, beside its own; its own win.
    pub labels: BTreeMap<String, String>,
    /// Where the aggregator's HTTP is reached by people: `generatorURL` is below it.
    pub external_url: Option<String>,
}

/// How it stands with a receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Which.
    pub receiver: String,
    /// Alerts that it has yet to be told of.
    pub owed: u64,
    /// The oldest of them.
    pub oldest: Option<Wall>,
    /// When it was last told something.
    pub delivered: Option<Wall>,
    /// Requests that it took, that failed, and that it refused, since the start.
    pub requests: [u64; 3],
    /// What was given up, since the start.
    pub dropped: u64,
    /// Why the last request failed, if none succeeded since.
    pub error: Option<String>,
}
