//! From samples of a noisy machine to a figure with bounds.
//!
//! Each round measures limit, Ward and peer next to each other, so that a ratio is made within a round, where the noise is
//! shared, and never against a number from another time. The interval is that of order statistics for the median, which
//! assumes nothing of how the noise is distributed; a mean with a standard error was not taken, because one stolen
//! time slice would move both.

use serde::{Deserialize, Serialize};

/// A figure over all rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Estimate {
    pub(crate) median: f64,
    /// Ends of the interval that holds the true median in at least 93 of 100 runs.
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// The extremes seen.
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Estimate {
    /// `None` without a sample.
    pub(crate) fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let sorted = sorted(samples.into_iter().filter(|sample| sample.is_finite()).collect());
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let cut = outside(sorted.len());
        Some(Self {
            median: middle(&sorted),
            low: sorted[cut],
            high: sorted[sorted.len() - 1 - cut],
            min,
            max,
        })
    }

    /// How often `base` goes into `subject`, round by round.
    pub(crate) fn ratio(subject: &[f64], base: &[f64]) -> Option<Self> {
        Self::of(subject.iter().zip(base).map(|(subject, base)| subject / base))
    }

    /// By how much `subject` is more than `base`, round by round.
    pub(crate) fn difference(subject: &[f64], base: &[f64]) -> Option<Self> {
        Self::of(subject.iter().zip(base).map(|(subject, base)| subject - base))
    }
}

/// The median; not a number without samples.
pub(crate) fn median(samples: &[f64]) -> f64 {
    middle(&sorted(samples.to_vec()))
}

fn sorted(mut samples: Vec<f64>) -> Vec<f64> {
    samples.sort_by(f64::total_cmp);
    samples
}

fn middle(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// How many samples at each end lie outside of the interval of the median: the most for which the chance that the
/// median lies out there, by the binomial distribution, stays under 3.5 % a side; none where one is too many already.
fn outside(n: usize) -> usize {
    let mut term = 0.5f64.powi(i32::try_from(n).unwrap_or(i32::MAX));
    // The chance that at most `cut` samples are on one side of the median.
    let mut tail = term;
    let mut cut = 0;
    loop {
        term *= (n - cut) as f64 / (cut + 1) as f64;
        tail += term;
        if tail > 0.035 {
            return cut;
        }
        cut += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_sign_test() {
        // Of 5 all, of 15 the 4th to the 12th: as tables of the sign test have it (93.75 % and 96.5 %).
        assert_eq!(outside(5), 0);
        assert_eq!(outside(15), 3);
        assert_eq!([outside(1), outside(2)], [0, 0]);
        let estimate = Estimate::of((1..=15).map(f64::from)).unwrap();
        assert_eq!((estimate.low, estimate.median, estimate.high), (4.0, 8.0, 12.0));
        assert_eq!((estimate.min, estimate.max), (1.0, 15.0));
    }

    #[test]
    fn a_ratio_is_made_within_a_round() {
        // Twice as slow in each round, although the machine is ten times as slow in one.
        let ratio = Estimate::ratio(&[2.0, 20.0, 2.0], &[1.0, 10.0, 1.0]).unwrap();
        assert_eq!((ratio.min, ratio.max), (2.0, 2.0));
        assert_eq!(Estimate::ratio(&[], &[]), None);
        assert_eq!(Estimate::difference(&[3.0], &[1.0]).unwrap().median, 2.0);
    }
}
