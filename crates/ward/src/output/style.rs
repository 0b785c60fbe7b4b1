//! The colours of statuses, and of how urgent alerts are. Colour never carries what the word does not say.

use std::fmt;

use anstyle::{AnsiColor, Style};
use comfy_table::Color;
use ward_model::{Severity, Status};

pub(crate) const BOLD: Style = Style::new().bold();
pub(crate) const DIM: Style = Style::new().dimmed();
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const FAILED: Style = AnsiColor::Red.on_default().bold();

/// Text in a style.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Painted<T>(Style, T);

/// `text` in `style`; the padding a format asks for is inside.
pub(crate) fn paint<T: fmt::Display>(style: Style, text: T) -> Painted<T> {
    Painted(style, text)
}

/// A status as a coloured word.
pub(crate) fn word(status: Status) -> Painted<Status> {
    let style = match status {
        Status::Healthy => AnsiColor::Green.on_default(),
        Status::Unknown => AnsiColor::Magenta.on_default(),
        Status::Degraded => AnsiColor::Yellow.on_default(),
        Status::Unhealthy => AnsiColor::Red.on_default().bold(),
    };
    Painted(style, status)
}

/// The colour of a status in a table.
pub(crate) fn colour(status: Status) -> Color {
    match status {
        Status::Healthy => Color::DarkGreen,
        Status::Unknown => Color::DarkMagenta,
        Status::Degraded => Color::DarkYellow,
        Status::Unhealthy => Color::DarkRed,
    }
}

/// The style of an alert that fires: that of the status it is like.
pub(crate) fn urgent(severity: Severity) -> Style {
    match severity {
        Severity::None | Severity::Info => Style::new(),
        Severity::Warning => WARNING,
        Severity::Critical => AnsiColor::Red.on_default().bold(),
    }
}

/// The colour of an alert that fires in a table.
pub(crate) fn urgency(severity: Severity) -> Option<Color> {
    match severity {
        Severity::None | Severity::Info => None,
        Severity::Warning => Some(Color::DarkYellow),
        Severity::Critical => Some(Color::DarkRed),
    }
}

/// The colour of a status on a whole screen.
pub(crate) fn screen_colour(status: Status) -> ratatui::style::Color {
    use ratatui::style::Color;
    match status {
        Status::Healthy => Color::Green,
        Status::Unknown => Color::Magenta,
        Status::Degraded => Color::Yellow,
        Status::Unhealthy => Color::Red,
    }
}

impl<T: fmt::Display> fmt::Display for Painted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        self.1.fmt(f)?;
        write!(f, "{:#}", self.0)
    }
}
