//! What of a stream is decided at all, and what becomes of the rest.
//!
//! A client may have so much decided ([`Reporting`]), and while more waits for the engine than it can decide, updates are
//! left out. Whoever is left out was heard: who is too loud is not silent. Beats never come here. Goodbyes pass: there is
//! one for a hello at most. Hellos that may be decided wait their turn: there is nothing newer that would say more. Nor is
//! anybody silent whose beats are behind that.
//!
//! [`Reporting`]: crate::edge::client::Reporting

use std::{pin::pin, time::Duration};

use tokio::time::timeout;
use ward_model::{InstanceId, Mono};
use ward_proto::v1::RejectionCode;

use super::{LOOK_EACH, Session};
use crate::edge::{
    refusal,
    report::{shed::Turn, table::Lease},
};

/// Behind a request whose updates took so long to be decided, those of the next second do not wait: behind them there are
/// beats, and those must be read. So a stream does not wait for one update after the other, however many it has.
const SLOW: Duration = Duration::from_millis(100);

/// After so long a wait for the engine all instances of the stream count as heard, and again: often for the shortest lease,
/// which is 2.1 s.
const HEARD_EACH: Duration = Duration::from_millis(250);

/// Longer than anything waits for an engine that still decides.
const LEAVING: Duration = Duration::from_secs(60);

/// Most states that are asked for at once of those that were left out, so that not all come together again.
const ASKED_AT_ONCE: usize = 1_024;

impl Session {
    /// Whether its client may have one more hello decided. Who is known here already is heard at least.
    pub(super) fn admit(&self, id: &InstanceId) -> Result<(), String> {
        let known = self.table.handle(id);
        let (bound, message) = match self.share.hello(self.now) {
            Err(wait) => {
                let message = format!("this client says hello too often: say it again in {}", span(wait));
                ("hellos", message)
            }
            Ok(()) => match self.share.has_room() {
                Err(full) if known.is_none() => (full.label(), full.to_string()),
                _ => return Ok(()),
            },
        };
        self.edge.metrics.count_bound(bound);
        if let Some(lease) = known.and_then(|handle| self.table.get(handle)) {
            self.hear(lease);
        }
        Err(message)
    }

    /// Whether an update may be decided, as far as its client is concerned. If not it is left out here.
    pub(super) fn takes_turn(&mut self, handle: u32, lease: Lease, full: bool) -> bool {
        let wait = match self.shed.turn(handle, full) {
            Turn::HasPaid => None,
            Turn::Pays => self.share.update(self.now).err(),
            Turn::Useless => {
                self.left_out_of(handle, lease, "updates", None);
                return false;
            }
        };
        let Some(wait) = wait else {
            self.shed.make_up(handle);
            return true;
        };
        let message = format!(
            "this client makes more updates than it may: go on in {}, or when the full state is wanted",
            span(wait)
        );
        let is_news = self.shed.leave_out(handle);
        self.left_out_of(handle, lease, "updates", is_news.then_some(message));
        false
    }

    /// An update that was to be decided was not: the engine is behind.
    pub(super) fn is_too_much(&mut self, handle: u32) {
        let Some(lease) = self.table.get(handle) else {
            return;
        };
        let message = "there is more to decide than can be: go on when the full state is wanted".to_owned();
        let is_news = self.shed.leave_out_again(handle);
        self.left_out_of(handle, lease, "overload", is_news.then_some(message));
    }

    /// The instance was heard all the same. What is left out is told once, until its state is asked for.
    fn left_out_of(&mut self, handle: u32, lease: Lease, bound: &'static str, message: Option<String>) {
        self.hear(lease);
        self.edge.metrics.count_bound(bound);
        if let Some(message) = message {
            let id = self.table.id(handle).cloned();
            self.tell(id.as_ref(), handle, RejectionCode::Exhausted, message);
        } else {
            let label = refusal::label(RejectionCode::Exhausted);
            self.edge.metrics.count_rejections(label, 1);
        }
    }

    fn hear(&self, lease: Lease) {
        let slab = self.edge.decider.slab();
        slab.touch(lease.slot, lease.deadline(self.now));
    }

    /// Waits for what may take the engine as long as it will: a hello, a goodbye, a renewal. What is behind that on the
    /// stream, beats too, is not read meanwhile, so who waits for us is not silent. Short waits add up: there can be
    /// thousands of them one behind the other.
    pub(super) async fn decided<T>(&mut self, answer: impl Future<Output = T>) -> T {
        let mut answer = pin!(answer);
        loop {
            let since = self.edge.clock.mono();
            let answered = timeout(HEARD_EACH.saturating_sub(self.waited), &mut answer).await;
            let now = self.edge.clock.mono();
            self.waited += now.since(since);
            if self.waited >= HEARD_EACH {
                self.waited = Duration::ZERO;
                self.hear_all(now);
            }
            if let Ok(answer) = answered {
                return answer;
            }
        }
    }

    /// Who has said goodbye is not missed while that waits. Done before the engine knows of it: behind that the slot may be
    /// another's.
    pub(super) fn is_leaving(&self, lease: Lease) {
        let slab = self.edge.decider.slab();
        slab.extend(lease.slot, self.edge.clock.mono() + LEAVING);
    }

    /// Keeps all who are fresh so, and nobody for less long than the engine has promised meanwhile.
    fn hear_all(&self, now: Mono) {
        let slab = self.edge.decider.slab();
        for lease in self.table.leases() {
            slab.extend(lease.slot, lease.deadline(now));
        }
    }

    /// Updates of a request that came at `received` were decided, or left out.
    pub(super) fn has_taken_since(&mut self, received: Mono) {
        self.now = self.edge.clock.mono();
        if self.now.since(received) >= SLOW {
            self.hurried = self.now + LOOK_EACH;
        }
    }

    /// Its client's account is told what it has.
    pub(super) fn count(&mut self) {
        self.share.hold(self.table.live(), self.table.beats());
    }

    /// Asks for what was left out, as far as there is room for it now.
    pub(super) fn ask_for_shed(&mut self) {
        let Self {
            edge,
            table,
            share,
            shed,
            answer,
            now,
            ..
        } = self;
        if !shed.is_behind() || edge.decider.is_overloaded(*now) {
            return;
        }
        shed.retain(|handle| table.get(handle).is_some());
        for _ in 0..ASKED_AT_ONCE {
            let Some(handle) = shed.ask(|| share.update(*now).is_ok()) else {
                break;
            };
            answer.want_full_state(handle);
        }
    }
}

/// For people: whole milliseconds, and at least one.
fn span(wait: Duration) -> String {
    format!("{} ms", wait.as_millis() + 1)
}
