//! What a transition is called: that something got worse, that it recovered, or only that it changed. Pure.
//!
//! Unknown is no verdict: what was healthy before the observer lost sight of it and is healthy behind that has neither
//! degraded nor recovered, and a restart of the aggregator is such a loss of sight.

use std::collections::HashMap;

use ward_audit::Kind;
use ward_model::{EntityKey, Status};

/// The last verdict of each thing that had a bad one: few, as long as all is well.
#[derive(Debug, Default)]
pub(super) struct Judged(HashMap<EntityKey, Status>);

impl Judged {
    /// It was known to be like this before the aggregator's start.
    pub(super) fn recall(&mut self, key: &EntityKey, status: Status) {
        if is_ill(status) {
            self.0.entry(key.clone()).or_insert(status);
        }
    }

    /// It is like this now.
    pub(super) fn judge(&mut self, key: &EntityKey, status: Status) -> Kind {
        if status == Status::Unknown {
            return Kind::Transition;
        }
        if !is_ill(status) {
            return match self.0.remove(key) {
                Some(_) => Kind::Recover,
                None => Kind::Transition,
            };
        }
        match self.0.insert(key.clone(), status) {
            Some(before) if before >= status => Kind::Transition,
            _ => Kind::Degrade,
        }
    }

    /// Its last verdict, if that was a bad one.
    pub(super) fn ill(&self, key: &EntityKey) -> Option<Status> {
        self.0.get(key).copied()
    }

    /// It is no more.
    pub(super) fn forget(&mut self, key: &EntityKey) {
        self.0.remove(key);
    }
}

/// Unknown is bad, and no verdict.
pub(super) fn is_ill(status: Status) -> bool {
    status >= Status::Degraded
}

#[cfg(test)]
mod tests {
    use ward_model::Status::{Degraded, Healthy, Unhealthy, Unknown};

    use super::*;

    fn kinds(judged: &mut Judged, statuses: &[Status]) -> Vec<Kind> {
        let key = EntityKey::System;
        statuses
            .iter()
            .map(|&status| judged.judge(&key, status))
            .collect()
    }

    #[test]
    fn to_get_worse_is_to_degrade_and_only_to_be_healthy_again_is_to_recover() {
        let statuses = [
            Healthy, Degraded, Unhealthy, Degraded, Unhealthy, Healthy, Healthy,
        ];
        let expected = [
            Kind::Transition,
            Kind::Degrade,
            Kind::Degrade,
            Kind::Transition,
            Kind::Degrade,
            Kind::Recover,
            Kind::Transition,
        ];
        assert_eq!(kinds(&mut Judged::default(), &statuses), expected);
    }

    #[test]
    fn to_be_out_of_sight_is_neither() {
        let well = [Healthy, Unknown, Healthy];
        assert_eq!(kinds(&mut Judged::default(), &well), [Kind::Transition; 3]);
        let ill = kinds(
            &mut Judged::default(),
            &[Unhealthy, Unknown, Unhealthy, Unknown, Healthy],
        );
        assert_eq!(
            ill,
            [
                Kind::Degrade,
                Kind::Transition,
                Kind::Transition,
                Kind::Transition,
                Kind::Recover
            ]
        );
    }

    #[test]
    fn a_restart_is_neither() {
        let key = EntityKey::System;
        let mut judged = Judged::default();
        judged.recall(&key, Healthy);
        assert_eq!(kinds(&mut judged, &[Unknown, Healthy]), [Kind::Transition; 2]);
        let mut judged = Judged::default();
        judged.recall(&key, Unhealthy);
        assert_eq!(kinds(&mut judged, &[Unknown, Unhealthy]), [Kind::Transition; 2]);
        assert_eq!(kinds(&mut judged, &[Healthy]), [Kind::Recover]);
    }
}
