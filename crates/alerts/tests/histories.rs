//! Random histories: the machine says what one would say who reads the whole history anew at every step, and never withholds
//! what it must not.
//!
//! The reader ([`naive`]) knows no due times, no indexes and no halves of a step; it was written from the description of
//! the health model. What a machine that is restarted may not know (how long something has fired on after its end) both
//! begin again.

#![expect(clippy::unwrap_used, reason = "a test, in parts")]

mod histories {
    pub(crate) mod history;
    pub(crate) mod invariants;
    pub(crate) mod naive;
}

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;
use ward_alerts::{Facts, Machine, RuleSet, Seen};
use ward_model::{Acknowledgement, Alert, AlertKey, Wall};

use histories::{
    history::{Act, World, acts, rule_sets},
    invariants::Invariants,
    naive::Naive,
};

/// Plays a history, and holds every step to the naive reader and to the invariants.
fn play(acts: &[Act]) -> Result<(), TestCaseError> {
    let sets: Vec<RuleSet> = rule_sets();
    let mut world = World::default();
    let mut rules = sets[0].clone();
    let mut machine = Machine::new(rules.clone());
    let mut naive = Naive::default();
    let mut invariants = Invariants::default();
    let mut now = 0;
    for act in acts {
        now += act.passes();
        let mut seen = Vec::new();
        match act {
            Act::Restart { last_alive, .. } => {
                // Nobody watched from then on: at the earliest from the last step.
                let alive = now - act.passes() * i64::from(*last_alive) / 10;
                machine = restarted(&machine, &rules)?;
                let last_alive = Some(Wall(alive.min(now)));
                seen.push(Seen::Facts(Facts::Started { last_alive }));
                naive.restart(Wall(alive), Wall(now));
                world.forget();
            }
            Act::Rules { set, .. } => {
                rules = sets[*set].clone();
                machine.replace_rules(rules.clone());
            }
            _ => {}
        }
        seen.extend(world.act(act, now));
        let told = machine.step(Wall(now), seen.clone());
        let told: Vec<Alert> = told.into_iter().map(Arc::unwrap_or_clone).collect();
        naive.step(Wall(now), &rules, &seen);
        let all: BTreeMap<AlertKey, Alert> = machine
            .alerts()
            .map(|alert| (alert.key.clone(), (**alert).clone()))
            .collect();
        naive.compare(&all, &machine.acknowledgements().cloned().collect::<Vec<_>>())?;
        invariants.hold(Wall(now), &rules, &seen, &all, &told)?;
        // The same again is no news.
        let again: Vec<Seen> = seen
            .into_iter()
            .filter(|seen| !matches!(seen, Seen::Facts(Facts::Started { .. })))
            .collect();
        prop_assert_eq!(machine.step(Wall(now), again), Vec::new());
    }
    Ok(())
}

/// A machine made of what another one would have kept.
fn restarted(machine: &Machine, rules: &RuleSet) -> Result<Machine, TestCaseError> {
    let alerts: Vec<&Alert> = machine.alerts().map(Arc::as_ref).collect();
    let acknowledged: Vec<&Acknowledgement> = machine.acknowledgements().collect();
    let text = serde_json::to_string(&(alerts, acknowledged))
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    let (alerts, acknowledged) =
        serde_json::from_str(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let mut machine = Machine::new(rules.clone());
    machine.restore(alerts, acknowledged);
    Ok(machine)
}

/// What was told step by step is what is.
fn told_is_all(acts: &[Act]) -> Result<(), TestCaseError> {
    let rules = rule_sets()[0].clone();
    let mut world = World::default();
    let mut machine = Machine::new(rules);
    let mut kept: BTreeMap<AlertKey, Arc<Alert>> = BTreeMap::new();
    let mut now = 0;
    for act in acts {
        now += act.passes();
        let seen = world.act(act, now);
        for alert in machine.step(Wall(now), seen) {
            let is_over = alert.resolved.is_some() && alert.fired.is_none();
            match is_over {
                true => kept.remove(&alert.key),
                false => kept.insert(alert.key.clone(), alert),
            };
        }
        let all: BTreeSet<_> = machine.alerts().map(|alert| alert.key.clone()).collect();
        prop_assert_eq!(all, kept.keys().cloned().collect::<BTreeSet<_>>());
        for alert in machine.alerts() {
            prop_assert_eq!(Some(alert), kept.get(&alert.key));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_machine_says_what_the_whole_history_says(acts in acts()) {
        play(&acts)?;
    }

    #[test]
    fn who_keeps_what_is_told_has_all_there_is(acts in acts()) {
        told_is_all(&acts)?;
    }
}

/// A few seconds' worth; `PROPTEST_CASES` for more.
fn cases() -> u32 {
    let said = std::env::var("PROPTEST_CASES").ok();
    said.and_then(|cases| cases.parse().ok()).unwrap_or(200)
}
