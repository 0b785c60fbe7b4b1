//! The story: all is well; the database hangs, people are told once, and once again when it is over; the aggregator is killed, of
//! which nobody is told, but of what hangs after it; all is stopped and started again.
//!
//! That nothing more is said is looked for when something later has been said: no pause is waited through to see that nothing
//! comes.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    process::ChildStdout,
    sync::mpsc::{self, Receiver},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::{asking::until, stack::Stack};

type Step = (&'static str, fn(&Stack) -> anyhow::Result<()>);

/// In this order: each goes on where the last one ended.
pub(super) const STEPS: &[Step] = &[
    ("every service is healthy", all_is_well),
    ("Prometheus has every target up", all_is_scraped),
    ("a database that hangs is told of once, as the cause", outage),
    ("a trace tells it from the failed check to the alert", traced),
    ("its end is told of once", end),
    ("an aggregator that is killed comes back", killed),
    (
        "nobody was told of that, and of the next outage once",
        next_outage,
    ),
    ("history outlives `down`", remembered),
];

/// What is broken, and after that another; and what the verdict of all is about.
const BROKEN: &str = "postgres";
const NEXT: &str = "redis";
const SHOP: &[&str] = &[
    "bank",
    "cart",
    "catalog",
    "payments",
    "postgres",
    "recommendations",
    "redis",
    "storefront",
];
/// Those that the configuration of Prometheus has, by the contract of its labels.
const JOBS: &[&str] = &["alertmanager", "otel-collector", "prometheus", "shop", "ward"];
/// The parts of one story, in the order of their happening.
const SPANS: &[&str] = &["check", "report", "decide", "change", "alert", "deliver"];

/// A check that fails is believed after two times half a second; on a busy machine that takes some more.
const SECONDS: Duration = Duration::from_secs(10);
/// Reporters come back within a few seconds of a start, and the first verdicts fall 15 s after it.
const SETTLED: Duration = Duration::from_secs(60);
/// Half a minute until an alert fires, as long for its group, and as long again for a busy machine.
const TOLD: Duration = Duration::from_secs(120);
/// Until the interval of a group that was told is over: five minutes unless told.
const RESOLVED: Duration = Duration::from_secs(420);

fn all_is_well(stack: &Stack) -> anyhow::Result<()> {
    let (_, took) = until("every service is healthy", SETTLED, || healthy(stack))?;
    println!("every service healthy after another {took:.1?}");
    Ok(())
}

fn healthy(stack: &Stack) -> anyhow::Result<()> {
    let seen = stack.ward(&["status"])?;
    let services = statuses(&seen);
    let named: BTreeSet<_> = services.iter().map(|(name, _)| *name).collect();
    ensure!(named == SHOP.iter().copied().collect(), "there are {named:?}");
    let ill: Vec<_> = services
        .iter()
        .filter(|(_, status)| *status != "healthy")
        .collect();
    ensure!(ill.is_empty(), "ill are {ill:?}");
    Ok(())
}

/// Each service, and how it is.
fn statuses(seen: &Value) -> Vec<(&str, &str)> {
    let services = list(&seen["services"]).iter();
    services
        .map(|service| (text(&service["name"]), text(&service["condition"]["status"])))
        .collect()
}

fn all_is_scraped(stack: &Stack) -> anyhow::Result<()> {
    until("every target is up", SETTLED, || {
        let answer = stack.get("prometheus", 9090, "/api/v1/targets?state=active")?;
        let targets = list(&answer["data"]["activeTargets"]);
        let jobs: BTreeSet<_> = targets
            .iter()
            .filter_map(|target| target["labels"]["job"].as_str())
            .collect();
        ensure!(jobs == JOBS.iter().copied().collect(), "its jobs are {jobs:?}");
        let down = targets.iter().filter(|target| target["health"] != "up");
        let down: Vec<_> = down
            .map(|target| format!("{}: {}", target["scrapeUrl"], target["lastError"]))
            .collect();
        ensure!(down.is_empty(), "down are {}", down.join(", "));
        println!("{} targets up", targets.len());
        Ok(())
    })?;
    Ok(())
}

fn outage(stack: &Stack) -> anyhow::Result<()> {
    let before = (mails(stack)?, pages(stack)?);
    ensure!(
        before.0.is_empty() && before.1.is_empty(),
        "alarms before anything was broken: {before:?}"
    );
    let changes = watch(stack)?;
    stack.run(&["pause", BROKEN])?;
    let (causes, took) = until("the verdict", SECONDS, || convicted(&changes))?;
    println!("{BROKEN} unhealthy {took:.1?} after it hung, the cause of the system's state is {causes}");
    ensure!(causes == format!("[{BROKEN:?}]"), "its causes are {causes}");
    let (_, took) = until("a mail and a page about it", TOLD, || told(stack, &[BROKEN]))?;
    println!("told by mail and at the webhook {took:.1?} later");
    Ok(())
}

fn end(stack: &Stack) -> anyhow::Result<()> {
    mended(stack, BROKEN, &[BROKEN; 2])
}

/// Until the end of it is the last that was told.
fn mended(stack: &Stack, broken: &str, wanted: &[&str]) -> anyhow::Result<()> {
    stack.run(&["unpause", broken])?;
    until("every service is healthy again", SETTLED, || healthy(stack))?;
    let (_, took) = until("the end is told", RESOLVED, || told(stack, wanted))?;
    println!("the end told {took:.1?} after it");
    Ok(())
}

/// By mail and at the webhook, just so many pages, each about its cause.
fn told(stack: &Stack, causes: &[&str]) -> anyhow::Result<()> {
    just_those(&mails(stack)?, causes).context("mails")?;
    just_those(&pages(stack)?, causes).context("pages")
}

fn just_those(texts: &[String], causes: &[&str]) -> anyhow::Result<()> {
    ensure!(
        texts.len() == causes.len(),
        "expected {causes:?}, there are {texts:#?}"
    );
    let mut causes = causes.to_vec();
    for text in texts {
        let is_named = |cause: &&str| text.contains(&format!("Cause: {cause}"));
        let at = causes.iter().position(is_named);
        let cause =
            causes.swap_remove(at.with_context(|| format!("none of {causes:?} is the cause in {text}"))?);
        // In the words of deploy/alertmanager/templates/ward.tmpl, which mail and Slack have alike.
        let dashboard = format!("/d/ward-service?var-service={cause}");
        for wanted in [
            "Evidence: ",
            "Since: 20",
            "/runbooks/ServiceUnhealthy",
            &dashboard,
        ] {
            ensure!(text.contains(wanted), "no {wanted:?} in {text}");
        }
    }
    Ok(())
}

/// Mail as it came, the oldest first.
fn mails(stack: &Stack) -> anyhow::Result<Vec<String>> {
    let mails = stack.get("maildev", 1080, "/api/email")?;
    Ok(list(&mails)
        .iter()
        .map(|mail| format!("{}\n{}", mail["subject"], mail["text"]))
        .collect())
}

/// What the receiver in the shape of Slack's was told.
fn pages(stack: &Stack) -> anyhow::Result<Vec<String>> {
    let said = stack.log("slack")?;
    Ok(said
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(str::to_owned)
        .collect())
}

/// The changes that a watcher is told, and that it ends with this.
struct Changes {
    child: std::process::Child,
    told: Receiver<Value>,
}

impl Drop for Changes {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn watch(stack: &Stack) -> anyhow::Result<Changes> {
    let mut child = stack.watch()?;
    let output = child.stdout.take().context("a watcher without an output")?;
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || hand_on(output, &tell));
    let changes = Changes { child, told };
    // What is so already comes first.
    changes
        .told
        .recv_timeout(SECONDS)
        .context("a watcher that is told nothing")?;
    Ok(changes)
}

fn hand_on(output: ChildStdout, tell: &mpsc::Sender<Value>) {
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    for change in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
        if tell.send(change).is_err() {
            return;
        }
    }
}

