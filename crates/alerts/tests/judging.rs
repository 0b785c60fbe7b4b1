//! What judging a rule costs: it is done for every rule of every service that changes.
//!
//! That it allocates little is a fact, and tested. How long it takes is printed:
//! `cargo test --release -p ward-alerts --test judging -- --nocapture`.

use std::{collections::BTreeMap, time::Instant};

use ward_alerts::{Rule, RuleSet, ServiceFacts, Subject, Truth};
use ward_model::{Name, RuleName, Status, Wall};

const TIMES: u32 = 10_000;

fn facts(signals: &[&str]) -> ServiceFacts {
    let signal = |name: &&str| (Name::new(name).expect("is a name"), 0.5);
    ServiceFacts {
        status: Status::Unhealthy,
        signals: signals.iter().map(signal).collect::<BTreeMap<_, _>>(),
        ..ServiceFacts::default()
    }
}

/// How often it allocates each time.
#[expect(clippy::print_stdout, reason = "the figure is what it is run for")]
fn cost(rule: &Rule, facts: &ServiceFacts, says: Truth) -> u64 {
    let service = Name::new("checkout").expect("is a name");
    let subject = Subject::Service {
        name: &service,
        facts,
        suspect_dependencies: 0,
    };
    #[expect(clippy::disallowed_methods, reason = "it measures")]
    let start = Instant::now();
    let judge = || (0..TIMES).for_each(|_| assert_eq!(rule.judge(subject, Wall(0)), says));
    let allocations = allocation_counter::measure(judge).count_total / u64::from(TIMES);
    let nanos = start.elapsed().as_nanos() / u128::from(TIMES);
    println!(
        "{:16} {says:?}: {nanos} ns, {allocations} allocations",
        rule.spec().name
    );
    allocations
}

#[test]
fn judging_allocates_little() {
    let rules = RuleSet::shipped();
    let rule = |name| rules.get(&RuleName::new(name).expect("is a name")).unwrap();
    let many = ["a", "b", "c", "d", "e", "f", "g", "h", "cpu_ratio"];
    let status = cost(rule("ServiceUnhealthy"), &facts(&[]), Truth::True);
    let signal = cost(rule("CpuHigh"), &facts(&many), Truth::False);
    let absent = cost(rule("DiskHigh"), &facts(&many), Truth::Absent);
    assert!(
        status <= 2 && signal <= 12 && absent <= 8,
        "{status} {signal} {absent}"
    );
}
