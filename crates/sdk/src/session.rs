//! What to say next on a report stream, and what the answers mean. A state machine without a socket or a clock.
//!
//! It knows what the aggregator was told last, so that only what changed is said, and it keeps nothing that was not
//! sent: after a gap or a new connection the whole present state goes out, not a replay.

use std::{collections::BTreeMap, time::Duration};

use ward_model::{
    CheckResult, Name, SignalValue, Status, Update, Wall,
    bounds::{INTERVAL_MAX, INTERVAL_MIN},
};
use ward_proto::v1::{self, RejectionCode};

use crate::traced::Traced;

/// The conversation of one instance.
#[derive(Debug)]
pub(crate) struct Session {
    introduction: v1::Hello,
    sequence: u64,
    standing: Standing,
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Has to say hello.
    Stranger,
    /// Has said it.
    Introduced,
    /// Was answered: beats under this handle.
    Known(u32),
}

/// What the aggregator knows, as far as it was sent.
#[derive(Debug, Default)]
struct Told {
    results: BTreeMap<Name, (Status, String)>,
    values: BTreeMap<Name, f64>,
}

/// The present state of the instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) results: Vec<CheckResult>,
    pub(crate) values: Vec<SignalValue>,
    /// The change that is to be told.
    pub(crate) traced: Option<Traced>,
}

impl State {
    /// Of the change, if it is among the results and not over.
    fn traceparent(&self) -> String {
        let traced = self.traced.as_ref().filter(|traced| traced.is_in(&self.results));
        traced.map_or_else(String::new, |traced| traced.context.to_string())
    }
}

/// What there is to be said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Due {
    /// Introduce oneself.
    pub(crate) hello: bool,
    /// Say everything.
    pub(crate) full: bool,
    /// The interval is over.
    pub(crate) beat: bool,
    /// A check has another status.
    pub(crate) news: bool,
}

impl Due {
    pub(crate) fn any(self) -> bool {
        self != Self::default()
    }
}

/// What an answer means.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// Beats may start.
    pub(crate) registered: bool,
    /// At this interval; `None` is its own, as ever with aggregators that say nothing about it.
    pub(crate) interval: Option<Duration>,
    /// Everything has to be said.
    pub(crate) full_wanted: bool,
    /// Not taken.
    pub(crate) refused: Vec<Refused>,
    /// The stream is about to be closed; come back after this.
    pub(crate) closing: Option<Duration>,
}

/// Something that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: RejectionCode,
    pub(crate) message: String,
}

impl Session {
    /// For the instance that `introduction` names, its state and sequence left out.
    pub(crate) fn new(introduction: v1::Hello) -> Self {
        Self {
            introduction,
            sequence: 0,
            standing: Standing::Stranger,
            told: Told::default(),
        }
    }

    /// A new stream: handles die with the old one.
    pub(crate) fn restart(&mut self) {
        self.standing = Standing::Stranger;
    }

    pub(crate) fn is_known(&self) -> bool {
        matches!(self.standing, Standing::Known(_))
    }

    pub(crate) fn is_introduced(&self) -> bool {
        self.standing == Standing::Introduced
    }

    /// The next request for what is `due`, if there is one.
    pub(crate) fn speak(&mut self, due: Due, state: &State, wall: Wall) -> Option<v1::ReportRequest> {
        match self.standing {
            _ if due.hello => Some(self.hello(state, wall)),
            Standing::Known(handle) if due.full => Some(self.full(handle, state)),
            Standing::Known(handle) if due.beat => {
                Some(self.changes(handle, state).unwrap_or_else(|| beat(handle)))
            }
            Standing::Known(handle) if due.news && self.told.misses_status(state) => {
                self.changes(handle, state)
            }
            _ => None,
        }
    }

    /// The last word, if the aggregator knows whose it is.
    pub(crate) fn goodbye(&mut self, reason: &str) -> Option<v1::ReportRequest> {
        let Standing::Known(handle) = self.standing else {
            return None;
        };
        self.standing = Standing::Stranger;
        let goodbyes = vec![v1::Goodbye {
            handle,
            reason: reason.into(),
        }];
        Some(v1::ReportRequest {
            goodbyes,
            ..Default::default()
        })
    }

