//! Each alert has a page that says what to do, each page an alert, and each rule of Prometheus its tests.
//!
//! Names are read out of the text of the rules: a parser of YAML would be one more dependency, to find lines that
//! `promtool` holds to their form anyway.

use std::collections::BTreeSet;

use super::{Finding, files::Files};

const PAGES: &str = "deploy/runbooks/";
/// Where the names of Ward's own rules stand.
const SHIPPED: &str = "crates/alerts/src/shipped.rs";
const RULES: &str = "prometheus/rules/";
const TESTS: &str = "prometheus/tests/";

/// An alert without a page leaves alone who was woken by it.
pub(super) fn pages(files: &Files) -> Vec<Finding> {
    let mut alerts = shipped(files);
    alerts.extend(prometheus(files));
    let pages: BTreeSet<&str> = files
        .all()
        .filter_map(|file| file.path.strip_prefix(PAGES)?.strip_suffix(".md"))
        .collect();
    let mut findings = Vec::new();
    for (path, alert) in alerts.iter().filter(|(_, alert)| !pages.contains(alert)) {
        let what = format!("{alert} has no page: write {PAGES}{alert}.md");
        findings.push(Finding::new(path, 0, what));
    }
    let named: BTreeSet<&str> = alerts.iter().map(|(_, alert)| *alert).collect();
    for page in pages.difference(&named) {
        let path = format!("{PAGES}{page}.md");
        findings.push(Finding::new(&path, 0, "is about no alert that there is"));
    }
    findings
}

/// Each rule of Prometheus is tested where it fires and where it must not, and links to its page.
pub(super) fn rules(files: &Files) -> Vec<Finding> {
    let tests: String = below(files, TESTS).map(|(_, text)| text).collect();
    let texts: String = below(files, RULES).map(|(_, text)| text).collect();
    let mut findings = Vec::new();
    for (path, alert) in prometheus(files) {
        let mut wants = |there: bool, what: String| {
            if !there {
                findings.push(Finding::new(path, 0, what));
            }
        };
        let tested = |ending: &str| {
            let mut parts = tests.split("alertname: ").skip(1);
            parts.any(|part| {
                let (name, rest) = part.split_once('\n').unwrap_or((part, ""));
                let (_, expected) = rest.split_once("exp_alerts:").unwrap_or_default();
                name == alert && expected.starts_with(ending)
            })
        };
        wants(tested("\n"), format!("{alert} has no test in which it fires"));
        wants(
            tested(" []"),
            format!("{alert} has no test in which it must not fire"),
        );
        // The aggregator has the pages.
        let link = format!("/runbooks/{alert}\n");
        wants(
            texts.contains(&link),
            format!("{alert} does not link to its page"),
        );
    }
    findings
}

fn below<'a>(files: &'a Files, folder: &'static str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let files = files.all().filter(move |file| file.path.starts_with(folder));
    files.map(|file| (file.path.as_str(), file.text.as_str()))
}

fn prometheus(files: &Files) -> Vec<(&str, &str)> {
    let lines = below(files, RULES).flat_map(|(path, text)| text.lines().map(move |line| (path, line)));
    lines
        .filter_map(|(path, line)| Some((path, line.trim().strip_prefix("- alert: ")?)))
        .collect()
}

/// The first argument of each `rule(`, up to the tests.
fn shipped(files: &Files) -> Vec<(&str, &str)> {
    let file = files.all().find(|file| file.path == SHIPPED);
    let text = file.map_or("", |file| file.text.as_str());
    let names = text.split("..rule(").skip(1);
    names
        .filter_map(|part| Some((SHIPPED, part.trim_start().strip_prefix('"')?.split('"').next()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "  - alert: Down\n    runbook_url: https://x/runbooks/Down\n";
    const FIRES: &str = "alertname: Down\n  exp_alerts:\n   - {}\n";
    const QUIET: &str = "alertname: Down\n  exp_alerts: []\n";

    #[test]
    fn alerts_and_pages_go_together() {
        let found = |page: &str| {
            let rule = "..rule(\n \"Ill\",\n";
            let files = [
                (SHIPPED, rule),
                ("prometheus/rules/a.yml", RULE),
                (page, ""),
                ("deploy/runbooks/Ill.md", ""),
            ];
            pages(&Files::sample(&files)).len()
        };
        assert_eq!(found("deploy/runbooks/Down.md"), 0);
        assert_eq!(found("deploy/runbooks/Other.md"), 2);
    }

    #[test]
    fn rules_are_tested_both_ways_and_link_to_their_page() {
        let found = |rule: &str, tests: String| {
            rules(&Files::sample(&[
                ("prometheus/rules/a.yml", rule),
                ("prometheus/tests/a.yml", &tests),
            ]))
            .len()
        };
        assert_eq!(found(RULE, format!("{FIRES}{QUIET}")), 0);
        assert_eq!(found(RULE, FIRES.to_owned()), 1);
        assert_eq!(found(RULE, QUIET.to_owned()), 1);
        assert_eq!(found("- alert: Down\n", format!("{QUIET}{FIRES}")), 1);
    }
}
