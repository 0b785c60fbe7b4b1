//! The rules that are in force unless they are changed or switched off by name.
//!
//! Levels are those of the health model. Where it gives no time to wait, the time here is argued beside the rule. Rules about
//! a status wait for nothing to calm down: the engine holds a status that flaps already. Those about a signal fire on for a
//! while after it is better: a value that wavers around its level would otherwise be a new page each time.

use std::{collections::BTreeMap, time::Duration};

use ward_model::{RuleName, Severity};

use crate::rule::{RuleSpec, Unknown};

/// All of them, as they are written.
pub fn shipped() -> Vec<RuleSpec> {
    let mut rules = errors();
    rules.extend(room());
    rules.extend(statuses());
    rules.extend(observer());
    rules
}

/// Rules about what fails: evidence of a status, and suppressed where that has an alert of its own. Signals are sent every
/// ten seconds or so.
fn errors() -> Vec<RuleSpec> {
    vec![
        // Two minutes: at one failure in a hundred, a service of few requests is over it by a single one for a moment.
        RuleSpec {
            for_: secs(120),
            keep_firing_for: secs(120),
            suppression: true,
            ..rule(
                "ErrorRatioHigh",
                "signals.error_ratio > 0.01",
                Severity::Warning,
                "{{ service }} fails {{ signals.error_ratio * 100.0 }} % of what it is asked",
                "Over 1 % for two minutes. Its status is {{ status }}. Compare with what was deployed last, and with what it \
                 needs: `ward explain {{ service }}`.",
            )
        },
        // As long as for a service that does not work: three values in a row, so that one bad one wakes nobody.
        RuleSpec {
            for_: secs(30),
            keep_firing_for: secs(120),
            suppression: true,
            ..rule(
                "ErrorRatioCritical",
                "signals.error_ratio > 0.05",
                Severity::Critical,
                "{{ service }} fails {{ signals.error_ratio * 100.0 }} % of what it is asked",
                "Over 5 % for 30 seconds: people notice. Its status is {{ status }}. Roll back what was deployed last, or \
                 take away what it cannot bear: `ward explain {{ service }}` says what it needs and how that is.",
            )
        },
        // 30 seconds: a breaker that opened once and let the next try through did its work. It fires on for two minutes,
        // as one that tries half open is closed for moments.
        RuleSpec {
            for_: secs(30),
            keep_firing_for: secs(120),
            ..rule(
                "BreakerOpen",
                "signals.breaker_open > 0.0",
                Severity::Warning,
                "{{ service }} has given up calling something: a breaker is open",
                "Open for 30 seconds. It protects itself; what it calls is what to look at: `ward explain {{ service }}`.",
            )
        },
    ]
}

/// Rules about what is used up.
fn room() -> Vec<RuleSpec> {
    vec![
        RuleSpec {
            for_: secs(300),
            keep_firing_for: secs(120),
            ..rule(
                "CpuHigh",
                "signals.cpu_ratio > 0.8",
                Severity::Warning,
                "{{ service }} uses {{ signals.cpu_ratio * 100.0 }} % of its CPU",
                "Over 80 % for five minutes. It has {{ instances.total }} instances: more of them help if work is shared, \
                 and nothing does if one is stuck in a loop.",
            )
        },
        // One minute: a runtime that collects garbage touches its limit and comes back; one that leaks does not.
        RuleSpec {
            for_: secs(60),
            keep_firing_for: secs(60),
            ..rule(
                "MemoryHigh",
                "signals.memory_ratio > 0.9",
                Severity::Critical,
                "{{ service }} uses {{ signals.memory_ratio * 100.0 }} % of its memory",
                "Over 90 % for one minute: it is about to be killed. Raise its limit or restart its instances one by one, \
                 and keep a heap profile of one.",
            )
        },
        // Five minutes: what rotates logs or compacts files needs room for a moment and gives it back.
        RuleSpec {
            for_: secs(300),
            keep_firing_for: secs(300),
            ..rule(
                "DiskHigh",
                "signals.disk_ratio > 0.9",
                Severity::Warning,
                "{{ service }} has filled {{ signals.disk_ratio * 100.0 }} % of its disk",
                "Over 90 % for five minutes. Full, it stops writing. Make room or enlarge it: `df -h` and `du -xh` on its \
                 host say what takes the room.",
            )
        },
    ]
}

