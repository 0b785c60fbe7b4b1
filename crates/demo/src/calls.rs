//! What a member sees of one that it calls: how its calls went in the last seconds, and what that makes of the other.
//!
//! Pure; the time is an argument. Short, so that a break and its end show soon.

use std::time::Duration;

use ward_model::{Mono, Status};
use ward_sdk::Verdict;

use crate::window::{Figures, Window};

/// How far back a member looks at others: shorter than at itself.
const SPAN: Duration = Duration::from_secs(3);
/// From this share of failed calls on, the other is degraded.
const DEGRADED: f64 = 0.05;
/// From this share on, it is unhealthy.
const UNHEALTHY: f64 = 0.5;

/// The calls to one other.
#[derive(Debug)]
pub(crate) struct Calls {
    window: Window,
    last_failure: String,
    /// Who looked last saw nothing good.
    looked_bad: bool,
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self {
            window: Window::new(SPAN),
            last_failure: String::new(),
            looked_bad: false,
        }
    }

    /// One more, ended now; with what went wrong, if that was the other's doing.
    pub(crate) fn count(&mut self, now: Mono, took: Duration, failure: Option<&str>) {
        self.window.record(now, took, failure.is_some());
        if let Some(failure) = failure {
            failure.clone_into(&mut self.last_failure);
        }
    }

    /// The word about one that is also looked at apart: that of a bad look; behind a good one, what the calls say. Calls that
    /// failed before it was good again are over: it would seem to recover by halves, and each half is a change.
    pub(crate) fn with_look(&mut self, now: Mono, look: Verdict) -> Verdict {
        if look.status != Status::Healthy {
            self.looked_bad = true;
            return look;
        }
        if std::mem::take(&mut self.looked_bad) {
            self.window = Window::new(SPAN);
        }
        let (status, message) = self.judge(now);
        Verdict::new(status, message)
    }

    /// Whether the last look was bad.
    pub(crate) fn looked_bad(&self) -> bool {
        self.looked_bad
    }

    /// Whether the other is well, as far as one can tell.
    pub(crate) fn is_well(&mut self, now: Mono) -> bool {
        !self.looked_bad && self.judge(now).0 == Status::Healthy
    }

    /// What the last seconds say of the other.
    pub(crate) fn judge(&mut self, now: Mono) -> (Status, String) {
        judge(self.window.figures(now), &self.last_failure)
    }
}

fn judge(figures: Figures, last_failure: &str) -> (Status, String) {
    let Figures { total, failed, .. } = figures;
    let share = failed as f64 / total.max(1) as f64;
    let status = match share {
        share if share >= UNHEALTHY => Status::Unhealthy,
        share if share >= DEGRADED => Status::Degraded,
        _ => Status::Healthy,
    };
    let message = match status {
        Status::Healthy => String::new(),
        _ => format!("{failed} of the last {total} calls failed: {last_failure}"),
    };
    (status, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(failed: usize, total: usize) -> Figures {
        Figures {
            total,
            failed,
            p99: Duration::ZERO,
        }
    }

    #[test]
    fn a_bad_look_counts_at_once_and_behind_a_good_one_what_failed_before_is_over() {
        let mut calls = Calls::new();
        let now = Mono(1);
        assert!(calls.is_well(now));
        (0..9).for_each(|_| calls.count(now, Duration::ZERO, None));
        let told = calls.with_look(now, Verdict::unhealthy("refused"));
        assert_eq!(told, Verdict::unhealthy("refused"));
        (0..9).for_each(|_| calls.count(now, Duration::ZERO, Some("late")));
        assert!(!calls.is_well(now));
        assert_eq!(calls.with_look(now, Verdict::healthy()), Verdict::healthy());
        assert!(calls.is_well(now));
        // A look alone misses what only real calls meet.
        calls.count(now, Duration::ZERO, Some("late"));
        assert_eq!(calls.with_look(now, Verdict::healthy()).status, Status::Unhealthy);
    }

    #[test]
    fn the_share_of_failed_calls_decides() {
        assert_eq!(judge(figures(0, 0), "x"), (Status::Healthy, String::new()));
        assert_eq!(judge(figures(2, 60), "x").0, Status::Healthy);
        assert_eq!(judge(figures(3, 60), "x").0, Status::Degraded);
        let (status, message) = judge(figures(30, 60), "answered 500");
        assert_eq!(status, Status::Unhealthy);
        assert_eq!(message, "30 of the last 60 calls failed: answered 500");
    }
}
