//! Runs written histories with the machine that runs in Ward, and says what is other than expected.

use std::{collections::BTreeMap, fmt, time::Duration};

use ward_model::{Alert, AlertKey, AlertState, Name, Severity, Suppression, Wall};

use super::{By, Expected, Moment, Named, Test, Tests, Texts, series::written};
use crate::{
    facts::Facts,
    machine::{Machine, Seen},
    near::nearest,
    rule::RuleSet,
};

/// How a test went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its name.
    pub name: String,
    /// The line it begins at.
    pub line: usize,
    /// What is other than expected; empty if it passed.
    pub missed: Vec<Missed>,
}

/// Something is other than expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Where it is expected, or where all of what is expected stands; counted from 1.
    pub line: usize,
    /// When, since the beginning of the history.
    pub at: Duration,
    /// What was expected, and what is there instead.
    pub message: String,
}

impl Outcome {
    /// Nothing is other than expected.
    pub fn passed(&self) -> bool {
        self.missed.is_empty()
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, at {}: {}", self.line, written(self.at), self.message)
    }
}

/// Runs all of them, each with a machine of its own that knows nothing at the beginning.
pub fn run(tests: &Tests, rules: &RuleSet) -> Vec<Outcome> {
    let outcome = |test: &Test| Outcome {
        name: test.name.clone(),
        line: test.line,
        missed: Running::new(test, rules).run(),
    };
    tests.0.iter().map(outcome).collect()
}

struct Running<'t> {
    test: &'t Test,
    rules: &'t RuleSet,
    machine: Machine,
    signals: BTreeMap<Name, BTreeMap<Name, f64>>,
    now: Duration,
    missed: Vec<Missed>,
}

