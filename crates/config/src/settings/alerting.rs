//! Rules, and who is told of what they find.
//!
//! Types of our own, and not those of `ward-notify`: what a file says is known without a room that sends anything.

use std::{collections::BTreeMap, path::PathBuf, sync::LazyLock, time::Duration};

use ward_alerts::RuleSet;
use ward_model::Severity;

use crate::value::ReceiverUrl;

/// Rules, and who is told of what they find.
#[derive(Clone, Debug, PartialEq)]
pub struct Alerting {
    /// Of every alert, beside its own.
    pub labels: BTreeMap<String, String>,
    /// Where people reach the aggregator's HTTP.
    pub external_url: Option<String>,
    /// What is before the name of a rule in its `runbook_url`. Rules that say none of their own have it already.
    pub runbooks: Option<String>,
    /// The rules in force: shipped ones as they were changed, and one's own; without those that are switched off.
    pub rules: RuleSet,
    /// Alertmanagers: each is told of every alert.
    pub alertmanagers: Vec<Receiver>,
    /// Receivers of CloudEvents.
    pub webhooks: Vec<Webhook>,
}

/// Who is told of alerts, and how they are reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receiver {
    /// Unique among all of them.
    pub name: String,
    /// `http` or `https`; holds no name and no password, and perhaps a secret all the same.
    pub url: ReceiverUrl,
    /// The file that it stands in, if it does.
    pub url_file: Option<PathBuf>,
    /// How one proves who one is.
    pub auth: Auth,
    /// Authorities to trust instead of the system's, in PEM.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key, in PEM.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// How long one request may take.
    pub timeout: Duration,
}

/// How one proves to a receiver who one is.
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

/// A receiver of CloudEvents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Who, and how it is reached.
    pub receiver: Receiver,
    /// It is told the sign of life as well.
    pub watchdog: bool,
    /// What is less urgent is not sent.
    pub least_severity: Severity,
}

impl Receiver {
    /// How long one request may take of which nothing else is said.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
}

impl Webhook {
    /// What is sent to one of which nothing else is said: all that is for people.
    pub const LEAST: Severity = Severity::Info;
}

impl Default for Alerting {
    /// The shipped rules, and nobody who is told.
    fn default() -> Self {
        // Compiled once: settings are made for each file that is read.
        static SHIPPED: LazyLock<RuleSet> = LazyLock::new(RuleSet::shipped);
        Self {
            labels: BTreeMap::new(),
            external_url: None,
            runbooks: None,
            rules: SHIPPED.clone(),
            alertmanagers: Vec::new(),
            webhooks: Vec::new(),
        }
    }
}
