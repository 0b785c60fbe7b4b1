//! When to try a receiver again. Pure: time and chance are arguments.
//!
//! A pause after a failure is for those who would be asked the same again. Something new does not wait for its end: that a
//! receiver was away a minute ago says little about now, and a page is worth one more connection a second. What the
//! receiver itself asked for is kept to.

use std::time::Duration;

use ward_model::Mono;

use crate::Timing;

/// How often a receiver may be tried.
#[derive(Debug)]
pub(crate) struct Pace {
    timing: Timing,
    failures: u32,
    /// When it was last tried.
    tried: Option<Mono>,
    pause: Option<Pause>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    until: Mono,
    /// The receiver asked for it.
    asked: bool,
}

impl Pace {
    pub(crate) fn new(timing: Timing) -> Self {
        Self {
            timing,
            failures: 0,
            tried: None,
            pause: None,
        }
    }

    /// From when on it may be tried; `fresh` if there is something that was never tried.
    pub(crate) fn from(&self, fresh: bool) -> Mono {
        let Some(Pause { until, asked }) = self.pause else {
            return Mono::default();
        };
        match self.tried {
            Some(tried) if fresh && !asked => until.min(tried + self.timing.early),
            _ => until,
        }
    }

    /// Until when the receiver asked to be left alone.
    pub(crate) fn asked(&self) -> Mono {
        let pause = self.pause.filter(|pause| pause.asked);
        pause.map_or(Mono::default(), |pause| pause.until)
    }

    /// Whether the receiver asked to be left alone for now.
    pub(crate) fn is_asked(&self, now: Mono) -> bool {
        self.asked() > now
    }

    pub(crate) fn took(&mut self, now: Mono) {
        self.tried = Some(now);
        self.failures = 0;
        self.pause = None;
    }

    /// It failed; `asked` is how long it asked for, `random` in 0..1.
    pub(crate) fn failed(&mut self, now: Mono, asked: Option<Duration>, random: f64) {
        self.tried = Some(now);
        // One that came early, for something new, neither shortens the pause nor makes the next one longer.
        if asked.is_none() && self.pause.is_some_and(|pause| pause.until > now) {
            return;
        }
        let Timing { first, longest, .. } = self.timing;
        let step = first.saturating_mul(1 << self.failures.min(16)).min(longest);
        self.failures = self.failures.saturating_add(1);
        // At least half of it, so that it is a pause at all; the rest by chance, so that several do not come as one.
        let own = step.mul_f64(0.5 + random / 2.0);
        let wait = asked.map_or(own, |asked| asked.min(self.timing.asked).max(own));
        self.pause = Some(Pause {
            until: now + wait,
            asked: asked.is_some(),
        });
    }

    /// It refused one thing: the next may be one that it takes, and is tried in a moment.
    pub(crate) fn slowed(&mut self, now: Mono) {
        self.took(now);
        self.pause = Some(Pause {
            until: now + self.timing.early,
            asked: false,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Mono {
        Mono::default() + S * u32::try_from(seconds).unwrap()
    }

    #[test]
    fn pauses_double_from_a_second_to_a_minute_and_end_with_a_success() {
        let mut pace = Pace::new(Timing::default());
        let mut now = at(10);
        let mut waits = Vec::new();
        for _ in 0..9 {
            pace.failed(now, None, 1.0);
            waits.push(pace.from(false).since(now).as_secs());
            now = pace.from(false);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        pace.took(now);
        assert_eq!(pace.from(false), Mono::default());
        pace.failed(now, None, 0.0);
        assert_eq!(pace.from(false).since(now), S / 2, "at least half");
    }

    #[test]
    fn something_new_is_tried_at_most_once_a_second_and_changes_no_pause() {
        let mut pace = Pace::new(Timing::default());
        for _ in 0..6 {
            let now = pace.from(false).max(at(1));
            pace.failed(now, None, 1.0);
        }
        let until = pace.from(false);
        let tried = at(32);
        assert_eq!(until, at(64));
        assert_eq!(pace.from(true), tried + S);
        pace.failed(tried + S, None, 1.0);
        assert_eq!((pace.from(false), pace.from(true)), (until, tried + S * 2));
    }

    #[test]
    fn what_is_asked_for_is_kept_to_up_to_five_minutes() {
        let mut pace = Pace::new(Timing::default());
        pace.failed(at(1), Some(S * 7), 0.5);
        assert_eq!((pace.from(false), pace.from(true)), (at(8), at(8)));
        assert!(pace.is_asked(at(7)) && !pace.is_asked(at(8)));
        pace.failed(at(8), Some(S * 86_400), 0.5);
        assert_eq!(pace.from(true), at(308));
        // "Retry-After: 0" is no leave to spin.
        pace.took(at(400));
        pace.failed(at(400), Some(Duration::ZERO), 0.0);
        assert_eq!(pace.from(true).since(at(400)), S / 2);
    }
}
