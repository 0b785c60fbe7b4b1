//! The connection behind a watcher: opens it, hears when it is gone, and opens it again. Knows nothing of state.
//!
//! A state machine that keeps what it waits for, so that a dropped call can be taken up by the next. Retrying inside the
//! transport was not taken: it hides that the connection was lost, which is what people need to be told.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use tokio::time::{Sleep, sleep, timeout};
use tonic::{Code, Status, Streaming};
use ward_model::{AuditHead, ObserverState};
use ward_proto::v1::{
    self, audit_service_client::AuditServiceClient, health_service_client::HealthServiceClient,
};
use ward_tlog::Hash;

use super::{Builder, Cursor, Error, differ::Step, wire};
use crate::{
    backoff,
    server::{Connection, Server},
};

/// Three periods of bookmarks.
pub(super) const SILENCE: Duration = Duration::from_secs(30);
/// How long connecting and the answer's headers may take.
const OPENING: Duration = Duration::from_secs(5);

/// Far more than the 64 hashes of the longest proof.
const PROOF_BYTES: usize = 16 * 1024;

/// What the aggregator said.
#[derive(Debug)]
pub(super) enum Message {
    Step(Step),
    Bookmark {
        cursor: Cursor,
        observer: ObserverState,
        audit: Option<AuditHead>,
    },
}

type Opened = (Connection, Streaming<v1::WatchResponse>);
type Opening = Pin<Box<dyn Future<Output = Result<Opened, Error>> + Send>>;
/// A proof that is being asked for.
pub(super) type Proving = Pin<Box<dyn Future<Output = Result<Vec<Hash>, Error>> + Send>>;

enum Phase {
    Closed,
    Pausing(Pin<Box<Sleep>>),
    Opening(Opening),
    Open {
        connection: Connection,
        stream: Box<Streaming<v1::WatchResponse>>,
        quiet: Pin<Box<Sleep>>,
    },
}

/// One connection at a time, and when to try the next.
pub(super) struct Link {
    what: Builder,
    server: Server,
    phase: Phase,
    // Failures since the last message of use.
    pub(super) failures: u32,
}

impl Link {
    pub(super) fn new(what: &Builder, server: Server) -> Self {
        Self {
            server,
            what: what.clone(),
            phase: Phase::Closed,
            failures: 0,
        }
    }

    /// The next message; a stream that has to be opened first continues behind `resume`. After an error, call
    /// [`retry`](Self::retry). Cancel safe.
    pub(super) async fn message(&mut self, resume: Option<Cursor>) -> Result<Message, Error> {
        loop {
            match &mut self.phase {
                Phase::Closed => self.open(resume),
                Phase::Pausing(pause) => {
                    pause.await;
                    self.open(resume);
                }
                Phase::Opening(opening) => {
                    let (connection, stream) = opening.await?;
                    self.phase = Phase::Open {
                        connection,
                        stream: Box::new(stream),
                        quiet: Box::pin(sleep(self.what.silence)),
                    };
                }
                Phase::Open { stream, quiet, .. } => {
                    let wire = tokio::select! {
                        biased;
                        message = stream.message() => message.map_err(ended)?,
                        () = quiet.as_mut() => return Err(Error::Silent(self.what.silence)),
                    };
                    *quiet = Box::pin(sleep(self.what.silence));
                    if let Some(message) = wire::message(wire.ok_or(Error::Ended)?)? {
                        return Ok(message);
                    }
                }
            }
        }
    }

    /// A message was of use. One that is not must not make the next attempt come any sooner: it will most likely be sent
    /// again.
    pub(super) fn proven(&mut self) {
        self.failures = 0;
    }

    /// Drops the stream; the next message comes from a new one, after a pause: of `asked` at least, within bounds.
    pub(super) fn retry(&mut self, asked: Duration) {
        let pause = backoff::reconnect(self.failures, rand::random());
        let pause = pause.max(backoff::watch_again(asked, rand::random()));
        self.failures = self.failures.saturating_add(1);
        self.phase = Phase::Pausing(Box::pin(sleep(pause)));
    }

    fn open(&mut self, resume: Option<Cursor>) {
        let server = self.server.clone();
        let request = wire::request(&self.what, resume);
        self.phase = Phase::Opening(Box::pin(async move {
            let opened = timeout(OPENING, async {
                let connection = server.connect().await.map_err(Error::Connect)?;
                let answer = HealthServiceClient::new(connection.clone()).watch(request).await;
                Ok((connection, answer.map_err(ended)?.into_inner()))
            });
            opened.await.unwrap_or(Err(Error::Unanswered(OPENING)))
        }));
    }

    /// Asks that the audit log of `new_size` begins with that of `old_size`: over the connection that said so, or it could be
    /// another aggregator that answers. `None` if there is no connection.
    pub(super) fn prove(&self, old_size: u64, new_size: u64) -> Option<Proving> {
        let Phase::Open { connection, .. } = &self.phase else {
            return None;
        };
        let mut client = AuditServiceClient::new(connection.clone()).max_decoding_message_size(PROOF_BYTES);
        let request = v1::ConsistencyRequest { old_size, new_size };
        Some(Box::pin(async move {
            let answer = timeout(OPENING, client.consistency(request)).await;
            let answer = answer
                .map_err(|_| Error::Unanswered(OPENING))?
                .map_err(|status| Error::NoProof(Box::new(status)))?;
            Ok(wire::proof(answer.into_inner())?)
        }))
    }
}

fn ended(status: Status) -> Error {
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => Error::Denied(Box::new(status)),
        _ => Error::Call(Box::new(status)),
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link")
            .field("what", &self.what)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}