/// The causes of the system's state, once what is broken is unhealthy.
fn convicted(changes: &Changes) -> anyhow::Result<String> {
    for change in changes.told.try_iter() {
        if change["type"] == "system"
            && change["after"] != "healthy"
            && !list(&change["entity"]["causes"]).is_empty()
        {
            return Ok(change["entity"]["causes"].to_string());
        }
    }
    bail!("no change of the system for the worse")
}

fn traced(stack: &Stack) -> anyhow::Result<()> {
    // By what a trace begins with: some stores list traces by their root alone.
    let path = "/api/traces?service=catalog&operation=check&limit=1000";
    until("a trace with all of it", SETTLED, || {
        let answer = stack.get("jaeger", 16686, path)?;
        let traces = list(&answer["data"]);
        let names = |trace: &Value| -> BTreeSet<String> {
            let spans = list(&trace["spans"]).iter();
            spans
                .filter_map(|span| span["operationName"].as_str().map(str::to_owned))
                .collect()
        };
        let seen: Vec<_> = traces.iter().map(names).collect();
        let is_whole = |names: &BTreeSet<String>| SPANS.iter().all(|span| names.contains(*span));
        ensure!(
            seen.iter().any(is_whole),
            "of {} traces of checks none has {SPANS:?}: {seen:?}",
            seen.len()
        );
        Ok(())
    })?;
    Ok(())
}

