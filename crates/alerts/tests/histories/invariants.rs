//! What must be true whatever the rest of the design says.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ward_alerts::{Facts, RuleSet, Seen, ServiceFacts, Subject, Truth};
use ward_model::{Alert, AlertKey, AlertState, Name, Status, Suppression, Wall};

use super::naive::by_status;

/// What was seen of each condition and of each alert, without a gap.
#[derive(Debug, Default)]
pub(crate) struct Invariants {
    known: BTreeMap<Name, ServiceFacts>,
    settling: bool,
    /// With evidence at every step since then.
    holds_since: BTreeMap<AlertKey, i64>,
    fails_since: BTreeMap<AlertKey, i64>,
    fired: BTreeMap<AlertKey, Alert>,
    /// When each was withheld last: what is freed may have to hold again.
    withheld: BTreeMap<AlertKey, i64>,
}

impl Invariants {
    pub(crate) fn hold(
        &mut self,
        now: Wall,
        rules: &RuleSet,
        seen: &[Seen],
        alerts: &BTreeMap<AlertKey, Alert>,
        told: &[Alert],
    ) -> Result<(), TestCaseError> {
        self.take_in(seen);
        self.judge(now, rules);
        self.no_resolution_is_withheld(now, rules, alerts)?;
        let withheld = alerts.iter().filter(|(_, alert)| alert.suppression.is_some());
        self.withheld
            .extend(withheld.map(|(key, _)| (key.clone(), now.0)));
        self.no_silence_without_a_reason(now, rules, alerts)?;
        self.no_signal_is_withheld_without_a_reason(rules, alerts)?;
        self.identities_are_constant(alerts)?;
        causes_come_first(told)
    }

    fn take_in(&mut self, seen: &[Seen]) {
        for seen in seen.iter().cloned() {
            match seen {
                Seen::Facts(Facts::Started { .. }) => {
                    self.known.clear();
                    self.settling = false;
                    self.holds_since.clear();
                    self.fails_since.clear();
                }
                Seen::Facts(Facts::Service(name, facts)) => {
                    self.known.insert(name, *facts);
                }
                Seen::Facts(Facts::Gone(name)) => {
                    self.known.remove(&name);
                }
                Seen::Facts(Facts::System(facts)) => self.settling = facts.observer.settling,
                Seen::Signals(name, signals) => {
                    if let Some(facts) = self.known.get_mut(&name) {
                        facts.signals = signals;
                    }
                }
                Seen::Acknowledged(_) | Seen::Unacknowledged(_) => {}
            }
        }
    }

    /// Status rules about services whose status is known.
    fn judge(&mut self, now: Wall, rules: &RuleSet) {
        let (holds, fails) = (
            std::mem::take(&mut self.holds_since),
            std::mem::take(&mut self.fails_since),
        );
        for (name, facts) in self
            .known
            .iter()
            .filter(|(_, facts)| facts.status != Status::Unknown)
        {
            let about = rules.iter().filter(|rule| !rule.spec().about_system);
            for rule in about {
                let key = AlertKey {
                    service: Some(name.clone()),
                    rule: rule.spec().name.clone(),
                };
                if !by_status(&key) {
                    continue;
                }
                let subject = Subject::Service {
                    name,
                    facts,
                    suspect_dependencies: 0,
                };
                let (before, since) = match rule.judge(subject, now) {
                    Truth::True => (&holds, &mut self.holds_since),
                    Truth::False => (&fails, &mut self.fails_since),
                    Truth::Absent => continue,
                };
                let from = before.get(&key).copied().unwrap_or(now.0);
                since.insert(key, from);
            }
        }
    }

    fn no_resolution_is_withheld(
        &self,
        now: Wall,
        rules: &RuleSet,
        alerts: &BTreeMap<AlertKey, Alert>,
    ) -> Result<(), TestCaseError> {
        for (key, since) in &self.fails_since {
            let keep = rules.get(&key.rule).unwrap().spec().keep_firing_for.as_millis() as i64;
            let fires = alerts
                .get(key)
                .is_some_and(|alert| alert.state == AlertState::Firing);
            prop_assert!(
                !fires || now.0 - since < keep,
                "{key} fires without a reason since {since}"
            );
        }
        Ok(())
    }

