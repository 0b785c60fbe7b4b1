//! One stream of reports from its first request to its end.

mod bounds;
mod parts;

use std::{
    collections::HashMap,
    convert::Infallible,
    error::Error as _,
    future::{pending, poll_fn},
    pin::{Pin, pin},
    sync::atomic::Ordering::Relaxed,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::{
    sync::{mpsc, watch},
    task::coop::consume_budget,
    time::{Sleep, sleep, timeout},
};
use tonic::Status;
use ward_engine::{Event, Refusal, Registered, Reply, Slot, StreamId};
use ward_model::Mono;
use ward_proto::v1::{self, RejectionCode};

use self::parts::unknown_handle;
use super::{
    super::{Shared, admit::taken_away, client::Reporting, refusal},
    answer::{ACKNOWLEDGE_AFTER, Answer, registration},
    shed::Shed,
    table::Table,
    wire,
};
use crate::{
    access::{Caller, Loss},
    decider::Unavailable,
    hub::Closing,
    rarely::Rarely,
};

type Out = mpsc::Sender<Result<v1::ReportResponse, Status>>;
type Renewal = dyn Future<Output = ()> + Send + Sync;

/// Most requests that are taken in at once when they are there together, with one reading of the clock and one look at
/// everything else: for a message of a few beats, those are most of what it costs. As many as are acknowledged at once.
const TOGETHER: usize = 64;

/// Most requests still taken in when a stream is told to go: what one flow-control window holds of beats, roughly.
const REQUESTS_LEFT: usize = 1_024;

/// How long the last word of a stream waits for a peer that does not read.
const LAST_WORD: Duration = Duration::from_secs(5);

/// How often a stream that is never idle looks up: whether its intervals changed, and what became of its instances, which
/// is a look at a flag for each handle and too much for every beat.
const LOOK_EACH: Duration = Duration::from_secs(1);

/// One stream: what has come in on it, and what there is to say.
pub(super) struct Session {
    edge: Shared,
    id: StreamId,
    /// Who speaks.
    caller: Caller,
    out: Out,
    table: Table,
    answer: Answer,
    /// Its share in what its client may have.
    share: Reporting,
    shed: Shed,
    /// Until then updates do not wait, see [`Session::has_taken_since`].
    hurried: Mono,
    /// When an acknowledgement that is owed has to go, or what was left out is asked for.
    alarm: Option<Rarely<Sleep>>,
    /// Something is due and the peer has not taken what was said before.
    waiting: bool,
    /// Moves when the intervals of its instances may be others.
    renewals: watch::Receiver<()>,
    /// Waits for that.
    renewal: Rarely<Renewal>,
    /// When it last looked up, see [`LOOK_EACH`].
    looked: Mono,
    /// How long it has waited for the engine since its instances were last heard for that, see [`Session::decided`].
    waited: Duration,
    /// When what is being taken in came, see [`TOGETHER`].
    now: Mono,
}

/// How a stream ends.
enum End {
    /// The peer ended it, or is gone.
    ByPeer,
    /// This side has its last word.
    Closing(Closing),
    /// This side cannot go on.
    Failed(Status),
}

impl From<Unavailable> for End {
    fn from(unavailable: Unavailable) -> Self {
        Self::Failed(unavailable.into())
    }
}

impl Session {
    pub(super) fn new(edge: Shared, id: StreamId, (caller, share): (Caller, Reporting), out: Out) -> Self {
        let now = edge.clock.mono();
        let answer = Answer::new(now);
        // Before the first hello, so that no change behind one is missed.
        let renewals = edge.decider.renewals();
        Self {
            edge,
            id,
            caller,
            out,
            table: Table::default(),
            answer,
            share,
            shed: Shed::default(),
            hurried: Mono::default(),
            alarm: None,
            waiting: false,
            renewal: next(&renewals),
            renewals,
            looked: now,
            waited: Duration::ZERO,
            now,
        }
    }

    /// Until the stream ends; whether the peer ended it.
    pub(super) async fn run<S>(mut self, requests: S, closing: impl Future<Output = Closing>) -> bool
    where
        S: Stream<Item = Result<Bytes, Status>> + Unpin,
    {
        let Err(end) = self.converse(requests, closing).await;
        let last = match end {
            // What this side is closing is not the peer's doing, whoever is faster.
            End::ByPeer => {
                return !self.edge.closings.is_closing() && self.edge.access.keeps(&self.caller);
            }
            End::Closing(closing) => {
                let closing = Some((&closing).into());
                Ok(v1::ReportResponse {
                    closing,
                    ..self.answer.take(self.edge.clock.mono())
                })
            }
            End::Failed(status) => Err(status),
        };
        // A peer that does not read must not keep its instances from being judged.
        if !matches!(timeout(LAST_WORD, self.out.send(last)).await, Ok(Ok(()))) {
            tracing::debug!(stream = self.id.0, "the peer did not take the last word");
        }
        false
    }

    async fn converse<S>(
        &mut self,
        mut requests: S,
        closing: impl Future<Output = Closing>,
    ) -> Result<Infallible, End>
    where
        S: Stream<Item = Result<Bytes, Status>> + Unpin,
    {
        let mut closing = pin!(closing);
        let mut loss = self.edge.access.loss(&self.caller);
        let out = self.out.clone();
        let mut gone = Rarely::new(out.closed());
        loop {
            tokio::select! {
                biased;
                closing = &mut closing => {
                    // What came before the word to go is still taken in. A connection that is no more says that word
                    // too, and then there is an end behind the last request: the peer's.
                    self.now = self.edge.clock.mono();
                    self.take_in_ready(&mut requests, REQUESTS_LEFT).await?;
                    return Err(End::Closing(closing));
                }
                // Here too, since a peer that does not read its answers would never be ended by those.
                () = poll_fn(|cx| poll_loss(&mut loss, cx)) => return Err(End::Failed(taken_away())),
                request = requests.next() => {
                    self.now = self.edge.clock.mono();
                    self.take_in(request).await?;
                    self.take_in_ready(&mut requests, TOGETHER - 1).await?;
                    // Nothing here need ever wait while a sender keeps its window full: others have their turn too.
                    consume_budget().await;
                }
                () = poll_fn(|cx| gone.poll(cx, out.is_closed())) => return Err(End::ByPeer),
                room = out.reserve(), if self.waiting => {
                    self.now = self.edge.clock.mono();
                    if let Ok(room) = room {
                        room.send(Ok(self.answer.take(self.now)));
                    }
                    self.waiting = false;
                    self.say();
                }
                () = poll_fn(|cx| poll_alarm(&mut self.alarm, cx)) => {
                    self.now = self.edge.clock.mono();
                    self.alarm = None;
                    self.ask_for_shed();
                    self.say();
                }
                () = poll_fn(|cx| self.renewal.poll(cx, self.renewals.has_changed().unwrap_or(false))) => {
                    self.renew().await?;
                    self.now = self.edge.clock.mono();
                    self.say();
                }
            }
        }
    }

    /// Takes in what is there already, up to so many requests.
    async fn take_in_ready<S>(&mut self, requests: &mut S, most: usize) -> Result<(), End>
    where
        S: Stream<Item = Result<Bytes, Status>> + Unpin,
    {
        for _ in 0..most {
            let Some(request) = requests.next().now_or_never() else {
                break;
            };
            self.take_in(request).await?;
        }
        Ok(())
    }

    /// One request, or the end of them: its beats where it lies, then the rest, part by part.
    async fn take_in(&mut self, request: Option<Result<Bytes, Status>>) -> Result<(), End> {
        let request = match request {
            Some(Ok(request)) => request,
            Some(Err(status)) => return Err(self.broken(status)),
            None => return Err(End::ByPeer),
        };
        self.edge.decider.count_ingress();
        match self.beat(request) {
            Ok(rest) if rest == v1::ReportRequest::default() => {}
            Ok(rest) => {
                self.change(rest, self.now).await?;
                // That took its time, and who beats behind it was promised a whole lease.
                self.now = self.edge.clock.mono();
            }
            Err(error) => {
                let message = format!("the request is not a ReportRequest ({error}): send it again as one");
                self.tell(None, 0, RejectionCode::Invalid, message);
            }
        }
        if self.now.since(self.looked) >= LOOK_EACH {
            self.look_up().await?;
        }
        self.answer.handled();
        self.say();
        Ok(())
    }

    async fn look_up(&mut self) -> Result<(), End> {
        self.looked = self.now;
        self.tell_orphans();
        self.ask_for_shed();
        if self.renewals.has_changed().unwrap_or(false) {
            self.renew().await?;
            self.now = self.edge.clock.mono();
        }
        Ok(())
    }

    /// An instance can be forgotten, or another life can take over its name, while its stream goes on. Who then sends
    /// nothing but beats would never find out that they keep nobody alive.
    fn tell_orphans(&mut self) {
        let slab = self.edge.decider.slab();
        let orphans: Vec<_> = self.table.handles(|lease| slab.is_orphaned(lease.slot)).collect();
        for handle in orphans {
            let id = self.table.id(handle).cloned();
            self.refused(id.as_ref(), handle, &Refusal::Forgotten);
        }
    }

    /// Asks which of its instances are to be heard at another interval now, and tells them. No beat is read between the
    /// engine's word and the new lease, so that none is good for less than was just promised.
    async fn renew(&mut self) -> Result<(), End> {
        self.renewals.mark_unchanged();
        self.renewal = next(&self.renewals);
        let stream = self.id;
        let edge = self.edge.clone();
        let asked = edge.decider.apply(Event::Renew { stream });
        let Reply::Renewed(renewed) = self.decided(asked).await? else {
            return Ok(());
        };
        let renewed: HashMap<Slot, Registered> = renewed
            .into_iter()
            .map(|registered| (registered.slot, registered))
            .collect();
        let handles: Vec<_> = self
            .table
            .handles(|lease| renewed.contains_key(&lease.slot))
            .collect();
        for handle in handles {
            let (Some(lease), Some(id)) = (self.table.get(handle), self.table.id(handle)) else {
                continue;
            };
            let registered = &renewed[&lease.slot];
            self.answer.register(registration(id, handle, registered));
            self.table.renew(handle, registered);
        }
        self.count();
        Ok(())
    }

    fn beat(&mut self, request: Bytes) -> Result<v1::ReportRequest, prost::DecodeError> {
        let Self {
            edge,
            table,
            answer,
            now,
            ..
        } = self;
        let slab = edge.decider.slab();
        let (mut beats, mut unknown) = (0, 0);
        let rest = wire::read(request, |handle| match table.get(handle) {
            Some(lease) => {
                slab.touch(lease.slot, lease.deadline(*now));
                beats += 1;
            }
            None => {
                unknown += 1;
                answer.reject(unknown_handle(handle));
            }
        });
        edge.metrics.beats.fetch_add(beats, Relaxed);
        if unknown > 0 {
            edge.metrics
                .count_rejections(refusal::label(RejectionCode::UnknownHandle), unknown);
        }
        rest
    }

    /// Sends what is due, or sees to it that it will be.
    fn say(&mut self) {
        if self.answer.is_due(self.now) {
            match self.out.try_reserve() {
                Ok(room) => room.send(Ok(self.answer.take(self.now))),
                // Closed is noticed by who waits for requests.
                Err(_) => self.waiting = true,
            }
        }
        if (self.answer.is_owed() || self.shed.is_behind()) && self.alarm.is_none() {
            self.alarm = Some(Rarely::new(sleep(ACKNOWLEDGE_AFTER)));
        }
    }

    fn broken(&self, status: Status) -> End {
        if ended_by_peer(&status) {
            return End::ByPeer;
        }
        self.edge.metrics.count_rejections("broken_stream", 1);
        End::Failed(status)
    }
}

/// Resolves with the next renewal behind those that `renewals` has seen; never once there are none any more.
fn next(renewals: &watch::Receiver<()>) -> Rarely<Renewal> {
    let mut renewals = renewals.clone();
    let renewal: Pin<Box<Renewal>> = Box::pin(async move {
        if renewals.changed().await.is_err() {
            pending().await
        }
    });
    renewal.into()
}

fn poll_alarm(alarm: &mut Option<Rarely<Sleep>>, cx: &mut Context<'_>) -> Poll<()> {
    let Some(alarm) = alarm else {
        return Poll::Pending;
    };
    let elapsed = alarm.get().is_elapsed();
    alarm.poll(cx, elapsed)
}

fn poll_loss(loss: &mut Option<Loss>, cx: &mut Context<'_>) -> Poll<()> {
    match loss {
        Some(loss) => loss.poll(cx),
        None => Poll::Pending,
    }
}

/// A reset by the peer, or a connection that is no more; not a message too large, nor one this side gave up on.
fn ended_by_peer(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return error.is_remote() || error.is_io();
        }
        source = error.source();
    }
    false
}
