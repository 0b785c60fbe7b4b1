//! One stream of reports from its first request to its end.

use std::{
    error::Error as _,
    pin::{Pin, pin},
    sync::atomic::Ordering::Relaxed,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::{
    sync::mpsc,
    time::{Sleep, sleep},
};
use tonic::Status;
use ward_engine::{Event, Refusal, Reply, StreamId};
use ward_model::{Hello, InstanceId, Mono, Name, Update};
use ward_proto::{
    Converted, Invalid,
    v1::{self, RejectionCode},
};

use super::{
    super::{Shared, refusal},
    answer::{ACKNOWLEDGE_AFTER, Answer, past_bounds, registration, rejection},
    table::{HANDLES, Table},
    wire,
};
use crate::{decider::Unavailable, hub::Closing};

type Out = mpsc::Sender<Result<v1::ReportResponse, Status>>;

/// One stream: what has come in on it, and what there is to say.
pub(super) struct Session {
    edge: Shared,
    id: StreamId,
    out: Out,
    table: Table,
    answer: Answer,
    /// When an acknowledgement that is owed has to go, while `armed`.
    alarm: Pin<Box<Sleep>>,
    armed: bool,
    /// Something is due and the peer has not taken what was said before.
    waiting: bool,
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
    pub(super) fn new(edge: Shared, id: StreamId, out: Out) -> Self {
        let answer = Answer::new(edge.clock.mono());
        let alarm = Box::pin(sleep(ACKNOWLEDGE_AFTER));
        Self { edge, id, out, table: Table::default(), answer, alarm, armed: false, waiting: false }
    }

    /// Until the stream ends; whether the peer ended it.
    pub(super) async fn run<S>(mut self, requests: S, closing: impl Future<Output = Closing>) -> bool
    where
        S: Stream<Item = Result<Bytes, Status>> + Unpin,
    {
        let last = match self.converse(requests, closing).await {
            // What this side is closing is not the peer's doing, whoever is faster.
            End::ByPeer => return !self.edge.closings.is_closing(),
            End::Closing(closing) => {
                let closing = Some((&closing).into());
                Ok(v1::ReportResponse { closing, ..self.answer.take(self.edge.clock.mono()) })
            }
            End::Failed(status) => Err(status),
        };
        // Waits for a peer that does not read until its connection is cut, which closes the channel.
        if self.out.send(last).await.is_err() {
            tracing::debug!(stream = self.id.0, "the peer left before the last word");
        }
        false
    }

    async fn converse<S>(&mut self, mut requests: S, closing: impl Future<Output = Closing>) -> End
    where
        S: Stream<Item = Result<Bytes, Status>> + Unpin,
    {
        let mut closing = pin!(closing);
        let out = self.out.clone();
        loop {
            tokio::select! {
                biased;
                closing = &mut closing => return End::Closing(closing),
                request = requests.next() => match request {
                    Some(Ok(request)) => {
                        if let Err(end) = self.take_in(request).await {
                            return end;
                        }
                    }
                    Some(Err(status)) => return self.broken(status),
                    None => return End::ByPeer,
                },
                () = out.closed() => return End::ByPeer,
                room = out.reserve(), if self.waiting => {
                    if let Ok(room) = room {
                        room.send(Ok(self.answer.take(self.edge.clock.mono())));
                    }
                    self.waiting = false;
                    self.say(self.edge.clock.mono());
                }
                () = &mut self.alarm, if self.armed => {
                    self.armed = false;
                    self.say(self.edge.clock.mono());
                }
            }
        }
    }

    /// One request: its beats where it lies, then the rest, part by part.
    async fn take_in(&mut self, request: Bytes) -> Result<(), End> {
        let now = self.edge.clock.mono();
        self.edge.decider.count_ingress();
        match self.beat(request, now) {
            Ok(rest) => self.change(rest, now).await?,
            Err(error) => {
                let message = format!("the request is not a ReportRequest ({error}): send it again as one");
                self.tell(None, 0, RejectionCode::Invalid, message);
            }
        }
        self.answer.handled();
        self.say(now);
        Ok(())
    }

    fn beat(&mut self, request: Bytes, now: Mono) -> Result<v1::ReportRequest, prost::DecodeError> {
        let Self { edge, table, answer, .. } = self;
        let slab = edge.decider.slab();
        let (mut beats, mut unknown) = (0, 0);
        let rest = wire::read(request, |handle| match table.get(handle) {
            Some(lease) => {
                slab.touch(lease.slot, lease.deadline(now));
                beats += 1;
            }
            None => {
                unknown += 1;
                answer.reject(unknown_handle(handle));
            }
        });
        edge.metrics.beats.fetch_add(beats, Relaxed);
        if unknown > 0 {
            edge.metrics.count_rejections(refusal::label(RejectionCode::UnknownHandle), unknown);
        }
        rest
    }

    async fn change(&mut self, rest: v1::ReportRequest, received: Mono) -> Result<(), End> {
        for hello in rest.hellos {
            self.hello(hello, received).await?;
        }
        for update in rest.updates {
            self.update(update, received).await?;
        }
        for goodbye in rest.goodbyes {
            self.goodbye(goodbye.handle, received).await?;
        }
        Ok(())
    }

    async fn hello(&mut self, wire: v1::Hello, received: Mono) -> Result<(), End> {
        self.edge.metrics.count_report("hello");
        let named = named(&wire);
        let hello = match Converted::<Hello>::try_from(wire) {
            Ok(Converted { value, left_out }) => {
                self.left_out(Some(&value.id), 0, left_out);
                value
            }
            Err(invalid) => {
                self.tell(named.as_ref(), 0, RejectionCode::Invalid, invalid.to_string());
                return Ok(());
            }
        };
        if self.table.is_full() {
            let message = format!("this stream has given {HANDLES} handles, the most there may be: open another one");
            self.tell(Some(&hello.id), 0, RejectionCode::Exhausted, message);
            return Ok(());
        }
        let id = hello.id.clone();
        let event = Event::Hello { stream: Some(self.id), hello: Box::new(hello) };
        match self.edge.decider.apply_received(event, received).await? {
            Reply::Registered(registered) => {
                let handle = self.table.give(id.clone(), registered.slot, registered.suspect_after);
                self.too_many(Some(&id), handle, registered.left_out);
                self.answer.register(registration(&id, handle, &registered));
            }
            Reply::Refused(refusal) => self.tell(Some(&id), 0, refusal::code(&refusal), refusal.to_string()),
            reply => tracing::error!(?reply, "an answer to a hello that is none"),
        }
        Ok(())
    }

    async fn update(&mut self, wire: v1::Update, received: Mono) -> Result<(), End> {
        self.edge.metrics.count_report("update");
        let handle = wire.handle;
        let Some(lease) = self.table.get(handle) else {
            self.reject(unknown_handle(handle));
            return Ok(());
        };
        let id = self.table.id(handle).cloned();
        let update = match Converted::<Update>::try_from(wire) {
            Ok(Converted { value, left_out }) => {
                self.left_out(id.as_ref(), handle, left_out);
                value
            }
            Err(invalid) => {
                self.tell(id.as_ref(), handle, RejectionCode::Invalid, invalid.to_string());
                return Ok(());
            }
        };
        let event = Event::Update { slot: lease.slot, update };
        match self.edge.decider.apply_received(event, received).await? {
            Reply::Updated { left_out } => self.too_many(id.as_ref(), handle, left_out),
            Reply::FullStateWanted => self.answer.want_full_state(handle),
            Reply::Refused(refusal) => self.refused(id.as_ref(), handle, &refusal),
            reply => tracing::error!(?reply, "an answer to an update that is none"),
        }
        Ok(())
    }

    async fn goodbye(&mut self, handle: u32, received: Mono) -> Result<(), End> {
        self.edge.metrics.count_report("goodbye");
        let Some(lease) = self.table.take(handle) else {
            self.reject(unknown_handle(handle));
            return Ok(());
        };
        let event = Event::Goodbye { slot: lease.slot };
        if let Reply::Refused(refusal) = self.edge.decider.apply_received(event, received).await? {
            let id = self.table.id(handle).cloned();
            self.refused(id.as_ref(), handle, &refusal);
        }
        Ok(())
    }

    fn refused(&mut self, id: Option<&InstanceId>, handle: u32, refusal: &Refusal) {
        if *refusal == Refusal::Forgotten {
            // Its beats would keep nobody alive; that they are not taken either is how the reporter notices.
            self.table.take(handle);
        }
        self.tell(id, handle, refusal::code(refusal), refusal.to_string());
    }

    fn left_out(&mut self, id: Option<&InstanceId>, handle: u32, parts: Vec<Invalid>) {
        for invalid in parts {
            self.tell(id, handle, RejectionCode::Invalid, invalid.to_string());
        }
    }

    fn too_many(&mut self, id: Option<&InstanceId>, handle: u32, left_out: u32) {
        if left_out > 0 {
            self.tell(id, handle, RejectionCode::Exhausted, past_bounds(left_out));
        }
    }

    fn tell(&mut self, id: Option<&InstanceId>, handle: u32, code: RejectionCode, message: String) {
        self.reject(rejection(id, handle, code, message));
    }

    fn reject(&mut self, rejection: v1::Rejection) {
        self.edge.metrics.count_rejections(refusal::label(rejection.code()), 1);
        self.answer.reject(rejection);
    }

    /// Sends what is due, or sees to it that it will be.
    fn say(&mut self, now: Mono) {
        if self.answer.is_due(now) {
            match self.out.try_reserve() {
                Ok(room) => room.send(Ok(self.answer.take(now))),
                // Closed is noticed by who waits for requests.
                Err(_) => self.waiting = true,
            }
        }
        if self.answer.is_owed() && !self.armed {
            self.armed = true;
            self.alarm.set(sleep(ACKNOWLEDGE_AFTER));
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

fn unknown_handle(handle: u32) -> v1::Rejection {
    let message = "no instance of this stream has this handle: say hello first".to_owned();
    rejection(None, handle, RejectionCode::UnknownHandle, message)
}

/// Who a bad hello says it is, as far as that can be said back.
fn named(wire: &v1::Hello) -> Option<InstanceId> {
    let service = Name::service(&wire.service).ok()?;
    Some(InstanceId { service, instance: Name::instance(&wire.instance).ok()? })
}
