//! The first half of a step: one alert by itself. Does its condition hold, and for how long?

use std::collections::BTreeMap;

use ward_model::{Alert, AlertKey, AlertState, Name, Wall};

use super::{
    Machine, Step,
    entry::{Fate, Verdict},
    known::Known,
    waiting::after,
    watch::{again, is_about, longest_hold},
};
use crate::{
    expression::Truth,
    rule::{Rule, RuleSet, RuleSpec},
};

/// What is said of an alert that is only pending.
const SUMMARY: &str = "summary";
/// How often a condition is asked that holds an alert back; and nothing is looked at more often.
const ONE_SECOND: i64 = 1_000;

impl Machine {
    pub(super) fn judge(&mut self, rules: &RuleSet, key: &AlertKey, step: &mut Step) {
        let verdict = self.verdict(rules, key, step.now);
        let rule = rules.get(&key.rule);
        // Most rules do not hold of most services: nothing is remembered of those.
        if verdict == Verdict::Holds || self.alert(key).is_some() {
            step.remember(key, &self.book);
        }
        self.held.remove(key);
        let before = self.standing(key);
        let keep_firing_for = rule.map(|rule| rule.spec().keep_firing_for);
        self.book.note(key, false);
        let fate = self
            .book
            .get_mut(key)
            .map(|entry| entry.turn(verdict, keep_firing_for.unwrap_or_default(), step.now));
        self.book.note(key, true);
        match (fate, rule) {
            (Some(Fate::Ends), _) => self.book.remove(key),
            (None | Some(Fate::BeginsAnew), Some(rule)) if verdict == Verdict::Holds => {
                self.begin(rule.spec(), key, step);
            }
            _ => {}
        }
        self.explain(key);
        if let (Verdict::Holds, Some(rule)) = (verdict, rule) {
            self.refresh(rule, key, step);
        } else {
            self.book.wants_no_room(key);
        }
        self.reschedule(rule, key, step.now);
        self.tell_explained(key, before, step);
    }

    /// What others look at in an alert.
    pub(super) fn standing(&self, key: &AlertKey) -> Option<(AlertState, bool)> {
        let alert = self.alert(key)?;
        Some((alert.state, alert.unknown_since.is_some()))
    }

    /// Those that an alert explains are decided anew when it became another.
    pub(super) fn tell_explained(&self, key: &AlertKey, before: Option<(AlertState, bool)>, step: &mut Step) {
        if let Some(service) = key.service.as_ref().filter(|_| before != self.standing(key)) {
            step.decide.extend(self.book.suppressed_by(service).cloned());
        }
    }

    fn verdict(&mut self, rules: &RuleSet, key: &AlertKey, now: Wall) -> Verdict {
        let service = key.service.as_ref();
        let rule = rules.get(&key.rule);
        let Some(rule) = rule.filter(|rule| is_about(rule.spec(), service)) else {
            return Verdict::Gone;
        };
        let watch = self.watches.get(&key.rule).copied().unwrap_or_default();
        let awaited = self.book.get(key).is_some_and(|entry| entry.is_awaited(now));
        let Some(subject) = self.known.subject(service, watch.dependencies) else {
            return if awaited {
                Verdict::Unknowable
            } else {
                Verdict::Gone
            };
        };
        if self.known.is_unknowable(service, watch, rule.spec()) {
            return Verdict::Unknowable;
        }
        self.judged += 1;
        match rule.judge(subject, now) {
            Truth::True => Verdict::Holds,
            Truth::False => Verdict::Not,
            Truth::Absent if awaited => Verdict::Unknowable,
            Truth::Absent => Verdict::Absent,
        }
    }

    /// Its causes are those of now; one that is resolved keeps the last.
    fn explain(&mut self, key: &AlertKey) {
        let is_open = |alert: &Alert| alert.state != AlertState::Resolved;
        let service = key.service.as_ref();
        if self.known.since(service).is_some() && self.alert(key).is_some_and(is_open) {
            self.book.set_causes(key, self.known.causes(service));
        }
    }

