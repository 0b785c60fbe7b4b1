//! What a service would say of itself right now: the newest word of each check and the newest value of each signal.
//!
//! Checks write it, the report stream and the probes read it. It holds states, never a history or a queue, so that
//! nothing grows while the aggregator is away. A channel from checks to stream was not taken for that reason.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use ward_chassis::Clock;
use ward_engine::Debounce;
use ward_model::{CheckKind, CheckResult, Mono, Name, SignalValue, Status};
use ward_proto::message;

use crate::{
    check::Verdict,
    signal::SignalHandle,
    traced,
    word::{Said, Word},
};

/// The check that carries a service's own word.
pub(crate) const OWN: &str = "self";

/// All of it.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) service: Name,
    pub(crate) version: String,
    pub(crate) clock: Clock,
    own: (Name, Word),
    // Never held across an await or a call to the outside.
    checks: Mutex<Vec<Cell>>,
    pub(crate) signals: Vec<(Name, SignalHandle)>,
    /// A check has another status than before.
    pub(crate) news: Notify,
    /// The same, for who serves `grpc.health.v1`.
    pub(crate) told: Notify,
    /// The service is leaving.
    pub(crate) leaving: AtomicBool,
    pub(crate) figures: Figures,
    /// The change that is to be told next, where somebody traces.
    pub(crate) traced: traced::Slot,
}

/// What the report stream did, counted since the start.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) connected: AtomicBool,
    pub(crate) connections: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) beats: AtomicU64,
    pub(crate) updates: AtomicU64,
    pub(crate) rejections: AtomicU64,
}

/// A check that runs.
#[derive(Debug)]
pub(crate) struct Cell {
    name: Name,
    kind: CheckKind,
    debounce: Debounce,
    message: String,
    spoken: bool,
}

/// A check as it stands.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) name: Name,
    pub(crate) kind: CheckKind,
    pub(crate) status: Status,
    pub(crate) message: String,
    /// It has had a result.
    pub(crate) spoken: bool,
}

impl Cell {
    pub(crate) fn new(name: Name, kind: CheckKind, debounce: Debounce) -> Self {
        Self {
            name,
            kind,
            debounce,
            message: String::new(),
            spoken: false,
        }
    }

    /// Takes a result; its status, if there is something new to say.
    fn record(&mut self, verdict: Verdict, now: Mono) -> Option<Status> {
        let before = self.debounce.status(now);
        let after = self.debounce.observe(verdict.status, now);
        // The message belongs to the status told, not to a result that has not made it yet.
        if after != before || verdict.status == after {
            self.message = message(verdict.message);
        }
        let first = !self.spoken;
        self.spoken = true;
        (first || after != before).then_some(after)
    }

    fn standing(&self, now: Mono) -> Standing {
        Standing {
            name: self.name.clone(),
            kind: self.kind,
            status: self.debounce.status(now),
            message: self.message.clone(),
            spoken: self.spoken,
        }
    }
}

impl Board {
    /// `checks` are those that run: the service's own word is always there.
    pub(crate) fn new(
        service: Name,
        version: String,
        clock: Clock,
        checks: Vec<Cell>,
        signals: Vec<(Name, SignalHandle)>,
    ) -> Self {
        let own = Name::new(OWN).expect("`self` is a name");
        Self {
            service,
            version,
            clock,
            own: (own, Word::default()),
            checks: Mutex::new(checks),
            signals,
            news: Notify::new(),
            told: Notify::new(),
            leaving: AtomicBool::new(false),
            figures: Figures::default(),
            traced: traced::Slot::default(),
        }
    }

    /// Takes a result of the check at `index`, in the order they were given to [`Board::new`], of a run that began then.
    pub(crate) fn record(&self, index: usize, verdict: Verdict, began: Mono) {
        let now = self.clock.mono();
        let news = self.checks.lock().get_mut(index).and_then(|cell| {
            let status = cell.record(verdict, now)?;
            Some((cell.name.clone(), status))
        });
        if let Some((check, status)) = news {
            self.traced
                .changed(&self.service, &check, status, now.since(began));
            self.tell();
        }
    }

    /// Takes the service's own word as it is. On the service's path: see [`Word`].
    pub(crate) fn say(&self, status: Status, message: &str) {
        if self.own.1.say(status, message) == Said::News {
            self.traced
                .changed(&self.service, &self.own.0, status, Duration::ZERO);
            self.tell();
        }
    }

    fn tell(&self) {
        self.news.notify_one();
        self.told.notify_one();
    }

    /// Every check as it stands, the service's own word first.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        let now = self.clock.mono();
        let mut standings = vec![self.own_standing()];
        standings.extend(self.checks.lock().iter().map(|cell| cell.standing(now)));
        standings
    }

    fn own_standing(&self) -> Standing {
        let (name, word) = &self.own;
        let said = word.get();
        let spoken = said.is_some();
        let (status, message) = said.unwrap_or((Status::Unknown, String::new()));
        Standing {
            name: name.clone(),
            kind: CheckKind::Required,
            status,
            message,
            spoken,
        }
    }

    /// The word of each check that has one.
    pub(crate) fn results(&self) -> Vec<CheckResult> {
        let spoken = self.standings().into_iter().filter(|standing| standing.spoken);
        spoken
            .map(
                |Standing {
                     name,
                     status,
                     message,
                     ..
                 }| CheckResult {
                    name,
                    status,
                    message,
                },
            )
            .collect()
    }

    /// The value of each signal that has one.
    pub(crate) fn values(&self) -> Vec<SignalValue> {
        let value = |(name, handle): &(Name, SignalHandle)| {
            handle.get().map(|value| SignalValue {
                name: name.clone(),
                value,
            })
        };
        self.signals.iter().filter_map(value).collect()
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(checks: Vec<Cell>) -> Board {
        let service = Name::service("payments").unwrap();
        Board::new(service, String::new(), Clock::start(), checks, vec![])
    }

    fn told(board: &Board) -> Option<(Status, String)> {
        board
            .results()
            .pop()
            .map(|result| (result.status, result.message))
    }

    #[test]
    fn a_message_stays_with_the_status_it_explains() {
        let board = board(vec![Cell::new(
            Name::new("db").unwrap(),
            CheckKind::Required,
            Debounce::new(2, 2),
        )]);
        assert_eq!(told(&board), None);
        board.record(0, Verdict::new(Status::Healthy, "3 ms"), Mono::default());
        board.record(0, Verdict::unhealthy("refused"), Mono::default());
        assert_eq!(told(&board), Some((Status::Healthy, "3 ms".into())));
        board.record(0, Verdict::unhealthy("refused\u{7}"), Mono::default());
        assert_eq!(told(&board), Some((Status::Unhealthy, "refused ".into())));
        board.record(0, Verdict::healthy(), Mono::default());
        assert_eq!(told(&board), Some((Status::Unhealthy, "refused ".into())));
    }

    #[test]
    fn an_own_word_is_taken_as_it_is() {
        let board = board(vec![]);
        for status in [Status::Unhealthy, Status::Healthy, Status::Unknown] {
            board.say(status, "");
            assert_eq!(told(&board), Some((status, String::new())));
        }
    }
}
