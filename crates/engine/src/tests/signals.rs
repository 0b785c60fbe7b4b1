//! What is told of signals: the greatest of those that are fresh, of services that have any.

use std::{collections::BTreeMap, time::Duration};

use ward_model::Name;

use super::fleet::{Fleet, hello, id, name};
use crate::Config;

fn all(fleet: &Fleet, most: usize) -> Vec<(String, Vec<(String, f64)>)> {
    let (mut all, mut after): (BTreeMap<Name, BTreeMap<Name, f64>>, _) = (BTreeMap::new(), None);
    loop {
        let (found, next) = fleet.engine.signals_from(after, most);
        for (service, signals) in found {
            let known = all.entry(service).or_default();
            for (signal, value) in signals {
                let greatest = known.entry(signal).or_insert(value);
                *greatest = f64::max(*greatest, value);
            }
        }
        let Some(next) = next else { break };
        after = Some(next);
    }
    let plain = |(name, signals): (Name, BTreeMap<Name, f64>)| {
        let signals = signals.into_iter().map(|(name, value)| (name.to_string(), value));
        (name.to_string(), signals.collect())
    };
    all.into_iter().map(plain).collect()
}

#[test]
fn of_each_signal_the_greatest_of_the_fresh_is_told() {
    let mut fleet = Fleet::new(Config::default());
    for (service, instance) in [("bare", "1"), ("shop", "1"), ("shop", "2"), ("till", "1")] {
        fleet.join(hello(service, instance));
    }
    fleet.measure(&id("shop", "1"), "cpu_ratio", 0.5);
    fleet.measure(&id("shop", "2"), "cpu_ratio", 0.9);
    fleet.measure(&id("shop", "1"), "error_ratio", 0.1);
    fleet.measure(&id("till", "1"), "cpu_ratio", 0.2);
    let signals = |values: &[(&str, f64)]| values.iter().map(|(name, v)| ((*name).to_owned(), *v)).collect();
    let till = ("till".to_owned(), signals(&[("cpu_ratio", 0.2)]));
    let told = [
        (
            "shop".to_owned(),
            signals(&[("cpu_ratio", 0.9), ("error_ratio", 0.1)]),
        ),
        till.clone(),
    ];
    assert_eq!(all(&fleet, 1_000), told);
    // However little is looked at in one go.
    for most in 1..6 {
        assert_eq!(all(&fleet, most), told, "{most} at a time");
    }
    // Who is silent says nothing about now.
    let heard = id("shop", "2");
    fleet.run(Duration::from_secs(4), |id| *id != heard);
    let told = [
        (
            "shop".to_owned(),
            signals(&[("cpu_ratio", 0.5), ("error_ratio", 0.1)]),
        ),
        till,
    ];
    assert_eq!(all(&fleet, 1_000), told);
    assert_eq!(fleet.instance("shop", "2").id.service, name("shop"));
}
