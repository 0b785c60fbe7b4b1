//! Alerts, asked and commanded: what fires, who works on it, the rules, the recording. The same for every edge.

mod grpc;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ward_alerts::{RuleSpec, shipped};
use ward_audit::{Draft, Kind};
use ward_chassis::logs::RECORD;
use ward_model::{Acknowledgement, Alert, AlertKey, AlertState, Name, RuleName, Severity, Wall};
use ward_proto::{Invalid, service_or_system};

use super::{Edge, Shared, ask, failure::Failure, operate};
use crate::{access::Caller, alerting::Receiver};

pub(super) use grpc::service;

/// Most alerts on a page, and how many there are without being asked for fewer.
pub(super) const PAGE: usize = 1_000;
/// Most rules of one acknowledgement: more do not fire of one service.
const RULES: usize = 64;
/// The shortest acknowledgement.
const SHORTEST: Duration = Duration::from_secs(1);

/// Which alerts are wanted.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// Of a service, or (`Some(None)`) of the system; of anything when `None`.
    pub(super) of: Option<Option<Name>>,
    /// In one of these; firing when empty.
    pub(super) states: Vec<AlertState>,
    /// At least this urgent.
    pub(super) least: Severity,
    /// Behind this one.
    pub(super) after: Option<AlertKey>,
}

impl Filter {
    fn takes(&self, alert: &Alert) -> bool {
        let state = match self.states.as_slice() {
            [] => alert.state == AlertState::Firing,
            states => states.contains(&alert.state),
        };
        let of = self.of.as_ref().is_none_or(|of| *of == alert.key.service);
        let behind = self.after.as_ref().is_none_or(|after| alert.key > *after);
        state && of && behind && alert.severity >= self.least
    }
}

/// Those that are wanted, at most `count`, and whether there are more. The system's first, then by service and rule.
pub(super) fn list(edge: &Edge, filter: &Filter, count: usize) -> (Vec<Alert>, bool) {
    let board = edge.alerting.board();
    let mut found = board.alerts.iter().filter(|alert| filter.takes(alert));
    let page = found
        .by_ref()
        .take(count)
        .map(|alert| (**alert).clone())
        .collect();
    (page, found.next().is_some())
}

/// The place of an alert in a list, to go on behind.
pub(super) fn place(key: &AlertKey) -> String {
    key.to_string()
}

/// The same, read.
pub(super) fn behind(field: &str, text: &str) -> Result<AlertKey, Invalid> {
    let read = || {
        let (service, rule) = text.split_once('/')?;
        Some(AlertKey {
            service: service_or_system(field, service).ok()?,
            rule: RuleName::new(rule).ok()?,
        })
    };
    read().ok_or_else(|| Invalid::new(field, "is not one that was told, such as bank/ServiceUnhealthy"))
}

/// What somebody says about what fires.
#[derive(Debug)]
pub(super) struct Said {
    /// `None`: the system.
    pub(super) service: Option<Name>,
    pub(super) by: String,
    pub(super) why: String,
    pub(super) duration: Option<Duration>,
    /// Of all that fire when empty.
    pub(super) rules: Vec<RuleName>,
}

/// Somebody works on what fires of a service: it is silenced until it is resolved, or their time is up.
pub(super) async fn acknowledge(
    edge: &Shared,
    caller: &Caller,
    said: Said,
) -> Result<Acknowledgement, Failure> {
    let by = operate::operator(said.by)?;
    let why = operate::text("why", said.why, operate::WHY)?;
    // What is longer is cut: the answer says until when it is.
    let lasts = said
        .duration
        .unwrap_or(Acknowledgement::DEFAULT)
        .clamp(SHORTEST, Acknowledgement::MAX);
    if let Some(service) = &said.service {
        ask::service(edge, service).await?;
    }
    let rules = firing(edge, said.service.as_ref(), &said.rules)?;
    let start = edge.clock.wall();
    let millis = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
    let said = Acknowledgement {
        service: said.service,
        rules,
        by,
        why,
        start,
        end: Wall(start.0.saturating_add(millis)),
    };
    let draft = draft(edge, caller, Kind::Acknowledge, said.service.as_ref(), &said.by)
        .with("why", said.why.as_str())
        .with("rules", joined(&said.rules))
        .with("start_ms", start.0.to_string())
        .with("duration_ms", millis.to_string());
    let told = said.clone();
    let act = |edge: Shared| async move { Ok(edge.alerting.acknowledge(told).await?) };
    operate::carry_out(edge, caller, draft, act).await?;
    let (service, rules) = (subject(said.service.as_ref()), joined(&said.rules));
    tracing::info!(target: RECORD, service, by = said.by, %caller, why = said.why, rules, "acknowledged");
    Ok(said)
}

