//! What came of a replay: what `-o json` writes, and what the text is made of.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use ward_alerts::{Life, Replay, RuleSet, Withheld, compare};
use ward_model::{AlertKey, AlertState, Name, RuleName, Severity, Suppression, Wall};

use super::read::Recording;
use crate::client::Server;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    server: String,
    /// From when on: later than asked for if less is kept.
    pub(super) since: Wall,
    pub(super) until: Wall,
    /// How many changes were played.
    pub(super) recorded: u64,
    /// How many lines only a newer version understands.
    pub(super) not_understood: u64,
    /// When the aggregator started: around it, less was seen than was.
    pub(super) starts: Vec<Wall>,
    /// Rules that wait for less time for a signal than recorded values of it are apart, of either set: a replay of these is rough.
    pub(super) coarse: BTreeSet<RuleName>,
    pub(super) in_force: Outcome,
    /// With the rules that are tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) changed: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) difference: Option<Difference>,
}

/// What came of one set of rules.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    /// By when they became pending.
    pub(super) fired: Vec<Told>,
    /// Those that never fired because they were withheld.
    pub(super) suppressed: Vec<Told>,
    /// How many never fired because their condition did not hold for long enough.
    pub(super) only_pending: usize,
    /// How many are not told, because there are too many.
    pub(super) untold: usize,
}

/// One life of an alert.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Told {
    #[serde(flatten)]
    pub(super) key: AlertKey,
    pub(super) severity: Severity,
    /// Where it stood last.
    state: AlertState,
    pending: Wall,
    pub(super) withheld: Vec<While>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fired: Option<Wall>,
    /// Absent if it was not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ended: Option<Wall>,
    /// For how long it fired, by the end of the window at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fired_ms: Option<u64>,
    pub(super) causes: Vec<Name>,
    labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// For how long it was withheld, and why.
#[derive(Clone, Debug, Serialize)]
pub(super) struct While {
    pub(super) from: Wall,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) to: Option<Wall>,
    pub(super) why: Suppression,
}

/// What the rules that are tried change of what fires.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    /// The rules that are others.
    pub(super) rules: Vec<Other>,
    pub(super) only_in_force: Vec<Told>,
    pub(super) only_changed: Vec<Told>,
    /// At another time, or with another severity.
    pub(super) moved: Vec<Moved>,
    /// How many fire alike.
    pub(super) same: usize,
}

#[derive(Debug, Serialize)]
pub(super) struct Other {
    pub(super) name: RuleName,
    pub(super) is: How,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum How {
    New,
    Changed,
    Off,
}

#[derive(Debug, Serialize)]
pub(super) struct Moved {
    pub(super) in_force: Told,
    pub(super) changed: Told,
}

impl Report {
    /// Of what was played by the rules in force and, beside them, by others.
    pub(super) fn new(
        server: &Server,
        recording: &Recording,
        (in_force, before): (RuleSet, Replay),
        changed: Option<(RuleSet, Replay)>,
    ) -> Self {
        let until = recording.window.until;
        let difference = changed.as_ref().map(|(rules, after)| {
            let rules = others(&in_force, rules);
            Difference::new(rules, compare(&before, after), until)
        });
        let tried = changed.iter().flat_map(|(_, after)| &after.coarse);
        let coarse = before.coarse.iter().chain(tried).cloned().collect();
        Self {
            server: server.to_string(),
            since: recording.window.since,
            until,
            recorded: recording.read,
            not_understood: recording.not_understood,
            starts: before.starts.clone(),
            coarse,
            in_force: Outcome::new(before, until),
            changed: changed.map(|(_, after)| Outcome::new(after, until)),
            difference,
        }
    }
}

/// The rules that are not the same in both.
fn others(before: &RuleSet, after: &RuleSet) -> Vec<Other> {
    let specs = |rules: &RuleSet| -> BTreeMap<_, _> {
        rules
            .iter()
            .map(|rule| (rule.spec().name.clone(), rule.spec().clone()))
            .collect()
    };
    let (before, after) = (specs(before), specs(after));
    let names = before
        .keys()
        .chain(after.keys().filter(|name| !before.contains_key(*name)));
    let mut others: Vec<_> = names
        .filter_map(|name| {
            let is = match (before.get(name), after.get(name)) {
                (Some(before), Some(after)) if before == after => return None,
                (Some(_), Some(_)) => How::Changed,
                (Some(_), None) => How::Off,
                (None, _) => How::New,
            };
            Some(Other {
                name: name.clone(),
                is,
            })
        })
        .collect();
    others.sort_by(|a, b| a.name.cmp(&b.name));
    others
}

impl Outcome {
    fn new(replay: Replay, until: Wall) -> Self {
        let (fired, rest): (Vec<_>, Vec<_>) = replay.lives.into_iter().partition(|life| life.fired.is_some());
        let (suppressed, pending): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|life| !life.withheld.is_empty());
        Self {
            fired: all(fired, until),
            suppressed: all(suppressed, until),
            only_pending: pending.len(),
            untold: replay.untold,
        }
    }
}

impl Difference {
    fn new(rules: Vec<Other>, is: ward_alerts::Difference, until: Wall) -> Self {
        let moved = |(in_force, changed): (Life, Life)| Moved {
            in_force: Told::new(in_force, until),
            changed: Told::new(changed, until),
        };
        Self {
            rules,
            only_in_force: all(is.only_before, until),
            only_changed: all(is.only_after, until),
            moved: is.changed.into_iter().map(moved).collect(),
            same: is.same,
        }
    }
}

fn all(lives: Vec<Life>, until: Wall) -> Vec<Told> {
    lives.into_iter().map(|life| Told::new(life, until)).collect()
}

impl Told {
    fn new(life: Life, until: Wall) -> Self {
        let state = match (&life.ended, &life.fired, life.withheld.last()) {
            (Some(_), ..) => AlertState::Resolved,
            (None, Some(_), _) => AlertState::Firing,
            (None, None, Some(Withheld { to: None, .. })) => AlertState::Suppressed,
            (None, None, _) => AlertState::Pending,
        };
        Self {
            state,
            fired_ms: life.fired_ms(until),
            key: life.key,
            severity: life.severity,
            pending: life.pending,
            withheld: life.withheld.into_iter().map(Into::into).collect(),
            fired: life.fired,
            ended: life.ended,
            causes: life.causes,
            labels: life.labels,
            annotations: life.annotations,
        }
    }
}

impl From<Withheld> for While {
    fn from(Withheld { from, to, why }: Withheld) -> Self {
        Self { from, to, why }
    }
}
