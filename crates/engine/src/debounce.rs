//! Debouncing: one bad result is noise, some in a row are news.
//!
//! Pure, like the rest of this crate, but used where checks run (sdk, prober, agent): what reaches the engine is
//! debounced already. It keeps two counters and forgets the results; flapping over a longer time is another function.
//! A moving average was not taken: nobody can say beforehand when it will speak, "three in a row" everybody can.

use std::time::Duration;

use ward_model::{Mono, Status};

/// Turns the results of one check into its status.
///
/// Per level (degraded, unhealthy): raised after `rise` results in a row that are at it or worse, cleared after `fall`
/// in a row below it. The status is the highest level raised. The first result is taken as it is, so that a check needs
/// no warming up to tell the truth. [`Status::Unknown`] is no result: it moves no counter.
#[derive(Clone, Debug)]
pub struct Debounce {
    rise: u32,
    fall: u32,
    /// How long the last result is believed; `None`: for ever.
    believed_for: Option<Duration>,
    last: Option<Mono>,
    degraded: Level,
    unhealthy: Level,
}

/// Whether a level is raised, and how many results in a row say the opposite.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    raised: bool,
    against: u32,
}

impl Debounce {
    /// Results in a row that raise a level, where nothing else is said.
    pub const RISE: u32 = 3;
    /// Results in a row that clear a level, where nothing else is said.
    pub const FALL: u32 = 2;
    /// After so many periods without a result a check is silent.
    pub const SILENT_PERIODS: u32 = 3;

    /// Raises after `rise` results in a row, clears after `fall`; 0 is taken as 1. Its results are believed for ever.
    pub fn new(rise: u32, fall: u32) -> Self {
        Self {
            rise: rise.max(1),
            fall: fall.max(1),
            believed_for: None,
            last: None,
            degraded: Level::default(),
            unhealthy: Level::default(),
        }
    }

    /// The same for a check that runs once in a `period`: silent for [`Self::SILENT_PERIODS`] of them it is unknown, or
    /// what is worse of that and its last status.
    #[must_use]
    pub fn with_period(self, period: Duration) -> Self {
        Self {
            believed_for: Some(period.saturating_mul(Self::SILENT_PERIODS)),
            ..self
        }
    }

    /// Takes one result, of the time `at`. Returns the status then.
    pub fn observe(&mut self, result: Status, at: Mono) -> Status {
        if result != Status::Unknown {
            let first = self.last.is_none();
            let (rise, fall) = if first { (1, 1) } else { (self.rise, self.fall) };
            self.degraded.observe(result >= Status::Degraded, rise, fall);
            self.unhealthy.observe(result >= Status::Unhealthy, rise, fall);
            self.last = Some(at);
        }
        self.status(at)
    }

    /// The status at `now`: unknown before the first result.
    pub fn status(&self, now: Mono) -> Status {
        let Some(last) = self.last else {
            return Status::Unknown;
        };
        let level = match (self.degraded.raised, self.unhealthy.raised) {
            (_, true) => Status::Unhealthy,
            (true, false) => Status::Degraded,
            (false, false) => Status::Healthy,
        };
        let silent = self
            .believed_for
            .is_some_and(|believed_for| now.since(last) >= believed_for);
        if silent {
            level.join(Status::Unknown)
        } else {
            level
        }
    }
}

impl Default for Debounce {
    fn default() -> Self {
        Self::new(Self::RISE, Self::FALL)
    }
}

impl Level {
    fn observe(&mut self, reached: bool, rise: u32, fall: u32) {
        if reached == self.raised {
            self.against = 0;
            return;
        }
        self.against += 1;
        if self.against >= if reached { rise } else { fall } {
            *self = Self {
                raised: reached,
                against: 0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};
    use ward_model::Status::{Degraded, Healthy, Unhealthy, Unknown};

    use super::*;

    const PERIOD: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Mono {
        Mono::default() + Duration::from_secs(seconds)
    }

    /// The definition, word by word, over all results there ever were.
    fn by_definition(rise: usize, fall: usize, results: &[Status]) -> Status {
        let results: Vec<_> = results
            .iter()
            .copied()
            .filter(|&result| result != Unknown)
            .collect();
        let Some(first) = results.first() else {
            return Unknown;
        };
        let raised = |level: Status| {
            let mut raised = *first >= level;
            for end in 1..=results.len() {
                let last = |count: usize| end.checked_sub(count).map(|start| &results[start..end]);
                if last(rise).is_some_and(|last| last.iter().all(|&result| result >= level)) {
                    raised = true;
                } else if last(fall).is_some_and(|last| last.iter().all(|&result| result < level)) {
                    raised = false;
                }
            }
            raised
        };
        [Unhealthy, Degraded]
            .into_iter()
            .find(|&level| raised(level))
            .unwrap_or(Healthy)
    }

    proptest! {
        #[test]
        fn follows_its_definition(
            rise in 1..5usize,
            fall in 1..5usize,
            results in vec(select(Status::ALL.to_vec()), 0..40),
        ) {
            let mut debounce = Debounce::new(rise as u32, fall as u32);
            for end in 1..=results.len() {
                let status = debounce.observe(results[end - 1], at(end as u64));
                prop_assert_eq!(status, by_definition(rise, fall, &results[..end]));
            }
        }

        #[test]
        fn a_worse_result_never_makes_a_better_status(
            results in vec((select(Status::ALL.to_vec()), any::<bool>()), 1..40),
        ) {
            let (mut one, mut worse) = (Debounce::default(), Debounce::default());
            for (result, spoil) in results {
                let spoilt = if spoil && result != Unknown { Unhealthy } else { result };
                prop_assert!(one.observe(result, at(0)) <= worse.observe(spoilt, at(0)));
            }
        }

        #[test]
        fn with_one_and_one_it_is_the_last_word(results in vec(select(Status::ALL.to_vec()), 1..20)) {
            let mut debounce = Debounce::new(1, 1);
            let mut status = Unknown;
            for &result in &results {
                status = debounce.observe(result, at(0));
            }
            let word = results.iter().rev().find(|&&result| result != Unknown);
            prop_assert_eq!(status, word.copied().unwrap_or(Unknown));
        }

        #[test]
        fn silence_is_never_healthy(
            results in vec(select(vec![Healthy, Degraded, Unhealthy]), 1..9),
            silence in 0..100u64,
        ) {
            let mut debounce = Debounce::default().with_period(PERIOD);
            for &result in &results {
                debounce.observe(result, at(100));
            }
            let (then, now) = (debounce.status(at(100)), debounce.status(at(100 + silence)));
            prop_assert_eq!(now, if silence >= 30 { then.join(Unknown) } else { then });
        }
    }

    #[test]
    fn unknown_for_long_is_silence() {
        let mut debounce = Debounce::default().with_period(PERIOD);
        assert_eq!(debounce.observe(Healthy, at(0)), Healthy);
        assert_eq!(debounce.observe(Unknown, at(10)), Healthy);
        assert_eq!(debounce.observe(Unknown, at(30)), Unknown);
        assert_eq!(debounce.observe(Healthy, at(31)), Healthy);
    }
}
