//! What happened in the last seconds: a sliding window of requests and how they went.
//!
//! Pure; the time is an argument. Exact over what it holds, which at a shop's pace is a few hundred samples. The
//! obvious alternative, a histogram with decaying buckets, is for rates at which sorting a window would cost something.

use std::{collections::VecDeque, time::Duration};

use ward_model::Mono;

/// Most samples held: 20 s of what the customers send, at ten times their pace. The oldest go first.
const SAMPLES: usize = 4_096;

/// One request.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Mono,
    took: Duration,
    failed: bool,
}

/// The requests of the last `span`.
#[derive(Debug)]
pub(crate) struct Window {
    span: Duration,
    samples: VecDeque<Sample>,
}

/// How the requests in a window went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    pub(crate) total: usize,
    pub(crate) failed: usize,
    /// The time that 99 of 100 requests stayed within (nearest rank); zero while there are fewer than [`FEW`].
    pub(crate) p99: Duration,
}

/// Fewer requests than this say little: one failure among three is not a third.
const FEW: usize = 10;

impl Figures {
    /// The share that failed, of at least [`FEW`].
    pub(crate) fn failed_ratio(&self) -> f64 {
        self.failed as f64 / self.total.max(FEW) as f64
    }
}

impl Window {
    pub(crate) fn new(span: Duration) -> Self {
        Self {
            span,
            samples: VecDeque::new(),
        }
    }

    /// One more request, ended at `at`.
    pub(crate) fn record(&mut self, at: Mono, took: Duration, failed: bool) {
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at, took, failed });
    }

    /// How those of the last `span` went; forgets the older ones.
    pub(crate) fn figures(&mut self, now: Mono) -> Figures {
        while self
            .samples
            .front()
            .is_some_and(|sample| now.since(sample.at) > self.span)
        {
            self.samples.pop_front();
        }
        let total = self.samples.len();
        let failed = self.samples.iter().filter(|sample| sample.failed).count();
        Figures {
            total,
            failed,
            p99: self.p99(),
        }
    }

    fn p99(&self) -> Duration {
        if self.samples.len() < FEW {
            return Duration::ZERO;
        }
        let mut times: Vec<_> = self.samples.iter().map(|sample| sample.took).collect();
        let rank = (times.len() * 99).div_ceil(100) - 1;
        *times.select_nth_unstable(rank).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(10);

    fn at(ms: u64) -> Mono {
        Mono(ms * 1_000_000)
    }

    #[test]
    fn what_is_older_than_the_span_is_forgotten() {
        let mut window = Window::new(SPAN);
        for second in 0..30 {
            window.record(at(second * 1_000), Duration::from_millis(second), second < 20);
        }
        let figures = window.figures(at(29_000));
        assert_eq!((figures.total, figures.failed), (11, 1));
        assert_eq!(window.figures(at(60_000)), Figures::default());
    }

    #[test]
    fn p99_is_the_nearest_rank() {
        let mut window = Window::new(SPAN);
        for ms in 1..=200 {
            window.record(at(0), Duration::from_millis(ms), false);
        }
        assert_eq!(window.figures(at(1)).p99, Duration::from_millis(198));
    }

    #[test]
    fn few_requests_say_little() {
        let mut window = Window::new(SPAN);
        window.record(at(0), Duration::from_secs(9), true);
        let figures = window.figures(at(1));
        assert_eq!(figures.p99, Duration::ZERO);
        assert!((figures.failed_ratio() - 0.1).abs() < 1e-9);
    }

    #[test]
    fn the_oldest_make_room() {
        let mut window = Window::new(SPAN);
        for n in 0..=SAMPLES {
            window.record(at(0), Duration::ZERO, n == 0);
        }
        let figures = window.figures(at(0));
        assert_eq!((figures.total, figures.failed), (SAMPLES, 0));
    }
}
