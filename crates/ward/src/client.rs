//! Asking an aggregator: where it is, and how long to wait for it.
//!
//! One deadline for a whole command, not one for each call: people wait for the command. Only what no call can be made
//! without stands here; what is asked stands with the command.

use std::{error::Error, fmt, future::Future, time::Duration};

use clap::Args;
use tokio::time::timeout;
use tonic::{Code, Status};
use ward_model::{Name, ServiceState};
use ward_proto::{
    Invalid,
    v1::{self, alert_service_client::AlertServiceClient, health_service_client::HealthServiceClient},
};
use ward_sdk::{
    Address, ConnectError, Connection, InvalidServer,
    watch::{self, Watcher},
};

use crate::{
    Failure,
    access::{Access, as_flags},
    failure::root,
    near,
    output::{Cursor, Escaped, Format},
};

/// The aggregator that is asked where none is named.
pub(crate) const DEFAULT_SERVER: &str = "127.0.0.1:7700";

/// How long a command waits for all its answers.
const PATIENCE: Duration = Duration::from_secs(5);
/// A full list of instances is larger than the transport's default of 4 MiB: 1,000 of them with 32 checks of 512 bytes.
const ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// What every command that asks an aggregator takes.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    #[command(flatten)]
    pub(crate) server: Server,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) output: Format,
}

/// The same, for commands that have no data to write.
#[derive(Debug, Args)]
pub(crate) struct ServerArgs {
    #[command(flatten)]
    pub(crate) server: Server,
}

/// An aggregator: where it is, and how to be let in. Files are read when it is asked, and not before: a job that is run
/// and reported comes first.
#[derive(Clone, Debug, Args)]
pub(crate) struct Server {
    /// The aggregator: host:port, or https://host:port for TLS
    #[arg(
        long = "server",
        value_name = "ADDR",
        env = "WARD_SERVER",
        default_value = DEFAULT_SERVER
    )]
    address: Address,
    #[command(flatten)]
    access: Access,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Server {
    pub(crate) fn new(address: Address, access: Access) -> Self {
        Self { address, access }
    }

    /// As the sdk speaks to it, each connection to be there within `patience`.
    pub(crate) fn within(&self, patience: Duration) -> Result<ward_sdk::Server, Failure> {
        let server = ward_sdk::Server::new(self.address.clone(), self.access.clone().into())?;
        Ok(server.connect_timeout(patience))
    }

    /// A watch on it.
    pub(crate) fn watcher(&self) -> watch::Builder {
        Watcher::builder(self.address.url()).credentials(self.access.clone().into())
    }

    /// Does `asking` with a connection to it, all within the patience of people.
    pub(crate) async fn ask<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        asking: impl FnOnce(Client) -> F,
    ) -> Result<T, Failure> {
        let asked = async { asking(self.connect().await?).await };
        self.in_time(PATIENCE, asked).await
    }

    /// A connection to it.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        let connection = self.within(PATIENCE)?.connect().await;
        let connection = connection.map_err(|error| self.unconnected(&error))?;
        Ok(Client {
            grpc: HealthServiceClient::new(connection.clone()).max_decoding_message_size(ANSWER_BYTES),
            alerts: AlertServiceClient::new(connection).max_decoding_message_size(ANSWER_BYTES),
            server: self.clone(),
        })
    }

    /// What comes of `asking`, if that is not later than `patience`: for who waits for one answer after another.
    pub(crate) async fn in_time<T>(
        &self,
        patience: Duration,
        asking: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let late = |_| Err(self.unreachable(format!("no answer within {patience:?}")));
        timeout(patience, asking).await.unwrap_or_else(late)
    }

    pub(crate) fn unconnected(&self, error: &ConnectError) -> Failure {
        match error.of_credentials() {
            Some(invalid) => InvalidServer::from(invalid.clone()).into(),
            None => self.unreachable(root(error)),
        }
    }

    pub(crate) fn unreachable(&self, why: impl Into<String>) -> Failure {
        Failure::Unreachable {
            server: self.to_string(),
            why: as_flags(&why.into()),
        }
    }

    /// It does not want to hear this client.
    pub(crate) fn denied(&self, status: &Status) -> Failure {
        Failure::Denied {
            server: self.to_string(),
            said: status.message().to_owned(),
            stranger: status.code() == Code::Unauthenticated,
        }
    }
}