    fn begin(&mut self, spec: &RuleSpec, key: &AlertKey, step: &mut Step) {
        if let Some(gives_way) = self.book.makes_room(key, spec.severity, step.now) {
            step.remember(&gives_way, &self.book);
            self.book.remove(&gives_way);
            self.waiting.set(&gives_way, None);
        }
        self.book
            .admit(Alert::pending(key.clone(), spec.severity, step.now));
    }

    /// Its condition holds: what it says is of now, and it may be about to fire.
    fn refresh(&mut self, rule: &Rule, key: &AlertKey, step: &mut Step) {
        let service = key.service.as_ref();
        let watch = self.watches.get(&key.rule).copied().unwrap_or_default();
        let subject = self.known.subject(service, watch.tells_dependencies);
        let (Some(subject), Some(entry)) = (subject, self.book.get_mut(key)) else {
            return;
        };
        let alert = entry.alert_mut();
        alert.annotations = rule.annotate(subject, step.now);
        if alert.state != AlertState::Firing {
            alert.severity = rule.spec().severity;
        }
        let (state, since) = (alert.state, alert.since);
        match state {
            AlertState::Pending if after(since, rule.spec().for_) > step.now => self.shorten(key),
            AlertState::Pending if self.is_held(rule, key, since, step.now) => {
                self.held.insert(key.clone());
                self.shorten(key);
            }
            AlertState::Pending | AlertState::Suppressed => {
                step.decide.insert(key.clone());
            }
            AlertState::Firing | AlertState::Resolved => {}
        }
    }

    /// All services may be pending at once: of what only those need who are told, nothing is kept before.
    fn shorten(&mut self, key: &AlertKey) {
        if let Some(entry) = self.book.get_mut(key) {
            let alert = entry.alert_mut();
            alert.annotations.retain(|name, _| name == SUMMARY);
            alert.labels.clear();
        }
    }

    fn is_held(&self, rule: &Rule, key: &AlertKey, since: Wall, now: Wall) -> bool {
        if rule.spec().hold.is_none() || after(since, longest_hold(rule.spec())) <= now {
            return false;
        }
        let subject = self.known.subject(key.service.as_ref(), true);
        subject.is_some_and(|subject| rule.is_held(subject, now))
    }

    /// When it is to be judged again although nothing was seen.
    pub(super) fn reschedule(&mut self, rule: Option<&Rule>, key: &AlertKey, now: Wall) {
        let spec = rule.map(Rule::spec);
        let (for_, keep) = spec.map_or_else(Default::default, |spec| (spec.for_, spec.keep_firing_for));
        let entry = self.book.get(key);
        let due = entry.and_then(|entry| entry.due(for_, keep, now));
        let soonest = Wall(now.0.saturating_add(ONE_SECOND));
        let due = due.map(|due| if due <= now { soonest } else { due });
        let watches_time = self.watches.get(&key.rule).is_some_and(|watch| watch.time);
        let since = self.known.since(key.service.as_ref()).filter(|_| watches_time);
        let again = since.map(|since| again(since, now));
        self.waiting.set(key, due.into_iter().chain(again).min());
    }
}

/// The identity of an alert that fires now.
pub(super) fn labels(spec: &RuleSpec, known: &Known, service: Option<&Name>) -> BTreeMap<String, String> {
    let mut labels = spec.labels.clone();
    let mut set = |name: &str, value: &str| labels.insert(name.to_owned(), value.to_owned());
    set("alertname", spec.name.as_str());
    set("severity", spec.severity.as_str());
    set("source", "ward");
    let causes = known.causes(service);
    let itself = service.filter(|service| causes.contains(service));
    if let Some(cause) = itself.or(causes.first()) {
        set("root_cause", cause.as_str());
    }
    // Alertmanager cannot compare two labels: without this one it could not tell the page of a cause from those of its victims.
    if itself.is_some() {
        set("is_root_cause", "true");
    }
    if let Some((service, facts)) = service.and_then(|name| Some((name, known.service(name)?))) {
        set("service", service.as_str());
        set("criticality", facts.criticality.as_str());
    }
    labels
}
