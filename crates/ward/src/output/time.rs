//! Times as people read them: in their own zone, and how long ago.

use jiff::{Timestamp, tz::TimeZone};
use ward_model::Wall;

/// Shows times as seen from one moment and place.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    now: Wall,
    zone: TimeZone,
}

impl Times {
    /// Seen from `now`, in the zone of this machine.
    pub(crate) fn here(now: Wall) -> Self {
        Self {
            now,
            zone: TimeZone::system(),
        }
    }

    /// The same place, seen from another moment.
    pub(crate) fn seen_from(&self, now: Wall) -> Self {
        Self {
            now,
            zone: self.zone.clone(),
        }
    }

    #[cfg(test)]
    pub(crate) fn utc(now: Wall) -> Self {
        Self {
            now,
            zone: TimeZone::UTC,
        }
    }

    /// The moment from which one looks.
    pub(crate) fn now(&self) -> Wall {
        self.now
    }

    /// Date and time to the second.
    pub(crate) fn moment(&self, Wall(ms): Wall) -> String {
        match Timestamp::from_millisecond(ms) {
            Ok(moment) => moment.to_zoned(self.zone.clone()).strftime("%F %T").to_string(),
            Err(_) => format!("{ms}ms-since-1970"),
        }
    }

    /// For columns: the time of day, or the date of what is a day away, and how long ago.
    pub(crate) fn brief(&self, then: Wall) -> String {
        format!("{} ({})", self.short(then), self.ago(then))
    }

    /// The time of day, or the date of what is a day away.
    pub(crate) fn short(&self, then: Wall) -> String {
        let moment = self.moment(then);
        let day_away = self.now.0.saturating_sub(then.0).unsigned_abs() >= 86_400_000;
        match moment.split_once(' ') {
            Some((date, _)) if day_away => date.to_owned(),
            Some((_, time)) => time.to_owned(),
            None => moment,
        }
    }

    /// How long ago, in the two largest units. Clocks differ: what is yet to come was just now.
    pub(crate) fn ago(&self, Wall(then): Wall) -> String {
        span(self.now.0.saturating_sub(then))
    }
}

/// A number of milliseconds, in the two largest units.
pub(crate) fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let shown = [-5, 999, 1_000, 61_000, 3_600_000, 90_000_000].map(span);
        assert_eq!(shown, ["0s", "0s", "1s", "1m 1s", "1h 0m", "1d 1h"]);
        assert_eq!(Times::utc(Wall(i64::MIN)).ago(Wall(i64::MAX)), "0s");
    }

    #[test]
    fn moments_of_any_clock() {
        let times = Times::utc(Wall(0));
        assert_eq!(times.moment(Wall(1_763_829_219_000)), "2025-11-22 16:33:39");
        let shown = [-86_400_000, -5_000, 5_000].map(|then| times.brief(Wall(then)));
        assert_eq!(shown, ["1969-12-31 (1d 0h)", "23:59:55 (5s)", "00:00:05 (0s)"]);
        assert_eq!(times.moment(Wall(i64::MAX)), "9223372036854775807ms-since-1970");
    }
}