/// They do no more: what still fires is heard again.
pub(super) async fn unacknowledge(
    edge: &Shared,
    caller: &Caller,
    service: Option<Name>,
    by: String,
) -> Result<(), Failure> {
    let by = operate::operator(by)?;
    if let Some(service) = &service {
        ask::service(edge, service).await?;
    }
    let board = edge.alerting.board();
    if !board.acknowledged.iter().any(|said| said.service == service) {
        let message = format!(
            "nobody has acknowledged anything of {}",
            subject(service.as_ref())
        );
        return Err(Failure::Unfit("NOT_ACKNOWLEDGED", message));
    }
    let draft = draft(edge, caller, Kind::Unacknowledge, service.as_ref(), &by);
    let ended = service.clone();
    let act = |edge: Shared| async move { Ok(edge.alerting.unacknowledge(ended).await?) };
    operate::carry_out(edge, caller, draft, act).await?;
    tracing::info!(target: RECORD, service = subject(service.as_ref()), by, %caller, "acknowledgement ended");
    Ok(())
}

/// The rules of what fires; of `wanted` those, which all have to, and what is acknowledged already.
fn firing(edge: &Edge, service: Option<&Name>, wanted: &[RuleName]) -> Result<Vec<RuleName>, Failure> {
    if wanted.len() > RULES {
        let message = format!("has {} entries, expected at most {RULES}", wanted.len());
        return Err(Invalid::new("rules", message).into());
    }
    let board = edge.alerting.board();
    let firing: BTreeSet<&RuleName> = board.firing(service).map(|alert| &alert.key.rule).collect();
    let of = subject(service);
    if let Some(other) = wanted.iter().find(|rule| !firing.contains(rule)) {
        let message = format!("{other} of {of} does not fire: see ward alerts {of} --all");
        return Err(Failure::Unfit("NOT_FIRING", message));
    }
    if firing.is_empty() {
        let message =
            format!("nothing fires of {of}: there is nothing to acknowledge, see ward alerts --all");
        return Err(Failure::Unfit("NOT_FIRING", message));
    }
    let before = board
        .acknowledged
        .iter()
        .filter(|said| said.service.as_ref() == service);
    let before = before
        .flat_map(|said| &said.rules)
        .filter(|rule| firing.contains(rule));
    let named = match wanted {
        [] => firing.clone(),
        wanted => wanted.iter().chain(before).collect(),
    };
    Ok(named.into_iter().cloned().collect())
}

fn subject(service: Option<&Name>) -> &str {
    service.map_or("system", Name::as_str)
}

fn joined(rules: &[RuleName]) -> String {
    let rules: Vec<&str> = rules.iter().map(RuleName::as_str).collect();
    rules.join(" ")
}

fn draft(edge: &Edge, caller: &Caller, kind: Kind, service: Option<&Name>, by: &str) -> Draft {
    operate::draft(edge, caller, kind, subject(service), by)
}

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Shipped,
    Changed,
    Own,
}

/// A rule as it stands, and whether it is in force.
#[derive(Debug)]
pub(super) struct Listed {
    pub(super) spec: RuleSpec,
    pub(super) origin: Origin,
    pub(super) off: bool,
}

/// All rules, by name: those in force, and shipped ones that are switched off.
pub(super) fn rules(edge: &Edge) -> Vec<Listed> {
    let settings = edge.reloader.now();
    let of_ward: BTreeMap<RuleName, RuleSpec> = shipped()
        .into_iter()
        .map(|spec| (spec.name.clone(), spec))
        .collect();
    let in_force = &settings.settings.alerting.rules;
    let mut listed: BTreeMap<RuleName, Listed> = BTreeMap::new();
    for rule in in_force.iter() {
        let origin = match of_ward.get(&rule.spec().name) {
            Some(spec) if spec == rule.spec() => Origin::Shipped,
            Some(_) => Origin::Changed,
            None => Origin::Own,
        };
        let (spec, off) = (rule.spec().clone(), false);
        listed.insert(spec.name.clone(), Listed { spec, origin, off });
    }
    for (name, spec) in of_ward {
        let off = true;
        let origin = Origin::Shipped;
        listed.entry(name).or_insert(Listed { spec, origin, off });
    }
    listed.into_values().collect()
}

/// How it stands with who is told.
pub(super) fn receivers(edge: &Edge) -> Vec<Receiver> {
    edge.alerting.receivers(&edge.reloader.now().settings)
}
