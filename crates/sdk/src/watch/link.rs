//! The connection behind a watcher: opens it, hears when it is gone, and opens it again. Knows nothing of state.
//!
//! A state machine that keeps what it waits for, so that a dropped call can be taken up by the next. Retrying inside the
//! transport was not taken: it hides that the connection was lost, which is what people need to be told.

use std::{fmt, future::Future, pin::Pin, time::Duration};

use tokio::time::{Sleep, sleep, timeout};
use tonic::{Code, Status, Streaming};
use ward_model::ObserverState;
use ward_proto::v1::{self, health_service_client::HealthServiceClient};

use super::{Builder, Cursor, Error, differ::Step, wire};
use crate::{backoff, server::Server};

/// Three periods of bookmarks.
pub(super) const SILENCE: Duration = Duration::from_secs(30);
/// How long connecting and the answer's headers may take.
const OPENING: Duration = Duration::from_secs(5);

/// What the aggregator said.
#[derive(Debug)]
pub(super) enum Message {
    Step(Step),
    Bookmark { cursor: Cursor, observer: ObserverState },
}

type Opening = Pin<Box<dyn Future<Output = Result<Streaming<v1::WatchResponse>, Error>> + Send>>;

enum Phase {
    Closed,
    Pausing(Pin<Box<Sleep>>),
    Opening(Opening),
    Open {
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
                    let stream = Box::new(opening.await?);
                    self.phase = Phase::Open {
                        stream,
                        quiet: Box::pin(sleep(self.what.silence)),
                    };
                }
                Phase::Open { stream, quiet } => {
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
                let answer = HealthServiceClient::new(connection).watch(request).await;
                answer.map_err(ended)
            });
            Ok(opened
                .await
                .unwrap_or(Err(Error::Unanswered(OPENING)))?
                .into_inner())
        }));
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
