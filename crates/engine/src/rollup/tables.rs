//! The roll-up's tables and formulas: small total functions, each monotone in every status it takes.
//!
//! Monotone is what makes the least fixpoint exist and cycles harmless; a property test holds each of them to it.
//! They know nothing of graphs or of time.

use ward_model::{CheckKind, Criticality, DependencyKind, Status};

/// How many leaves are at each status, by [`Status`] as index.
pub(crate) type Counts = [u32; 4];

pub(crate) fn through_check(kind: CheckKind, status: Status) -> Status {
    match (kind, status) {
        (CheckKind::Required, status) => status,
        (CheckKind::Advisory, Status::Healthy | Status::Unknown) => Status::Healthy,
        (CheckKind::Advisory, Status::Degraded | Status::Unhealthy) => Status::Degraded,
    }
}

#[inline]
pub(crate) fn through_dependency(kind: DependencyKind, status: Status) -> Status {
    match (kind, status) {
        (DependencyKind::Hard, status) => status,
        (DependencyKind::Soft, Status::Unhealthy) => Status::Degraded,
        (DependencyKind::Soft, _) => Status::Healthy,
    }
}

/// What a service does to the system. In maintenance it can do no worse than degrade it.
#[inline]
pub(crate) fn through_criticality(criticality: Criticality, in_maintenance: bool, status: Status) -> Status {
    let ceiling = match criticality {
        Criticality::Critical if !in_maintenance => Status::Unhealthy,
        Criticality::Critical | Criticality::Important => Status::Degraded,
        Criticality::Optional => Status::Healthy,
    };
    status.min(ceiling)
}

/// What the worst instance does to its service, whatever the others are: some of it is ill.
#[inline]
pub(crate) fn cap(worst: Status) -> Status {
    match worst {
        Status::Healthy | Status::Unknown => Status::Healthy,
        Status::Degraded | Status::Unhealthy => Status::Degraded,
    }
}

#[inline]
pub(crate) fn worst(counts: &Counts) -> Status {
    Status::ALL
        .into_iter()
        .rev()
        .find(|&status| counts[status as usize] > 0)
        .unwrap_or_default()
}

/// The status of the `wanted`-th best of the counted; `missing` where there are not as many.
#[inline]
pub(crate) fn nth_best(counts: &Counts, wanted: usize, missing: Status) -> Status {
    if counts[Status::Healthy as usize] as usize >= wanted {
        return Status::Healthy;
    }
    let mut seats = 0;
    // Missing seats stand in line by their own badness.
    let absent = wanted.saturating_sub(counts.iter().map(|&count| count as usize).sum());
    for status in Status::ALL {
        seats += counts[status as usize] as usize;
        if status == missing {
            seats += absent;
        }
        if seats >= wanted {
            return status;
        }
    }
    missing
}

/// A service's status by its own instances: at least `wanted` must be well, and one ill one shows.
#[inline]
pub(crate) fn by_instances(counts: &Counts, wanted: usize, missing: Status) -> Status {
    cap(worst(counts)).join(nth_best(counts, wanted, missing))
}

/// A subject's status by the check results of its observers.
#[inline]
pub(crate) fn by_observers(counts: &Counts) -> Status {
    by_instances(counts, 1, Status::Unknown)
}

/// What observers add to the word of a subject that reports itself: nothing while they are unsure, and no more than
/// Degraded while they are all of one service.
#[inline]
pub(crate) fn as_second_opinion(evidence: Status, observing_services: u32) -> Status {
    match evidence {
        Status::Healthy | Status::Unknown => Status::Healthy,
        bad if observing_services >= 2 => bad,
        bad => bad.min(Status::Degraded),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status() -> impl Strategy<Value = Status> {
        (0..4usize).prop_map(|index| Status::ALL[index])
    }

    fn counts(leaves: &[Status]) -> Counts {
        let mut counts = Counts::default();
        leaves.iter().for_each(|&leaf| counts[leaf as usize] += 1);
        counts
    }

    #[test]
    fn edges_are_those_of_the_health_model() {
        use Status::{Degraded as D, Healthy as H, Unhealthy as X, Unknown as U};
        let row = |edge: &dyn Fn(Status) -> Status| Status::ALL.map(edge);
        assert_eq!(row(&|s| through_check(CheckKind::Required, s)), [H, U, D, X]);
        assert_eq!(row(&|s| through_check(CheckKind::Advisory, s)), [H, H, D, D]);
        assert_eq!(
            row(&|s| through_dependency(DependencyKind::Hard, s)),
            [H, U, D, X]
        );
        assert_eq!(
            row(&|s| through_dependency(DependencyKind::Soft, s)),
            [H, H, H, D]
        );
        assert_eq!(
            row(&|s| through_criticality(Criticality::Critical, false, s)),
            [H, U, D, X]
        );
        assert_eq!(
            row(&|s| through_criticality(Criticality::Critical, true, s)),
            [H, U, D, D]
        );
        assert_eq!(
            row(&|s| through_criticality(Criticality::Important, false, s)),
            [H, U, D, D]
        );
        assert_eq!(
            row(&|s| through_criticality(Criticality::Optional, false, s)),
            [H, H, H, H]
        );
        assert_eq!(row(&cap), [H, H, D, D]);
    }

    #[test]
    fn quorum() {
        use Status::{Degraded as D, Healthy as H, Unhealthy as X, Unknown as U};
        assert_eq!(by_instances(&counts(&[H, H, X]), 2, U), D);
        assert_eq!(by_instances(&counts(&[H, X, X]), 2, U), X);
        assert_eq!(
            by_instances(&counts(&[H, H]), 3, U),
            U,
            "a missing seat is unknown at first"
        );
        assert_eq!(
            by_instances(&counts(&[H, H]), 3, X),
            X,
            "and unhealthy past the deadline"
        );
        assert_eq!(by_instances(&counts(&[X]), 3, U), X);
        assert_eq!(by_instances(&counts(&[H, U]), 1, U), H);
    }

    proptest! {
        #[test]
        fn nth_best_is_the_nth_of_the_sorted(
            leaves in prop::collection::vec(status(), 0..8), wanted in 1..8usize, missing in status(),
        ) {
            let mut seats = leaves.clone();
            while seats.len() < wanted { seats.push(missing) }
            seats.sort_unstable();
            prop_assert_eq!(nth_best(&counts(&leaves), wanted, missing), seats[wanted - 1]);
        }

        #[test]
        fn every_formula_is_monotone(
            leaves in prop::collection::vec((status(), status()), 1..8), wanted in 1..8usize,
            missing in (status(), status()), observers in 1..4u32,
        ) {
            let low: Vec<_> = leaves.iter().map(|(a, b)| *a.min(b)).collect();
            let high: Vec<_> = leaves.iter().map(|(a, b)| *a.max(b)).collect();
            let missing = (missing.0.min(missing.1), missing.0.max(missing.1));
            prop_assert!(by_instances(&counts(&low), wanted, missing.0) <= by_instances(&counts(&high), wanted, missing.1));
            let evidence = (by_observers(&counts(&low)), by_observers(&counts(&high)));
            prop_assert!(evidence.0 <= evidence.1);
            prop_assert!(as_second_opinion(evidence.0, observers) <= as_second_opinion(evidence.1, observers));
        }
    }
}
