//! Alerts as text: a line each, or all that is known of those about one thing.

use std::fmt::Write;

use ward_model::{Acknowledgement, Alert, AlertState, Name, Severity};

use super::AlertsArgs;
use crate::{
    output::{BOLD, Escaped, Table, Times, paint, urgency, urgent},
    typed::About,
};

/// What there is none of.
pub(super) fn none(args: &AlertsArgs, name: Option<&About>) -> String {
    let about = name.map(|name| format!(" about {name}")).unwrap_or_default();
    match args.state.as_slice() {
        [AlertState::Firing] if args.severity > Severity::Info => {
            format!("nothing of severity {} or above fires{about}\n", args.severity)
        }
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

/// How it stands, and what is wrong.
fn what(alert: &Alert, times: &Times) -> String {
    let summary = ["summary", "description"].map(|name| alert.annotations.get(name));
    let mut said = standing(alert, times);
    said.extend(summary.into_iter().flatten().next().cloned());
    said.join("; ")
}

/// What the state alone does not say: why it is withheld, who works on it, since when nobody knows, when it was over.
fn standing(alert: &Alert, times: &Times) -> Vec<String> {
    let withheld = alert.suppression.as_ref().map(ToString::to_string);
    let works = alert.acknowledged.as_ref().map(|said| acknowledged(said, times));
    let unknown = alert.unknown_since;
    let unknown = unknown.map(|since| format!("nobody can know since {}", times.brief(since)));
    let over = alert.resolved.map(|at| format!("resolved {}", times.brief(at)));
    [withheld, works, unknown, over].into_iter().flatten().collect()
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
    let mut text = format!("{}\n", headline(alert, times));
    let mut line = |said: &str| writeln!(text, "  {}", Escaped(said)).expect("a string takes all");
    if let Some(fired) = alert.fired {
        line(&format!("fired {}", times.brief(fired)));
    }
    standing(alert, times).iter().for_each(|said| line(said));
    // An annotation of that name tells it whole: the chain.
    if !alert.causes.is_empty() && !alert.annotations.contains_key("cause") {
        line(&format!("cause: {}", causes(alert)));
    }
    for (name, said) in &alert.annotations {
        line(&format!("{name}: {said}"));
    }
    let labels = alert.labels.iter().map(|(name, said)| format!("{name}={said:?}"));
    line(&format!("labels: {}", labels.collect::<Vec<_>>().join(" ")));
    text
}

/// `bank/ServiceUnhealthy is firing (critical) for so long, since then`.
fn headline(alert: &Alert, times: &Times) -> String {
    let (name, severity) = (paint(BOLD, &alert.key), alert.severity);
    let (ago, since) = (times.ago(alert.since), times.moment(alert.since));
    let word = match alert.state {
        AlertState::Firing => paint(urgent(severity), alert.state).to_string(),
        state => state.to_string(),
    };
    format!("{name} is {word} ({severity}) for {ago}, since {since}")
}
