//! What was: stretches of one status, days in figures, and how much of a window was what.
//!
//! Unknown time stands apart from bad time, and maintenance apart from both: an availability that counts hours in which
//! nobody watched as good, or as bad, is a guess. How spans are made of transitions stands in the store.

use std::{fmt, ops::AddAssign, str::FromStr};

use serde::{Serialize, Serializer};

use crate::{Reason, Status, Wall};

/// Why a span has its status: the verdict's own reason, or why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpanReason {
    /// As the verdict had it.
    Verdict(Reason),
    /// No aggregator ran, or it had not yet said its first word about this.
    NotWatched,
    /// There were verdicts, and they could not be kept.
    NotRecorded,
    /// It was forgotten, and has not come back.
    Forgotten,
}

impl SpanReason {
    /// The CamelCase word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Verdict(reason) => reason.as_str(),
            Self::NotWatched => "NotWatched",
            Self::NotRecorded => "NotRecorded",
            Self::Forgotten => "Forgotten",
        }
    }
}

impl fmt::Display for SpanReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a newer version calls something else reads as `Reported`, as in conditions; the message says the rest.
impl From<&str> for SpanReason {
    fn from(word: &str) -> Self {
        let others = [Self::NotWatched, Self::NotRecorded, Self::Forgotten];
        let verdicts = Reason::ALL.into_iter().map(Self::Verdict);
        let found = verdicts.chain(others).find(|reason| reason.as_str() == word);
        found.unwrap_or(Self::Verdict(Reason::default()))
    }
}

impl Serialize for SpanReason {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

/// A stretch of time in which nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HistorySpan {
    /// From when, itself included.
    pub from: Wall,
    /// Until when; `None` if it still holds.
    pub to: Option<Wall>,
    /// The status.
    pub status: Status,
    /// Why, for machines.
    pub reason: SpanReason,
    /// Why, for people. May be empty.
    pub message: String,
    /// Somebody worked on it.
    pub maintenance: bool,
}

/// How long it was what, in milliseconds. The five add up to the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Uptime {
    /// Healthy.
    pub healthy_ms: u64,
    /// Degraded: it worked.
    pub degraded_ms: u64,
    /// Unhealthy.
    pub unhealthy_ms: u64,
    /// No verdict, or nobody to give one.
    pub unknown_ms: u64,
    /// In maintenance, whatever the verdict; where there was none it is unknown.
    pub maintenance_ms: u64,
}

impl Uptime {
    /// `ms` of one kind.
    pub fn of(status: Status, maintenance: bool, ms: u64) -> Self {
        let mut uptime = Self::default();
        let kind = match status {
            Status::Unknown => &mut uptime.unknown_ms,
            _ if maintenance => &mut uptime.maintenance_ms,
            Status::Healthy => &mut uptime.healthy_ms,
            Status::Degraded => &mut uptime.degraded_ms,
            Status::Unhealthy => &mut uptime.unhealthy_ms,
        };
        *kind = ms;
        uptime
    }

    /// All of it.
    pub fn total_ms(self) -> u64 {
        self.known_ms() + self.unknown_ms + self.maintenance_ms
    }

    /// The time that availability is about.
    pub fn known_ms(self) -> u64 {
        self.healthy_ms + self.degraded_ms + self.unhealthy_ms
    }

    /// The share of known time in which it worked, 0 to 1; `None` if nothing is known.
    pub fn availability(self) -> Option<f64> {
        let known = self.known_ms();
        (known > 0).then(|| (self.healthy_ms + self.degraded_ms) as f64 / known as f64)
    }
}

impl AddAssign for Uptime {
    fn add_assign(&mut self, other: Self) {
        self.healthy_ms += other.healthy_ms;
        self.degraded_ms += other.degraded_ms;
        self.unhealthy_ms += other.unhealthy_ms;
        self.unknown_ms += other.unknown_ms;
        self.maintenance_ms += other.maintenance_ms;
    }
}

/// A day of UTC, counted from 1970-01-01; told as `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub i64);

impl Day {
    /// How long one is.
    pub const MS: i64 = 86_400_000;

    /// The one that `wall` is in.
    pub fn of(wall: Wall) -> Self {
        Self(wall.0.div_euclid(Self::MS))
    }

    /// Its first millisecond; saturates far outside any year that can be shown.
    pub fn start(self) -> Wall {
        Wall(self.0.saturating_mul(Self::MS))
    }