/// A connection to an aggregator.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) grpc: HealthServiceClient<Connection>,
    pub(crate) alerts: AlertServiceClient<Connection>,
    server: Server,
}

/// What a call of `server` that failed means to the one who typed the command.
pub(crate) fn failed(server: &Server, status: &Status) -> Failure {
    // An answer has no source: this is the transport's doing, whatever code it gave that.
    if status.source().is_some() {
        return server.unreachable(root(status));
    }
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => server.denied(status),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => {
            server.unreachable(format!("{:?}: {}", status.code(), status.message()))
        }
        Code::Unimplemented => {
            server.unreachable("what answers there is no Ward aggregator, or an older one")
        }
        code => {
            let message = Escaped(status.message());
            Failure::Other(anyhow::anyhow!(
                "the aggregator at {server} answered {code:?}: {message}"
            ))
        }
    }
}

impl Client {
    /// What a call that failed means to the one who typed the command.
    pub(crate) fn failed(&self, status: &Status) -> Failure {
        failed(&self.server, status)
    }

    /// What it means that a command about `service` was refused.
    pub(crate) async fn refused(&mut self, status: &Status, service: &Name) -> Failure {
        if status.source().is_some() {
            return self.failed(status);
        }
        match status.code() {
            Code::NotFound => match self.services().await {
                Ok(there) if there.iter().all(|known| known.name != *service) => {
                    near::no_such_service(service, &there)
                }
                // It is there: one of its instances is not.
                Ok(_) => Failure::Usage(Escaped(status.message()).to_string()),
                Err(failure) => failure,
            },
            _ => self.refused_of_system(status),
        }
    }

    /// The same of a command about the system.
    pub(crate) fn refused_of_system(&self, status: &Status) -> Failure {
        let said = status.source().is_none();
        match status.code() {
            Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition | Code::AlreadyExists
                if said =>
            {
                Failure::Usage(Escaped(status.message()).to_string())
            }
            _ => self.failed(status),
        }
    }

    /// Whether there is such a service; a mistake of who typed the name if there is not.
    pub(crate) async fn is_there(&mut self, service: &Name) -> Result<(), Failure> {
        let there = self.services().await?;
        match there.iter().any(|known| known.name == *service) {
            true => Ok(()),
            false => Err(near::no_such_service(service, &there)),
        }
    }

    /// An answer that is not one.
    pub(crate) fn invalid(&self, invalid: Invalid) -> Failure {
        let error = anyhow::Error::new(invalid);
        Failure::Other(error.context(format!("read the answer of the aggregator at {}", self.server)))
    }

    /// All services, in the order of their names.
    pub(crate) async fn services(&mut self) -> Result<Vec<ServiceState>, Failure> {
        let mut services = Vec::new();
        let mut request = v1::ListServicesRequest::default();
        loop {
            let page = self.grpc.list_services(request.clone()).await;
            let page = page.map_err(|status| self.failed(&status))?.into_inner();
            let page_services = page.services.into_iter().map(ServiceState::try_from);
            services.extend(
                page_services
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|error| self.invalid(error))?,
            );
            // An aggregator that repeats itself is not followed for ever.
            let bounded = services.len() <= ward_model::bounds::SERVICES;
            if page.next_page_token.is_empty() || page.next_page_token == request.page_token || !bounded {
                return Ok(services);
            }
            request.page_token = page.next_page_token;
        }
    }
}

/// The place an answer is of.
pub(crate) fn cursor(wire: Option<v1::Cursor>) -> Cursor {
    let (epoch, revision) = wire.unwrap_or_default().into();
    Cursor::new(epoch, revision)
}