/// Rules about what Ward decided: suppressed where a cause has one of its own.
fn statuses() -> Vec<RuleSpec> {
    let said = "{{ message == '' ? 'No more was said' : message }}";
    let causes = "Caused by: {{ causes }}.";
    vec![
        RuleSpec {
            hold: Some("dependencies.suspect > 0".to_owned()),
            for_: secs(30),
            suppression: true,
            ..rule(
                "ServiceUnhealthy",
                "status == 'unhealthy'",
                Severity::Critical,
                "{{ service }} is unhealthy ({{ reason }})",
                &format!(
                    "{said}. {causes} Of {{{{ instances.total }}}} instances {{{{ instances.healthy }}}} are \
                     healthy, {{{{ min_healthy }}}} are wanted. Next: `ward explain {{{{ service }}}}`."
                ),
            )
        },
        RuleSpec {
            for_: secs(300),
            unknown: Unknown::Judge,
            suppression: true,
            ..rule(
                "ServiceUnknown",
                // Who was not heard since a start, or cannot be seen, is no news: what reports daily is heard within a day.
                "status == 'unknown' && reason != 'ObserverSuspect'",
                Severity::Warning,
                "nobody knows how {{ service }} is ({{ reason }})",
                &format!(
                    "{said}. {causes} For five minutes there is no evidence, good or bad: it may run and not be \
                     able to say so. Look at it itself, and at the network between: `ward explain {{{{ service }}}}`."
                ),
            )
        },
        // As long as for a service: what makes the system unhealthy is one, and its alert is to be there first.
        RuleSpec {
            about_system: true,
            for_: secs(30),
            suppression: true,
            ..rule(
                "SystemUnhealthy",
                "status == 'unhealthy'",
                Severity::Critical,
                "the system is unhealthy ({{ reason }})",
                &format!(
                    "{said}. {causes} Of {{{{ services.total }}}} services {{{{ services.unhealthy }}}} are \
                     unhealthy, {{{{ services.unknown }}}} unknown. Next: `ward explain`."
                ),
            )
        },
    ]
}

/// Rules about Ward itself.
fn observer() -> Vec<RuleSpec> {
    vec![
        // 30 seconds: everything restarted at once comes back within them. It fires on for a minute, as those who come back
        // do not come at once.
        RuleSpec {
            about_system: true,
            for_: secs(30),
            keep_firing_for: secs(60),
            ..rule(
                "ObserverInDoubt",
                "observer.degraded_view || observer.blind",
                Severity::Warning,
                "Ward doubts what it sees: most of the fleet went silent at once",
                "It judges nobody while this lasts, so nothing else may fire. More likely than everything failing at once is \
                 a network or a load balancer between the fleet and Ward. Its doubt is {{ observer.score }} of 7.",
            )
        },
        RuleSpec {
            about_system: true,
            ..rule(
                "Watchdog",
                "true",
                Severity::None,
                "a sign of life: alerts of Ward arrive",
                "Fires always. Route it to a dead man's switch, which calls when it stops arriving, and never to people.",
            )
        },
    ]
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn rule(name: &str, expr: &str, severity: Severity, summary: &str, description: &str) -> RuleSpec {
    let annotations = [("summary", summary), ("description", description)];
    RuleSpec {
        name: RuleName::new(name).expect("names of shipped rules are right"),
        about_system: false,
        services: Vec::new(),
        expr: expr.to_owned(),
        hold: None,
        for_: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
        severity,
        unknown: Unknown::Keep,
        suppression: false,
        labels: BTreeMap::new(),
        annotations: annotations
            .map(|(name, text)| (name.to_owned(), text.to_owned()))
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RuleSet;

    #[test]
    fn they_compile() {
        assert_eq!(RuleSet::shipped().iter().count(), shipped().len());
        assert_eq!(shipped().len(), 11);
    }
}
