//! Windows of maintenance that a file plans: fixed ones, and those that come back.
//!
//! When a window is open is a pure function of wall time; nothing here reads a clock or starts anything. Cron expressions
//! were not taken: they say when something begins and never how long it lasts, and few people read them without help.
//!
//! A window of every day at 02:30 begins at 02:30 as the clock on the wall shows it. On a day on which there is no 02:30
//! (clocks go forward from 02:00 to 03:00) it begins as much later as was skipped: at 03:30. On a day on which there are
//! two, it begins at the first, once. It lasts for as long as it says, in time that passes.

use std::{fmt, time::Duration};

use jiff::{
    Timestamp, ToSpan, Zoned,
    civil::{Date, Time, Weekday},
    tz::TimeZone,
};
use ward_model::Wall;

/// How many days to look ahead for the next beginning: some month has every day within the next two.
const AHEAD_DAYS: i32 = 63;

/// A window of maintenance: when, and why.
#[derive(Clone, Debug, PartialEq)]
pub enum Window {
    /// Once.
    Fixed {
        /// When it is open.
        occurrence: Occurrence,
        /// For people; may be empty.
        why: String,
    },
    /// Again and again.
    Recurring {
        /// On which days.
        days: Days,
        /// When it begins, on the clock of `zone`.
        at: Time,
        /// How long it lasts, at most the shortest way from one beginning to the next.
        lasts: Duration,
        /// Whose clock.
        zone: Zone,
        /// For people; may be empty.
        why: String,
    },
}

/// The days on which a recurring window begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Days {
    /// Each.
    Daily,
    /// These days of the week; at least one, none twice, in order.
    Weekly(Vec<Weekday>),
    /// This day of each month, 1 to 31; in a month that is shorter, its last day.
    Monthly(i8),
}

/// A time zone with the name by which it was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// One time that a window is open: from `start`, up to and without `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// Its first moment.
    pub start: Wall,
    /// The first moment behind it.
    pub end: Wall,
}

/// Why something is no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWindow {
    /// The end is not behind the start.
    #[error("ends before it starts")]
    EndsBeforeStart,
    /// It lasts for no time.
    #[error("lasts for no time")]
    Empty,
    /// It would begin again before it has ended.
    #[error("would begin again before it has ended: it lasts at most {}h", .0.as_secs() / 3_600)]
    Overlaps(Duration),
}

impl Occurrence {
    /// Whether it is open at `wall`.
    pub fn contains(&self, wall: Wall) -> bool {
        self.start <= wall && wall < self.end
    }
}

impl Zone {
    /// Coordinated Universal Time.
    pub fn utc() -> Self {
        Self {
            name: "UTC".into(),
            zone: TimeZone::UTC,
        }
    }

    /// By its name in the IANA database, such as `Europe/Berlin`; letters of any case are the same.
    pub fn named(name: &str) -> Option<Self> {
        let zone = TimeZone::get(name).ok()?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Some(Self { name, zone })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.name, f)
    }
}

impl Days {
    /// The shortest way from one beginning to the next.
    fn period(&self) -> Duration {
        let days = match self {
            Self::Daily => 1,
            Self::Weekly(days) => shortest_gap(days),
            Self::Monthly(_) => 28,
        };
        Duration::from_secs(days * 24 * 3_600)
    }

    fn include(&self, date: Date) -> bool {
        match self {
            Self::Daily => true,
            Self::Weekly(days) => days.contains(&date.weekday()),
            Self::Monthly(day) => date.day() == (*day).min(date.days_in_month()),
        }
    }
}

/// Days from one of `days` to the next, the fewest.
fn shortest_gap(days: &[Weekday]) -> u64 {
    let offsets = days
        .iter()
        .map(|day| u64::from(day.to_monday_zero_offset().unsigned_abs()));
    let mut offsets: Vec<_> = offsets.collect();
    offsets.sort_unstable();
    let around = offsets.first().map(|first| first + 7);
    let next = offsets.iter().copied().skip(1).chain(around);
    offsets
        .iter()
        .zip(next)
        .map(|(from, to)| to - from)
        .min()
        .unwrap_or(7)
}

impl Window {
    /// One that is open once.
    ///
    /// # Errors
    ///
    /// The end is not behind the start.
    pub fn fixed(start: Wall, end: Wall, why: String) -> Result<Self, InvalidWindow> {
        let occurrence = Occurrence { start, end };
        if end <= start {
            return Err(InvalidWindow::EndsBeforeStart);
        }
        Ok(Self::Fixed { occurrence, why })
    }

    /// One that comes back.
    ///
    /// # Errors
    ///
    /// It lasts for no time, or for longer than until it begins again.
    pub fn recurring(
        days: Days,
        at: Time,
        lasts: Duration,
        zone: Zone,
        why: String,
    ) -> Result<Self, InvalidWindow> {
        let period = days.period();
        if lasts.is_zero() {
            return Err(InvalidWindow::Empty);
        }
        if lasts > period {
            return Err(InvalidWindow::Overlaps(period));
        }
        Ok(Self::Recurring {
            days,
            at,
            lasts,
            zone,
            why,
        })
    }

    /// Why, for people; may be empty.
    pub fn why(&self) -> &str {
        match self {
            Self::Fixed { why, .. } | Self::Recurring { why, .. } => why,
        }
    }

    /// The time that it is open at `wall`. Of two that touch because a clock was set back, the later.
    pub fn occurrence_at(&self, wall: Wall) -> Option<Occurrence> {
        let found = match self {
            Self::Fixed { occurrence, .. } => Some(*occurrence),
            Self::Recurring { lasts, .. } => {
                let back = i32::try_from(lasts.as_secs() / (24 * 3_600)).unwrap_or(AHEAD_DAYS) + 2;
                self.beginnings(wall, -back, 1)
                    .filter(|found| found.start <= wall)
                    .last()
            }
        };
        found.filter(|found| found.contains(wall))
    }

    /// The next time that it opens after `wall`.
    pub fn next_after(&self, wall: Wall) -> Option<Occurrence> {
        match self {
            Self::Fixed { occurrence, .. } => Some(*occurrence).filter(|found| found.start > wall),
            Self::Recurring { .. } => self
                .beginnings(wall, -1, AHEAD_DAYS)
                .find(|found| found.start > wall),
        }
    }

    /// The occurrences that begin on the days `from..=to` around that of `wall`, in order. None of a fixed one; none
    /// outside the years that can be shown.
    fn beginnings(&self, wall: Wall, from: i32, to: i32) -> impl Iterator<Item = Occurrence> {
        let recurring = match self {
            Self::Fixed { .. } => None,
            Self::Recurring {
                days,
                at,
                lasts,
                zone,
                ..
            } => Some((days, *at, *lasts, zone)),
        };
        let today = recurring.and_then(|(.., zone)| {
            let now = Timestamp::from_millisecond(wall.0).ok()?;
            Some(now.to_zoned(zone.zone.clone()).date())
        });
        (from..=to).filter_map(move |day| {
            let (days, at, lasts, zone) = recurring?;
            let date = today?.checked_add(day.days()).ok()?;
            if !days.include(date) {
                return None;
            }
            // "Compatible", as RFC 5545 has it: later where the time is skipped, the first where it comes twice.
            let start: Zoned = date.to_datetime(at).to_zoned(zone.zone.clone()).ok()?;
            let start = start.timestamp().as_millisecond();
            let lasts = i64::try_from(lasts.as_millis()).ok()?;
            Some(Occurrence {
                start: Wall(start),
                end: Wall(start.checked_add(lasts)?),
            })
        })
    }
}

#[cfg(test)]
mod tests;
