//! Windows of maintenance, as a file writes them.

use std::time::Duration;

use jiff::civil::{Time, Weekday};
use serde_json::{Value as Json, json};
use ward_model::Wall;

use crate::{
    reading::{At, Node, Reading, Value, table},
    value::{DayOfMonth, Every, Why, written},
    window::{Days, InvalidWindow, Window, Zone},
};

table! {
    /// A window of maintenance that is open once.
    struct FixedTable {
        /// When it opens.
        "start" start: Wall = required,
        /// When it closes.
        "end" end: Wall = required,
        /// Why, for people.
        "why" why: Why,
    }
}

table! {
    /// A window of maintenance that comes back.
    struct RecurringTable {
        /// On which days: "day", a day of the week or an array of those, or "month" together with `day_of_month`.
        "every" every: Every = required,
        /// On which day of each month, with `every = "month"`. A month that is shorter has it on its last day.
        "day_of_month" day_of_month: DayOfMonth,
        /// When it opens, on the clock of `zone`. On a day on which clocks skip that time it opens as much later; where
        /// they show it twice, at the first.
        "at" at: Time = required,
        /// How long it is open, in time that passes. At most until it opens again.
        "for" lasts: Duration = required,
        /// Whose clock. Default "UTC".
        "zone" zone: Zone,
        /// Why, for people.
        "why" why: Why,
    }
}

/// A window of either kind.
#[derive(Clone, Debug)]
pub(crate) struct AnyWindow(pub(super) Option<Window>);

impl Value for AnyWindow {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        reading.table(node)?;
        if node.has("start") || node.has("end") {
            return FixedTable::read(node, reading).map(|table| Self(table.settle(reading)));
        }
        RecurringTable::read(node, reading).map(|table| Self(table.settle(node, reading)))
    }

    fn schema() -> Json {
        json!({ "anyOf": [FixedTable::schema(), RecurringTable::schema()] })
    }
}

impl FixedTable {
    fn settle(self, reading: &mut Reading<'_>) -> Option<Window> {
        let (start, end) = (self.start?, self.end?);
        let why = self.why.map_or_else(String::new, |why| why.value.0);
        let window = Window::fixed(start.value, end.value, why);
        window
            .map_err(|_| {
                let mistake = reading.wrong(&end.path, &end.span, "is not after `start`");
                mistake.help = Some("a window ends after it has started".into());
                mistake.beside = Some((start.span, "it starts here"));
            })
            .ok()
    }
}

impl RecurringTable {
    fn settle(self, node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Window> {
        let days = self.days(node, reading);
        let (days, at, lasts) = (days?, self.at?.value, self.lasts?);
        let zone = self.zone.map_or_else(Zone::utc, |zone| zone.value);
        let why = self.why.map_or_else(String::new, |why| why.value.0);
        let window = Window::recurring(days, at, lasts.value, zone, why);
        window
            .map_err(|invalid| {
                let message = match invalid {
                    InvalidWindow::Overlaps(_) => format!(
                        "is {}: the window would open again before it closes",
                        written(lasts.value)
                    ),
                    InvalidWindow::Empty | InvalidWindow::EndsBeforeStart => "is no time at all".into(),
                };
                let mistake = reading.wrong(&lasts.path, &lasts.span, message);
                mistake.expected = match invalid {
                    InvalidWindow::Overlaps(most) => Some(format!("at most {}", written(most))),
                    InvalidWindow::Empty | InvalidWindow::EndsBeforeStart => Some("more".into()),
                };
            })
            .ok()
    }

    fn days(&self, node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Days> {
        let every = self.every.as_ref()?;
        if let (Some(day), false) = (&self.day_of_month, matches!(every.value, Every::Month)) {
            let help = "leave it away, or write `every = \"month\"`";
            reading
                .wrong(&day.path, &day.span, "goes with `every = \"month\"` only")
                .help = Some(help.into());
        }
        match &every.value {
            Every::Day => Some(Days::Daily),
            Every::Weekdays(days) => weekly(days, reading),
            Every::Month => {
                if !node.has("day_of_month") {
                    let mistake = reading.wrong(&every.path, &every.span, "needs a `day_of_month`");
                    mistake.help = Some("write for example `day_of_month = 1` beside it".into());
                }
                self.day_of_month.as_ref().map(|day| Days::Monthly(day.value.0))
            }
        }
    }
}

fn weekly(days: &[At<Weekday>], reading: &mut Reading<'_>) -> Option<Days> {
    let mut sorted: Vec<Weekday> = Vec::new();
    for day in days {
        if sorted.contains(&day.value) {
            reading.wrong(&day.path, &day.span, "is there twice").help = Some("keep one of them".into());
            return None;
        }
        sorted.push(day.value);
    }
    sorted.sort_by_key(|day| day.to_monday_zero_offset());
    Some(Days::Weekly(sorted))
}