    /// The one behind it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Year, month and day by the Gregorian calendar: Hinnant's `civil_from_days`.
    fn civil(self) -> (i64, i64, i64) {
        let day = self.0 + 719_468;
        let era = day.div_euclid(146_097);
        let of_era = day.rem_euclid(146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let month = (5 * of_year + 2) / 153;
        let date = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        (year + era * 400 + i64::from(month <= 2), month, date)
    }

    /// Hinnant's `days_from_civil`.
    fn from_civil(year: i64, month: i64, date: i64) -> Self {
        let year = year - i64::from(month <= 2);
        let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + date - 1;
        Self(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, date) = self.civil();
        write!(f, "{year:04}-{month:02}-{date:02}")
    }
}

/// Says only that a text is no `YYYY-MM-DD`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDay;

impl fmt::Display for InvalidDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no day, expected YYYY-MM-DD")
    }
}

impl std::error::Error for InvalidDay {}

impl FromStr for Day {
    type Err = InvalidDay;

    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        let shaped = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
        let (year, month, date) = (parts.next(), parts.next(), parts.next());
        let (Some(Some(year)), Some(Some(month)), Some(Some(date))) = (year, month, date) else {
            return Err(InvalidDay);
        };
        let day = Self::from_civil(year, month, date);
        // The 31st of a month of 30 days is another day.
        (shaped && (1..=12).contains(&month) && day.to_string() == text)
            .then_some(day)
            .ok_or(InvalidDay)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// One day in figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HistoryDay {
    /// Which.
    pub day: Day,
    /// How long it was what, in the part of the day that was asked for.
    #[serde(flatten)]
    pub uptime: Uptime,
}

/// What was, in a window of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct History {
    /// From when; later than asked where [`shortened`](Self::shortened), and the start of its day where only days are
    /// kept of it.
    pub since: Wall,
    /// Until when; no later than now.
    pub until: Wall,
    /// Oldest first, without gap or overlap, up to `until`. What is older than what is kept of transitions is only in `days`.
    pub spans: Vec<HistorySpan>,
    /// Each day of the window, oldest first.
    pub days: Vec<HistoryDay>,
    /// The whole window: the sum of the days.
    pub uptime: Uptime,
    /// There were more transitions than asked for; the newest are told.
    pub shortened: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (day, text) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (19_782, "2024-02-29"),
            (20_787, "2026-11-30"),
            (47_541, "2100-03-01"),
        ] {
            assert_eq!(Day(day).to_string(), text);
            assert_eq!(text.parse(), Ok(Day(day)));
        }
        assert!((-800_000..800_000).step_by(13).map(Day).all(|day| {
            let (year, month, date) = day.civil();
            Day::from_civil(year, month, date) == day
        }));
        assert_eq!(Day::of(Wall(-1)), Day(-1));
        for wrong in [
            "",
            "2026-02-30",
            "2026-13-01",
            "2026-1-1",
            "2026-01-01-",
            "+026-01-01",
            "tomorrow",
        ] {
            assert_eq!(wrong.parse::<Day>(), Err(InvalidDay), "{wrong}");
        }
    }

    #[test]
    fn unknown_time_is_no_downtime_and_no_uptime() {
        let mut uptime = Uptime::of(Status::Healthy, false, 60);
        uptime += Uptime::of(Status::Degraded, false, 30);
        uptime += Uptime::of(Status::Unhealthy, false, 10);
        uptime += Uptime::of(Status::Unhealthy, true, 1_000);
        uptime += Uptime::of(Status::Unknown, false, 5_000);
        assert_eq!(uptime.availability(), Some(0.9));
        assert_eq!((uptime.known_ms(), uptime.total_ms()), (100, 6_100));
        assert_eq!(Uptime::of(Status::Unknown, true, 7).availability(), None);
    }

    #[test]
    fn reasons_are_read_as_they_are_told() {
        let others = [
            SpanReason::NotWatched,
            SpanReason::NotRecorded,
            SpanReason::Forgotten,
        ];
        for reason in Reason::ALL.into_iter().map(SpanReason::Verdict).chain(others) {
            assert_eq!(SpanReason::from(reason.as_str()), reason);
        }
        assert_eq!(SpanReason::from("Haunted"), SpanReason::Verdict(Reason::Reported));
    }
}
