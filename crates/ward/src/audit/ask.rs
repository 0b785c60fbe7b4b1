//! The log of a running aggregator, asked over gRPC.
//!
//! What comes is decoded as strictly as what is read from files, and proves nothing: that is for `ward audit verify`, and for
//! `ward watch`, which notices when a log is rewritten.

use std::time::Duration;

use clap::Args;
use tonic::Streaming;
use ward_audit::{Event, Filter};
use ward_proto::v1::{self, audit_service_client::AuditServiceClient};
use ward_sdk::{Address, Connection};

use crate::{
    Failure,
    access::Access,
    client::{self, Server},
};

/// How long to wait for a connection, and for each answer.
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
    let grpc = server.in_time(PATIENCE, connect(server)).await?;
    page_on(server, PATIENCE, limit, async |before, limit| {
        let mut grpc = grpc.clone();
        let request = v1::ListEventsRequest {
            filter: Some(wire(filter)),
            limit,
            before,
        };
        let page = grpc.list_events(request).await;
        let page = page
            .map_err(|status| client::failed(server, &status))?
            .into_inner();
        let events = page.events.iter().map(|event| decoded(server, &event.event));
        Ok((events.collect::<Result<_, _>>()?, page.next_before))
    })
    .await
}

/// Asks for page after page until there are enough, or no more. The patience is for each: what is rare may stand far back in
/// a large log, and whoever asks can end it.
async fn page_on(
    server: &Server,
    patience: Duration,
    limit: usize,
    mut ask: impl AsyncFnMut(u64, u32) -> Result<(Vec<Event>, u64), Failure>,
) -> Result<Vec<Event>, Failure> {
    let (mut events, mut before) = (Vec::new(), 0);
    while events.len() < limit {
        let asked = ask(before, (limit - events.len()).min(PAGE) as u32);
        let (page, next) = server.in_time(patience, asked).await?;
        events.extend(page);
        // An aggregator that repeats itself is not followed for ever.
        if next == 0 || before != 0 && next >= before {
            break;
        }
        before = next;
    }
    Ok(events)
}

/// Events to come.
pub(super) struct Coming {
    server: Server,
    stream: Streaming<v1::TailEventsResponse>,
}

/// Events from `from` on, as they become durable.
pub(super) async fn follow(server: &Server, filter: &Filter, from: Option<u64>) -> Result<Coming, Failure> {
    let mut grpc = server.in_time(PATIENCE, connect(server)).await?;
    let asked = server.in_time(PATIENCE, async {
        let request = v1::TailEventsRequest {
            filter: Some(wire(filter)),
            from,
        };
        let stream = grpc.tail_events(request).await;
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

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test]
    async fn patience_is_for_each_page_and_not_for_all() {
        let server = Server::new("127.0.0.1:1".parse().unwrap(), Access::default());
        let patience = Duration::from_secs(1);
        let mut pages = 0;
        let read = page_on(&server, patience, 50, async |before, _| {
            pages += 1;
            sleep(patience * 2 / 5).await;
            Ok((Vec::new(), if before == 0 { 3 } else { before - 1 }))
        });
        assert!(read.await.unwrap().is_empty());
        assert_eq!(pages, 4);
        let hung = page_on(&server, patience, 50, async |_, _| std::future::pending().await);
        assert!(hung.await.is_err());
    }
}