    fn no_silence_without_a_reason(
        &self,
        now: Wall,
        rules: &RuleSet,
        alerts: &BTreeMap<AlertKey, Alert>,
    ) -> Result<(), TestCaseError> {
        for (key, since) in &self.holds_since {
            // Twice: for as long again it may be held.
            let for_ = rules.get(&key.rule).unwrap().spec().for_.as_millis() as i64 * 2;
            let alert = alerts.get(key);
            prop_assert!(alert.is_some(), "{key} holds and there is no alert");
            let alert = alert.unwrap();
            let freed = self.withheld.get(key).unwrap_or(since);
            match &alert.suppression {
                None => prop_assert!(
                    alert.state == AlertState::Firing || now.0 - freed.max(since) < for_,
                    "{key} is silent since {since}"
                ),
                Some(why) => {
                    let service = key.service.as_ref().unwrap();
                    prop_assert!(self.is_reason(service, why, alerts), "{key} is withheld by {why}");
                }
            }
        }
        Ok(())
    }

    fn no_signal_is_withheld_without_a_reason(
        &self,
        rules: &RuleSet,
        alerts: &BTreeMap<AlertKey, Alert>,
    ) -> Result<(), TestCaseError> {
        let signals = alerts.values().filter(|alert| !by_status(&alert.key));
        for alert in signals.filter(|alert| alert.unknown_since.is_none()) {
            let Some(why @ Suppression::Cause(by)) = &alert.suppression else {
                continue;
            };
            let service = alert.key.service.as_ref().unwrap();
            let told = alerts.get(by).filter(|by| {
                matches!(by.state, AlertState::Pending | AlertState::Firing) && by.severity >= alert.severity
            });
            let own = by.service.as_ref() == Some(service)
                && (by_status(by) || told.is_some_and(|by| by.severity > alert.severity));
            let others =
                self.is_reason(service, why, alerts) && self.known[service].status == Status::Unhealthy;
            let switched_on = rules.get(&by.rule).is_some_and(|rule| rule.spec().suppression);
            prop_assert!(
                told.is_some() && switched_on && (own || others),
                "{} is withheld by {by}",
                alert.key
            );
        }
        Ok(())
    }

    fn is_reason(&self, service: &Name, why: &Suppression, alerts: &BTreeMap<AlertKey, Alert>) -> bool {
        let causes = &self.known[service].causes;
        match why {
            Suppression::Cause(by) => {
                let told = alerts.get(by).map(|alert| alert.state);
                matches!(told, Some(AlertState::Pending | AlertState::Firing))
                    && by.service.as_ref().is_some_and(|by| causes.contains(by))
                    && !causes.contains(service)
            }
            Suppression::Maintenance(of) => {
                let maintained = |name| self.known.get(name).is_some_and(|facts| facts.maintenance);
                !of.is_empty() && of.iter().all(maintained) && (of == causes || *of == [service.clone()])
            }
        }
    }

    fn identities_are_constant(&mut self, alerts: &BTreeMap<AlertKey, Alert>) -> Result<(), TestCaseError> {
        let firing = alerts
            .iter()
            .filter(|(_, alert)| alert.state == AlertState::Firing);
        let firing: BTreeMap<_, _> = firing.map(|(key, alert)| (key.clone(), alert.clone())).collect();
        for (key, before) in &self.fired {
            if let Some(now) = firing.get(key) {
                prop_assert_eq!((&now.labels, now.fired), (&before.labels, before.fired));
            }
        }
        self.fired = firing;
        Ok(())
    }
}

/// In what a step told, causes stand before what they explain, and the system last.
fn causes_come_first(told: &[Alert]) -> Result<(), TestCaseError> {
    for (at, alert) in told.iter().enumerate() {
        for later in &told[at + 1..] {
            let explains = later.key.service.as_ref().is_some_and(|later| {
                alert.causes.contains(later)
                    && !alert
                        .key
                        .service
                        .as_ref()
                        .is_some_and(|own| alert.causes.contains(own))
            });
            let live = later.state != AlertState::Resolved && alert.state != AlertState::Resolved;
            prop_assert!(!(explains && live), "{} was told before {}", alert.key, later.key);
            prop_assert!(
                alert.key.service.is_some() || later.key.service.is_none(),
                "the system is not last"
            );
        }
    }
    Ok(())
}
