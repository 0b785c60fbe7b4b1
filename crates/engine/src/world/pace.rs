//! How often an instance is to be heard, and how long its silence is borne meanwhile.
//!
//! The file's word wins over the instance's own, but a reporter goes by what it was told last. Between the two the longer
//! lease holds, so that nobody is convicted by a word that cannot have reached them. Knows neither slots nor deadlines.
//! One lease in force for everybody at once was not taken: a reload to a shorter interval would find whole services
//! silent that beat as they should.

use std::time::Duration;

use ward_model::bounds::INTERVAL_MAX;

use crate::Lease;

/// A span in milliseconds, as reporters and the file say them: a million instances have four each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Millis(u32);

impl Millis {
    fn span(self) -> Duration {
        Duration::from_millis(u64::from(self.0))
    }
}

impl From<Duration> for Millis {
    fn from(span: Duration) -> Self {
        Self(u32::try_from(span.as_millis()).unwrap_or(u32::MAX))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// What it says of itself.
    own: Millis,
    /// In force: the file's word, or its own.
    interval: Millis,
    /// What was in force when its reporter was last answered.
    told: Millis,
    /// Of which interval its lease is.
    leased: Millis,
    /// It holds no stream.
    pub(crate) once: bool,
}

impl Pace {
    /// Of one that says hello, and is told in the answer what the file says instead.
    pub(crate) fn new(own: Duration, once: bool, file: Option<Duration>) -> Self {
        let interval = in_force(own, once, file).into();
        Self {
            own: own.into(),
            interval,
            told: interval,
            leased: interval,
            once,
        }
    }

    /// Of one that was told `interval` by an aggregator before this one.
    pub(crate) fn recalled(interval: Duration, file: Option<Duration>) -> Self {
        let mut pace = Self::new(interval, interval > INTERVAL_MAX, None);
        pace.declare(file);
        pace.renew();
        pace
    }

    /// In force: the file's word, or its own.
    pub(crate) fn interval(&self) -> Duration {
        self.interval.span()
    }

    /// For how long its silence is borne.
    pub(crate) fn lease(&self) -> Lease {
        Lease::for_interval(self.leased.span())
    }

    /// What it says of itself.
    #[cfg(test)]
    pub(crate) fn own(&self) -> Duration {
        self.own.span()
    }

    /// The file says this from now on. True if that changes the interval in force.
    pub(crate) fn declare(&mut self, file: Option<Duration>) -> bool {
        let interval = in_force(self.own.span(), self.once, file).into();
        std::mem::replace(&mut self.interval, interval) != interval
    }

    /// Its reporter knows the interval in force.
    pub(crate) fn is_told(&self) -> bool {
        self.told == self.interval
    }

    pub(crate) fn tell(&mut self) {
        self.told = self.interval;
    }

    /// Brings the lease up to date.
    pub(crate) fn renew(&mut self) {
        self.leased = self.told.max(self.interval);
    }

    /// Heard too seldom to say anything about whether the observer can hear.
    pub(crate) fn is_seldom(&self) -> bool {
        self.interval() > INTERVAL_MAX
    }
}

/// Nobody holds a stream open over a longer interval than [`INTERVAL_MAX`], whatever the file allows for the rest.
fn in_force(own: Duration, once: bool, file: Option<Duration>) -> Duration {
    let most = if once { Duration::MAX } else { INTERVAL_MAX };
    file.map_or(own, |file| file.min(most))
}

#[cfg(test)]
mod tests {
    use ward_model::bounds::INTERVAL_ONCE_MAX;

    use super::*;

    const SHORT: Duration = Duration::from_secs(1);
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn the_longer_lease_holds_until_the_reporter_was_told() {
        for (own, file) in [(SHORT, LONG), (LONG, SHORT)] {
            let mut pace = Pace::new(own, false, None);
            assert!(pace.declare(Some(file)) && !pace.declare(Some(file)));
            assert_eq!((pace.interval(), pace.is_told()), (file, false));
            pace.renew();
            assert_eq!(pace.lease(), Lease::for_interval(LONG));
            pace.tell();
            pace.renew();
            assert_eq!(pace.lease(), Lease::for_interval(file));
            assert!(pace.declare(None));
            assert_eq!(pace.interval(), own, "taken back");
        }
    }

    #[test]
    fn one_known_from_before_is_judged_by_what_it_was_told() {
        for file in [SHORT, LONG] {
            let pace = Pace::recalled(Duration::from_secs(30), Some(file));
            assert_eq!((pace.interval(), pace.is_told()), (file, false));
            let longer = file.max(Duration::from_secs(30));
            assert_eq!(pace.lease(), Lease::for_interval(longer));
        }
    }

    #[test]
    fn a_month_is_for_those_that_hold_no_stream() {
        let once = Pace::new(SHORT, true, Some(INTERVAL_ONCE_MAX));
        assert_eq!(once.interval(), INTERVAL_ONCE_MAX);
        assert!(once.is_seldom());
        assert_eq!(once.lease().suspect_after, INTERVAL_ONCE_MAX * 3);
        let streaming = Pace::new(SHORT, false, Some(INTERVAL_ONCE_MAX));
        assert_eq!(streaming.interval(), INTERVAL_MAX);
        assert!(!streaming.is_seldom());
    }
}