    /// Takes an answer.
    pub(crate) fn hear(&mut self, answer: v1::ReportResponse) -> Heard {
        let mut heard = Heard::default();
        for rejection in answer.rejections {
            heard.refused.extend(self.refused(rejection));
        }
        for registration in answer.registrations {
            if registration.instance == self.introduction.instance
                && registration.service == self.introduction.service
            {
                self.standing = Standing::Known(registration.handle);
                heard.registered = true;
                heard.interval = in_force(registration.interval_ms);
            }
        }
        heard.full_wanted = answer
            .full_state_wanted
            .iter()
            .any(|&handle| self.standing == Standing::Known(handle));
        heard.closing = answer
            .closing
            .map(|closing| Duration::from_millis(closing.retry_after_ms.into()));
        heard
    }

    /// `None` for one about a handle of before.
    fn refused(&mut self, rejection: v1::Rejection) -> Option<Refused> {
        let code = rejection.code();
        let stale = |handle| self.standing != Standing::Known(handle);
        match code {
            RejectionCode::UnknownHandle | RejectionCode::Forgotten | RejectionCode::Replayed
                if self.is_known() && stale(rejection.handle) =>
            {
                return None;
            }
            // A part of an update; the handle stands.
            RejectionCode::Invalid | RejectionCode::Exhausted | RejectionCode::Unspecified
                if self.is_known() => {}
            _ => self.standing = Standing::Stranger,
        }
        Some(Refused {
            code,
            message: ward_proto::message(rejection.message),
        })
    }

    fn hello(&mut self, state: &State, wall: Wall) -> v1::ReportRequest {
        self.standing = Standing::Introduced;
        self.sequence += 1;
        self.told = Told::default();
        self.told.take(state);
        let hello = v1::Hello {
            sequence: self.sequence,
            results: state.results.iter().map(Into::into).collect(),
            values: state.values.iter().map(Into::into).collect(),
            sent_unix_ms: wall.0,
            traceparent: state.traceparent(),
            ..self.introduction.clone()
        };
        v1::ReportRequest {
            hellos: vec![hello],
            ..Default::default()
        }
    }

    fn full(&mut self, handle: u32, state: &State) -> v1::ReportRequest {
        self.told = Told::default();
        self.update(handle, true, state.clone())
    }

    /// What the aggregator was not told yet, which counts as a beat; `None` if that is nothing.
    fn changes(&mut self, handle: u32, state: &State) -> Option<v1::ReportRequest> {
        let new = self.told.missing(state);
        let nothing = new.results.is_empty() && new.values.is_empty();
        (!nothing).then(|| self.update(handle, false, new))
    }

    fn update(&mut self, handle: u32, full: bool, state: State) -> v1::ReportRequest {
        self.sequence += 1;
        self.told.take(&state);
        let traceparent = state.traceparent();
        let update = Update {
            sequence: self.sequence,
            full,
            results: state.results,
            values: state.values,
        };
        let update = v1::Update {
            handle,
            traceparent,
            ..(&update).into()
        };
        v1::ReportRequest {
            updates: vec![update],
            ..Default::default()
        }
    }
}

impl Told {
    fn take(&mut self, state: &State) {
        for CheckResult {
            name,
            status,
            message,
        } in &state.results
        {
            self.results.insert(name.clone(), (*status, message.clone()));
        }
        self.values
            .extend(state.values.iter().map(|value| (value.name.clone(), value.value)));
    }

    fn misses_status(&self, state: &State) -> bool {
        let status = |name| self.results.get(name).map(|(status, _)| *status);
        state
            .results
            .iter()
            .any(|result| status(&result.name) != Some(result.status))
    }

    fn missing(&self, state: &State) -> State {
        let said = |result: &&CheckResult| {
            let told = self.results.get(&result.name);
            told.is_none_or(|(status, message)| (*status, message) != (result.status, &result.message))
        };
        let set = |value: &&SignalValue| self.values.get(&value.name) != Some(&value.value);
        State {
            results: state.results.iter().filter(said).cloned().collect(),
            values: state.values.iter().filter(set).cloned().collect(),
            traced: state.traced.clone(),
        }
    }
}

/// Within the bounds of streams: an aggregator that was told wrong must neither make a reporter burn nor silence it.
fn in_force(interval_ms: u32) -> Option<Duration> {
    let said = Some(interval_ms).filter(|&ms| ms > 0);
    said.map(|ms| Duration::from_millis(ms.into()).clamp(INTERVAL_MIN, INTERVAL_MAX))
}

fn beat(handle: u32) -> v1::ReportRequest {
    v1::ReportRequest {
        beats: vec![handle],
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
