//! `AuditService`: the audit log over gRPC, for operators and for those who watch that it is not rewritten.

mod recent;

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, future::BoxFuture, stream};
use tonic::{Request, Response, Status};
use ward_audit::{Event, Filter, Log};
use ward_model::{AuditHead, Wall};
use ward_proto::{
    Invalid,
    v1::{
        self,
        audit_service_server::{AuditService, AuditServiceServer},
    },
};

use self::recent::Recent;
use super::{Edge, Shared, client::Share, failure::Failure, past, refusal};
use crate::{access::Caller, hub::Closing, memory::Read};

/// Most bytes of events in one answer: under the largest message, with room for the last of them.
const PAGE_BYTES: usize = 700 << 10;
/// So many events at a time for who follows the log.
const AT_ONCE: usize = 256;

pub(super) fn service(edge: &Shared) -> AuditServiceServer<Service> {
    let (bytes_in, bytes_out) = (edge.limits.message_bytes_in, edge.limits.message_bytes_out);
    let service = Service {
        edge: edge.clone(),
        proofs: Arc::default(),
    };
    AuditServiceServer::new(service)
        .max_decoding_message_size(bytes_in)
        .max_encoding_message_size(bytes_out)
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Service {
    edge: Shared,
    proofs: Arc<Recent>,
}

type Tail = Pin<Box<dyn Stream<Item = Result<v1::TailEventsResponse, Status>> + Send>>;

#[tonic::async_trait]
impl AuditService for Service {
    type TailEventsStream = Tail;

    async fn list_events(
        &self,
        request: Request<v1::ListEventsRequest>,
    ) -> Result<Response<v1::ListEventsResponse>, Status> {
        let v1::ListEventsRequest {
            filter,
            limit,
            before,
        } = request.into_inner();
        let filter = Filter {
            before: (before > 0).then_some(before),
            ..read_filter(filter)?
        };
        let limit = (limit > 0).then_some(limit as usize);
        let page = past::events(&self.edge, filter, limit).await?;
        let mut bytes = 0;
        let mut next_before = page.next_before;
        let mut events = Vec::with_capacity(page.events.len());
        for event in page.events {
            let index = event.index;
            let event = wire(event);
            bytes += event.event.len();
            if bytes > PAGE_BYTES && !events.is_empty() {
                next_before = Some(index + 1);
                break;
            }
            events.push(event);
        }
        Ok(Response::new(v1::ListEventsResponse {
            events,
            head: head(&self.edge).as_deref().map(Into::into),
            next_before: next_before.unwrap_or_default(),
        }))
    }

    async fn tail_events(
        &self,
        request: Request<v1::TailEventsRequest>,
    ) -> Result<Response<Self::TailEventsStream>, Status> {
        let caller = Caller::of(request.extensions());
        let v1::TailEventsRequest { filter, from } = request.into_inner();
        let log = past::log(&self.edge)?.clone();
        let share = self.edge.clients.watch(&caller, self.edge.clock.mono());
        let share = share.map_err(|full| refusal::full(&self.edge, full))?;
        let next = from.unwrap_or_else(|| log.head().size);
        let tail = Following {
            edge: self.edge.clone(),
            log,
            filter: read_filter(filter)?,
            next,
            ready: Vec::new(),
            end: Box::pin(self.edge.closings.of(caller.peer().cloned())),
            _share: share,
        };
        let told = stream::try_unfold(tail, |mut tail| async {
            let event = tail.next().await?;
            Ok(event.map(|event| {
                (
                    v1::TailEventsResponse {
                        event: Some(wire(event)),
                    },
                    tail,
                )
            }))
        });
        Ok(Response::new(Box::pin(told)))
    }

    async fn checkpoint(
        &self,
        _request: Request<v1::CheckpointRequest>,
    ) -> Result<Response<v1::CheckpointResponse>, Status> {
        let log = past::log(&self.edge)?;
        let checkpoint = log.checkpoint().await;
        let checkpoint = checkpoint.map_err(|error| Failure::Unavailable(error.to_string()))?;
        Ok(Response::new(v1::CheckpointResponse {
            checkpoint: checkpoint.to_string(),
            verifier_key: log.verifier().to_string(),
        }))
    }

    async fn consistency(
        &self,
        request: Request<v1::ConsistencyRequest>,
    ) -> Result<Response<v1::ConsistencyResponse>, Status> {
        let v1::ConsistencyRequest { old_size, new_size } = request.into_inner();
        if old_size > new_size {
            let message = format!("is larger than new_size, {new_size}: a log only grows");
            return Err(Failure::from(Invalid::new("old_size", message)).into());
        }
        let between = (old_size, new_size);
        if let Some(hashes) = self.proofs.get(between) {
            return Ok(Response::new(v1::ConsistencyResponse { hashes }));
        }
        let proof = past::read(&self.edge, Read::Proof, move |log| {
            log.consistency(old_size, new_size)
        })
        .await?;
        let hashes: recent::Proof = proof.into_iter().map(|hash| hash.0.to_vec()).collect();
        self.proofs.put(between, hashes.clone());
        Ok(Response::new(v1::ConsistencyResponse { hashes }))
    }

    async fn prove(&self, request: Request<v1::ProveRequest>) -> Result<Response<v1::ProveResponse>, Status> {
        let index = request.into_inner().index;
        let proof = past::read(&self.edge, Read::Proof, move |log| log.proof(index)).await?;
        Ok(Response::new(v1::ProveResponse {
            proof: proof.encode(),
        }))
    }
}

/// The log, followed.
struct Following {
    edge: Shared,
    log: Log,
    filter: Filter,
    /// The first that was not looked at.
    next: u64,
    /// Looked at and not told, the last first.
    ready: Vec<Event>,
    /// This side ends it.
    end: BoxFuture<'static, Closing>,
    /// What it takes of what its client may have: as a watcher does.
    _share: Share,
}

impl Following {
    /// The next event that passes; `None` at the end of the log's writer.
    async fn next(&mut self) -> Result<Option<Event>, Status> {
        let mut heads = self.log.heads();
        loop {
            if let Some(event) = self.ready.pop() {
                return Ok(Some(event));
            }
            if heads.borrow_and_update().size > self.next {
                self.look().await?;
                continue;
            }
            tokio::select! {
                changed = heads.changed() => {
                    if changed.is_err() {
                        return Ok(None);
                    }
                }
                closing = &mut self.end => return Err(Status::unavailable(closing.reason)),
            }
        }
    }

    async fn look(&mut self) -> Result<(), Status> {
        let (from, filter) = (self.next, self.filter.clone());
        let (seen, mut events) = past::read(&self.edge, Read::Events, move |log| {
            let events = log.range(from, AT_ONCE)?;
            let passing = |event: &Event| filter.passes(event);
            Ok((
                events.len() as u64,
                events.into_iter().filter(passing).collect::<Vec<_>>(),
            ))
        })
        .await?;
        self.next += seen;
        events.reverse();
        self.ready = events;
        Ok(())
    }
}

/// What watchers are told of the log, or were last.
pub(super) fn head(edge: &Edge) -> Option<Arc<AuditHead>> {
    edge.hub.audit()
}

fn wire(mut event: Event) -> v1::AuditEvent {
    v1::AuditEvent {
        index: event.index,
        event: event.encode(),
    }
}

fn read_filter(filter: Option<v1::EventFilter>) -> Result<Filter, Failure> {
    let v1::EventFilter {
        r#type,
        source,
        subject,
        since_unix_ms,
    } = filter.unwrap_or_default();
    fn word<T: std::str::FromStr<Err: ToString>>(field: &str, text: &str) -> Result<Option<T>, Invalid> {
        let parsed = (!text.is_empty()).then(|| text.parse());
        parsed
            .transpose()
            .map_err(|error: T::Err| Invalid::new(field, error.to_string()))
    }
    Ok(Filter {
        kind: word("filter.type", &r#type)?,
        source: word("filter.source", &source)?,
        subject: (!subject.is_empty()).then_some(subject),
        since: (since_unix_ms > 0).then_some(Wall(since_unix_ms)),
        ..Filter::default()
    })
}
