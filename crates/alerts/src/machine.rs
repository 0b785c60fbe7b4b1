//! The machine: what is seen goes in, alerts that changed come out.
//!
//! Each step has two halves. First every alert whose facts changed or whose time has come is judged by itself
//! ([`judge`], [`entry`]); then those that are about to fire, and those that were withheld by something that changed, are
//! decided, causes before what they explain ([`withhold`]). With one half only, whether a page is withheld would depend on which
//! of two services comes first in the alphabet.
//!
//! What nothing happened to costs nothing: there is no loop over all services. With the shipped rules and 10,000 services, a step
//! in which 100 changed takes 1 ms and one in which nothing was seen some microseconds; 1,000 that send another value of a
//! signal take 20 ms, and a fleet that falls ill at once 0.8 s (`cargo test -p ward-alerts --test pace -- --nocapture`). Within a step the last word about a
//! thing counts: what flickers faster than steps follow each other is not seen.

mod book;
mod entry;
mod judge;
mod known;
mod restart;
#[cfg(test)]
mod tests;
mod waiting;
mod watch;
mod withhold;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use ward_model::{Acknowledgement, Alert, AlertKey, AlertState, Name, RuleName, Wall};

use self::{
    book::Book,
    known::{Known, News},
    waiting::Waiting,
    watch::{Watch, is_about},
};
use crate::{
    facts::{Facts, ServiceFacts, SystemFacts},
    rule::RuleSet,
};

/// How long a resolved alert is kept: Prometheus's value, so that its receivers hear of the resolution more than once.
pub(crate) const RESOLVED_KEPT: Duration = Duration::from_secs(15 * 60);
/// How long an alert fires on although what it asks for is not there, or nothing was heard of its service since a start. Longer
/// than a restart of anything takes; not for ever, because nobody would ever resolve the alert of what was switched off.
pub(crate) const ABSENCE: Duration = Duration::from_secs(15 * 60);

/// What the machine is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// Something is as it is from now on; of a service that includes its signals.
    Facts(Facts),
    /// The signals of a service, all of them; the rest of it stays.
    Signals(Name, BTreeMap<Name, f64>),
    /// Somebody works on it. Takes the place of what was said of the same service before.
    Acknowledged(Acknowledgement),
    /// And does no more.
    Unacknowledged(Option<Name>),
}

/// See the module.
#[derive(Debug, Default)]
pub struct Machine {
    rules: RuleSet,
    watches: BTreeMap<RuleName, Watch>,
    /// Rules that are other than they were, since the step before.
    changed_rules: BTreeSet<RuleName>,
    known: Known,
    book: Book,
    waiting: Waiting,
    /// Alerts that would fire, and are held back.
    held: BTreeSet<AlertKey>,
    /// At most one for each service that has alerts that fire.
    acknowledged: BTreeMap<Option<Name>, Acknowledgement>,
    /// The last step.
    now: Option<Wall>,
    restored: bool,
    judged: u64,
}

/// What a step has to do, and what was before it.
#[derive(Debug)]
struct Step {
    now: Wall,
    judge: BTreeSet<AlertKey>,
    /// Services that all rules are judged of: they came, or went.
    judge_all: BTreeSet<Name>,
    /// Who has suspects, or who needs them, is another.
    suspects: bool,
    decide: BTreeSet<AlertKey>,
    before: BTreeMap<AlertKey, Option<Arc<Alert>>>,
    /// Whose acknowledgement may have changed.
    acknowledged: BTreeSet<Option<Name>>,
}

impl Step {
    fn new(now: Wall) -> Self {
        Self {
            now,
            judge: BTreeSet::new(),
            judge_all: BTreeSet::new(),
            suspects: false,
            decide: BTreeSet::new(),
            before: BTreeMap::new(),
            acknowledged: BTreeSet::new(),
        }
    }

    /// To be called before an alert is changed.
    fn remember(&mut self, key: &AlertKey, book: &Book) {
        if !self.before.contains_key(key) {
            let before = book.get(key).map(|entry| entry.alert.clone());
            self.before.insert(key.clone(), before);
        }
    }
}

impl Machine {
    /// One that knows nothing yet.
    pub fn new(rules: RuleSet) -> Self {
        let mut machine = Self::default();
        machine.replace_rules(rules);
        machine.changed_rules.clear();
        machine
    }

    /// Other rules are in force from the next step on. Alerts of rules that are no more are resolved then; those of rules that
    /// are others now keep their labels until they are resolved, and go by the new condition.
    pub fn replace_rules(&mut self, rules: RuleSet) {
        let before = std::mem::replace(&mut self.rules, rules);
        let named = |rule: &crate::rule::Rule| rule.spec().name.clone();
        for name in before.iter().chain(self.rules.iter()).map(named) {
            let spec = |rules: &RuleSet| rules.get(&name).map(|rule| rule.spec().clone());
            if spec(&before) != spec(&self.rules) {
                self.changed_rules.insert(name);
            }
        }
        let watches = self.rules.iter().map(|rule| (named(rule), Watch::new(rule)));
        self.watches = watches.collect();
    }

