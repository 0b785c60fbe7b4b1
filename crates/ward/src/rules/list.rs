//! `ward rules list`: the rules of a configuration, where each comes from, and which are switched off. Asks no aggregator.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use clap::Args;
use serde::Serialize;
use ward_alerts::{RuleSpec, Unknown, shipped};
use ward_config::Loaded;
use ward_model::{RuleName, Severity};

use super::in_force;
use crate::{
    Exit, Failure,
    output::{Format, Out, Table, urgency},
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward rules list                          those that are shipped
  ward rules list --config ward.toml
  ward rules list -o json | jq -r '.[] | select(.severity == \"critical\") | .expr'

It reads what `ward aggregator` with the same file and environment would.")]
pub(super) struct ListArgs {
    /// The aggregator's configuration [env: WARD_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    output: Format,
}

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Origin {
    /// It is shipped, and as it is shipped.
    Shipped,
    /// It is shipped, and something else is said of it.
    Changed,
    /// The configuration made it.
    Own,
}

/// One rule. What `-o json` writes of each.
#[derive(Debug, Serialize)]
struct Listed {
    name: RuleName,
    origin: Origin,
    /// Where something is said of it: a file and the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    said_at: Option<String>,
    enabled: bool,
    about: &'static str,
    /// All where there are none.
    services: Vec<String>,
    expr: String,
    hold: Option<String>,
    for_ms: u128,
    keep_firing_for_ms: u128,
    severity: Severity,
    unknown: &'static str,
    suppression: bool,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

pub(super) fn run(args: ListArgs, out: &mut Out) -> Result<Exit, Failure> {
    let loaded = in_force::loaded(args.config)?;
    for warning in &loaded.warnings {
        out.note(&format!("warning: {warning}"));
    }
    let listed = listed(&loaded);
    match args.output {
        Format::Json => out.json(&listed)?,
        Format::Text => out.data(&text(&listed, out.width()))?,
    };
    Ok(Exit::Good)
}

/// Those in force, and shipped ones that are not, by name.
fn listed(loaded: &Loaded) -> Vec<Listed> {
    let shipped: BTreeMap<_, _> = shipped()
        .into_iter()
        .map(|rule| (rule.name.clone(), rule))
        .collect();
    let in_force = &loaded.settings.alerting.rules;
    let mut all = shipped.clone();
    all.extend(
        in_force
            .iter()
            .map(|rule| (rule.spec().name.clone(), rule.spec().clone())),
    );
    let said = said(loaded);
    let one = |(name, spec): (RuleName, RuleSpec)| {
        let said_at = said.get(&name).cloned();
        let origin = match (shipped.contains_key(&name), &said_at) {
            (true, None) => Origin::Shipped,
            (true, Some(_)) => Origin::Changed,
            (false, _) => Origin::Own,
        };
        Listed::new(spec, origin, said_at, in_force.get(&name).is_some())
    };
    all.into_iter().map(one).collect()
}

/// The first place where something is said of each rule.
fn said(loaded: &Loaded) -> BTreeMap<RuleName, String> {
    let entries = loaded.settings.entries(&loaded.origins);
    let mut said = BTreeMap::new();
    for entry in entries.into_iter().filter(|entry| entry.origin != "default") {
        let name = entry
            .key
            .strip_prefix("alerting.rules.")
            .and_then(|key| key.split('.').next());
        if let Some(name) = name.and_then(|name| RuleName::new(name).ok()) {
            said.entry(name).or_insert(entry.origin);
        }
    }
    said
}

impl Listed {
    fn new(spec: RuleSpec, origin: Origin, said_at: Option<String>, enabled: bool) -> Self {
        Self {
            name: spec.name,
            origin,
            said_at,
            enabled,
            about: if spec.about_system { "system" } else { "service" },
            services: spec.services,
            expr: spec.expr,
            hold: spec.hold,
            for_ms: spec.for_.as_millis(),
            keep_firing_for_ms: spec.keep_firing_for.as_millis(),
            severity: spec.severity,
            unknown: match spec.unknown {
                Unknown::Keep => "keep",
                Unknown::Judge => "judge",
            },
            suppression: spec.suppression,
            labels: spec.labels,
            annotations: spec.annotations,
        }
    }

    /// Where it comes from, and that it is off.
    fn from(&self) -> String {
        let origin = match self.origin {
            _ if !self.enabled => "switched off",
            Origin::Shipped => "shipped",
            Origin::Changed => "changed",
            Origin::Own => "own",
        };
        let place = self.said_at.iter().map(|place| format!(" ({place})"));
        place.fold(origin.to_owned(), |from, place| from + &place)
    }
}

fn text(listed: &[Listed], width: Option<u16>) -> String {
    let mut table = Table::new(width, ["NAME", "SEVERITY", "FOR", "EXPR", "FROM"]);
    for rule in listed {
        let wait = Duration::from_millis(u64::try_from(rule.for_ms).unwrap_or(u64::MAX));
        let severity = urgency(rule.severity).filter(|_| rule.enabled);
        table.row([
            (rule.name.to_string(), None),
            (rule.severity.to_string(), severity),
            (ward_config::written(wait), None),
            (rule.expr.clone(), None),
            (rule.from(), None),
        ]);
    }
    table.text()
}
