//! `ward status`: the verdict now. Asks, shows, and ends with the verdict as exit code.

mod service;
mod system;

pub(crate) use service::number;
pub(crate) use system::{counts, doubt, why};

use clap::Args;
use serde::Serialize;
use tonic::Code;
use ward_chassis::Clock;
use ward_model::{Dependency, InstanceState, Name, ServiceState, Status, SystemState};
use ward_proto::v1;

use crate::{
    Exit, Failure,
    client::{Client, ClientArgs, cursor},
    near,
    output::{Cursor, Format, Out, Times},
    typed,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward status
  ward status payments
  ward status -o json | jq -r '.services[] | select(.condition.status != \"healthy\") | .name'

Ends with 0 healthy, 1 degraded, 2 unhealthy, 3 unknown, 4 aggregator unreachable, 64 usage,
77 not allowed, 70 any other failure.")]
pub(crate) struct StatusArgs {
    /// One service, with its instances, checks and signals
    #[arg(value_parser = typed::service)]
    pub(crate) name: Option<Name>,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
}

/// All of the system at a glance. What `-o json` writes.
#[derive(Clone, Debug, Serialize)]
struct System {
    server: String,
    /// Of the aggregator.
    version: String,
    uptime_ms: u64,
    cursor: Cursor,
    system: SystemState,
    services: Vec<ServiceState>,
}

/// All of one service. What `-o json` writes.
#[derive(Clone, Debug, Serialize)]
struct Service {
    server: String,
    cursor: Cursor,
    service: ServiceState,
    dependencies: Vec<Needed>,
    instances: Vec<InstanceState>,
}

/// A dependency, and how it is.
#[derive(Clone, Debug, Serialize)]
struct Needed {
    #[serde(flatten)]
    dependency: Dependency,
    status: Status,
}

pub(crate) async fn run(args: StatusArgs, out: &mut Out) -> Result<Exit, Failure> {
    let StatusArgs { name, client } = args;
    let server = client.server.to_string();
    let times = Times::here(Clock::start().wall());
    match name {
        None => {
            let mut seen = client.server.ask(|client| system(client, server)).await?;
            seen.services.sort_by(|a, b| {
                b.condition
                    .status
                    .cmp(&a.condition.status)
                    .then(a.name.cmp(&b.name))
            });
            match client.output {
                Format::Json => out.json(&seen)?,
                Format::Text => out.data(&system::text(&seen, &times, out.width()))?,
            };
            if seen.services.is_empty() && client.output == Format::Text {
                out.note(&system::how_to_report(&seen.server));
            }
            Ok(seen.system.condition.status.into())
        }
        Some(name) => {
            let seen = client.server.ask(|client| service(client, server, name)).await?;
            match client.output {
                Format::Json => out.json(&seen)?,
                Format::Text => out.data(&service::text(&seen, &times, out.width()))?,
            };
            Ok(seen.service.condition.status.into())
        }
    }
}

async fn system(mut client: Client, server: String) -> Result<System, Failure> {
    let answer = client.grpc.get_system(v1::GetSystemRequest {}).await;
    let answer = answer.map_err(|status| client.failed(&status))?.into_inner();
    let system = answer
        .system
        .unwrap_or_default()
        .try_into()
        .map_err(|error| client.invalid(error))?;
    Ok(System {
        server,
        version: answer.version,
        uptime_ms: answer.uptime_ms,
        cursor: cursor(answer.cursor),
        system,
        services: client.services().await?,
    })
}

async fn service(mut client: Client, server: String, name: Name) -> Result<Service, Failure> {
    let Some(answer) = get(&mut client, &name).await? else {
        return Err(near::no_such_service(&name, &client.services().await?));
    };
    let state = answer.service.unwrap_or_default();
    let service = ServiceState::try_from(state).map_err(|error| client.invalid(error))?;
    let instances = answer
        .instances
        .into_iter()
        .map(InstanceState::try_from)
        .collect::<Result<_, _>>();
    let mut dependencies = Vec::new();
    for dependency in service.dependencies.clone() {
        let status = status_of(&mut client, &dependency.service).await?;
        dependencies.push(Needed { dependency, status });
    }
    let instances = instances.map_err(|error| client.invalid(error))?;
    Ok(Service {
        server,
        cursor: cursor(answer.cursor),
        service,
        dependencies,
        instances,
    })
}

/// `None` if there is no such service.
async fn get(client: &mut Client, name: &Name) -> Result<Option<v1::GetServiceResponse>, Failure> {
    match client
        .grpc
        .get_service(v1::GetServiceRequest {
            name: name.to_string(),
        })
        .await
    {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if status.code() == Code::NotFound => Ok(None),
        Err(status) => Err(client.failed(&status)),
    }
}

/// One that nobody reports is unknown.
async fn status_of(client: &mut Client, name: &Name) -> Result<Status, Failure> {
    let service = get(client, name).await?.and_then(|answer| answer.service);
    let service = service
        .map(ServiceState::try_from)
        .transpose()
        .map_err(|error| client.invalid(error))?;
    Ok(service.map_or(Status::Unknown, |service| service.condition.status))
}
