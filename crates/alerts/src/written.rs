//! Written histories: what happens, and which alerts are expected of it. In the spirit of `promtool test rules`.
//!
//! ```toml
//! [[test]]
//! name = "a bank that breaks is one page"
//!
//! [test.at.0s]
//! bank = "healthy"
//! checkout.needs = ["bank"]
//!
//! [test.at.10s]
//! bank = { status = "unhealthy", message = "no answer" }
//! checkout = { status = "unhealthy", causes = ["bank"] }
//!
//! [test.at.40s]
//! expect.firing = ["bank/ServiceUnhealthy"]
//! expect.suppressed = { "checkout/ServiceUnhealthy" = "bank/ServiceUnhealthy" }
//! expect.labels."bank/ServiceUnhealthy" = { root_cause = "bank" }
//!
//! [test.signals]
//! bank.error_ratio = "0.001x6 0.2x30"
//! ```
//!
//! **Times** are since the beginning of the history: `40s`, `1m30s`, `2h`. What happens at a time is known before what is
//! expected at it is looked at. The machine steps once a second, as it does in Ward.
//!
//! **Things** are services, by name, and `system`. What is not said of one stays as it was; at the beginning it is healthy, or not
//! there yet if it is `"gone"` at 0s.
//! `status` alone is as Ward would decide by default: one that is not healthy is its own cause, unless `causes` says
//! otherwise; with other causes it is well itself, for the reason `Dependency`. A word alone is the status, or `"gone"`. The
//! keys of a service are `status`, `own`, `reason`, `message`, `causes`, `needs`, `criticality`, `min_healthy`, `maintenance`
//! and `instances.{total,healthy,unknown,degraded,unhealthy,suspect,lost}`; of the system `status`, `reason`, `message`,
//! `causes`, `services.{total,healthy,unknown,degraded,unhealthy}` and `observer.{score,degraded_view,blind,settling}`.
//!
//! **Signals** are series of values, ten seconds apart, or as far as `signals.every` says. `0.2x30` is thirty times 0.2 (and
//! not, as with promtool, thirty-one times); `_` is no value; the last one stays.
//!
//! **Expected** is all of it: an alert that fires or is suppressed and is not named is as wrong as one that is named and does
//! not. `firing` and `suppressed` are looked at always, `pending` and `resolved` where they are written. A suppressed alert
//! is named with what withholds it: an alert, or `"maintenance"`. `expect = "nothing"` is that none fires, is pending or
//! suppressed. `labels` and `annotations` have to be among those of the alert. Alerts for nobody (severity `none`) may be
//! named and need not be. `rules = ["CpuHigh"]` beside `name` leaves all alerts of other rules out of sight.
//!
//! Not there: restarts and acknowledgements; the model test of the machine has them. The format is a TOML file and not
//! sentences, so that a slip has a place and a name.

mod expected;
mod read;
mod reading;
mod run;
mod series;

use std::{collections::BTreeMap, fmt, ops::Range, time::Duration};

use ward_model::{AlertKey, Name, RuleName};

pub use self::{
    read::parse,
    run::{Missed, Outcome, run},
};
use crate::facts::Facts;

/// Longest file, in bytes: ten thousand lines.
pub const FILE_BYTES: usize = 1 << 20;
/// Longest history: the rule that waits longest may wait for a day, and each second is a step.
pub const LONGEST: Duration = Duration::from_secs(2 * 24 * 3_600);

/// The tests of a file.
#[derive(Clone, Debug)]
pub struct Tests(Vec<Test>);

impl Tests {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// None: an empty file is one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Clone, Debug)]
struct Test {
    name: String,
    line: usize,
    /// Only alerts of these are looked at; of all where it is none.
    rules: Option<Vec<(RuleName, usize)>>,
    /// By time.
    moments: BTreeMap<Duration, Moment>,
}

/// What happens at a time, and what is expected of it.
#[derive(Clone, Debug, Default)]
struct Moment {
    facts: Vec<Facts>,
    signals: BTreeMap<Name, BTreeMap<Name, Option<f64>>>,
    expected: Option<Expected>,
}

#[derive(Clone, Debug, Default)]
struct Expected {
    line: usize,
    firing: Vec<Named>,
    pending: Option<Vec<Named>>,
    resolved: Option<Vec<Named>>,
    suppressed: Vec<(Named, By)>,
    labels: Vec<Texts>,
    annotations: Vec<Texts>,
}

/// An alert that is expected.
#[derive(Clone, Debug)]
struct Named {
    key: AlertKey,
    at: Range<usize>,
    line: usize,
}

/// What an alert is expected to be withheld by.
#[derive(Clone, Debug, PartialEq, Eq)]
enum By {
    Alert(AlertKey),
    Maintenance,
}

/// Texts that an alert is expected to have.
#[derive(Clone, Debug)]
struct Texts {
    of: Named,
    /// With the line of each.
    texts: BTreeMap<String, (String, usize)>,
}

impl Expected {
    /// All alerts that it names.
    fn named(&self) -> impl Iterator<Item = &Named> {
        let may = self.pending.iter().chain(&self.resolved).flatten();
        let texts = self.labels.iter().chain(&self.annotations).map(|texts| &texts.of);
        let withheld = self.suppressed.iter().map(|(named, _)| named);
        self.firing.iter().chain(may).chain(withheld).chain(texts)
    }
}

/// Something is wrong in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongHistory {
    /// Where, in bytes of the text.
    pub at: Range<usize>,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl fmt::Display for WrongHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for WrongHistory {}

#[cfg(test)]
mod tests;
