//! What a figure should be, and whether it is.
//!
//! A verdict is about the interval, not about the median: a goal is met if even the bad end of the interval is within
//! [`MARGIN`] of it, missed if even the good end is beyond it, and otherwise not resolved by this run.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::estimate::Estimate;

/// By how much, as a share of the goal, the bad end may be beyond it.
const MARGIN: f64 = 0.05;

/// What a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// Ward costs at most so many times what the limit does.
    AtMost(f64),
    /// Ward costs at most so much more than the limit, in the row's unit.
    More(f64),
    /// The peer costs at least so many times what Ward does.
    AtLeast(f64),
    /// Ward's figure, whatever others do.
    Under(f64),
    /// The same where more is better.
    Over(f64),
    /// Shown, with nothing asked of it.
    None,
}

/// Whether a goal is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// The noise is larger than the distance to the goal.
    Unresolved,
    /// No goal, or nothing to compare with.
    Shown,
}

impl Goal {
    /// Of the estimate of what it is about.
    pub(crate) fn judge(self, judged: Option<Estimate>) -> Verdict {
        let Some(Estimate { low, high, .. }) = judged else {
            return Verdict::Shown;
        };
        let (met, missed) = match self {
            Self::AtMost(goal) | Self::Under(goal) | Self::More(goal) => {
                (high <= goal * (1.0 + MARGIN), low > goal)
            }
            Self::AtLeast(goal) | Self::Over(goal) => (low >= goal * (1.0 - MARGIN), high < goal),
            Self::None => return Verdict::Shown,
        };
        match (met, missed) {
            (true, _) => Verdict::Met,
            (_, true) => Verdict::Missed,
            _ => Verdict::Unresolved,
        }
    }

    /// It is about one thing against another, and not about a number.
    pub(crate) fn is_ratio(self) -> bool {
        matches!(self, Self::AtMost(_) | Self::AtLeast(_) | Self::None)
    }

    /// For people, where figures are in `unit`.
    pub(crate) fn text(self, unit: &str) -> String {
        Shown { goal: self, unit }.to_string()
    }
}

struct Shown<'a> {
    goal: Goal,
    unit: &'a str,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = self.unit;
        match self.goal {
            Goal::AtMost(times) => write!(f, "<= {times} x limit"),
            Goal::More(value) => write!(f, "<= limit + {value} {unit}"),
            Goal::AtLeast(times) => write!(f, "peer >= {times} x"),
            Goal::Under(value) => write!(f, "<= {value} {unit}"),
            Goal::Over(value) => write!(f, ">= {value} {unit}"),
            Goal::None => f.write_str("-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn between(low: f64, high: f64) -> Option<Estimate> {
        Some(Estimate {
            median: f64::midpoint(low, high),
            low,
            high,
            min: low,
            max: high,
        })
    }

    #[test]
    fn the_bad_end_decides_and_doubt_is_said() {
        let goal = Goal::AtMost(1.15);
        assert_eq!(goal.judge(between(1.0, 1.2)), Verdict::Met);
        assert_eq!(goal.judge(between(1.0, 1.3)), Verdict::Unresolved);
        assert_eq!(goal.judge(between(1.16, 1.18)), Verdict::Met);
        assert_eq!(goal.judge(between(1.16, 1.3)), Verdict::Missed);
        let goal = Goal::AtLeast(60.0);
        assert_eq!(goal.judge(between(58.0, 90.0)), Verdict::Met);
        assert_eq!(goal.judge(between(40.0, 90.0)), Verdict::Unresolved);
        assert_eq!(goal.judge(between(40.0, 50.0)), Verdict::Missed);
        assert_eq!(goal.judge(None), Verdict::Shown);
        assert_eq!(Goal::None.judge(between(1.0, 1.0)), Verdict::Shown);
        assert_eq!(Goal::Under(0.0).judge(between(0.0, 0.0)), Verdict::Met);
        assert_eq!(Goal::Under(0.0).judge(between(0.0, 1.0)), Verdict::Unresolved);
    }
}
