//! What was, asked of the audit log and of the store. The same for every edge.
//!
//! Both are read from disks: a few questions at a time, none of which anybody else waits for.

use tokio::task::spawn_blocking;
use ward_audit::{Event, Filter, LOOKED_AT, Log, QueryError, Reader};
use ward_model::{History, Name, Wall};
use ward_store::ReadError;

use super::{Edge, ask, failure::Failure};
use crate::memory::Read;

/// Most events in one answer.
pub(super) const EVENTS: usize = 1_000;
/// As many without being asked for more or fewer.
pub(super) const EVENTS_DEFAULT: usize = 100;
/// Most spans of a history in one answer.
pub(super) const SPANS: usize = 2_000;

/// Events, the newest first.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) events: Vec<Event>,
    /// Where older ones begin, if there may be any.
    pub(super) next_before: Option<u64>,
}

/// The log, where there is one.
pub(super) fn log(edge: &Edge) -> Result<&Log, Failure> {
    edge.memory
        .log()
        .map_err(|why| Failure::Unavailable(format!("there is no audit log: {why}")))
}

/// Has the log read, when it is this one's turn.
pub(super) async fn read<T: Send + 'static>(
    edge: &Edge,
    what: Read,
    read: impl FnOnce(&Reader) -> Result<T, QueryError> + Send + 'static,
) -> Result<T, Failure> {
    let reader = log(edge)?.reader();
    let turn = edge.memory.turn(what).await;
    let answer = spawn_blocking(move || {
        let _turn = turn;
        read(&reader)
    });
    match answer.await {
        Ok(answer) => answer.map_err(|error| failure(&error)),
        Err(_) => Err(Failure::Internal("the audit log could not be read")),
    }
}

/// The newest events that pass.
pub(super) async fn events(edge: &Edge, filter: Filter, limit: Option<usize>) -> Result<Page, Failure> {
    let limit = limit.unwrap_or(EVENTS_DEFAULT).clamp(1, EVENTS);
    read(edge, Read::Events, move |reader| {
        let size = reader.size()?;
        let end = filter.before.map_or(size, |before| before.min(size));
        let events = reader.newest(&filter, limit)?;
        let next = match events.last() {
            Some(last) if events.len() == limit => last.index,
            // It was looked no further.
            _ => end.saturating_sub(LOOKED_AT),
        };
        Ok(Page {
            events,
            next_before: Some(next).filter(|&next| next > 0),
        })
    })
    .await
}

/// How the system (`None`) or a service was.
pub(super) async fn history(
    edge: &Edge,
    name: Option<Name>,
    since: Option<Wall>,
    until: Option<Wall>,
    limit: Option<usize>,
) -> Result<History, Failure> {
    let store = edge
        .memory
        .store()
        .map_err(|why| Failure::Unavailable(format!("there is no history: {why}")))?;
    let now = edge.clock.wall();
    let window = (since.unwrap_or(Wall(0)), until.unwrap_or(now).min(now));
    let limit = limit.unwrap_or(SPANS).clamp(1, SPANS);
    let history = store.history(name.clone(), window.0, window.1, limit).await;
    let history = history.map_err(|error| unread(&error))?;
    match name {
        // What nobody has ever heard of is told from what is gone.
        Some(name) if history.spans.is_empty() && history.days.is_empty() => {
            ask::service(edge, &name).await.map(|_| history)
        }
        _ => Ok(history),
    }
}

fn unread(error: &ReadError) -> Failure {
    Failure::Unavailable(format!(
        "the history cannot be read now: {error}; see /readyz?verbose"
    ))
}

fn failure(error: &QueryError) -> Failure {
    match error {
        QueryError::Beyond { .. } => Failure::NoEvent(error.to_string()),
        QueryError::Unpublished { .. } => Failure::Unavailable(error.to_string()),
        QueryError::Read(_) | QueryError::Entry { .. } | QueryError::Prove(_) => {
            tracing::error!(%error, cause = ?std::error::Error::source(error), "the audit log cannot be read");
            Failure::Internal("the audit log cannot be read: verify it with `ward audit verify`")
        }
    }
}
