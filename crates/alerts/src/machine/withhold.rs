//! The second half of a step: of those that are about to fire, who is withheld, and why.
//!
//! Creation is suppressed, never resolution: what fires already is not looked at here.

use std::{cmp::Reverse, time::Duration};

use ward_model::{AlertKey, AlertState, Name, Status, Suppression, Wall, bounds::CAUSES};

use super::{Machine, Step, entry::Entry, judge::labels, waiting::after, watch::is_about};
use crate::rule::{Rule, RuleSet, RuleSpec};

/// For how long a status has to hold by itself once the alert of its cause is resolved: causes recover before what they explain,
/// and a dependent that is well some seconds later is no second page.
const CALM: Duration = Duration::from_secs(30);
/// How far off an alert may be that others hide behind: this, or twice what the other waits for by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// Those that explain themselves come first, then those that are explained by others, then the system. Two ranks of services are
/// enough: root causes are their own causes, so that none of them is explained by another.
pub(super) fn rank(service: Option<&Name>, causes: &[Name]) -> u8 {
    match service {
        Some(service) if causes.is_empty() || causes.contains(service) => 0,
        Some(_) => 1,
        None => 2,
    }
}

impl Machine {
    /// Decides until nobody is left who was withheld by something that changed. It ends: within a step an alert is withheld
    /// once and fires once at most, and who fires is not decided again.
    pub(super) fn decide_all(&mut self, rules: &RuleSet, step: &mut Step) {
        while !step.decide.is_empty() {
            let mut keys: Vec<_> = std::mem::take(&mut step.decide).into_iter().collect();
            keys.sort_by_cached_key(|key| {
                let alert = self.alert(key);
                let causes = alert.map_or(&[][..], |alert| &alert.causes);
                let rule = rules.get(&key.rule);
                // A status explains signals, and a signal those that are less urgent.
                let explained = rule.is_some_and(|rule| !rule.mentions_status());
                let severity = Reverse(rule.map(|rule| rule.spec().severity));
                (rank(key.service.as_ref(), causes), explained, severity)
            });
            for key in keys {
                if let Some(rule) = rules.get(&key.rule) {
                    self.decide(rules, rule, &key, step);
                }
            }
        }
    }

    fn decide(&mut self, rules: &RuleSet, rule: &Rule, key: &AlertKey, step: &mut Step) {
        let Some(alert) = self.alert(key).filter(|alert| alert.unknown_since.is_none()) else {
            return;
        };
        let for_ = rule.spec().for_;
        match alert.state {
            AlertState::Suppressed => {}
            AlertState::Pending if after(alert.since, for_) <= step.now => {}
            _ => return,
        }
        let before = self.standing(key);
        let suppression = self.suppression(rules, rule, key, step.now);
        let calm = self.calm(rules, rule, key).filter(|_| suppression.is_none());
        step.remember(key, &self.book);
        let labels = labels(rule.spec(), &self.known, key.service.as_ref());
        let Some(entry) = self.book.get_mut(key) else {
            return;
        };
        let alert = entry.alert_mut();
        alert.labels = labels;
        alert.state = match (&suppression, calm) {
            (Some(_), _) => AlertState::Suppressed,
            (None, Some(calm)) => {
                alert.since = before_by(after(step.now, calm), for_);
                AlertState::Pending
            }
            (None, None) => AlertState::Firing,
        };
        alert.fired = (alert.state == AlertState::Firing).then_some(step.now);
        alert.suppression = suppression;
        self.reschedule(Some(rule), key, step.now);
        self.tell_explained(key, before, step);
    }

