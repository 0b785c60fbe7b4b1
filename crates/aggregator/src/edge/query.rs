//! Looking at what is known, once.
//!
//! Answers are copied out between two events, so each is one consistent moment, named by its cursor.

use prost::Message;
use tonic::Status;
use ward_engine::Engine;
use ward_model::{InstanceState, Mono, Name, ServiceState, bounds::INSTANCES_TOLD};
use ward_proto::{Invalid, least_severity, v1};

use super::{Edge, VERSION, refusal};

/// Most services on a page, and how many there are without being asked for fewer.
const PAGE: usize = 1_000;
/// Where a page ends for its size: under the largest message with room for what surrounds the list.
const PAGE_BYTES: usize = 768 << 10;

pub(super) async fn system(edge: &Edge) -> Result<v1::GetSystemResponse, Status> {
    let (cursor, system) = edge
        .decider
        .read(|engine| (cursor(engine), engine.system()))
        .await?;
    let uptime = edge.clock.mono().since(Mono::default());
    Ok(v1::GetSystemResponse {
        cursor: Some(cursor),
        system: Some((&system).into()),
        version: VERSION.to_owned(),
        uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
        config_hash: String::new(),
    })
}

pub(super) async fn services(
    edge: &Edge,
    request: v1::ListServicesRequest,
) -> Result<v1::ListServicesResponse, Status> {
    let least = least_severity(request.least_severity).map_err(refusal::invalid)?;
    let after = optional_service("page_token", &request.page_token)?;
    let wanted = match request.page_size as usize {
        0 => PAGE,
        size => size.min(PAGE),
    };
    let (cursor, found) = edge
        .decider
        .read(move |engine| {
            let services = engine
                .services(after.as_ref())
                .filter(|service| service.condition.status >= least);
            (cursor(engine), services.take(wanted + 1).collect::<Vec<_>>())
        })
        .await?;
    let more = found.len() > wanted;
    let services: Vec<_> = within(found.iter().take(wanted).map(v1::ServiceState::from)).collect();
    let last = services
        .last()
        .filter(|_| more || services.len() < found.len().min(wanted));
    let next_page_token = last.map_or_else(String::new, |service| service.name.clone());
    Ok(v1::ListServicesResponse {
        cursor: Some(cursor),
        services,
        next_page_token,
    })
}

pub(super) async fn service(
    edge: &Edge,
    request: v1::GetServiceRequest,
) -> Result<v1::GetServiceResponse, Status> {
    type Found = (v1::Cursor, ServiceState, Vec<InstanceState>);
    let name = service_name("name", &request.name)?;
    let asked = name.clone();
    let look = move |engine: &Engine| -> Option<Found> {
        Some((
            cursor(engine),
            engine.service(&asked)?,
            engine.instances(&asked, INSTANCES_TOLD),
        ))
    };
    let (cursor, service, instances) = edge.decider.read(look).await?.ok_or_else(|| no_service(&name))?;
    Ok(v1::GetServiceResponse {
        cursor: Some(cursor),
        service: Some((&service).into()),
        instances: within(instances.iter().map(v1::InstanceState::from)).collect(),
    })
}

pub(super) async fn explain(edge: &Edge, request: v1::ExplainRequest) -> Result<v1::ExplainResponse, Status> {
    let name = optional_service("name", &request.name)?;
    let asked = name.clone();
    let look = move |engine: &Engine| Some((cursor(engine), engine.explain(asked.as_ref())?));
    let found = edge.decider.read(look).await?;
    let (cursor, explanation) = found.ok_or_else(|| match &name {
        Some(name) => no_service(name),
        None => Status::internal("the system has no explanation"),
    })?;
    Ok(v1::ExplainResponse {
        cursor: Some(cursor),
        ..(&explanation).into()
    })
}

fn cursor(engine: &Engine) -> v1::Cursor {
    (engine.epoch(), engine.revision()).into()
}

/// As many as fit one message, and at least one.
fn within<M: Message>(all: impl Iterator<Item = M>) -> impl Iterator<Item = M> {
    let mut bytes = 0;
    all.enumerate()
        .take_while(move |(index, message)| {
            bytes += message.encoded_len();
            *index == 0 || bytes <= PAGE_BYTES
        })
        .map(|(_, message)| message)
}

/// The name of a service in the field called `field`.
pub(super) fn service_name(field: &str, text: &str) -> Result<Name, Status> {
    Name::service(text).map_err(|invalid| refusal::invalid(Invalid::new(field, invalid.to_string())))
}

fn optional_service(field: &str, text: &str) -> Result<Option<Name>, Status> {
    if text.is_empty() {
        Ok(None)
    } else {
        service_name(field, text).map(Some)
    }
}

fn no_service(name: &Name) -> Status {
    Status::not_found(format!("no service named {name}: list them with ward status"))
}
