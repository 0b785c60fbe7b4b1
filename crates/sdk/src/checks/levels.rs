//! From a number to a status: the levels of what a host has, with hysteresis and for how long they must hold.
//!
//! Pure. It replaces the counting of results (`Check::debounce`) where time is what matters: "over 0.8 for five minutes"
//! means the same whatever the period. The levels of a [`Signal`](crate::Signal) are judged by the aggregator and know no
//! duration; these are judged here, so that the service itself and its probes know.

use std::time::Duration;

use ward_model::{Mono, Status};
use ward_proto::Invalid;

/// From which value on a check is degraded or unhealthy, and for how long before it is believed.
///
/// A level is raised once the value has been at `raise` or over it for [`hold`](Self::hold), in every reading of that time,
/// and is cleared by the first below `clear`.
///
/// ```
/// use std::time::Duration;
/// use ward_sdk::checks::{Disk, Levels};
///
/// let levels = Levels::new().degraded(0.8, 0.75).unhealthy(0.95, 0.9).hold(Duration::from_secs(60));
/// let check = Disk::new("disk", "/var/lib/orders").levels(levels).check();
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Levels {
    degraded: Option<Level>,
    unhealthy: Option<Level>,
    hold: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Level {
    raise: f64,
    clear: f64,
}

impl Levels {
    /// No level: always healthy. Hold: zero, so that one reading is enough.
    pub fn new() -> Self {
        Self::default()
    }

    /// Degraded from `raise` on, until it is below `clear` (at most `raise`).
    #[must_use]
    pub fn degraded(self, raise: f64, clear: f64) -> Self {
        Self {
            degraded: Some(Level { raise, clear }),
            ..self
        }
    }

    /// Unhealthy from `raise` on, until it is below `clear` (at most `raise`).
    #[must_use]
    pub fn unhealthy(self, raise: f64, clear: f64) -> Self {
        Self {
            unhealthy: Some(Level { raise, clear }),
            ..self
        }
    }

    /// How long the value must be over a level.
    #[must_use]
    pub fn hold(self, hold: Duration) -> Self {
        Self { hold, ..self }
    }

    /// What no value could make sense of.
    pub(crate) fn mistake(&self) -> Option<Invalid> {
        let level = |(name, level): (&str, Option<Level>)| {
            let Level { raise, clear } = level?;
            if !raise.is_finite() {
                Some(Invalid::new(
                    format!("levels.{name}.raise"),
                    "must be a finite number",
                ))
            } else if !clear.is_finite() || clear > raise {
                Some(Invalid::new(
                    format!("levels.{name}.clear"),
                    format!("must be a finite number, at most {raise}"),
                ))
            } else {
                None
            }
        };
        [("degraded", self.degraded), ("unhealthy", self.unhealthy)]
            .into_iter()
            .find_map(level)
    }
}

/// Levels, and which of them are raised.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    levels: Levels,
    degraded: Raised,
    unhealthy: Raised,
}

#[derive(Clone, Copy, Debug, Default)]
struct Raised {
    raised: bool,
    /// Since when every reading has been over it.
    over_since: Option<Mono>,
}

impl Judge {
    pub(crate) fn new(levels: Levels) -> Self {
        Self {
            levels,
            degraded: Raised::default(),
            unhealthy: Raised::default(),
        }
    }

    /// The status with this reading. A value that is not finite changes nothing.
    pub(crate) fn judge(&mut self, value: f64, at: Mono) -> Status {
        let Levels {
            degraded,
            unhealthy,
            hold,
        } = self.levels;
        if value.is_finite() {
            self.degraded.judge(degraded, hold, value, at);
            self.unhealthy.judge(unhealthy, hold, value, at);
        }
        match (self.unhealthy.raised, self.degraded.raised) {
            (true, _) => Status::Unhealthy,
            (false, true) => Status::Degraded,
            (false, false) => Status::Healthy,
        }
    }
}

impl Raised {
    fn judge(&mut self, level: Option<Level>, hold: Duration, value: f64, at: Mono) {
        let Some(Level { raise, clear }) = level else {
            return;
        };
        if value >= raise {
            let since = *self.over_since.get_or_insert(at);
            self.raised |= at.since(since) >= hold;
        } else {
            self.over_since = None;
            self.raised &= value >= clear;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::default() + Duration::from_secs(seconds)
    }

    #[test]
    fn a_level_must_hold_in_every_reading() {
        let mut judge = Judge::new(Levels::new().degraded(0.8, 0.7).hold(Duration::from_secs(300)));
        for second in (0..300).step_by(15) {
            assert_eq!(judge.judge(0.9, at(second)), Status::Healthy, "after {second} s");
        }
        assert_eq!(judge.judge(0.79, at(299)), Status::Healthy);
        for second in (300..600).step_by(15) {
            assert_eq!(
                judge.judge(0.9, at(second)),
                Status::Healthy,
                "the dip starts it anew"
            );
        }
        assert_eq!(judge.judge(0.8, at(600)), Status::Degraded);
        assert_eq!(
            judge.judge(0.75, at(601)),
            Status::Degraded,
            "between clear and raise it stays"
        );
        assert_eq!(
            judge.judge(f64::NAN, at(602)),
            Status::Degraded,
            "no number says nothing"
        );
        assert_eq!(judge.judge(0.69, at(603)), Status::Healthy);
        assert_eq!(judge.judge(0.9, at(604)), Status::Healthy, "it must hold again");
    }

    #[test]
    fn the_worse_level_wins_and_each_is_cleared_by_itself() {
        let mut judge = Judge::new(Levels::new().degraded(0.8, 0.7).unhealthy(0.9, 0.85));
        let told: Vec<_> = [0.95, 0.86, 0.84, 0.7, 0.69]
            .into_iter()
            .zip(0..)
            .map(|(value, second)| judge.judge(value, at(second)))
            .collect();
        use Status::{Degraded, Healthy, Unhealthy};
        assert_eq!(told, [Unhealthy, Unhealthy, Degraded, Degraded, Healthy]);
    }

    #[test]
    fn what_makes_no_sense_is_a_mistake() {
        let field = |levels: Levels| levels.mistake().map(|mistake| mistake.field);
        assert_eq!(field(Levels::new().degraded(0.9, 0.9).unhealthy(0.95, 0.9)), None);
        assert_eq!(
            field(Levels::new().degraded(0.9, 0.91)),
            Some("levels.degraded.clear".into())
        );
        assert_eq!(
            field(Levels::new().unhealthy(f64::NAN, 0.9)),
            Some("levels.unhealthy.raise".into())
        );
        assert_eq!(
            field(Levels::new().unhealthy(0.9, f64::NAN)),
            Some("levels.unhealthy.clear".into())
        );
    }

    proptest! {
        /// Said in the words of the documentation, from the whole history.
        #[test]
        fn it_is_what_its_words_say(values in prop::collection::vec(0_u32..10, 1..60), hold in 0_u64..8) {
            let mut judge = Judge::new(Levels::new().degraded(7.0, 4.0).hold(Duration::from_secs(hold)));
            let mut raised = false;
            for now in 0..values.len() {
                let run = values[..=now].iter().rev().take_while(|&&value| value >= 7).count() as u64;
                raised = if run > 0 { raised || run > hold } else { raised && values[now] >= 4 };
                let told = judge.judge(f64::from(values[now]), at(now as u64));
                prop_assert_eq!(told == Status::Degraded, raised);
            }
        }
    }
}
