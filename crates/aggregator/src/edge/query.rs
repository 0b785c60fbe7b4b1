//! The questions of [`super::ask`] in the words of gRPC.

use prost::Message;
use tonic::Status;
use ward_model::{Mono, Wall};
use ward_proto::{least_severity, v1};

use super::{
    Edge, VERSION,
    ask::{self, Filter, PAGE, optional_service, service_name},
    failure::Failure,
    past,
};
use crate::hub::Cursor;

/// Where a list ends for its size: under the largest message with room for what surrounds the list.
pub(super) const LIST_BYTES: usize = 768 << 10;

pub(super) async fn system(edge: &Edge) -> Result<v1::GetSystemResponse, Status> {
    let (cursor, system) = ask::system(edge).await?;
    let uptime = edge.clock.mono().since(Mono::default());
    Ok(v1::GetSystemResponse {
        cursor: Some(wire(cursor)),
        system: Some((&system).into()),
        version: VERSION.to_owned(),
        uptime_ms: u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
        config_hash: edge.reloader.now().hash.clone(),
    })
}

pub(super) async fn services(
    edge: &Edge,
    request: v1::ListServicesRequest,
) -> Result<v1::ListServicesResponse, Status> {
    let filter = Filter {
        least: least_severity(request.least_severity).map_err(Failure::from)?,
        ..Filter::default()
    };
    let after = optional_service("page_token", &request.page_token).map_err(Failure::from)?;
    let wanted = match request.page_size as usize {
        0 => PAGE,
        size => size.min(PAGE),
    };
    let page = ask::services(edge, filter, after, wanted).await?;
    let (services, next) = page.within(
        LIST_BYTES,
        |service| v1::ServiceState::from(service),
        Message::encoded_len,
    );
    Ok(v1::ListServicesResponse {
        cursor: Some(wire(page.cursor)),
        services,
        next_page_token: next.map_or_else(String::new, |name| name.to_string()),
    })
}

pub(super) async fn service(
    edge: &Edge,
    request: v1::GetServiceRequest,
) -> Result<v1::GetServiceResponse, Status> {
    let name = service_name("name", &request.name).map_err(Failure::from)?;
    let (cursor, service, instances) = ask::service(edge, &name).await?;
    let instances = instances.iter().map(v1::InstanceState::from);
    Ok(v1::GetServiceResponse {
        cursor: Some(wire(cursor)),
        service: Some((&service).into()),
        instances: ask::within(instances, LIST_BYTES, Message::encoded_len).collect(),
    })
}

pub(super) async fn explain(edge: &Edge, request: v1::ExplainRequest) -> Result<v1::ExplainResponse, Status> {
    let name = optional_service("name", &request.name).map_err(Failure::from)?;
    let (cursor, explanation) = ask::explain(edge, name.as_ref()).await?;
    Ok(v1::ExplainResponse {
        cursor: Some(wire(cursor)),
        ..(&explanation).into()
    })
}

pub(super) async fn history(
    edge: &Edge,
    request: v1::GetHistoryRequest,
) -> Result<v1::GetHistoryResponse, Status> {
    let name = optional_service("name", &request.name).map_err(Failure::from)?;
    let wall = |unix_ms: i64| (unix_ms != 0).then_some(Wall(unix_ms));
    let (since, until) = (wall(request.since_unix_ms), wall(request.until_unix_ms));
    let limit = (request.limit > 0).then_some(request.limit as usize);
    let history = past::history(edge, name, since, until, limit).await?;
    Ok((&history).into())
}

pub(super) fn wire(cursor: Cursor) -> v1::Cursor {
    (cursor.epoch, cursor.revision).into()
}