fn killed(stack: &Stack) -> anyhow::Result<()> {
    let started = stack.inspect("aggregator", "{{.State.StartedAt}}")?;
    stack.kill("aggregator")?;
    let (_, took) = until("another process", SETTLED, || {
        let again = stack.inspect("aggregator", "{{.State.StartedAt}} {{.State.Health.Status}}")?;
        ensure!(
            !again.starts_with(&started) && again.ends_with(" healthy"),
            "it is {again}"
        );
        Ok(())
    })?;
    println!("back by itself after {took:.1?}");
    until("every service is healthy again", SETTLED, || healthy(stack))?;
    let alerts = stack.get("alertmanager", 9093, "/api/v2/alerts?active=true")?;
    let names = list(&alerts)
        .iter()
        .map(|alert| alert["labels"]["alertname"].to_string());
    let firing: Vec<_> = names.filter(|name| name != "\"Watchdog\"").collect();
    ensure!(firing.is_empty(), "a false alarm: {firing:?}");
    Ok(())
}

/// A false alarm about the kill would be told before what comes after it.
fn next_outage(stack: &Stack) -> anyhow::Result<()> {
    stack.run(&["pause", NEXT])?;
    let (_, took) = until("a mail and a page about it", TOLD, || {
        told(stack, &[BROKEN, BROKEN, NEXT])
    })?;
    println!("told by mail and at the webhook {took:.1?} after {NEXT} hung");
    mended(stack, NEXT, &[BROKEN, BROKEN, NEXT, NEXT])
}

fn remembered(stack: &Stack) -> anyhow::Result<()> {
    stack.down()?;
    stack.up()?;
    until("every service is healthy again", SETTLED, || healthy(stack))?;
    let history = stack.ward(&["history", BROKEN])?;
    let was_ill = |span: &Value| span["status"] == "unhealthy" && span["to"].is_number();
    ensure!(
        list(&history["spans"]).iter().any(was_ill),
        "nothing is known of the outage: {history}"
    );
    Ok(())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "Cause: redis\\nEvidence: cart/cart-1 redis: unhealthy\\nSince: 2026-01-01\\n\
                        <https://h/runbooks/ServiceUnhealthy|Runbook> | <http://h/d/ward-service?var-service=redis|Grafana>";

    #[test]
    fn just_so_many_pages_each_with_all_that_one_needs() {
        let pages = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let other = PAGE.replace("redis", "postgres");
        let both = pages(&[PAGE, &other]);
        assert!(just_those(&both, &["postgres", "redis"]).is_ok());
        for causes in [&["redis"][..], &["redis"; 2], &["redis", "postgres", "bank"]] {
            assert!(just_those(&both, causes).is_err(), "{causes:?}");
        }
        for part in ["Cause", "Evidence", "Since", "runbooks/Service", "service=redis"] {
            let less = pages(&[&PAGE.replace(part, "")]);
            assert!(just_those(&less, &["redis"]).is_err(), "{part}");
        }
    }
}
