//! What operators do: maintenance, forgetting.
//!
//! Who did it is asked for and logged. Nobody proves to be who they say yet; that comes with identity.

use std::time::Duration;

use prost::Message;
use tonic::Status;
use ward_engine::{Engine, Event, Reply};
use ward_model::{InstanceId, Name};
use ward_proto::{Invalid, v1};

use super::{Edge, ask, query::LIST_BYTES, refusal};

/// Longest name of an operator, in bytes.
const BY_BYTES: usize = 128;
/// Longest reason, in bytes.
const WHY_BYTES: usize = 512;

pub(super) async fn start_maintenance(
    edge: &Edge,
    request: v1::StartMaintenanceRequest,
) -> Result<v1::StartMaintenanceResponse, Status> {
    let service = service_name("service", &request.service)?;
    let by = operator(request.by)?;
    let why = text("why", request.why, WHY_BYTES)?;
    let duration = (request.duration_ms > 0).then(|| Duration::from_millis(request.duration_ms));
    tracing::info!(%service, by, why, ?duration, "maintenance is started");
    match decide(
        edge,
        Event::StartMaintenance {
            service,
            by,
            why,
            duration,
        },
    )
    .await?
    {
        Reply::Maintenance(maintenance) => Ok(v1::StartMaintenanceResponse {
            maintenance: Some((&*maintenance).into()),
        }),
        reply => Err(unexpected(&reply)),
    }
}

pub(super) async fn end_maintenance(
    edge: &Edge,
    request: v1::EndMaintenanceRequest,
) -> Result<v1::EndMaintenanceResponse, Status> {
    let service = service_name("service", &request.service)?;
    let by = operator(request.by)?;
    tracing::info!(%service, by, "maintenance is ended");
    decide(edge, Event::EndMaintenance { service })
        .await
        .map(|_| v1::EndMaintenanceResponse {})
}

pub(super) async fn list_maintenance(edge: &Edge) -> Result<v1::ListMaintenanceResponse, Status> {
    let look = |engine: &Engine| {
        let active: Vec<_> = engine
            .services(None)
            .filter_map(|service| service.maintenance)
            .collect();
        (engine.epoch(), engine.revision(), active)
    };
    let (epoch, revision, active) = edge.decider.read(look).await?;
    let upcoming = edge.upcoming.load();
    let upcoming = upcoming.iter().map(v1::Maintenance::from);
    Ok(v1::ListMaintenanceResponse {
        cursor: Some((epoch, revision).into()),
        active: active.iter().map(v1::Maintenance::from).collect(),
        upcoming: ask::within(upcoming, LIST_BYTES, Message::encoded_len).collect(),
    })
}

pub(super) async fn forget(edge: &Edge, request: v1::ForgetRequest) -> Result<v1::ForgetResponse, Status> {
    let service = service_name("service", &request.service)?;
    let instance = instance_name(&request.instance)?;
    let by = operator(request.by)?;
    match &instance {
        Some(instance) => {
            let id = InstanceId {
                service: service.clone(),
                instance: instance.clone(),
            };
            tracing::info!(%id, by, "an instance is forgotten");
        }
        None => tracing::info!(%service, by, "a service is forgotten"),
    }
    match decide(edge, Event::Forget { service, instance }).await? {
        Reply::Forgotten(forgotten_instances) => Ok(v1::ForgetResponse { forgotten_instances }),
        reply => Err(unexpected(&reply)),
    }
}

async fn decide(edge: &Edge, event: Event) -> Result<Reply, Status> {
    if edge.closings.is_closing() {
        return Err(Status::unavailable(
            "the aggregator is stopping: ask again in a moment",
        ));
    }
    match edge.decider.apply(event).await? {
        Reply::Refused(refusal) => Err(refusal::status(&refusal)),
        reply => Ok(reply),
    }
}

fn unexpected(reply: &Reply) -> Status {
    tracing::error!(?reply, "an answer to a command that is none");
    Status::internal("the command was taken and not answered: look at what it did")
}

fn instance_name(text: &str) -> Result<Option<Name>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let name = Name::instance(text).map_err(|invalid| Invalid::new("instance", invalid.to_string()));
    name.map(Some).map_err(refusal::invalid)
}

fn operator(by: String) -> Result<String, Status> {
    if by.is_empty() {
        return Err(refusal::invalid(Invalid::new(
            "by",
            "is empty, expected who does this",
        )));
    }
    text("by", by, BY_BYTES)
}

/// Text that goes into logs and onto terminals.
fn text(field: &str, text: String, bytes: usize) -> Result<String, Status> {
    let wrong = if text.len() > bytes {
        format!("has {} bytes, expected at most {bytes}", text.len())
    } else if text.chars().any(char::is_control) {
        "has control characters, expected none".to_owned()
    } else {
        return Ok(text);
    };
    Err(refusal::invalid(Invalid::new(field, wrong)))
}

fn service_name(field: &str, text: &str) -> Result<Name, Status> {
    ask::service_name(field, text).map_err(refusal::invalid)
}
