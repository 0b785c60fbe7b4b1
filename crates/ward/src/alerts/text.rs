//! Alerts as text: a line each, or all that is known of those about one thing.

use std::fmt::Write;

use ward_model::{Acknowledgement, Alert, AlertState, Name};

use super::AlertsArgs;
use crate::{
    output::{BOLD, Escaped, Table, Times, paint, urgency, urgent},
    typed::About,
};

/// What there is none of.
pub(super) fn none(args: &AlertsArgs, name: Option<&About>) -> String {
    let about = name.map(|name| format!(" about {name}")).unwrap_or_default();
    match args.state.as_slice() {
        [AlertState::Firing] => format!("nothing fires{about}\n"),
        _ => format!("there is no such alert{about}\n"),
    }
}

/// A line each.
pub(super) fn table(alerts: &[Alert], times: &Times, width: Option<u16>) -> String {
    let mut table = Table::new(
        width,
        ["ABOUT", "ALERT", "SEVERITY", "STATE", "SINCE", "CAUSE", "WHAT"],
    );
    for alert in alerts {
        let fires = alert.state == AlertState::Firing;
        let colour = urgency(alert.severity).filter(|_| fires);
        table.row([
            (About(alert.key.service.clone()).to_string(), None),
            (alert.key.rule.to_string(), None),
            (alert.severity.to_string(), colour),
            (state(alert), colour),
            (times.brief(alert.since), None),
            (causes(alert), None),
            (what(alert, times), None),
        ]);
    }
    table.text()
}

fn state(alert: &Alert) -> String {
    let acknowledged = alert.acknowledged.as_ref().map_or("", |_| " (acknowledged)");
    format!("{}{acknowledged}", alert.state)
}

fn causes(alert: &Alert) -> String {
    let names: Vec<_> = alert.causes.iter().map(Name::as_str).collect();
    names.join(", ")
}

/// What there is to say: why it is withheld, who works on it, and what is wrong.
fn what(alert: &Alert, times: &Times) -> String {
    let standing = standing(alert, times);
    let summary = ["summary", "description"]
        .iter()
        .find_map(|name| alert.annotations.get(*name));
    standing
        .into_iter()
        .chain(summary.cloned())
        .collect::<Vec<_>>()
        .join("; ")
}

fn standing(alert: &Alert, times: &Times) -> Option<String> {
    let withheld = alert.suppression.as_ref().map(ToString::to_string);
    let works = alert.acknowledged.as_ref().map(|said| acknowledged(said, times));
    let over = alert.resolved.map(|at| format!("resolved {}", times.brief(at)));
    withheld.or(works).or(over)
}

fn acknowledged(said: &Acknowledgement, times: &Times) -> String {
    format!(
        "acknowledged by {} until {}: {}",
        said.by,
        times.moment(said.end),
        said.why
    )
}

/// All that is known of each.
pub(super) fn each(alerts: &[Alert], times: &Times) -> String {
    let each = alerts.iter().map(|alert| all(alert, times));
    each.collect::<Vec<_>>().join("\n")
}

fn all(alert: &Alert, times: &Times) -> String {
    let name = paint(BOLD, &alert.key);
    let word = match alert.state {
        AlertState::Firing => paint(urgent(alert.severity), alert.state).to_string(),
        state => state.to_string(),
    };
    let severity = alert.severity;
    let since = format!(
        "for {}, since {}",
        times.ago(alert.since),
        times.moment(alert.since)
    );
    let mut text = format!("{name} is {word} ({severity}) {since}\n");
    let mut line = |what: &str, said: &str| {
        writeln!(text, "  {}: {}", Escaped(what), Escaped(said)).expect("a string takes all");
    };
    if let Some(fired) = alert.fired {
        line("fired", &times.moment(fired));
    }
    if let Some(standing) = standing(alert, times) {
        line("standing", &standing);
    }
    if !alert.causes.is_empty() {
        line("cause", &causes(alert));
    }
    alert.annotations.iter().for_each(|(name, said)| line(name, said));
    let labels = alert.labels.iter().map(|(name, said)| format!("{name}={said:?}"));
    line("labels", &labels.collect::<Vec<_>>().join(" "));
    text
}
