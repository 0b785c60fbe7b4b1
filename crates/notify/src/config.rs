//! Who is to be told, how they are reached, and when.
//!
//! Nothing is checked here: that is the configuration's business. Nothing here is shown that may be a secret: of a URL,
//! whose path often is one, its origin alone.

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use reqwest::Url;
use ward_model::Severity;

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
#[derive(Clone, PartialEq, Eq)]
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

impl Receiver {
    /// Where it is, without what may be secret: scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        match Url::parse(&self.url) {
            Ok(url) => url.origin().ascii_serialization(),
            Err(_) => "an address that is none".to_owned(),
        }
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("url", &self.origin())
            .field("timeout", &self.timeout)
            .field("least", &self.least)
            .finish_non_exhaustive()
    }
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// What tells this installation from any other, always the same: silences carry it, and those that carry another are
    /// somebody else's. Without one no silence is ended before its time, since it may be anybody's.
    pub id: String,
    /// To whom.
    pub receivers: Vec<Receiver>,
    /// Labels of every alert, beside its own; its own win. One that fires keeps those that it was first told with.
    pub labels: BTreeMap<String, String>,
    /// Where the aggregator's HTTP is reached by people: `generatorURL` is below it.
    pub external_url: Option<String>,
}

/// When things are sent. [`Timing::default`] is what is in force, and nothing in a configuration maps to it; others are for
/// tests, which have no hour to spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between two times that all that fires is sent to an Alertmanager, and between two signs of life. Prometheus's minute.
    pub resend: Duration,
    /// How long what is resolved is sent on. Prometheus's quarter of an hour.
    pub retain: Duration,
    /// The pause after a first failure. It doubles with each further one.
    pub first: Duration,
    /// The longest such pause, and the one before something that was refused is tried again.
    pub longest: Duration,
    /// Something new does not wait for the end of such a pause, and is tried this long after the last try.
    pub early: Duration,
    /// The longest wait that a receiver can ask for.
    pub asked: Duration,
    /// How long what is refused is tried again.
    pub give_up: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            resend: Duration::from_secs(60),
            retain: Duration::from_secs(15 * 60),
            first: Duration::from_secs(1),
            longest: Duration::from_secs(60),
            early: Duration::from_secs(1),
            // Longer, and a limit of theirs would be an outage of ours.
            asked: Duration::from_secs(5 * 60),
            give_up: Duration::from_secs(24 * 3_600),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        let receiver = Receiver {
            name: "pager".into(),
            kind: Kind::Webhook { watchdog: false },
            url: "https://me:hunter2@hooks.example:8443/services/hunter2?key=hunter2".into(),
            auth: Auth::None,
            ca: None,
            identity: None,
            timeout: Duration::from_secs(10),
            least: Severity::None,
        };
        let config = Config {
            receivers: vec![receiver],
            ..Config::default()
        };
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("https://hooks.example:8443"), "{shown}");
    }
}
