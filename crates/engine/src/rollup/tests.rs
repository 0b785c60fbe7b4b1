//! Random graphs, cycles and groups included, against the definitions repeated until nothing changes.

use proptest::prelude::*;
use ward_model::{Criticality, DependencyKind, MinHealthy, Status};

use super::{Need, Rollup};

use DependencyKind::{Hard, Soft};
use Status::{Degraded as D, Healthy as H, Unhealthy as X, Unknown as U};

const SERVICES: usize = 7;

/// The reference: what was said, and nothing that was derived from it.
#[derive(Clone, Debug, Default)]
struct Plain {
    leaves: Vec<Status>,
    evidence: Vec<Status>,
    observers: usize,
    wanted: MinHealthy,
    missing: Status,
    needs: Vec<Need>,
    weight: (Criticality, bool),
}

#[derive(Clone, Debug)]
enum Step {
    Join(usize, Status),
    Leave(usize, prop::sample::Index),
    Turn(usize, prop::sample::Index, Status),
    Observe(usize, Vec<Status>, usize),
    Want(usize, MinHealthy, Status),
    Weigh(usize, Criticality, bool),
    Need(usize, Vec<Need>),
}

fn status() -> impl Strategy<Value = Status> {
    (0..4usize).prop_map(|index| Status::ALL[index])
}

fn need() -> impl Strategy<Value = Need> {
    let kind = prop_oneof![Just(Hard), Just(Soft)];
    let any_of = prop::option::of(0..2u16);
    (0..SERVICES, kind, any_of).prop_map(|(target, kind, any_of)| Need { target, kind, any_of })
}

fn step() -> impl Strategy<Value = Step> {
    let service = 0..SERVICES;
    let leaf = any::<prop::sample::Index>();
    let wanted = prop_oneof![
        (0..4u32).prop_map(MinHealthy::Count),
        (1..=100u32).prop_map(MinHealthy::Percent)
    ];
    let criticality = prop_oneof![
        Just(Criticality::Critical),
        Just(Criticality::Important),
        Just(Criticality::Optional)
    ];
    let evidence = prop::collection::vec(status(), 0..3);
    prop_oneof![
        6 => (service.clone(), status()).prop_map(|(service, status)| Step::Join(service, status)),
        1 => (service.clone(), leaf.clone()).prop_map(|(service, leaf)| Step::Leave(service, leaf)),
        8 => (service.clone(), leaf, status()).prop_map(|(service, leaf, status)| Step::Turn(service, leaf, status)),
        1 => (service.clone(), evidence, 0..3usize)
            .prop_map(|(service, evidence, observers)| Step::Observe(service, evidence, observers)),
        1 => (service.clone(), wanted, status()).prop_map(|(service, wanted, missing)| Step::Want(service, wanted, missing)),
        1 => (service.clone(), criticality, any::<bool>())
            .prop_map(|(service, criticality, maintained)| Step::Weigh(service, criticality, maintained)),
        4 => (service, prop::collection::vec(need(), 0..5)).prop_map(|(service, mut needs)| {
            needs.retain(|need| need.target != service);
            Step::Need(service, needs)
        }),
    ]
}

fn take(rollup: &mut Rollup, plain: &mut [Plain], step: Step) {
    match step {
        Step::Join(service, status) => {
            plain[service].leaves.push(status);
            rollup.count(service, None, Some(status));
        }
        Step::Leave(service, leaf) => {
            let leaves = &mut plain[service].leaves;
            if !leaves.is_empty() {
                let status = leaves.swap_remove(leaf.index(leaves.len()));
                rollup.count(service, Some(status), None);
            }
        }
        Step::Turn(service, leaf, status) => {
            let leaves = &mut plain[service].leaves;
            if !leaves.is_empty() {
                let place = leaf.index(leaves.len());
                let before = std::mem::replace(&mut leaves[place], status);
                rollup.count(service, Some(before), Some(status));
            }
        }
        Step::Observe(service, evidence, observers) => {
            for before in std::mem::replace(&mut plain[service].evidence, evidence.clone()) {
                rollup.count_evidence(service, Some(before), None);
            }
            for status in evidence {
                rollup.count_evidence(service, None, Some(status));
            }
            plain[service].observers = observers;
            rollup.set_observers(service, observers);
        }
        Step::Want(service, wanted, missing) => {
            (plain[service].wanted, plain[service].missing) = (wanted, missing);
            rollup.want(service, wanted, missing);
        }
        Step::Weigh(service, criticality, maintained) => {
            plain[service].weight = (criticality, maintained);
            rollup.weigh(service, criticality, maintained);
        }
        Step::Need(service, needs) => {
            rollup.set_needs(service, &needs);
            plain[service].needs = needs;
        }
    }
}

