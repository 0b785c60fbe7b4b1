//! The log of a running aggregator, asked over gRPC.
//!
//! What comes is decoded as strictly as what is read from files, and proves nothing: that is for `ward audit verify`, and for
//! `ward watch`, which notices when a log is rewritten.

use std::{future::Future, time::Duration};

use clap::Args;
use tokio::time::timeout;
use tonic::Streaming;
use ward_audit::{Event, Filter};
use ward_proto::v1::{self, audit_service_client::AuditServiceClient};
use ward_sdk::{Address, Connection};

use crate::{
    Failure,
    access::Access,
    client::{self, Server},
};

/// How long to wait for all answers.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most events of one answer.
const PAGE: usize = 1_000;

/// A running aggregator, if one is named.
#[derive(Debug, Args)]
pub(super) struct AskArgs {
    /// Ask this aggregator instead of reading files: host:port, or https://host:port for TLS
    #[arg(long = "server", value_name = "ADDR", env = "WARD_SERVER")]
    address: Option<Address>,
    #[command(flatten)]
    access: Access,
}

impl AskArgs {
    pub(super) fn server(&self) -> Option<Server> {
        let address = self.address.clone()?;
        Some(Server::new(address, self.access.clone()))
    }
}

/// The newest events that pass, the newest first.
pub(super) async fn newest(server: &Server, filter: &Filter, limit: usize) -> Result<Vec<Event>, Failure> {
    within(server, async {
        let mut grpc = connect(server).await?;
        let (mut events, mut before) = (Vec::new(), 0);
        while events.len() < limit {
            let request = v1::ListEventsRequest {
                filter: Some(wire(filter)),
                limit: (limit - events.len()).min(PAGE) as u32,
                before,
            };
            let page = grpc.list_events(request).await;
            let page = page
                .map_err(|status| client::failed(server, &status))?
                .into_inner();
            for event in &page.events {
                events.push(decoded(server, &event.event)?);
            }
            // An aggregator that repeats itself is not followed for ever.
            if page.next_before == 0 || before != 0 && page.next_before >= before {
                break;
            }
            before = page.next_before;
        }
        Ok(events)
    })
    .await
}

/// Events to come.
pub(super) struct Coming {
    server: Server,
    stream: Streaming<v1::TailEventsResponse>,
}

/// Events from `from` on, as they become durable.
pub(super) async fn follow(server: &Server, filter: &Filter, from: Option<u64>) -> Result<Coming, Failure> {
    let asked = within(server, async {
        let request = v1::TailEventsRequest {
            filter: Some(wire(filter)),
            from,
        };
        let stream = connect(server).await?.tail_events(request).await;
        Ok(stream
            .map_err(|status| client::failed(server, &status))?
            .into_inner())
    });
    Ok(Coming {
        stream: asked.await?,
        server: server.clone(),
    })
}

impl Coming {
    /// The next; `None` when the log is closed.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        let told = self.stream.message().await;
        let told = told.map_err(|status| client::failed(&self.server, &status))?;
        let event = told.and_then(|told| told.event);
        event.map(|event| decoded(&self.server, &event.event)).transpose()
    }
}

async fn within<T>(server: &Server, asking: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let late = |_| Err(server.unreachable(format!("no answer within {PATIENCE:?}")));
    timeout(PATIENCE, asking).await.unwrap_or_else(late)
}

async fn connect(server: &Server) -> Result<AuditServiceClient<Connection>, Failure> {
    let connection = server.within(PATIENCE)?.connect().await;
    let connection = connection.map_err(|error| server.unconnected(&error))?;
    Ok(AuditServiceClient::new(connection))
}

fn decoded(server: &Server, bytes: &[u8]) -> Result<Event, Failure> {
    Event::decode(bytes).map_err(|error| {
        let error = anyhow::Error::new(error);
        Failure::Other(error.context(format!("read an event of the aggregator at {server}")))
    })
}

fn wire(filter: &Filter) -> v1::EventFilter {
    let word = |word: Option<&'static str>| word.unwrap_or_default().to_owned();
    v1::EventFilter {
        r#type: word(filter.kind.map(|kind| kind.as_str())),
        source: word(filter.source.map(|source| source.as_str())),
        subject: filter.subject.clone().unwrap_or_default(),
        since_unix_ms: filter.since.map_or(0, |since| since.0),
    }
}
