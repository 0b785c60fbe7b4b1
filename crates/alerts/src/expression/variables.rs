//! The values of the variables of an expression, made when it asks for one.
//!
//! A map of all of them for each judging would cost twenty times what judging costs. CEL resolves `instances.total` by
//! asking for the variable of that name first, so that no group needs to be built; only `signals` is one where one may ask
//! for what is not there.

use std::collections::HashMap;

use cel::{
    common::{
        types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelString},
        value::{CowVal, Val},
    },
    context::VariableResolver,
};
use ward_model::{Name, Wall};

use super::Subject;
use crate::facts::{ServiceFacts, SystemFacts};

/// What an expression is judged over.
pub(super) struct Variables<'a> {
    pub(super) subject: Subject<'a>,
    pub(super) now: Wall,
    /// The signals that it mentions.
    pub(super) mentioned: &'a [Name],
}

impl VariableResolver for Variables<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        match self.subject {
            Subject::Service {
                name: service,
                facts,
                suspect_dependencies,
            } => match name {
                "service" => Some(text(service.as_str())),
                "dependencies.suspect" => Some(count(suspect_dependencies)),
                "signals" => Some(self.signals(facts)),
                _ => of_service(facts, name, self.now),
            },
            Subject::System(facts) => of_system(facts, name, self.now),
        }
    }
}

impl Variables<'_> {
    fn signals<'b>(&self, facts: &'b ServiceFacts) -> CowVal<'b, 'b> {
        let sent = self
            .mentioned
            .iter()
            .filter_map(|name| facts.signals.get_key_value(name));
        let entry = |(name, value): (&'b Name, &f64)| {
            let value: Box<dyn Val + 'b> = Box::new(CelDouble::from(*value));
            (CelMapKey::from(name.as_str()), value)
        };
        CowVal::owned(CelMap::from(sent.map(entry).collect::<HashMap<_, _>>()))
    }
}

fn of_service<'b>(facts: &'b ServiceFacts, name: &str, now: Wall) -> Option<CowVal<'b, 'b>> {
    let instances = &facts.instances;
    Some(match name {
        "status" => text(facts.status.as_str()),
        "own" => text(facts.own.as_str()),
        "reason" => text(facts.reason.as_str()),
        "message" => text(&facts.message),
        "since_seconds" => seconds(facts.since, now),
        "criticality" => text(facts.criticality.as_str()),
        "causes" => names(&facts.causes),
        "maintenance" => truth(facts.maintenance),
        "min_healthy" => count(facts.min_healthy),
        "instances.total" => count(instances.total),
        "instances.healthy" => count(instances.healthy),
        "instances.unknown" => count(instances.unknown),
        "instances.degraded" => count(instances.degraded),
        "instances.unhealthy" => count(instances.unhealthy),
        "instances.suspect" => count(instances.suspect),
        "instances.lost" => count(instances.lost),
        _ => return None,
    })
}

fn of_system<'b>(facts: &'b SystemFacts, name: &str, now: Wall) -> Option<CowVal<'b, 'b>> {
    let (services, observer) = (&facts.services, &facts.observer);
    Some(match name {
        "status" => text(facts.status.as_str()),
        "reason" => text(facts.reason.as_str()),
        "message" => text(&facts.message),
        "since_seconds" => seconds(facts.since, now),
        "causes" => names(&facts.causes),
        "services.total" => count(services.total),
        "services.healthy" => count(services.healthy),
        "services.unknown" => count(services.unknown),
        "services.degraded" => count(services.degraded),
        "services.unhealthy" => count(services.unhealthy),
        "observer.score" => count(observer.score.into()),
        "observer.degraded_view" => truth(observer.degraded_view),
        "observer.blind" => truth(observer.blind),
        "observer.settling" => truth(observer.settling),
        _ => return None,
    })
}

fn text<'b>(text: &'b str) -> CowVal<'b, 'b> {
    CowVal::owned(CelString::from(text))
}

fn truth<'b>(holds: bool) -> CowVal<'b, 'b> {
    CowVal::owned(CelBool::from(holds))
}

fn count<'b>(count: u32) -> CowVal<'b, 'b> {
    CowVal::owned(CelInt::from(i64::from(count)))
}

fn number<'b>(number: f64) -> CowVal<'b, 'b> {
    CowVal::owned(CelDouble::from(number))
}

fn seconds<'b>(since: Wall, now: Wall) -> CowVal<'b, 'b> {
    number(now.0.saturating_sub(since.0) as f64 / 1e3)
}

fn names<'b>(names: &'b [Name]) -> CowVal<'b, 'b> {
    let name = |name: &'b Name| -> Box<dyn Val + 'b> { Box::new(CelString::from(name.as_str())) };
    CowVal::owned(CelList::from(names.iter().map(name).collect::<Vec<_>>()))
}
