//! What a stream has to say, gathering until the peer takes it.
//!
//! Acknowledgements are cumulative and lazy. Everything else is bounded: registrations and wanted states by the handles
//! a stream may have, rejections by [`REJECTIONS`].

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

use ward_engine::Registered;
use ward_model::{
    InstanceId, Mono,
    bounds::{CHECKS, SIGNALS},
};
use ward_proto::v1::{self, RejectionCode};

/// Most rejections in one answer. Beyond that they are counted and not told: somebody who sends hundreds of bad parts
/// does not read them one by one.
const REJECTIONS: usize = 100;
/// Most registrations in one answer, so that it stays under the largest message: each is at most 150 bytes.
const REGISTRATIONS: usize = 4_096;
/// An acknowledgement comes after so many requests,
const ACKNOWLEDGE_EACH: u64 = 64;
/// or this long after the last.
pub(super) const ACKNOWLEDGE_AFTER: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Answer {
    handled: u64,
    acknowledged: u64,
    acknowledged_at: Mono,
    /// By their handles: of several for one the last is the one that holds.
    registrations: BTreeMap<u32, v1::Registration>,
    wanted: BTreeSet<u32>,
    rejections: Vec<v1::Rejection>,
}

impl Answer {
    pub(super) fn new(now: Mono) -> Self {
        Self {
            handled: 0,
            acknowledged: 0,
            acknowledged_at: now,
            registrations: BTreeMap::new(),
            wanted: BTreeSet::new(),
            rejections: Vec::new(),
        }
    }

    /// One more request was handled.
    pub(super) fn handled(&mut self) {
        self.handled += 1;
    }

    pub(super) fn register(&mut self, registration: v1::Registration) {
        self.registrations.insert(registration.handle, registration);
    }

    pub(super) fn want_full_state(&mut self, handle: u32) {
        self.wanted.insert(handle);
    }

    pub(super) fn reject(&mut self, rejection: v1::Rejection) {
        if self.rejections.len() < REJECTIONS {
            self.rejections.push(rejection);
        }
    }

    /// There is more to say than that something was handled.
    fn has_news(&self) -> bool {
        !(self.registrations.is_empty() && self.wanted.is_empty() && self.rejections.is_empty())
    }

    /// Requests were handled that are not acknowledged.
    pub(super) fn is_owed(&self) -> bool {
        self.handled > self.acknowledged
    }

    /// It should be sent now.
    pub(super) fn is_due(&self, now: Mono) -> bool {
        let many = self.handled - self.acknowledged >= ACKNOWLEDGE_EACH;
        self.has_news() || self.is_owed() && (many || now.since(self.acknowledged_at) >= ACKNOWLEDGE_AFTER)
    }

    /// What to send. There may be more to say behind it.
    pub(super) fn take(&mut self, now: Mono) -> v1::ReportResponse {
        self.acknowledged = self.handled;
        self.acknowledged_at = now;
        let behind = self.registrations.keys().nth(REGISTRATIONS).copied();
        let more = behind.map_or_else(BTreeMap::new, |handle| self.registrations.split_off(&handle));
        v1::ReportResponse {
            acknowledged: self.acknowledged,
            registrations: mem::replace(&mut self.registrations, more)
                .into_values()
                .collect(),
            full_state_wanted: mem::take(&mut self.wanted).into_iter().collect(),
            rejections: mem::take(&mut self.rejections),
            closing: None,
        }
    }
}

/// A part that was not taken, of whom, and why.
pub(super) fn rejection(
    id: Option<&InstanceId>,
    handle: u32,
    code: RejectionCode,
    message: String,
) -> v1::Rejection {
    let (service, instance) = id.map_or_else(Default::default, |id| {
        (id.service.to_string(), id.instance.to_string())
    });
    v1::Rejection {
        service,
        instance,
        handle,
        code: code.into(),
        message,
    }
}

/// What is said when results or values were left out.
pub(super) fn past_bounds(left_out: u32) -> String {
    format!(
        "{left_out} results or values were left out: an instance has at most {CHECKS} checks and {SIGNALS} signals"
    )
}

/// The instance may beat under this handle.
pub(super) fn registration(id: &InstanceId, handle: u32, registered: &Registered) -> v1::Registration {
    let millis = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    v1::Registration {
        service: id.service.to_string(),
        instance: id.instance.to_string(),
        handle,
        suspect_after_ms: millis(registered.suspect_after),
        lost_after_ms: millis(registered.lost_after),
        interval_ms: millis(registered.interval),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::default() + Duration::from_millis(millis)
    }

    #[test]
    fn acknowledgements_are_lazy_and_news_are_not() {
        let mut answer = Answer::new(at(0));
        assert!(!answer.is_due(at(5_000)), "nothing was handled");
        answer.handled();
        assert!(answer.is_owed() && !answer.is_due(at(999)) && answer.is_due(at(1_000)));
        (1..64).for_each(|_| answer.handled());
        assert!(answer.is_due(at(1)), "64 requests");
        assert_eq!(answer.take(at(1)).acknowledged, 64);
        assert!(!answer.is_owed() && !answer.is_due(at(5_000)));
        answer.want_full_state(3);
        answer.want_full_state(3);
        assert!(answer.is_due(at(1)));
        assert_eq!(answer.take(at(1)).full_state_wanted, [3]);
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_sent_is_too() {
        let mut answer = Answer::new(at(0));
        (0..1_000).for_each(|_| answer.reject(v1::Rejection::default()));
        for turn in 1..=2 {
            let (handles, interval_ms) = (0..REGISTRATIONS as u32 + 1, turn);
            handles.for_each(|handle| {
                answer.register(v1::Registration {
                    handle,
                    interval_ms,
                    ..Default::default()
                });
            });
        }
        let first = answer.take(at(0));
        assert_eq!(
            (first.rejections.len(), first.registrations.len()),
            (REJECTIONS, REGISTRATIONS)
        );
        assert!(first.registrations.iter().all(|last| last.interval_ms == 2));
        assert!(answer.is_due(at(0)), "one registration is left");
        assert_eq!(answer.take(at(0)).registrations.len(), 1);
        assert!(!answer.is_due(at(0)));
    }
}
