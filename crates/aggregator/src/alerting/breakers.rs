//! Circuit breakers of services: that one opened, and that all are closed again, are events of the audit log.
//!
//! By the signal `breaker_open`, which is looked at every ten seconds: what opens and closes in between is not seen. What
//! was so when it was first looked at is no event: a restart of the aggregator trips nothing.

use std::collections::BTreeMap;

use ward_audit::{Draft, Kind, Source};
use ward_model::Name;

use crate::edge::Shared;

/// How many breakers of a service are open, by the convention of the sdk.
const SIGNAL: &str = "breaker_open";

/// Which services have one open, as it was seen last.
#[derive(Debug, Default)]
pub(super) struct Breakers(BTreeMap<Name, bool>);

impl Breakers {
    /// What became of them, by the signals of all services. Who says nothing of breakers is left as it was.
    pub(super) fn look(&mut self, signals: &BTreeMap<Name, BTreeMap<Name, f64>>) -> Vec<(Name, Kind)> {
        let said = signals.iter().filter_map(|(service, signals)| {
            let open = signals.iter().find(|(name, _)| name.as_str() == SIGNAL);
            open.map(|(_, open)| (service, *open > 0.0))
        });
        let mut turned = Vec::new();
        for (service, open) in said {
            match (self.0.insert(service.clone(), open), open) {
                (Some(false), true) => turned.push((service.clone(), Kind::BreakerTrip)),
                (Some(true), false) => turned.push((service.clone(), Kind::BreakerReset)),
                _ => {}
            }
        }
        turned
    }

    /// The service is no more.
    pub(super) fn forget(&mut self, service: &Name) {
        self.0.remove(service);
    }
}

/// Writes it down.
pub(super) fn record(edge: &Shared, service: &Name, kind: Kind) {
    let head = edge.hub.head();
    let draft = Draft::new(kind, Source::CircuitBreaker, service.as_str(), edge.clock.now());
    edge.memory
        .record(draft.at(head.epoch, head.revision).with("signal", SIGNAL));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(breakers: &mut Breakers, open: Option<f64>) -> Vec<Kind> {
        let name = |name: &str| Name::new(name).unwrap();
        let signals = open.map(|open| (name("breaker_open"), open)).into_iter();
        let signals = BTreeMap::from([(name("payments"), signals.collect())]);
        let turned = breakers.look(&signals);
        turned.into_iter().map(|(_, kind)| kind).collect()
    }

    #[test]
    fn one_that_opens_trips_and_the_last_that_closes_resets() {
        let mut breakers = Breakers::default();
        assert_eq!(look(&mut breakers, Some(0.0)), []);
        assert_eq!(look(&mut breakers, Some(1.0)), [Kind::BreakerTrip]);
        assert_eq!(look(&mut breakers, Some(2.0)), []);
        // It is out of sight.
        assert_eq!(look(&mut breakers, None), []);
        assert_eq!(look(&mut breakers, Some(1.0)), []);
        assert_eq!(look(&mut breakers, Some(0.0)), [Kind::BreakerReset]);
    }

    #[test]
    fn what_was_open_before_the_start_has_not_tripped() {
        let mut breakers = Breakers::default();
        assert_eq!(look(&mut breakers, Some(1.0)), []);
        assert_eq!(look(&mut breakers, Some(0.0)), [Kind::BreakerReset]);
        breakers.forget(&Name::new("payments").unwrap());
        assert_eq!(look(&mut breakers, Some(1.0)), []);
    }
}
