//! What Prometheus and Alertmanager are given, judged by their own tools: that files are sound, that each rule fires where it
//! should and nowhere else, and that alerts go to whom they are for.

mod start;

use std::{fs, path::Path, process::Command};

use anyhow::Context;

use crate::{
    ledger::Ledger,
    requirement::{AMTOOL, PROMTOOL},
    root, succeed,
};

const ALERTMANAGER: &str = "deploy/alertmanager/alertmanager.yml";

/// Labels of an alert, and the receiver it goes to.
const ROUTES: &[(&[&str], &str)] = &[
    (
        &["alertname=Watchdog", "source=ward", "severity=none"],
        "dead-man",
    ),
    (&["alertname=Quiet", "source=ward", "severity=none"], "nobody"),
    (
        &[
            "alertname=ServiceUnhealthy",
            "source=ward",
            "severity=critical",
            "service=bank",
            "root_cause=bank",
        ],
        "pager",
    ),
    (
        &[
            "alertname=MemoryHigh",
            "source=ward",
            "severity=critical",
            "service=bank",
        ],
        "pager",
    ),
    (
        &[
            "alertname=WardDown",
            "source=prometheus",
            "severity=critical",
            "job=ward",
        ],
        "pager",
    ),
    (
        &[
            "alertname=BreakerOpen",
            "source=ward",
            "severity=warning",
            "service=cart",
            "root_cause=bank",
        ],
        "team",
    ),
    (
        &["alertname=WardSpansDropped", "source=prometheus", "severity=info"],
        "team",
    ),
    (&["alertname=SomebodyElses"], "team"),
];

/// Runs all of it.
pub(crate) fn check(ledger: &mut Ledger) {
    ledger.run_with("prometheus", &PROMTOOL, |promtool| {
        // What it names is there only in a container: the authority and the token.
        succeed(&mut tool(
            promtool,
            &["check", "config", "--syntax-only", "prometheus/prometheus.yml"],
        ))?;
        let on = |what: [&str; 2], folder| {
            let files = files(folder)?;
            succeed(tool(promtool, &what).args(files))
        };
        on(["check", "rules"], "prometheus/rules")?;
        on(["test", "rules"], "prometheus/tests")
    });
    ledger.run_with("alertmanager", &AMTOOL, |amtool| {
        succeed(&mut tool(amtool, &["check-config", ALERTMANAGER]))?;
        start::check(amtool)?;
        ROUTES.iter().try_for_each(|(labels, receiver)| {
            let wanted = format!("--verify.receivers={receiver}");
            let config = format!("--config.file={ALERTMANAGER}");
            let mut command = tool(amtool, &["config", "routes", "test", &config, &wanted]);
            succeed(command.args(*labels))
        })
    });
}

fn tool(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

fn files(folder: &str) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir(root().join(folder)).with_context(|| format!("cannot read {folder}"))?;
    let names = entries.map(|entry| Ok(format!("{folder}/{}", entry?.file_name().display())));
    names.collect()
}
