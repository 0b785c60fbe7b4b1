//! The second half of a step: of those that are about to fire, who is withheld, and why.
//!
//! Creation is suppressed, never resolution: what fires already is not looked at here.

use std::cmp::Reverse;

use ward_model::{AlertKey, AlertState, Name, Suppression};

use super::{Machine, Step, entry::Entry, judge::labels};
use crate::rule::{Rule, RuleSet};

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
                let causes = self.alert(key).map_or(&[][..], |alert| &alert.causes);
                rank(key.service.as_ref(), causes)
            });
            for key in keys {
                if let Some(rule) = rules.get(&key.rule) {
                    self.decide(rules, rule, &key, step);
                }
            }
        }
    }

    fn decide(&mut self, rules: &RuleSet, rule: &Rule, key: &AlertKey, step: &mut Step) {
        let before = self.standing(key);
        let Some((AlertState::Pending | AlertState::Suppressed, false)) = before else {
            return;
        };
        let suppression = self.suppression(rules, rule, key);
        step.remember(key, &self.book);
        let labels = labels(rule.spec(), &self.known, key.service.as_ref());
        let Some(entry) = self.book.get_mut(key) else {
            return;
        };
        let alert = &mut entry.alert;
        alert.labels = labels;
        alert.state = match suppression {
            Some(_) => AlertState::Suppressed,
            None => AlertState::Firing,
        };
        alert.fired = suppression.is_none().then_some(step.now);
        alert.suppression = suppression;
        self.reschedule(Some(rule), key, step.now);
        self.tell_explained(key, before, step);
    }

    fn suppression(&self, rules: &RuleSet, rule: &Rule, key: &AlertKey) -> Option<Suppression> {
        let service = key.service.as_ref();
        let causes = self.known.causes(service);
        let in_maintenance = |name: &Name| self.known.in_maintenance(name);
        if let Some(service) = service.filter(|service| in_maintenance(service)) {
            return Some(Suppression::Maintenance(vec![service.clone()]));
        }
        let may_be_explained = service.is_some() || rule.spec().suppression;
        if may_be_explained && !causes.is_empty() && causes.iter().all(in_maintenance) {
            return Some(Suppression::Maintenance(causes.to_vec()));
        }
        if !rule.spec().suppression {
            return None;
        }
        // A status that is its own cause is what is to be told; a signal is evidence of that status.
        let own = service.filter(|_| !rule.mentions_status());
        if own.is_none() && service.is_some_and(|service| causes.contains(service)) {
            return None;
        }
        let by = own
            .into_iter()
            .chain(causes)
            .find_map(|cause| self.alert_of(cause, rules, rule, key))?;
        Some(Suppression::Cause(by))
    }

    /// The alert of a cause that suppresses one of a rule: one that fires rather than one that is pending, and the most urgent.
    /// A signal is suppressed by the status of its own service, and by a more urgent signal of it.
    fn alert_of(&self, cause: &Name, rules: &RuleSet, rule: &Rule, key: &AlertKey) -> Option<AlertKey> {
        let suppresses = |entry: &&Entry| {
            let alert = &entry.alert;
            // One that is pending while nobody can know would never come to fire: nothing may hide behind it.
            let told = match alert.state {
                AlertState::Firing => true,
                AlertState::Pending => alert.unknown_since.is_none(),
                AlertState::Suppressed | AlertState::Resolved => false,
            };
            let Some(other) = rules
                .get(&alert.key.rule)
                .filter(|other| other.spec().suppression)
            else {
                return false;
            };
            let is_own = key.service.as_ref() == Some(cause);
            let weighs_more = match is_own && !other.mentions_status() {
                true => alert.severity > rule.spec().severity,
                false => alert.severity >= rule.spec().severity,
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