    /// Takes in what was seen since the step before, and judges. `now` must not run backwards. Returns each alert that became
    /// another or says something else, as it is now, causes before what they explain, and the system last. One that is no more
    /// is returned as resolved without `fired`, for the last time: it was pending or suppressed, and ended, or it was resolved
    /// fifteen minutes ago.
    pub fn step(&mut self, now: Wall, seen: Vec<Seen>) -> Vec<Arc<Alert>> {
        let now = self.now.map_or(now, |before| before.max(now));
        let rules = self.rules.clone();
        let mut step = Step::new(now);
        self.go_on_after_restart(&seen, &mut step);
        for seen in seen {
            self.take_in(seen, &rules, &mut step);
        }
        self.take_in_rules(&mut step);
        self.take_in_suspects(&mut step);
        step.judge.extend(self.waiting.take(now));
        self.judge_step(&rules, &mut step);
        self.decide_all(&rules, &mut step);
        for key in self.book.may_have_room() {
            self.waiting.set(&key, Some(now));
        }
        self.acknowledge(&mut step);
        self.now = Some(now);
        self.changed(step)
    }

    /// All that are not inactive, resolved ones for fifteen minutes.
    pub fn alerts(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.book.all().map(|entry| &entry.alert)
    }

    /// One of them.
    pub fn alert(&self, key: &AlertKey) -> Option<&Alert> {
        self.book.get(key).map(|entry| &*entry.alert)
    }

    /// A service as it was told last.
    pub fn service(&self, name: &Name) -> Option<&ServiceFacts> {
        self.known.service(name)
    }

    /// Those that have not ended: an acknowledgement ends with the last of its alerts.
    pub fn acknowledgements(&self) -> impl Iterator<Item = &Acknowledgement> {
        self.acknowledged.values()
    }

    /// Conditions that hold and have no alert, because there are too many. As soon as there is room, they have one.
    pub fn beyond(&self) -> usize {
        self.book.beyond()
    }

    /// How many conditions were judged so far.
    pub fn judged(&self) -> u64 {
        self.judged
    }

    /// When time alone changes something next; what is seen may change it before.
    pub fn next_due(&self) -> Option<Wall> {
        let at_once = self.now.filter(|_| !self.changed_rules.is_empty());
        let acknowledged = self.acknowledged.values().map(|acknowledged| acknowledged.end);
        let due = acknowledged.chain(self.waiting.next()).chain(at_once);
        due.min()
    }

    fn take_in(&mut self, seen: Seen, rules: &RuleSet, step: &mut Step) {
        match seen {
            Seen::Facts(Facts::Service(name, facts)) => {
                let news = self.known.take_in(&name, Some(facts));
                self.notice(&name, news, rules, step);
            }
            Seen::Facts(Facts::Gone(name)) => {
                let news = self.known.take_in(&name, None);
                for key in self.book.keys_about(&Some(name.clone())) {
                    self.hear_of(&key, step);
                }
                self.notice(&name, news, rules, step);
            }
            Seen::Facts(Facts::System(facts)) => self.take_in_system(*facts, rules, step),
            Seen::Facts(Facts::Started { last_alive }) => self.restart(last_alive, step),
            Seen::Signals(name, signals) => {
                let news = self.known.measured(&name, signals);
                self.notice(&name, news, rules, step);
            }
            Seen::Acknowledged(acknowledged) => {
                step.acknowledged.insert(acknowledged.service.clone());
                self.acknowledged
                    .insert(acknowledged.service.clone(), acknowledged);
            }
            Seen::Unacknowledged(service) => {
                self.acknowledged.remove(&service);
                step.acknowledged.insert(service);
            }
        }
    }

    /// A service is another: who is to be judged and decided.
    fn notice(&mut self, name: &Name, news: News, rules: &RuleSet, step: &mut Step) {
        if !news.any() {
            return;
        }
        let service = Some(name.clone());
        if news.existence {
            step.judge_all.insert(name.clone());
        }
        for rule in rules.iter().filter(|_| !news.existence) {
            let spec = rule.spec();
            let watch = self.watches.get(&spec.name).copied().unwrap_or_default();
            let measured = !news.signals.is_empty() && rule.signals().any(|it| news.signals.contains(it));
            let asks = measured || (news.facts && watch.facts);
            if asks && is_about(spec, Some(name)) {
                step.judge.insert(AlertKey {
                    service: service.clone(),
                    rule: spec.name.clone(),
                });
            }
        }
        step.judge.extend(self.book.keys_about(&service));
        step.suspects |= news.suspects;
        if news.maintenance {
            step.decide.extend(self.book.suppressed_by(name).cloned());
        }
    }

