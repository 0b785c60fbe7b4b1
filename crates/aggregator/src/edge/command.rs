//! The commands of [`super::operate`] in the words of gRPC.

use std::time::Duration;

use tonic::Status;
use ward_model::Maintenance;
use ward_proto::v1;

use super::{
    Edge, Shared, ask, operate,
    query::{LIST_BYTES, wire},
};
use crate::access::Caller;

pub(super) async fn start_maintenance(
    edge: &Shared,
    caller: &Caller,
    request: v1::StartMaintenanceRequest,
) -> Result<v1::StartMaintenanceResponse, Status> {
    let v1::StartMaintenanceRequest {
        service,
        by,
        why,
        duration_ms,
    } = request;
    let duration = (duration_ms > 0).then(|| Duration::from_millis(duration_ms));
    let maintenance = operate::start_maintenance(edge, caller, &service, by, why, duration).await?;
    Ok(v1::StartMaintenanceResponse {
        maintenance: Some((&maintenance).into()),
    })
}

pub(super) async fn end_maintenance(
    edge: &Shared,
    caller: &Caller,
    request: v1::EndMaintenanceRequest,
) -> Result<v1::EndMaintenanceResponse, Status> {
    operate::end_maintenance(edge, caller, &request.service, request.by).await?;
    Ok(v1::EndMaintenanceResponse {})
}

pub(super) async fn list_maintenance(edge: &Edge) -> Result<v1::ListMaintenanceResponse, Status> {
    let planned = operate::list_maintenance(edge).await?;
    let listed = |windows: &[Maintenance]| {
        let windows = windows.iter().map(v1::Maintenance::from);
        // Two lists share a message.
        ask::within(windows, LIST_BYTES / 2, prost::Message::encoded_len).collect()
    };
    Ok(v1::ListMaintenanceResponse {
        cursor: Some(wire(planned.cursor)),
        active: listed(&planned.active),
        upcoming: listed(&planned.upcoming),
    })
}

pub(super) async fn forget(
    edge: &Shared,
    caller: &Caller,
    request: v1::ForgetRequest,
) -> Result<v1::ForgetResponse, Status> {
    let instance = Some(request.instance.as_str()).filter(|instance| !instance.is_empty());
    let forgotten_instances = operate::forget(edge, caller, &request.service, instance, request.by).await?;
    Ok(v1::ForgetResponse { forgotten_instances })
}
