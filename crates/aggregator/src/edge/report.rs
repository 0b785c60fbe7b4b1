//! `Report`: streams that keep instances alive, and `ReportOnce` for what cannot hold one.
//!
//! Most of what comes is beats, so a message of beats is walked where it lies: one clock reading for all that came
//! together, then for each beat an index into the stream's table and one store into the slab. Everything else goes to the
//! decider, updates some at a time and the rest one by one. Others have their turn in between, which is what bounds how fast
//! one stream can change things.
//!
//! What is wrong with a part of a request is told and harms nothing else, not even other parts of it. Answers wait in
//! one message that grows until the peer takes it, so a reporter that never reads what it is told is still heard.

mod answer;
mod once;
mod session;
mod shed;
mod table;
pub(super) mod wire;

use std::{
    future::poll_fn,
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use futures_util::{FutureExt, Stream};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use ward_engine::{Event, StreamId};
use ward_proto::v1;

pub(super) use once::{admit_once, report_once};

use super::{Shared, refusal};
use crate::access::Caller;
use session::Session;

/// Answers under way to the transport. While they wait, what there is to say next gathers in one message.
const ANSWERS: usize = 2;

/// Names report streams, never twice.
#[derive(Debug, Default)]
pub(crate) struct Streams(AtomicU64);

impl Streams {
    fn next(&self) -> StreamId {
        StreamId(self.0.fetch_add(1, Relaxed))
    }
}

/// The answers to one stream of reports.
pub(crate) type Answers = ReceiverStream<Result<v1::ReportResponse, Status>>;

/// Serves one stream, if its client may have one more, in a task of its own, which ends with the stream, with its
/// connection or with the server. In the body of the response, where it could live too, it would stand still whenever the
/// peer does not read.
pub(crate) fn report<S>(edge: &Shared, requests: S, caller: Caller) -> Result<Answers, Status>
where
    S: Stream<Item = Result<Bytes, Status>> + Send + Unpin + 'static,
{
    let share = edge.clients.of(&caller, edge.clock.mono()).report();
    let share = share.map_err(|full| refusal::full(edge, full))?;
    let (out, answers) = mpsc::channel(ANSWERS);
    let edge = edge.clone();
    tokio::spawn(async move {
        let id = edge.streams.next();
        edge.metrics.report_streams.inc();
        let mut ending = edge.closings.ending(caller.peer().cloned());
        let session = Session::new(edge.clone(), id, (caller, share), out.clone());
        let talk = session.run(requests, poll_fn(|cx| ending.poll(cx)));
        let ended = AssertUnwindSafe(talk).catch_unwind().await;
        let by_peer = ended.unwrap_or_else(|_| {
            // The panic itself is logged by its hook. A peer that does not take this gets an end without a status.
            drop(out.try_send(Err(Status::internal(
                "the stream failed on this side: connect again",
            ))));
            false
        });
        let over = Event::StreamEnded { stream: id, by_peer };
        if edge.decider.apply(over).await.is_err() {
            tracing::debug!(stream = id.0, "a report stream ended after the decider");
        }
        edge.metrics.report_streams.dec();
        // Only now may the connection end, and with it a drain: the engine knows.
        drop(out);
    });
    Ok(ReceiverStream::new(answers))
}
