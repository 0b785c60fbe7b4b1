//! Alerts as they are told: what fires, since when, why it is or is not delivered.
//!
//! How they come about stands in `ward-alerts`.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Name, Wall, bounds::NAME_BYTES};

/// The name of an alerting rule, which is the `alertname` of its alerts: 1 to 63 of `a-z`, `A-Z`, `0-9` and `_`, not
/// beginning with a digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuleName(Arc<str>);

/// Says only that a text is no name of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRuleName;

impl fmt::Display for InvalidRuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "is no name of a rule, expected 1 to {NAME_BYTES} of a-z, A-Z, 0-9, '_', not beginning with a digit"
        )
    }
}

impl std::error::Error for InvalidRuleName {}

impl RuleName {
    /// Checks `text`.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn new(text: &str) -> Result<Self, InvalidRuleName> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let begins = text.chars().next().is_some_and(|c| !c.is_ascii_digit());
        (begins && text.len() <= NAME_BYTES && text.chars().all(allowed))
            .then(|| Self(text.into()))
            .ok_or(InvalidRuleName)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl TryFrom<String> for RuleName {
    type Error = InvalidRuleName;

    fn try_from(text: String) -> Result<Self, InvalidRuleName> {
        Self::new(&text)
    }
}

impl FromStr for RuleName {
    type Err = InvalidRuleName;

    fn from_str(text: &str) -> Result<Self, InvalidRuleName> {
        Self::new(text)
    }
}

impl From<RuleName> for String {
    fn from(name: RuleName) -> Self {
        name.0.as_ref().into()
    }
}

/// How urgent an alert is, the least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// For no person: a sign of life.
    None,
    /// To be known.
    Info,
    /// To be looked at in working hours.
    #[default]
    Warning,
    /// Somebody is to be woken.
    Critical,
}

impl Severity {
    /// All, the least urgent first.
    pub const ALL: [Self; 4] = [Self::None, Self::Info, Self::Warning, Self::Critical];

    /// The lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which alert: there is at most one of a rule about one thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AlertKey {
    /// The service; `None` for the system.
    pub service: Option<Name>,
    /// The rule.
    pub rule: RuleName,
}

impl fmt::Display for AlertKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = self.service.as_ref().map_or("system", Name::as_str);
        write!(f, "{service}/{}", self.rule)
    }
}

/// Where an alert stands. There is none of what is inactive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Its condition holds, for less than its rule's `for`.
    Pending,
    /// Its condition has held for long enough, and it is withheld: nobody was told.
    Suppressed,
    /// It is delivered.
    Firing,
    /// It was delivered, and its condition holds no more.
    Resolved,
}

impl AlertState {
    /// All, in the order of a life.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Suppressed, Self::Firing, Self::Resolved];

    /// The lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Suppressed => "suppressed",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

impl fmt::Display for AlertState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why an alert is withheld.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Suppression {
    /// A cause of it has an alert of its own: that one.
    Cause(AlertKey),
    /// It, or everything that causes it, is in maintenance: these services.
    Maintenance(Vec<Name>),
}

impl Suppression {
    /// The lower-case word, for metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Cause(_) => "cause",
            Self::Maintenance(_) => "maintenance",
        }
    }
}

impl fmt::Display for Suppression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cause(alert) => write!(f, "caused by {alert}, which has an alert of its own"),
            Self::Maintenance(services) => {
                f.write_str("in maintenance:")?;
                services.iter().try_for_each(|service| write!(f, " {service}"))
            }
        }
    }
}

/// Somebody works on it: the alerts of a service that fire are silenced until they resolve, or until it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Whose alerts; `None` for those about the system.
    pub service: Option<Name>,
    /// The rules whose alerts fired when it was said; others of the service are not silenced.
    pub rules: Vec<RuleName>,
    /// Who said so.
    pub by: String,
    /// And why.
    pub why: String,
    /// Since when.
    pub start: Wall,
    /// Until when.
    pub end: Wall,
}

impl Acknowledgement {
    /// How long one lasts of which nothing else is said.
    pub const DEFAULT: Duration = Duration::from_secs(2 * 3_600);
    /// The longest: what is not looked at for longer is not being worked on.
    pub const MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

    /// Whether it covers an alert.
    pub fn covers(&self, key: &AlertKey) -> bool {
        self.service == key.service && self.rules.contains(&key.rule)
    }
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Which.
    #[serde(flatten)]
    pub key: AlertKey,
    /// How urgent.
    pub severity: Severity,
    /// Where it stands.
    pub state: AlertState,
    /// Its identity for those who receive it: fixed from its first firing until it is resolved. Before that as they would be.
    pub labels: BTreeMap<String, String>,
    /// What varies: for people.
    pub annotations: BTreeMap<String, String>,
    /// Since when its condition holds, as its rule's `for` counts it: without the time in which nobody could know, and, once the
    /// alert that withheld it is resolved, without what is not to count again.
    pub since: Wall,
    /// Since when nobody can know whether its condition holds: Unknown, or not heard of since a restart. Until that ends it
    /// neither fires nor resolves.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub unknown_since: Option<Wall>,
    /// When it first fired: `startsAt`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fired: Option<Wall>,
    /// When it was resolved: `endsAt`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resolved: Option<Wall>,
    /// Why it is withheld; only while suppressed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub suppression: Option<Suppression>,
    /// Somebody works on it; only while firing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acknowledged: Option<Acknowledgement>,
    /// The present root causes of the service, itself included if it is one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub causes: Vec<Name>,
    /// Where in the trace of what it is about it was told, as a W3C `traceparent`; only where somebody traces. It is no part of
    /// what the alert is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub traceparent: Option<String>,
}

impl Alert {
    /// One whose condition begins to hold: pending, and nothing more is known of it.
    pub fn pending(key: AlertKey, severity: Severity, since: Wall) -> Self {
        Self {
            key,
            severity,
            state: AlertState::Pending,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            since,
            unknown_since: None,
            fired: None,
            resolved: None,
            suppression: None,
            acknowledged: None,
            causes: Vec::new(),
            traceparent: None,
        }
    }
}
