//! A reload as the audit log has it: what was added, changed and removed, by its name, and who may do something else.
//!
//! What is said of each is not in the log: it may hold a secret. The hash is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    sync::Arc,
};

use ward_access::{Grants, Policy};
use ward_alerts::{Rule, RuleSpec};
use ward_audit::{Draft, Kind, Source as By};
use ward_config::{Alerting, Receiver, Webhook};
use ward_model::Now;

use super::InForce;

/// Most names of one kind in the audit log.
const TOLD: usize = 64;

/// What is not as it was, by name.
#[derive(Debug)]
pub(super) struct Changed<K> {
    pub(super) added: Vec<K>,
    pub(super) changed: Vec<K>,
    pub(super) removed: Vec<K>,
}

/// Who is told of alerts, of either kind.
#[derive(PartialEq)]
enum Heard<'a> {
    Alertmanager(&'a Receiver),
    Webhook(&'a Webhook),
}

impl<K: Ord + Copy + Display> Changed<K> {
    pub(super) fn new<V: PartialEq>(
        before: impl Iterator<Item = (K, V)>,
        after: impl Iterator<Item = (K, V)>,
    ) -> Self {
        let (before, after): (BTreeMap<K, V>, BTreeMap<K, V>) = (before.collect(), after.collect());
        let added = after.keys().filter(|name| !before.contains_key(name));
        let removed = before.keys().filter(|name| !after.contains_key(name));
        let changed = after
            .iter()
            .filter(|(name, is)| before.get(name).is_some_and(|was| was != *is));
        Self {
            added: added.copied().collect(),
            changed: changed.map(|(name, _)| *name).collect(),
            removed: removed.copied().collect(),
        }
    }

    /// The draft with the names under these keys.
    fn over(self, draft: Draft, [added, changed, removed]: [&str; 3]) -> Draft {
        let parts = [
            (added, self.added),
            (changed, self.changed),
            (removed, self.removed),
        ];
        let some = parts.into_iter().filter(|(_, names)| !names.is_empty());
        some.fold(draft, |draft, (key, named)| draft.with(key, names(&named)))
    }
}

fn names(all: &[impl Display]) -> String {
    let told: Vec<_> = all.iter().take(TOLD).map(ToString::to_string).collect();
    match all.len().checked_sub(TOLD) {
        None | Some(0) => told.join(" "),
        Some(more) => format!("{} and {more} more", told.join(" ")),
    }
}

/// A reload.
pub(super) fn change(before: &InForce, after: &InForce, now: Now) -> Draft {
    let draft = Draft::new(Kind::ConfigChange, By::Config, "config", now)
        .with("from", before.hash.as_str())
        .with("to", after.hash.as_str());
    let (before, after) = (&before.settings, &after.settings);
    let services = Changed::new(before.services.iter(), after.services.iter());
    let draft = services.over(draft, ["added", "changed", "removed"]);
    let (before, after) = (&before.alerting, &after.alerting);
    let changed = Changed::new(rules(before), rules(after));
    let draft = changed.over(draft, ["rules_added", "rules_changed", "rules_removed"]);
    let changed = Changed::new(receivers(before), receivers(after));
    changed.over(
        draft,
        ["receivers_added", "receivers_changed", "receivers_removed"],
    )
}

fn rules(of: &Alerting) -> impl Iterator<Item = (&str, &RuleSpec)> {
    let specs = of.rules.iter().map(Rule::spec);
    specs.map(|spec| (spec.name.as_str(), spec))
}

fn receivers(of: &Alerting) -> impl Iterator<Item = (&str, Heard<'_>)> {
    let alertmanagers = of.alertmanagers.iter();
    let alertmanagers = alertmanagers.map(|one| (one.name.as_str(), Heard::Alertmanager(one)));
    let webhooks = of.webhooks.iter();
    alertmanagers.chain(webhooks.map(|one| (one.receiver.name.as_str(), Heard::Webhook(one))))
}

/// Whoever may do something else than before.
pub(super) fn rights(before: &Policy, after: &Policy, now: Now) -> Vec<Draft> {
    let ids: BTreeSet<&str> = before.rows().chain(after.rows()).map(|(id, _)| id).collect();
    let changed = ids
        .into_iter()
        .map(|id| (id, before.grants(id), after.grants(id)))
        .filter(|(_, before, after)| before != after);
    let draft = |(id, before, after): (&str, Arc<Grants>, Arc<Grants>)| {
        Draft::new(Kind::RightChange, By::Config, id, now)
            .with("from", before.summary())
            .with("to", after.summary())
    };
    changed.map(draft).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_force(text: &str) -> InForce {
        InForce::new(ward_config::read_text(text).unwrap_or_else(|errors| panic!("{errors}")))
    }

    /// Somebody who switches off a rule, or has alerts sent elsewhere, is seen.
    #[test]
    fn a_change_names_services_rules_and_receivers() {
        let own = "expr = \"true\"\nseverity = \"info\"\n";
        let before = in_force(&format!(
            "[services.bank]\n[services.cart]\n[alerting.rules.Own]\n{own}
            [[alerting.alertmanagers]]\nurl = \"http://am:1\"
            [[alerting.webhooks]]\nname = \"hook\"\nurl = \"http://h/a/b\""
        ));
        let after = in_force(&format!(
            "[services.cart]\ninterval = \"1s\"\n[services.shop]\n[alerting.rules.Other]\n{own}
            [alerting.rules.CpuHigh]\nenabled = false\n[alerting.rules.DiskHigh]\nfor = \"9m\"
            [[alerting.alertmanagers]]\nurl = \"http://am:2\"
            [[alerting.webhooks]]\nname = \"hook\"\nurl = \"http://h/a/c\""
        ));
        let draft = change(&before, &after, Now::default());
        let hashes = ["from", "to"];
        let said: Vec<_> = draft
            .evidence
            .iter()
            .filter(|(key, _)| !hashes.contains(key))
            .collect();
        assert_eq!(
            said,
            [
                ("added", "shop"),
                ("changed", "cart"),
                ("receivers_added", "am:2"),
                ("receivers_changed", "hook"),
                ("receivers_removed", "am:1"),
                ("removed", "bank"),
                ("rules_added", "Other"),
                ("rules_changed", "DiskHigh"),
                ("rules_removed", "CpuHigh Own"),
            ]
        );
    }

    #[test]
    fn of_very_many_some_are_named() {
        let all: Vec<_> = (0..TOLD + 3).collect();
        assert!(names(&all).ends_with(" 62 63 and 3 more"), "{}", names(&all));
        assert!(names(&all[..TOLD]).ends_with(" 62 63"));
    }
}
