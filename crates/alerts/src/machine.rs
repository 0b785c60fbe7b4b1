//! The machine: what is seen goes in, alerts that changed come out.

use std::collections::BTreeMap;

use ward_model::{Acknowledgement, Alert, AlertKey, Name, Wall};

use crate::{
    facts::{Facts, ServiceFacts, SystemFacts},
    rule::RuleSet,
};

/// What the machine is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Something is as it is from now on.
    Facts(Facts),
    /// The signals of a service, all of them; the rest of it stays.
    Signals(Name, BTreeMap<Name, f64>),
    /// Somebody works on it. Takes the place of what was said of the same service before.
    Acknowledged(Acknowledgement),
    /// And does no more.
    Unacknowledged(Option<Name>),
}

/// See the module.
#[derive(Debug)]
pub struct Machine {
    rules: RuleSet,
    services: BTreeMap<Name, ServiceFacts>,
    system: Option<SystemFacts>,
    alerts: BTreeMap<AlertKey, Alert>,
    acknowledged: BTreeMap<Option<Name>, Acknowledgement>,
}

impl Machine {
    /// One that knows nothing yet.
    pub fn new(rules: RuleSet) -> Self {
        Self {
            rules,
            services: BTreeMap::new(),
            system: None,
            alerts: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
        }
    }

    /// Goes on from what was kept: alerts that were not inactive, and acknowledgements. To be told before anything is seen.
    /// What was pending goes on where it was when somebody last watched, once it is heard of again; what fired fires on, as
    /// the same alert, until there is evidence that it does not.
    pub fn restore(&mut self, alerts: Vec<Alert>, acknowledged: Vec<Acknowledgement>) {
        self.alerts = alerts
            .into_iter()
            .map(|alert| (alert.key.clone(), alert))
            .collect();
        self.acknowledged = acknowledged
            .into_iter()
            .map(|ack| (ack.service.clone(), ack))
            .collect();
    }

    /// Other rules are in force from the next step on. Alerts of rules that are no more are resolved then.
    pub fn replace_rules(&mut self, rules: RuleSet) {
        self.rules = rules;
    }

    /// Takes in what was seen since the step before, and judges. `now` must not run backwards. Returns each alert that became
    /// another or says something else, as it is now, causes before what they explain; one that was pending or suppressed and
    /// ended is returned as resolved, without `fired`, for the last time.
    pub fn step(&mut self, now: Wall, seen: Vec<Seen>) -> Vec<Alert> {
        let _ = (now, seen, &self.rules, &self.services, &self.system);
        Vec::new()
    }

    /// All that are not inactive, resolved ones for fifteen minutes.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values()
    }

    /// When time alone changes something next; what is seen may change it before.
    pub fn next_due(&self) -> Option<Wall> {
        None
    }
}
