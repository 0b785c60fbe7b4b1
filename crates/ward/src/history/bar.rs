//! The window as one line: each cell a stretch of time, as bad as the worst in it, so that no outage is too short to be seen.
//!
//! Letters say what colours say, for those who see none. Averages were not drawn: a minute of outage in an hour is what one
//! looks for.

use anstyle::{AnsiColor, Style};
use ward_model::{Day, History, HistoryDay, Status, Uptime};

use crate::output::paint;

/// What a cell shows, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Healthy,
    Maintenance,
    Unknown,
    Degraded,
    Unhealthy,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Healthy,
        Self::Maintenance,
        Self::Unknown,
        Self::Degraded,
        Self::Unhealthy,
    ];

    fn of(status: Status, maintenance: bool) -> Self {
        match status {
            Status::Unknown => Self::Unknown,
            _ if maintenance => Self::Maintenance,
            Status::Healthy => Self::Healthy,
            Status::Degraded => Self::Degraded,
            Status::Unhealthy => Self::Unhealthy,
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Healthy => '=',
            Self::Maintenance => 'm',
            Self::Unknown => '?',
            Self::Degraded => 'D',
            Self::Unhealthy => 'X',
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Maintenance => "in maintenance",
            Self::Unknown => "unknown",
            Self::Degraded => "degraded",
            Self::Unhealthy => "unhealthy",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Healthy => AnsiColor::Green.on_default(),
            Self::Maintenance => AnsiColor::Cyan.on_default(),
            Self::Unknown => AnsiColor::Magenta.on_default(),
            Self::Degraded => AnsiColor::Yellow.on_default(),
            Self::Unhealthy => AnsiColor::Red.on_default().bold(),
        }
    }
}

/// A stretch of time of one kind.
type Stretch = (i64, i64, Kind);

/// The cells, `width` of them.
pub(super) fn cells(history: &History, width: usize) -> Vec<Kind> {
    let (since, until) = (history.since.0, history.until.0);
    let stretches = stretches(history);
    let length = i128::from(until) - i128::from(since);
    let edge = |cell: usize| {
        let part = length * cell as i128 / width.max(1) as i128;
        i64::try_from(i128::from(since) + part).unwrap_or(until)
    };
    let cell = |cell: usize| {
        let (from, to) = (edge(cell), edge(cell + 1).max(edge(cell).saturating_add(1)));
        let touching = stretches
            .iter()
            .filter(|(begins, ends, _)| *begins < to && *ends > from);
        touching.map(|(_, _, kind)| *kind).max().unwrap_or(Kind::Unknown)
    };
    (0..width).map(cell).collect()
}

/// Spans where there are some, days before that: each as bad as the worst in it.
fn stretches(history: &History) -> Vec<Stretch> {
    let begin = history.spans.first().map_or(history.until, |span| span.from);
    let of_days = history.days.iter().filter(|day| day.day.start() < begin);
    let of_days = of_days.map(|day| {
        let from = day.day.start().0.max(history.since.0);
        (
            from,
            day.day.start().0.saturating_add(Day::MS).min(begin.0),
            worst(day),
        )
    });
    let of_spans = history.spans.iter().map(|span| {
        let to = span.to.unwrap_or(history.until);
        (span.from.0, to.0, Kind::of(span.status, span.maintenance))
    });
    of_days.chain(of_spans).collect()
}

fn worst(day: &HistoryDay) -> Kind {
    let Uptime {
        healthy_ms,
        degraded_ms,
        unhealthy_ms,
        unknown_ms,
        maintenance_ms,
    } = day.uptime;
    let times = [healthy_ms, maintenance_ms, unknown_ms, degraded_ms, unhealthy_ms];
    let there = Kind::ALL.into_iter().zip(times).filter(|(_, ms)| *ms > 0);
    there.map(|(kind, _)| kind).max().unwrap_or(Kind::Unknown)
}

/// The line.
pub(super) fn line(cells: &[Kind]) -> String {
    let mut line = String::new();
    for alike in cells.chunk_by(|a, b| a == b) {
        let letters: String = alike.iter().map(|kind| kind.letter()).collect();
        line += &paint(alike[0].style(), letters).to_string();
    }
    line
}

/// What the letters in it mean.
pub(super) fn legend(cells: &[Kind]) -> String {
    let there = Kind::ALL.into_iter().filter(|kind| cells.contains(kind));
    let words = there.map(|kind| format!("{} {}", paint(kind.style(), kind.letter()), kind.word()));
    words.collect::<Vec<_>>().join("  ")
}