impl<'t> Running<'t> {
    fn new(test: &'t Test, rules: &'t RuleSet) -> Self {
        Self {
            test,
            rules,
            machine: Machine::new(rules.clone()),
            signals: BTreeMap::new(),
            now: Duration::ZERO,
            missed: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<Missed> {
        self.unknown_rules();
        for (time, moment) in &self.test.moments {
            self.wait_until(*time);
            self.now = *time;
            let seen = self.seen(moment);
            self.machine.step(wall(self.now), seen);
            if let Some(expected) = &moment.expected {
                self.compare(expected);
            }
        }
        self.missed
    }

    /// Steps at each second at which something is due: steps in which nothing is change nothing. As every one of them is
    /// later than the one before, there are at most as many as the history has seconds.
    fn wait_until(&mut self, end: Duration) {
        const SECOND: Duration = Duration::from_secs(1);
        while let Some(due) = self.machine.next_due() {
            let due = Duration::from_millis(u64::try_from(due.0).unwrap_or(0));
            let second = Duration::from_secs(due.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX));
            let next = second.max(self.now + SECOND);
            if next >= end {
                return;
            }
            self.now = next;
            self.machine.step(wall(next), Vec::new());
        }
    }

    fn seen(&mut self, moment: &Moment) -> Vec<Seen> {
        for (service, changed) in &moment.signals {
            let signals = self.signals.entry(service.clone()).or_default();
            for (signal, value) in changed {
                match value {
                    Some(value) => signals.insert(signal.clone(), *value),
                    None => signals.remove(signal),
                };
            }
        }
        let facts = moment.facts.iter().cloned().map(|facts| match facts {
            Facts::Service(name, mut facts) => {
                facts.signals = self.signals.get(&name).cloned().unwrap_or_default();
                Seen::Facts(Facts::Service(name, facts))
            }
            facts => Seen::Facts(facts),
        });
        let signals = moment.signals.keys().map(|service| {
            let signals = self.signals.get(service).cloned();
            Seen::Signals(service.clone(), signals.unwrap_or_default())
        });
        facts.chain(signals).collect()
    }

    /// A name that no rule has is a slip of whoever wrote the test, or of whoever changed the rules.
    fn unknown_rules(&mut self) {
        let moments = self.test.moments.iter();
        let expected = moments.filter_map(|(at, moment)| Some((at, moment.expected.as_ref()?)));
        let named = expected
            .flat_map(|(at, expected)| expected.named().map(|named| (*at, &named.key.rule, named.line)));
        let only = self.test.rules.iter().flatten();
        for (at, rule, line) in only
            .map(|(rule, line)| (Duration::ZERO, rule, *line))
            .chain(named)
        {
            if self.rules.get(rule).is_none() {
                let all = self.rules.iter().map(|rule| rule.spec().name.as_str());
                let meant = nearest(rule.as_str(), all).map(|meant| format!("; did you mean {meant}?"));
                let message = format!("no rule is called {rule}{}", meant.unwrap_or_default());
                self.missed.push(Missed { line, at, message });
            }
        }
    }

    fn compare(&mut self, expected: &Expected) {
        let suppressed: Vec<_> = expected.suppressed.iter().map(|(named, _)| named).collect();
        let states = [
            (AlertState::Firing, Some(expected.firing.iter().collect())),
            (AlertState::Suppressed, Some(suppressed)),
            (
                AlertState::Pending,
                expected.pending.as_ref().map(|all| all.iter().collect()),
            ),
            (
                AlertState::Resolved,
                expected.resolved.as_ref().map(|all| all.iter().collect()),
            ),
        ];
        for (state, named) in states {
            let Some(named): Option<Vec<&Named>> = named else {
                continue;
            };
            self.are(&named, state);
            self.no_others(&named, state, expected.line);
        }
        for (named, by) in &expected.suppressed {
            self.is_withheld(named, by);
        }
        for texts in &expected.labels {
            self.has(texts, "label", |alert| &alert.labels);
        }
        for texts in &expected.annotations {
            self.has(texts, "annotation", |alert| &alert.annotations);
        }
    }

    fn are(&mut self, named: &[&Named], state: AlertState) {
        for named in named {
            let alert = self.machine.alert(&named.key);
            if alert.is_none_or(|alert| alert.state != state) {
                let message = format!("expected {} {state}; it is {}", named.key, told(alert));
                self.miss(named.line, message);
            }
        }
    }

    fn no_others(&mut self, named: &[&Named], state: AlertState, line: usize) {
        let looked_at = |key: &AlertKey| {
            let rules = self.test.rules.as_ref();
            rules.is_none_or(|rules| rules.iter().any(|(rule, _)| *rule == key.rule))
        };
        let others = self.machine.alerts().filter(|alert| {
            let expected = named.iter().any(|named| named.key == alert.key);
            alert.state == state && alert.severity > Severity::None && !expected && looked_at(&alert.key)
        });
        let messages: Vec<_> = others
            .map(|alert| {
                format!(
                    "expected no other {state}; {} is {}",
                    alert.key,
                    told(Some(alert))
                )
            })
            .collect();
        for message in messages {
            self.miss(line, message);
        }
    }

    fn is_withheld(&mut self, named: &Named, by: &By) {
        let alert = self.machine.alert(&named.key);
        let Some(withheld) = alert.and_then(|alert| alert.suppression.as_ref()) else {
            return;
        };
        let (right, expected) = match by {
            By::Alert(key) => (*withheld == Suppression::Cause(key.clone()), key.to_string()),
            By::Maintenance => (
                matches!(withheld, Suppression::Maintenance(_)),
                "maintenance".to_owned(),
            ),
        };
        if !right {
            let message = format!(
                "expected {} suppressed by {expected}; it is {}",
                named.key,
                told(alert)
            );
            self.miss(named.line, message);
        }
    }

    fn has(&mut self, texts: &Texts, what: &str, of: impl Fn(&Alert) -> &BTreeMap<String, String>) {
        let Some(alert) = self.machine.alert(&texts.of.key) else {
            let message = format!("expected {} with {what}s; it is {}", texts.of.key, told(None));
            return self.miss(texts.of.line, message);
        };
        let there = of(alert).clone();
        for (name, (expected, line)) in &texts.texts {
            let seen = there.get(name);
            if seen != Some(expected) {
                let seen = seen.map_or_else(|| "absent".to_owned(), |seen| format!("{seen:?}"));
                let of = &texts.of.key;
                self.miss(
                    *line,
                    format!("expected {what} {name} of {of} {expected:?}; it is {seen}"),
                );
            }
        }
    }

    fn miss(&mut self, line: usize, message: String) {
        let at = self.now;
        self.missed.push(Missed { line, at, message });
    }
}

fn wall(time: Duration) -> Wall {
    Wall(i64::try_from(time.as_millis()).unwrap_or(i64::MAX))
}

/// Where an alert stands, since when, and why.
fn told(alert: Option<&Alert>) -> String {
    let Some(alert) = alert else {
        return "inactive".to_owned();
    };
    let since = |wall: Wall| written(Duration::from_millis(u64::try_from(wall.0).unwrap_or(0)));
    match (alert.state, &alert.suppression) {
        (AlertState::Pending, _) => format!("pending since {}", since(alert.since)),
        (AlertState::Suppressed, Some(by)) => format!("suppressed ({by})"),
        (AlertState::Suppressed, None) => "suppressed".to_owned(),
        (AlertState::Firing, _) => format!("firing since {}", since(alert.fired.unwrap_or(alert.since))),
        (AlertState::Resolved, _) => {
            format!("resolved since {}", since(alert.resolved.unwrap_or(alert.since)))
        }
    }
}
