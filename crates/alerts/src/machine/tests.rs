//! The machine by example.

use std::{collections::BTreeMap, time::Duration};

use ward_model::{
    Acknowledgement, Alert, AlertKey, AlertState, Name, RuleName, Severity, Status, Suppression, Wall,
};

use super::{Machine, Seen};
use crate::{
    facts::{Facts, ServiceFacts, SystemFacts},
    rule::{Rule, RuleSet, RuleSpec, Unknown},
};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn key(service: &str, rule: &str) -> AlertKey {
    AlertKey {
        service: (service != "system").then(|| name(service)),
        rule: RuleName::new(rule).unwrap(),
    }
}

fn spec(name: &str, expr: &str, for_: u64) -> RuleSpec {
    RuleSpec {
        name: RuleName::new(name).unwrap(),
        about_system: false,
        services: Vec::new(),
        expr: expr.into(),
        hold: None,
        for_: Duration::from_secs(for_),
        keep_firing_for: Duration::ZERO,
        severity: Severity::Critical,
        unknown: Unknown::Keep,
        suppression: false,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}

/// `Down`: unhealthy for 30 s, with suppression.
fn down() -> RuleSpec {
    RuleSpec {
        suppression: true,
        ..spec("Down", "status == 'unhealthy'", 30)
    }
}

fn rules(specs: impl IntoIterator<Item = RuleSpec>) -> RuleSet {
    specs
        .into_iter()
        .map(|spec| Rule::compile(spec).unwrap())
        .collect()
}

fn facts(status: Status, causes: &[&str]) -> ServiceFacts {
    ServiceFacts {
        status,
        causes: causes.iter().map(|cause| name(cause)).collect(),
        ..ServiceFacts::default()
    }
}

/// A machine, and what its steps said, as lines.
struct Bench {
    machine: Machine,
    rules: RuleSet,
    seen: Vec<Seen>,
}

impl Bench {
    fn new(specs: impl IntoIterator<Item = RuleSpec>) -> Self {
        let rules = rules(specs);
        Self {
            machine: Machine::new(rules.clone()),
            rules,
            seen: Vec::new(),
        }
    }

    fn see(&mut self, service: &str, facts: ServiceFacts) -> &mut Self {
        let facts = Facts::Service(name(service), Box::new(facts));
        self.seen.push(Seen::Facts(facts));
        self
    }

    fn is(&mut self, service: &str, status: Status, causes: &[&str]) -> &mut Self {
        self.see(service, facts(status, causes))
    }

    fn tell(&mut self, seen: Seen) -> &mut Self {
        self.seen.push(seen);
        self
    }

    /// Steps at `second`, and says what changed.
    fn at(&mut self, second: i64) -> Vec<String> {
        let seen = std::mem::take(&mut self.seen);
        self.machine
            .step(Wall(second * 1_000), seen)
            .iter()
            .map(line)
            .collect()
    }

    fn alert(&self, service: &str, rule: &str) -> &Alert {
        self.machine.alert(&key(service, rule)).unwrap()
    }

    /// As if the aggregator had been away since `last_alive`.
    fn restart(&mut self, last_alive: Option<i64>) {
        let kept: Vec<_> = self.machine.alerts().cloned().collect();
        let kept = serde_json::to_string(&kept).unwrap();
        let acknowledged = self.machine.acknowledgements().cloned().collect();
        self.machine = Machine::new(self.rules.clone());
        self.machine
            .restore(serde_json::from_str(&kept).unwrap(), acknowledged);
        let last_alive = last_alive.map(|second| Wall(second * 1_000));
        self.tell(Seen::Facts(Facts::Started { last_alive }));
    }
}

fn line(alert: &Alert) -> String {
    let ended = alert.state == AlertState::Resolved && alert.fired.is_none();
    let state = if ended { "over" } else { alert.state.as_str() };
    let why = match &alert.suppression {
        Some(Suppression::Cause(by)) => format!(" by {by}"),
        Some(Suppression::Maintenance(of)) => format!(" by maintenance of {of:?}"),
        None => String::new(),
    };
    format!("{} {state}{why}", alert.key)
}

const NOTHING: [&str; 0] = [];
use Status::{Degraded, Healthy, Unhealthy, Unknown as Unseen};

#[test]
fn one_page_names_the_cause() {
    let mut bench = Bench::new([down()]);
    bench.is("bank", Unhealthy, &["bank"]);
    bench.is("atm", Unhealthy, &["bank"]);
    assert_eq!(bench.at(0), ["bank/Down pending", "atm/Down pending"]);
    assert_eq!(bench.at(29), NOTHING);
    assert_eq!(bench.machine.next_due(), Some(Wall(30_000)));
    assert_eq!(
        bench.at(30),
        ["bank/Down firing", "atm/Down suppressed by bank/Down"]
    );
    let labels = &bench.alert("bank", "Down").labels;
    assert_eq!(labels["root_cause"], "bank");
    assert_eq!(labels["criticality"], "important");
    bench.is("bank", Healthy, &[]).is("atm", Healthy, &[]);
    assert_eq!(bench.at(40), ["bank/Down resolved", "atm/Down over"]);
    assert_eq!(bench.at(40 + 15 * 60), ["bank/Down over"]);
    assert_eq!(bench.machine.next_due(), None);
}