    fn take_in_system(&mut self, facts: SystemFacts, rules: &RuleSet, step: &mut Step) {
        let settling = self.known.is_settling();
        if !self.known.take_in_system(facts) {
            return;
        }
        let about_system = rules.iter().filter(|rule| rule.spec().about_system);
        step.judge.extend(about_system.map(|rule| AlertKey {
            service: None,
            rule: rule.spec().name.clone(),
        }));
        step.judge.extend(self.book.keys_about(&None));
        if settling != self.known.is_settling() {
            // What is Unknown means something else from here on.
            let judging = rules
                .iter()
                .filter(|rule| rule.spec().unknown == crate::rule::Unknown::Judge);
            for rule in judging.map(|rule| rule.spec().name.clone()) {
                self.judge_everywhere(&rule, step);
            }
        }
    }

    fn take_in_rules(&mut self, step: &mut Step) {
        for rule in std::mem::take(&mut self.changed_rules) {
            self.judge_everywhere(&rule, step);
        }
    }

    /// Once in a step, however many became suspect in it.
    fn take_in_suspects(&mut self, step: &mut Step) {
        if !step.suspects {
            return;
        }
        step.judge.extend(self.held.iter().cloned());
        let asking = self.watches.iter().filter(|(_, watch)| watch.dependencies);
        for rule in asking.map(|(rule, _)| rule.clone()).collect::<Vec<_>>() {
            self.judge_everywhere(&rule, step);
        }
    }

    fn judge_step(&mut self, rules: &RuleSet, step: &mut Step) {
        for name in std::mem::take(&mut step.judge_all) {
            let service = Some(name);
            for rule in rules
                .iter()
                .filter(|rule| is_about(rule.spec(), service.as_ref()))
            {
                let key = AlertKey {
                    service: service.clone(),
                    rule: rule.spec().name.clone(),
                };
                step.judge.remove(&key);
                self.judge(rules, &key, step);
            }
        }
        for key in std::mem::take(&mut step.judge) {
            self.judge(rules, &key, step);
        }
    }

    fn judge_everywhere(&self, rule: &RuleName, step: &mut Step) {
        let services = self.known.services().cloned().map(Some).chain([None]);
        step.judge.extend(services.map(|service| AlertKey {
            service,
            rule: rule.clone(),
        }));
        for entry in self.book.all().filter(|entry| entry.alert.key.rule == *rule) {
            step.judge.insert(entry.alert.key.clone());
            if let Some(service) = &entry.alert.key.service {
                step.decide.extend(self.book.suppressed_by(service).cloned());
            }
        }
    }

    /// Acknowledgements begin, and end with the last of their alerts.
    fn acknowledge(&mut self, step: &mut Step) {
        let services = self.acknowledged.keys().cloned();
        step.acknowledged.extend(services);
        let (book, now) = (&self.book, step.now);
        let covers_any = |acknowledged: &Acknowledgement| {
            book.about(&acknowledged.service)
                .any(|entry| entry.alert.state == AlertState::Firing && acknowledged.covers(&entry.alert.key))
        };
        self.acknowledged
            .retain(|_, acknowledged| now < acknowledged.end && covers_any(acknowledged));
        for service in std::mem::take(&mut step.acknowledged) {
            for key in self.book.keys_about(&service) {
                step.remember(&key, &self.book);
                let by = self
                    .acknowledged
                    .get(&service)
                    .filter(|by| by.covers(&key))
                    .cloned();
                if let Some(entry) = self.book.get_mut(&key) {
                    let by = by.filter(|_| entry.alert.state == AlertState::Firing);
                    // What stays as it is stays shared with who was shown it.
                    if entry.alert.acknowledged != by {
                        entry.alert_mut().acknowledged = by;
                    }
                }
            }
        }
    }

    /// What is to be told of a step.
    fn changed(&self, step: Step) -> Vec<Arc<Alert>> {
        let mut changed = Vec::new();
        for (key, before) in step.before {
            match (before, self.book.get(&key).map(|entry| &entry.alert)) {
                (Some(before), Some(now)) if before == *now => {}
                (_, Some(now)) => changed.push(now.clone()),
                (Some(before), None) => changed.push(Arc::new(Alert {
                    state: AlertState::Resolved,
                    resolved: before.resolved.or(Some(step.now)),
                    fired: None,
                    suppression: None,
                    unknown_since: None,
                    ..Arc::unwrap_or_clone(before)
                })),
                (None, None) => {}
            }
        }
        changed.sort_by_cached_key(|alert| {
            (
                withhold::rank(alert.key.service.as_ref(), &alert.causes),
                alert.key.clone(),
            )
        });
        changed
    }
}
