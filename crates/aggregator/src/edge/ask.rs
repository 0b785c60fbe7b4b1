//! Looking at what is known, once: the same for every edge.
//!
//! Answers are copied out between two events, so each is one consistent moment, named by its cursor. A long list is
//! copied in portions, so that no tick is late for it; its cursor is that of the first, so that whoever goes on with a
//! watch from there misses nothing.

use ward_engine::Engine;
use ward_model::{
    Criticality, Explanation, InstanceState, Name, ServiceState, Status, SystemState, bounds::INSTANCES_TOLD,
};
use ward_proto::Invalid;

use super::{Edge, failure::Failure};
use crate::hub::Cursor;

/// Most services on a page, and how many there are without being asked for fewer.
pub(super) const PAGE: usize = 1_000;
/// Services looked at before the engine has its turn again: a few milliseconds.
const PORTION: usize = 500;

/// Which services are wanted. Everything that is said must hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// At least this bad.
    pub(super) least: Status,
    /// In one of these; any when empty.
    pub(super) statuses: Vec<Status>,
    /// Of one of these; any when empty.
    pub(super) criticalities: Vec<Criticality>,
    /// In maintenance, or not.
    pub(super) in_maintenance: Option<bool>,
    /// Its name begins so.
    pub(super) prefix: Option<String>,
    /// Its name has this in it.
    pub(super) text: Option<String>,
}

impl Filter {
    fn takes(&self, service: &ServiceState) -> bool {
        let (name, status) = (service.name.as_str(), service.condition.status);
        status >= self.least
            && (self.statuses.is_empty() || self.statuses.contains(&status))
            && (self.criticalities.is_empty() || self.criticalities.contains(&service.criticality))
            && self
                .in_maintenance
                .is_none_or(|wanted| wanted == service.maintenance.is_some())
            && self
                .prefix
                .as_ref()
                .is_none_or(|prefix| name.starts_with(prefix.as_str()))
            && self.text.as_ref().is_none_or(|text| name.contains(text.as_str()))
    }
}

/// A part of a list.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) cursor: Cursor,
    pub(super) services: Vec<ServiceState>,
    /// There are more behind these.
    pub(super) more: bool,
}

impl Page {
    /// Keeps as many as fit `bytes`, and at least one. Nothing is lost: the next page begins where this one ends.
    pub(super) fn within<M>(
        &self,
        bytes: usize,
        convert: impl Fn(&ServiceState) -> M,
        size: impl Fn(&M) -> usize,
    ) -> (Vec<M>, Option<Name>) {
        let kept: Vec<M> = within(self.services.iter().map(convert), bytes, size).collect();
        let more = self.more || kept.len() < self.services.len();
        let last = kept
            .len()
            .checked_sub(1)
            .map(|last| self.services[last].name.clone());
        (kept, last.filter(|_| more))
    }
}

/// As many as fit, and at least one.
pub(super) fn within<M>(
    all: impl Iterator<Item = M>,
    bytes: usize,
    size: impl Fn(&M) -> usize,
) -> impl Iterator<Item = M> {
    let mut sum = 0;
    all.enumerate()
        .take_while(move |(index, item)| {
            sum += size(item);
            *index == 0 || sum <= bytes
        })
        .map(|(_, item)| item)
}

pub(super) fn cursor(engine: &Engine) -> Cursor {
    Cursor {
        epoch: engine.epoch(),
        revision: engine.revision(),
    }
}

pub(super) async fn system(edge: &Edge) -> Result<(Cursor, SystemState), Failure> {
    let look = |engine: &Engine| (cursor(engine), engine.system());
    Ok(edge.decider.read(look).await?)
}

/// At most `count` services behind `after`, in the order of their names.
pub(super) async fn services(
    edge: &Edge,
    filter: Filter,
    mut after: Option<Name>,
    count: usize,
) -> Result<Page, Failure> {
    let mut services = Vec::new();
    let mut first = None;
    loop {
        let (filter, from, wanted) = (filter.clone(), after.take(), count + 1 - services.len());
        let (cursor, found, on) = edge
            .decider
            .read(move |engine| portion(engine, &filter, from.as_ref(), wanted))
            .await?;
        let cursor = *first.get_or_insert(cursor);
        services.extend(found);
        after = on;
        if services.len() > count || after.is_none() {
            let more = services.len() > count;
            services.truncate(count);
            return Ok(Page {
                cursor,
                services,
                more,
            });
        }
    }
}

/// All services, each as `convert` makes it, in the order of their names.
pub(super) async fn all<T: Send + 'static>(
    edge: &Edge,
    convert: impl Fn(ServiceState) -> T + Copy + Send + 'static,
) -> Result<Vec<T>, Failure> {
    let mut converted = Vec::new();
    let mut after: Option<Name> = None;
    loop {
        let from = after.take();
        let copy = move |engine: &Engine| {
            let mut last = None;
            let named = |service: ServiceState| {
                last = Some(service.name.clone());
                convert(service)
            };
            let portion: Vec<T> = engine.services(from.as_ref()).take(PORTION).map(named).collect();
            (portion, last)
        };
        let (portion, last) = edge.decider.read(copy).await?;
        let ended = portion.len() < PORTION;
        converted.extend(portion);
        after = last;
        if ended {
            return Ok(converted);
        }
    }
}

/// What was found, and behind which service there is more to look at.
fn portion(
    engine: &Engine,
    filter: &Filter,
    from: Option<&Name>,
    wanted: usize,
) -> (Cursor, Vec<ServiceState>, Option<Name>) {
    let mut found = Vec::new();
    let mut on = None;
    for (index, service) in engine.services(from).enumerate() {
        let name = service.name.clone();
        if filter.takes(&service) {
            found.push(service);
        }
        if found.len() == wanted || index + 1 == PORTION {
            on = Some(name);
            break;
        }
    }
    (cursor(engine), found, on)
}

/// One service and its instances, at most [`INSTANCES_TOLD`], the worst first.
pub(super) async fn service(
    edge: &Edge,
    name: &Name,
) -> Result<(Cursor, ServiceState, Vec<InstanceState>), Failure> {
    let asked = name.clone();
    let look = move |engine: &Engine| {
        let service = engine.service(&asked)?;
        Some((cursor(engine), service, engine.instances(&asked, INSTANCES_TOLD)))
    };
    let found = edge.decider.read(look).await?;
    found.ok_or_else(|| Failure::NoService(name.clone()))
}

/// Why a service, or the system, is as it is.
pub(super) async fn explain(edge: &Edge, name: Option<&Name>) -> Result<(Cursor, Explanation), Failure> {
    let asked = name.cloned();
    let look = move |engine: &Engine| Some((cursor(engine), engine.explain(asked.as_ref())?));
    let found = edge.decider.read(look).await?;
    found.ok_or_else(|| match name {
        Some(name) => Failure::NoService(name.clone()),
        None => Failure::Internal("the system has no explanation"),
    })
}

/// The name of a service in the field called `field`.
pub(super) fn service_name(field: &str, text: &str) -> Result<Name, Invalid> {
    Name::service(text).map_err(|invalid| Invalid::new(field, invalid.to_string()))
}

/// The same where it may be left out.
pub(super) fn optional_service(field: &str, text: &str) -> Result<Option<Name>, Invalid> {
    if text.is_empty() {
        Ok(None)
    } else {
        service_name(field, text).map(Some)
    }
}
