//! Telling a webhook: each thing once, one event a request, in order.
//!
//! That it does not take one event for what is in it (400, 413, 422) keeps nothing back but what is about the same alert,
//! and that for a day. That it takes nothing, because of an address or a token that is wrong too, keeps all back until it
//! does.

mod event;

use std::{sync::Arc, time::Duration};

use reqwest::Url;
use tokio::time::sleep;
use ward_model::Mono;

use crate::{
    client::{Answer, Client, Request},
    desk::{Desk, Settings},
    ledger::Ticket,
    pace::Pace,
    trace::{self, Deliveries},
};

/// Tells one webhook, until it is to stop.
pub(crate) async fn run(desk: Arc<Desk>) {
    let mut courier = Courier {
        pace: Pace::new(desk.timing),
        client: Client::default(),
        sign: desk.clock.mono(),
        desk,
    };
    while let Some(wake) = courier.turn().await {
        let wait = wake.since(courier.desk.clock.mono());
        tokio::select! {
            () = courier.desk.bell.notified() => {}
            () = sleep(wait) => {}
        }
    }
}

#[derive(Debug)]
struct Courier {
    desk: Arc<Desk>,
    client: Client,
    pace: Pace,
    /// When the next sign of life is due.
    sign: Mono,
}

impl Courier {
    /// Does what there is to do now. Says when to look again, or that it is over.
    async fn turn(&mut self) -> Option<Mono> {
        self.desk.ask(|ledger| ledger.expire(self.desk.clock.mono()));
        loop {
            let now = self.desk.clock.mono();
            let stopping = self.desk.is_stopping();
            let fresh = self.desk.ask(|ledger| ledger.fresh());
            let may = self.pace.from(fresh) <= now || (stopping && !self.pace.is_asked(now));
            let went = match self.next_event(now, stopping).filter(|_| may) {
                Some(next) => self.send(next).await,
                None => false,
            };
            if !went && stopping {
                return None;
            }
            if !went {
                return Some(self.wake());
            }
        }
    }

    /// A sign of life, or something to tell.
    fn next_event(&self, now: Mono, stopping: bool) -> Option<Option<Ticket>> {
        let sign = self.desk.sign_of_life();
        if sign.is_some_and(|sign| now >= self.sign && !stopping && self.desk.is_true(&sign)) {
            return Some(None);
        }
        self.desk.ask(|ledger| ledger.event(now)).map(Some)
    }

    fn wake(&self) -> Mono {
        let now = self.desk.clock.mono();
        let (event, refused, fresh) = self
            .desk
            .ask(|ledger| (ledger.event(now), ledger.next_refused(), ledger.fresh()));
        let from = self.pace.from(fresh);
        let sign = self.desk.sign_of_life().filter(|sign| self.desk.is_true(sign));
        let sign = sign.map(|_| self.sign);
        let due = event.map(|_| now).into_iter().chain(refused).chain(sign);
        let idle = now + self.desk.timing.resend;
        due.map(|due| due.max(from)).min().unwrap_or(idle).min(idle)
    }

    async fn send(&mut self, ticket: Option<Ticket>) -> bool {
        let tickets: Vec<Ticket> = ticket.into_iter().collect();
        self.desk.recorded(&tickets).await;
        let answer = self.post(tickets.first()).await;
        let now = self.desk.clock.now();
        if tickets.is_empty() {
            self.sign = now.mono + self.desk.timing.resend;
        }
        let _entered = trace::enter(&tickets);
        match (answer, tickets.first()) {
            (Answer::Took(_), _) => {
                self.pace.took(now.mono);
                self.desk.took(&tickets, now);
                true
            }
            (Answer::Failed { why, after }, _) => self.failed(why, after, now.mono),
            (Answer::Refused { why }, Some(ticket)) => {
                self.pace.slowed(now.mono);
                self.desk.refused_one(ticket, &why, now);
                false
            }
            (Answer::Refused { why }, None) => {
                self.pace.slowed(now.mono);
                self.desk.refused(why);
                false
            }
        }
    }

    fn failed(&mut self, why: String, after: Option<Duration>, now: Mono) -> bool {
        self.pace.failed(now, after, rand::random());
        self.desk.failed(why);
        false
    }

    async fn post(&mut self, ticket: Option<&Ticket>) -> Answer {
        let Settings {
            receiver,
            external_url,
            ..
        } = self.desk.settings();
        let now = self.desk.clock.wall();
        let event = match ticket {
            Some(ticket) => event::of(&ticket.alert, external_url.as_deref()),
            None => match self.desk.sign_of_life() {
                Some(alert) => event::sign_of_life(&alert, external_url.as_deref(), now),
                None => return Answer::Took(Vec::new()),
            },
        };
        let Ok(url) = Url::parse(&receiver.url) else {
            let why = "use the address of the webhook: it is no http:// or https:// URL".to_owned();
            return Answer::Failed { why, after: None };
        };
        let deliveries = Deliveries::begin(&receiver.name, ticket);
        let mut request = Request::post(url, event::CONTENT_TYPE, event);
        request.trace = deliveries.context();
        let answer = self.client.send(&receiver, request, now).await;
        deliveries.end(&answer);
        answer
    }
}