fn capped(status: Status) -> Status {
    if status >= D { D } else { H }
}

/// At least so many must be well, and one ill one shows.
fn rolled(mut leaves: Vec<Status>, wanted: usize, missing: Status) -> Status {
    let ill = leaves.iter().copied().map(capped).max().unwrap_or(H);
    while leaves.len() < wanted {
        leaves.push(missing);
    }
    leaves.sort_unstable();
    ill.max(leaves[wanted - 1])
}

fn own(plain: &Plain) -> Status {
    let evidence = (!plain.evidence.is_empty()).then(|| rolled(plain.evidence.clone(), 1, U));
    if plain.leaves.is_empty() {
        return evidence.unwrap_or(U);
    }
    let wanted = plain.wanted.resolve(plain.leaves.len());
    let second = match evidence.unwrap_or(H) {
        H | U => H,
        bad if plain.observers >= 2 => bad,
        _ => D,
    };
    rolled(plain.leaves.clone(), wanted, plain.missing).max(second)
}

fn verdict(plain: &Plain, own: Status, verdicts: &[Status]) -> Status {
    let through = |need: &Need| match (need.kind, verdicts[need.target]) {
        (Hard, status) => status,
        (Soft, X) => D,
        (Soft, _) => H,
    };
    let best = |group: u16| {
        let members = plain.needs.iter().filter(|need| need.any_of == Some(group));
        members.map(through).min().unwrap_or(H)
    };
    let alone = plain.needs.iter().filter(|need| need.any_of.is_none());
    let done = alone.map(through).chain((0..2).map(best));
    done.fold(own, Status::max)
}

fn verdicts(plain: &[Plain]) -> (Vec<Status>, Vec<Status>) {
    let own: Vec<_> = plain.iter().map(own).collect();
    let mut verdicts = own.clone();
    loop {
        let each = plain.iter().zip(&own);
        let next: Vec<_> = each.map(|(plain, &own)| verdict(plain, own, &verdicts)).collect();
        if next == verdicts {
            return (own, verdicts);
        }
        verdicts = next;
    }
}

/// What each service does to the system, and the system's verdict.
fn system(plain: &[Plain], verdicts: &[Status]) -> (Vec<Status>, Status) {
    let each = || plain.iter().map(|plain| plain.weight).zip(verdicts);
    let done: Vec<_> = each()
        .map(|((criticality, maintained), &status)| match criticality {
            Criticality::Critical if !maintained => status,
            Criticality::Critical | Criticality::Important => status.min(D),
            Criticality::Optional => H,
        })
        .collect();
    let matter = each().filter(|((criticality, _), _)| *criticality != Criticality::Optional);
    let best = matter.map(|((_, maintained), &status)| if maintained { status.min(D) } else { status });
    let status = done
        .iter()
        .copied()
        .max()
        .unwrap_or(H)
        .max(best.min().unwrap_or(U));
    (done, status)
}

fn new() -> (Rollup, Vec<Plain>) {
    let mut rollup = Rollup::default();
    (0..SERVICES).for_each(|service| rollup.insert(service));
    let plain = Plain {
        missing: U,
        ..Plain::default()
    };
    (rollup, vec![plain; SERVICES])
}

fn leaves(plain: &[Plain]) -> Vec<(usize, Status)> {
    let each = plain.iter().enumerate();
    each.flat_map(|(service, plain)| plain.leaves.iter().map(move |&status| (service, status)))
        .collect()
}

