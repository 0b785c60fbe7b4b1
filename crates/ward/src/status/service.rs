//! One service as text: the verdict and its own word, then what it needs, its instances, their checks and signals.

use std::fmt::Write;

use ward_model::{CheckKind, InstanceState, ServiceState, SignalLevel, Status};

use super::{
    Needed, Service,
    system::{causes, freshness, instances, verdict, why},
};
use crate::output::{Escaped, Table, Times, colour, word};

/// What people see. `width` is that of their terminal.
pub(super) fn text(seen: &Service, times: &Times, width: Option<u16>) -> String {
    let mut text = header(&seen.service, times);
    let tables = [
        needed(&seen.dependencies, width),
        instance_table(&seen.instances, times, width),
        checks(&seen.instances, times, width),
        signals(&seen.instances, width),
    ];
    for table in tables.into_iter().flatten() {
        text.push('\n');
        text.push_str(&table);
    }
    text
}

fn header(service: &ServiceState, times: &Times) -> String {
    let mut text = verdict(service.name.as_str(), &service.condition, times);
    for line in [why(&service.condition), causes(&service.causes)]
        .into_iter()
        .flatten()
    {
        fact(&mut text, &line);
    }
    if let Some(last) = service.last_status {
        fact(&mut text, &format!("before the aggregator's start: {last}"));
    }
    if service.own != service.condition {
        let own = why(&service.own)
            .map(|why| format!(", {why}"))
            .unwrap_or_default();
        fact(
            &mut text,
            &format!("own status: {}{own}", word(service.own.status)),
        );
    }
    let criticality = format!("{:?}", service.criticality).to_lowercase();
    let (instances, freshness) = (instances(service), freshness(service));
    let up = service.up_since.map_or_else(
        || "-".into(),
        |since| format!("{} ({})", times.moment(since), times.ago(since)),
    );
    fact(&mut text, &format!("criticality: {criticality}"));
    fact(
        &mut text,
        &format!("instances: {instances}; freshness: {freshness}; up since: {up}"),
    );
    if let Some(maintenance) = &service.maintenance {
        let until = maintenance
            .end
            .map_or_else(|| "it is ended".into(), |end| times.moment(end));
        let (by, why) = (Escaped(&maintenance.by), Escaped(&maintenance.why));
        fact(&mut text, &format!("maintenance: until {until}, by {by}: {why}"));
    }
    for disagreement in &service.disagreements {
        fact(&mut text, &format!("disagreement: {}", Escaped(disagreement)));
    }
    text
}

fn fact(text: &mut String, line: &str) {
    writeln!(text, "  {line}").expect("a string takes all");
}

fn needed(dependencies: &[Needed], width: Option<u16>) -> Option<String> {
    let mut table = Table::new(width, ["NEEDS", "KIND", "STATUS"]);
    for Needed { dependency, status } in dependencies {
        let kind = format!("{:?}", dependency.kind).to_lowercase();
        let kind = match &dependency.any_of {
            Some(group) => format!("{kind}, any of {group}"),
            None => kind,
        };
        table.row([
            (dependency.service.to_string(), None),
            (kind, None),
            status_cell(*status),
        ]);
    }
    (!dependencies.is_empty()).then(|| table.text())
}

fn status_cell(status: Status) -> (String, Option<comfy_table::Color>) {
    (status.to_string(), Some(colour(status)))
}

fn instance_table(instances: &[InstanceState], times: &Times, width: Option<u16>) -> Option<String> {
    let mut table = Table::new(
        width,
        ["INSTANCE", "STATUS", "FRESHNESS", "VERSION", "UP SINCE", "REASON"],
    );
    for instance in instances {
        let status = instance.condition.status;
        let was = instance
            .last_status
            .map(|last| format!(" (was {last})"))
            .unwrap_or_default();
        let flapping = if instance.flapping { "; flapping" } else { "" };
        table.row([
            (instance.id.instance.to_string(), None),
            (format!("{status}{was}"), Some(colour(status))),
            (instance.freshness.to_string(), None),
            (instance.version.clone(), None),
            (times.brief(instance.started), None),
            (format!("{}{flapping}", reason(&instance.condition)), None),
        ]);
    }
    (!instances.is_empty()).then(|| table.text())
}

fn reason(condition: &ward_model::Condition) -> String {
    match condition.message.as_str() {
        "" => condition.reason.to_string(),
        message => format!("{}: {message}", condition.reason),
    }
}

fn checks(instances: &[InstanceState], times: &Times, width: Option<u16>) -> Option<String> {
    let mut table = Table::new(width, ["INSTANCE", "CHECK", "STATUS", "FOR", "KIND", "REASON"]);
    let mut any = false;
    for (instance, check) in instances
        .iter()
        .flat_map(|i| i.checks.iter().map(move |check| (i, check)))
    {
        any = true;
        let kind = match check.kind {
            CheckKind::Required => "required",
            CheckKind::Advisory => "advisory",
        };
        let subject = check
            .subject
            .as_ref()
            .map(|subject| format!(", about {subject}"))
            .unwrap_or_default();
        let flapping = if check.flapping { "; flapping" } else { "" };
        table.row([
            (instance.id.instance.to_string(), None),
            (check.name.to_string(), None),
            status_cell(check.condition.status),
            (times.ago(check.condition.since), None),
            (format!("{kind}{subject}"), None),
            (format!("{}{flapping}", reason(&check.condition)), None),
        ]);
    }
    any.then(|| table.text())
}

fn signals(instances: &[InstanceState], width: Option<u16>) -> Option<String> {
    let mut table = Table::new(
        width,
        [
            "INSTANCE",
            "SIGNAL",
            "VALUE",
            "STATUS",
            "DEGRADED FROM",
            "UNHEALTHY FROM",
        ],
    );
    let mut any = false;
    for (instance, signal) in instances
        .iter()
        .flat_map(|i| i.signals.iter().map(move |signal| (i, signal)))
    {
        any = true;
        let level = |level: Option<SignalLevel>| level.map_or("-".into(), |level| number(level.raise));
        table.row([
            (instance.id.instance.to_string(), None),
            (signal.name.to_string(), None),
            (number(signal.value), None),
            status_cell(signal.status),
            (level(signal.degraded), None),
            (level(signal.unhealthy), None),
        ]);
    }
    any.then(|| table.text())
}

/// Four significant digits: enough to compare with a level, short enough for a column.
pub(crate) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e9).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let whole = if magnitude < 1.0 {
        1
    } else {
        magnitude.log10().floor() as usize + 1
    };
    let text = format!(
        "{value:.*}",
        4_usize
            .saturating_sub(whole)
            .max(usize::from(magnitude < 1.0) * 4)
    );
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let shown = [0.0, 0.05, 0.123_456, 1.0, 12.345, 123_456.0, 0.000_01, 2e12, -0.5].map(number);
        assert_eq!(
            shown,
            [
                "0", "0.05", "0.1235", "1", "12.35", "123456", "1.000e-5", "2.000e12", "-0.5"
            ]
        );
    }
}