    /// For how long an alert has to hold again that is withheld no more, because what withheld it was resolved. What is left of
    /// the same trouble then is over soon: a signal is as old as its last sample, and a dependent recovers after its cause.
    /// What was told before it ended is asked only: behind what comes and goes without ever having fired, nobody waits twice.
    fn calm(&self, rules: &RuleSet, rule: &Rule, key: &AlertKey) -> Option<Duration> {
        let Some(Suppression::Cause(by)) = self.alert(key)?.suppression.as_ref() else {
            return None;
        };
        let resolved = self.alert(by)?.state == AlertState::Resolved;
        let is_switched_on = |other: &Rule| is_about(other.spec(), by.service.as_ref());
        let for_ = rule.spec().for_;
        let calm = match rule.mentions_status() {
            true => for_.min(CALM),
            false => for_,
        };
        (resolved && !calm.is_zero() && rules.get(&by.rule).is_some_and(is_switched_on)).then_some(calm)
    }

    fn suppression(&self, rules: &RuleSet, rule: &Rule, key: &AlertKey, now: Wall) -> Option<Suppression> {
        let service = key.service.as_ref();
        let causes = self.known.causes(service);
        let in_maintenance = |name: &Name| self.known.in_maintenance(name);
        if let Some(service) = service.filter(|service| in_maintenance(service)) {
            return Some(Suppression::Maintenance(vec![service.clone()]));
        }
        let spec = rule.spec();
        let may_be_explained = spec.suppression || (service.is_some() && rule.mentions_status());
        // Of a list that is full nobody knows what else would be in it.
        let all_known = (1..CAUSES).contains(&causes.len());
        if may_be_explained && all_known && causes.iter().all(in_maintenance) {
            return Some(Suppression::Maintenance(causes.to_vec()));
        }
        if !spec.suppression {
            return None;
        }
        let own = service.filter(|_| !rule.mentions_status());
        let causes = if self.is_explained(rule, service) {
            causes
        } else {
            &[]
        };
        let by = own
            .into_iter()
            .chain(causes)
            .find_map(|cause| self.alert_of(cause, rules, spec, key, now))?;
        Some(Suppression::Cause(by))
    }

    /// Whether the causes of a service explain what a rule says about it. A status that is its own cause is what is to be told.
    /// A signal is evidence of the status of its service, and explained by others only if that is bad because of them alone.
    fn is_explained(&self, rule: &Rule, service: Option<&Name>) -> bool {
        let Some(service) = service else {
            return true;
        };
        let Some(facts) = self.known.service(service) else {
            return false;
        };
        let by_others = !facts.causes.contains(service);
        by_others && (rule.mentions_status() || facts.status == Status::Unhealthy)
    }

    /// The alert of a cause that suppresses one of a rule: one that fires rather than one that is pending, and the most urgent.
    /// A signal is suppressed by the status of its own service, and by a more urgent signal of it.
    fn alert_of(
        &self,
        cause: &Name,
        rules: &RuleSet,
        spec: &RuleSpec,
        key: &AlertKey,
        now: Wall,
    ) -> Option<AlertKey> {
        let patience = after(now, PATIENCE.max(spec.for_.saturating_mul(2)));
        let suppresses = |entry: &&Entry| {
            let alert = &entry.alert;
            let other = rules.get(&alert.key.rule);
            let Some(other) = other.filter(|other| other.spec().suppression) else {
                return false;
            };
            // One that is pending while nobody can know would never come to fire, and one that waits for hours not in time:
            // nothing may hide behind them.
            let soon = after(alert.since, other.spec().for_) <= patience;
            let told = match alert.state {
                AlertState::Firing => true,
                AlertState::Pending => alert.unknown_since.is_none() && soon,
                AlertState::Suppressed | AlertState::Resolved => false,
            };
            let is_own = key.service.as_ref() == Some(cause);
            let weighs_more = match is_own && !other.mentions_status() {
                true => alert.severity > spec.severity,
                false => alert.severity >= spec.severity,
            };
            told && alert.key != *key && weighs_more
        };
        let cause = Some(cause.clone());
        let best = self.book.about(&cause).filter(suppresses).max_by_key(|entry| {
            let alert = &entry.alert;
            (alert.state, alert.severity, Reverse(alert.key.rule.clone()))
        });
        best.map(|entry| entry.alert.key.clone())
    }
}

/// `duration` before `at`.
fn before_by(at: Wall, duration: Duration) -> Wall {
    Wall(at.0.saturating_sub(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
}
