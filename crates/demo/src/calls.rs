//! What a member sees of one that it calls: how its calls went in the last seconds, and what that makes of the other.
//!
//! Pure; the time is an argument. Short, so that a break and its end show soon.

use std::time::Duration;

use ward_model::{Mono, Status};

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
}

impl Calls {
    pub(crate) fn new() -> Self {
        Self {
            window: Window::new(SPAN),
            last_failure: String::new(),
        }
    }

    /// One more, ended now; with what went wrong, if that was the other's doing.
    pub(crate) fn count(&mut self, now: Mono, took: Duration, failure: Option<&str>) {
        self.window.record(now, took, failure.is_some());
        if let Some(failure) = failure {
            failure.clone_into(&mut self.last_failure);
        }
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
    fn the_share_of_failed_calls_decides() {
        assert_eq!(judge(figures(0, 0), "x"), (Status::Healthy, String::new()));
        assert_eq!(judge(figures(2, 60), "x").0, Status::Healthy);
        assert_eq!(judge(figures(3, 60), "x").0, Status::Degraded);
        let (status, message) = judge(figures(30, 60), "answered 500");
        assert_eq!(status, Status::Unhealthy);
        assert_eq!(message, "30 of the last 60 calls failed: answered 500");
    }
}
