//! The system as text: a header about the whole, then its services, the worst first.

use std::fmt::Write;

use ward_model::{Condition, Name, ObserverState, ServiceCounts, ServiceState, Wall};

use super::System;
use crate::output::{BOLD, DIM, Escaped, Table, Times, colour, paint, span, word};

/// The least score told without another sign. A machine that is merely busy scores 2; a line that is always there is
/// one nobody reads.
const DOUBT: u8 = 3;

/// What people see. `width` is that of their terminal.
pub(super) fn text(seen: &System, times: &Times, width: Option<u16>) -> String {
    let mut text = header(seen, times);
    if !seen.services.is_empty() {
        text.push('\n');
        text.push_str(&table(&seen.services, times, width));
    }
    text
}

/// For an aggregator that nobody reports to yet.
pub(super) fn how_to_report(server: &str) -> String {
    format!(
        "nothing reports yet: link the crate ward-sdk into a service and point it at {server}, or call \
         ward.health.v1.HealthService/ReportOnce there; `ward demo` shows a living system"
    )
}

fn header(seen: &System, times: &Times) -> String {
    let mut text = String::new();
    let system = &seen.system;
    text.push_str(&verdict("system", &system.condition, times));
    for line in [
        why(&system.condition),
        causes(&system.causes),
        doubt(&system.observer),
    ]
    .into_iter()
    .flatten()
    {
        line_of(&mut text, &line);
    }
    line_of(&mut text, &counts(&system.services));
    let uptime = span(i64::try_from(seen.uptime_ms).unwrap_or(i64::MAX));
    let aggregator = format!(
        "aggregator {} at {}, up {uptime}",
        Escaped(&seen.version),
        seen.server
    );
    line_of(&mut text, &paint(DIM, aggregator).to_string());
    text
}

/// How many services are in which state.
pub(crate) fn counts(counts: &ServiceCounts) -> String {
    let parts = [
        (counts.healthy, "healthy"),
        (counts.unknown, "unknown"),
        (counts.degraded, "degraded"),
        (counts.unhealthy, "unhealthy"),
    ];
    let parts = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"));
    let parts = parts.collect::<Vec<_>>().join(", ");
    let services = if counts.total == 1 { "service" } else { "services" };
    let colon = if parts.is_empty() { "" } else { ": " };
    format!("{} {services}{colon}{parts}", counts.total)
}

/// `name is status for so long, since then`.
pub(super) fn verdict(name: &str, condition: &Condition, times: &Times) -> String {
    let Condition { status, since, .. } = *condition;
    let since = match since {
        Wall(0) => String::new(),
        since => format!(" for {}, since {}", times.ago(since), times.moment(since)),
    };
    format!("{} is {}{since}\n", paint(BOLD, name), word(status))
}

/// Reason and message, where there is something to explain.
pub(crate) fn why(condition: &Condition) -> Option<String> {
    let told = condition.status.is_bad() || !condition.message.is_empty();
    told.then(|| match condition.message.as_str() {
        "" => condition.reason.to_string(),
        message => format!("{}: {}", condition.reason, Escaped(message)),
    })
}

/// Who is to blame.
pub(super) fn causes(causes: &[Name]) -> Option<String> {
    let names = causes.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
    (!names.is_empty()).then(|| format!("cause: {names}"))
}

/// How far the observer doubts itself, where that says something about the verdict.
pub(crate) fn doubt(observer: &ObserverState) -> Option<String> {
    let ObserverState {
        score,
        degraded_view,
        blind,
        settling,
    } = *observer;
    let signs = [
        (blind, "sees none of the instances that were alive"),
        (
            degraded_view && !blind,
            "misses more than half of the live instances at once",
        ),
        (settling, "started a moment ago, reporters are coming back"),
    ];
    let signs = signs
        .iter()
        .filter(|(is, _)| *is)
        .map(|(_, sign)| *sign)
        .collect::<Vec<_>>()
        .join("; ");
    match (score, signs.as_str()) {
        (..DOUBT, "") => None,
        (0, signs) => Some(format!("observer: {signs}")),
        (score, "") => Some(format!("observer: doubts itself, {score} of 7")),
        (score, signs) => Some(format!("observer: doubts itself, {score} of 7: {signs}")),
    }
}

fn line_of(text: &mut String, line: &str) {
    writeln!(text, "  {line}").expect("a string takes all");
}

fn table(services: &[ServiceState], times: &Times, width: Option<u16>) -> String {
    let mut table = Table::new(
        width,
        ["SERVICE", "STATUS", "INSTANCES", "FRESHNESS", "UP SINCE", "CAUSE"],
    );
    for service in services {
        let status = service.condition.status;
        let maintenance = if service.maintenance.is_some() {
            " (maintenance)"
        } else {
            ""
        };
        table.row([
            (service.name.to_string(), None),
            (format!("{status}{maintenance}"), Some(colour(status))),
            (instances(service), None),
            (freshness(service), None),
            (up(service, times), None),
            (cause(service), None),
        ]);
    }
    table.text()
}

/// Healthy of all, and how many are wanted where that matters.
pub(super) fn instances(service: &ServiceState) -> String {
    let counts = service.instances;
    match (counts.total, service.min_healthy) {
        (0, _) => "-".into(),
        (total, wanted) if wanted > 1 || counts.healthy < wanted => {
            format!("{}/{total}, {wanted} wanted", counts.healthy)
        }
        (total, _) => format!("{}/{total}", counts.healthy),
    }
}

/// Whether one still hears from them.
pub(super) fn freshness(service: &ServiceState) -> String {
    let counts = service.instances;
    match (counts.total, counts.suspect, counts.lost) {
        (0, ..) if service.reported => "-".into(),
        (0, ..) => "not reporting".into(),
        (_, 0, 0) => "fresh".into(),
        (_, suspect, 0) => format!("{suspect} suspect"),
        (_, 0, lost) => format!("{lost} lost"),
        (_, suspect, lost) => format!("{lost} lost, {suspect} suspect"),
    }
}

/// Since when, and for how long.
fn up(service: &ServiceState, times: &Times) -> String {
    service
        .up_since
        .map_or_else(|| "-".into(), |since| times.brief(since))
}

/// Root causes other than itself, then its own reason.
fn cause(service: &ServiceState) -> String {
    if !service.condition.status.is_bad() {
        return String::new();
    }
    let others: Vec<_> = service
        .causes
        .iter()
        .filter(|name| **name != service.name)
        .map(Name::as_str)
        .collect();
    let why = match service.condition.message.as_str() {
        "" => service.condition.reason.to_string(),
        message => format!("{}: {message}", service.condition.reason),
    };
    if others.is_empty() {
        why
    } else {
        format!("{}; {why}", others.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_little_doubt_without_a_sign_is_not_told() {
        let told = |score, settling| {
            doubt(&ObserverState {
                score,
                settling,
                ..ObserverState::default()
            })
        };
        assert_eq!((told(0, false), told(2, false)), (None, None));
        assert_eq!(told(3, false), Some("observer: doubts itself, 3 of 7".to_owned()));
        let settling = "started a moment ago, reporters are coming back";
        assert_eq!(told(0, true), Some(format!("observer: {settling}")));
        assert_eq!(
            told(2, true),
            Some(format!("observer: doubts itself, 2 of 7: {settling}"))
        );
    }
}
