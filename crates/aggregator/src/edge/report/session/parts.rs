//! What is done with each part of a request behind its beats: hellos, then updates, then goodbyes, in that order.
//!
//! A part that is not taken is told and counted, and the next one has its turn.

use ward_engine::{Event, Refusal, Reply};
use ward_model::{Hello, InstanceId, Mono, Name, Update};
use ward_proto::{
    Converted, Invalid,
    v1::{self, RejectionCode},
};

use super::{End, Session};
use crate::{
    decider::{TOGETHER, Unavailable},
    edge::{
        admit::denied,
        refusal,
        report::{
            answer::{past_bounds, registration, rejection},
            table::HANDLES,
        },
    },
    story::{self, Reported},
};

impl Session {
    pub(super) async fn change(&mut self, rest: v1::ReportRequest, received: Mono) -> Result<(), End> {
        for hello in rest.hellos {
            self.hello(hello, received).await?;
        }
        let mut updates = rest.updates.into_iter();
        while updates.len() > 0 {
            self.updates(updates.by_ref().take(TOGETHER), received).await?;
        }
        for goodbye in rest.goodbyes {
            self.goodbye(goodbye.handle, received).await?;
        }
        Ok(())
    }

    async fn hello(&mut self, wire: v1::Hello, received: Mono) -> Result<(), End> {
        self.edge.metrics.count_report("hello");
        let named = named(&wire);
        let trace = story::seen_in(&wire.traceparent);
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
        if self.caller.may_say(&hello).is_err() {
            // It may have been granted since.
            self.caller = self.edge.access.renewed(&self.caller);
        }
        if let Err(missing) = self.caller.may_say(&hello) {
            let failure = denied(&self.edge, &self.caller, missing);
            self.tell(Some(&hello.id), 0, RejectionCode::Denied, failure.message());
            return Ok(());
        }
        if self.table.is_full() {
            let message =
                format!("this stream has given {HANDLES} handles, the most there may be: open another one");
            self.tell(Some(&hello.id), 0, RejectionCode::Exhausted, message);
            return Ok(());
        }
        if let Err(message) = self.admit(&hello.id) {
            self.tell(Some(&hello.id), 0, RejectionCode::Exhausted, message);
            return Ok(());
        }
        let id = hello.id.clone();
        let event = Event::Hello {
            stream: Some(self.id),
            hello: Box::new(hello),
        };
        match self.decide(Reported { event, trace }, received).await? {
            Reply::Registered(registered) => {
                let handle = self.table.give(id.clone(), &registered);
                self.count();
                self.too_many(Some(&id), handle, registered.left_out);
                self.answer.register(registration(&id, handle, &registered));
            }
            Reply::Refused(refusal) => {
                refusal::count(&self.edge, &refusal);
                self.tell(Some(&id), 0, refusal::code(&refusal), refusal.to_string());
            }
            reply => tracing::error!(?reply, "an answer to a hello that is none"),
        }
        Ok(())
    }

    /// Updates are decided together: were each before the next, every watcher would be woken for each. While there is too
    /// much to decide they are left out.
    async fn updates(
        &mut self,
        updates: impl Iterator<Item = v1::Update>,
        received: Mono,
    ) -> Result<(), End> {
        let (mut handles, mut events) = (Vec::new(), Vec::new());
        for wire in updates {
            let handle = wire.handle;
            if let Some(event) = self.update(wire) {
                handles.push(handle);
                events.push(event);
            }
        }
        let may_wait = received >= self.hurried;
        let decided = self.edge.decider.offer(events, received, may_wait).await?;
        self.has_taken_since(received);
        match decided {
            Some(replies) => {
                for (handle, reply) in handles.into_iter().zip(replies) {
                    self.updated(handle, reply);
                }
            }
            None => handles.into_iter().for_each(|handle| self.is_too_much(handle)),
        }
        Ok(())
    }

    async fn decide(&mut self, event: Reported, received: Mono) -> Result<Reply, Unavailable> {
        let edge = self.edge.clone();
        let mut replies = self.decided(edge.decider.report(vec![event], received)).await?;
        replies.pop().ok_or(Unavailable)
    }

    /// The event that an update is, if it is one.
    fn update(&mut self, wire: v1::Update) -> Option<Reported> {
        self.edge.metrics.count_report("update");
        let handle = wire.handle;
        let Some(lease) = self.table.get(handle) else {
            self.reject(unknown_handle(handle));
            return None;
        };
        if !self.takes_turn(handle, lease, wire.full) {
            return None;
        }
        let id = self.table.id(handle).cloned();
        let trace = story::seen_in(&wire.traceparent);
        match Converted::<Update>::try_from(wire) {
            Ok(Converted { value, left_out }) => {
                self.left_out(id.as_ref(), handle, left_out);
                let event = Event::Update {
                    slot: lease.slot,
                    update: value,
                };
                Some(Reported { event, trace })
            }
            Err(invalid) => {
                self.tell(id.as_ref(), handle, RejectionCode::Invalid, invalid.to_string());
                None
            }
        }
    }

    fn updated(&mut self, handle: u32, reply: Reply) {
        let id = self.table.id(handle).cloned();
        match reply {
            Reply::Updated { left_out } => self.too_many(id.as_ref(), handle, left_out),
            Reply::FullStateWanted => self.answer.want_full_state(handle),
            Reply::Refused(refusal) => self.refused(id.as_ref(), handle, &refusal),
            reply => tracing::error!(?reply, "an answer to an update that is none"),
        }
    }

    async fn goodbye(&mut self, handle: u32, received: Mono) -> Result<(), End> {
        self.edge.metrics.count_report("goodbye");
        let Some(lease) = self.table.take(handle) else {
            self.reject(unknown_handle(handle));
            return Ok(());
        };
        self.count();
        self.is_leaving(lease);
        let event = Event::Goodbye { slot: lease.slot };
        if let Reply::Refused(refusal) = self.decide(event.into(), received).await? {
            let id = self.table.id(handle).cloned();
            self.refused(id.as_ref(), handle, &refusal);
        }
        Ok(())
    }

    pub(super) fn refused(&mut self, id: Option<&InstanceId>, handle: u32, refusal: &Refusal) {
        if *refusal == Refusal::Forgotten {
            // Its beats would keep nobody alive; that they are not taken either is how the reporter notices.
            self.table.take(handle);
            self.count();
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

    pub(super) fn tell(
        &mut self,
        id: Option<&InstanceId>,
        handle: u32,
        code: RejectionCode,
        message: String,
    ) {
        self.reject(rejection(id, handle, code, message));
    }

    fn reject(&mut self, rejection: v1::Rejection) {
        self.edge
            .metrics
            .count_rejections(refusal::label(rejection.code()), 1);
        self.answer.reject(rejection);
    }
}

pub(super) fn unknown_handle(handle: u32) -> v1::Rejection {
    let message = "no instance of this stream has this handle: say hello first".to_owned();
    rejection(None, handle, RejectionCode::UnknownHandle, message)
}

/// Who a bad hello says it is, as far as that can be said back.
fn named(wire: &v1::Hello) -> Option<InstanceId> {
    let service = Name::service(&wire.service).ok()?;
    Some(InstanceId {
        service,
        instance: Name::instance(&wire.instance).ok()?,
    })
}