/// All that can be asked of it.
fn said(rollup: &Rollup) -> impl PartialEq + std::fmt::Debug + use<> {
    let of = |service: usize| {
        let needs: Vec<_> = rollup.needs(service).collect();
        let mut dependents: Vec<_> = rollup.dependents(service).collect();
        dependents.sort_unstable();
        let own = (rollup.own(service), rollup.source(service));
        (
            own,
            rollup.verdict(service),
            *rollup.counts(service),
            needs,
            dependents,
        )
    };
    let services: Vec<_> = (0..SERVICES).map(of).collect();
    let (culprits, unknown): (Vec<_>, Vec<_>) =
        (rollup.culprits().collect(), rollup.critical_unknown().collect());
    (services, rollup.system(), rollup.totals(), culprits, unknown)
}

fn cases() -> u32 {
    let cases = std::env::var("PROPTEST_CASES").ok();
    cases.and_then(|cases| cases.parse().ok()).unwrap_or(512)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    /// Several steps at a time, so that what rises and what falls meet.
    #[test]
    fn step_by_step_equals_the_least_fixpoint(steps in prop::collection::vec(prop::collection::vec(step(), 1..4), 1..40)) {
        let (mut rollup, mut plain) = new();
        let mut before = vec![U; SERVICES];
        for together in steps {
            together.into_iter().for_each(|step| take(&mut rollup, &mut plain, step));
            rollup.propagate();
            let (own, expected) = verdicts(&plain);
            for service in 0..SERVICES {
                prop_assert_eq!(rollup.own(service), own[service], "own status of {}", service);
                prop_assert_eq!(rollup.verdict(service), expected[service], "verdict on {}", service);
            }
            let mut moved: Vec<_> = rollup.moved().collect();
            moved.sort_unstable();
            let differing: Vec<_> = (0..SERVICES).filter(|&service| before[service] != expected[service]).collect();
            prop_assert_eq!(moved, differing, "what is told to have moved");
            let (done, system) = system(&plain, &expected);
            prop_assert_eq!(rollup.system(), system);
            let mut culprits: Vec<_> = (0..SERVICES).filter(|&service| done[service].is_bad()).collect();
            culprits.sort_by_key(|&service| (std::cmp::Reverse(done[service]), service));
            prop_assert_eq!(rollup.culprits().collect::<Vec<_>>(), culprits);
            before = expected;
        }
    }

    /// From the leaves alone, whatever was before: even where all of that is wrong.
    #[test]
    fn recomputing_comes_to_the_same(steps in prop::collection::vec(step(), 1..60), wrong in prop::collection::vec(status(), SERVICES)) {
        let (mut rollup, mut plain) = new();
        for step in steps {
            take(&mut rollup, &mut plain, step);
            rollup.propagate();
        }
        let mut anew = rollup.clone();
        anew.tally.recount(&wrong);
        (anew.own, anew.verdicts) = (wrong.clone(), wrong);
        anew.recompute(leaves(&plain));
        prop_assert_eq!(said(&anew), said(&rollup));
    }
}

/// Two that hold each other up fall together once what made them bad is over.
#[test]
fn a_cycle_does_not_hold_itself_up() {
    let (mut rollup, _) = new();
    let need = |target| Need {
        target,
        kind: Hard,
        any_of: None,
    };
    for (service, target) in [(0, 1), (1, 2), (2, 1)] {
        rollup.set_needs(service, &[need(target)]);
    }
    (0..SERVICES).for_each(|service| rollup.count(service, None, Some(H)));
    for (from, to) in [(H, X), (X, H), (H, D)] {
        rollup.count(2, Some(from), Some(to));
        rollup.propagate();
        assert_eq!([0, 1, 2].map(|service| rollup.verdict(service)), [to; 3]);
    }
}

/// A place that was left is as one that nobody had.
#[test]
fn a_place_can_be_taken_again() {
    let (mut rollup, _) = new();
    rollup.count(3, None, Some(X));
    rollup.weigh(3, Criticality::Critical, false);
    rollup.propagate();
    assert_eq!(rollup.system(), X);
    rollup.count(3, Some(X), None);
    rollup.remove(3);
    assert_eq!((rollup.system(), rollup.totals().total), (U, 6));
    rollup.propagate();
    assert_eq!(rollup.moved().len(), 0);
    rollup.insert(3);
    rollup.propagate();
    let (mut fresh, _) = new();
    fresh.propagate();
    assert_eq!(said(&rollup), said(&fresh));
}
