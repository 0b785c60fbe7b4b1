//! Whether one that failed is asked again: a circuit breaker.
//!
//! Pure; the time is an argument. While a database hangs, each request that asks it waits in vain; who knows that it failed
//! a moment ago serves what is cached at once. One call a second tries whether it is back. A share of failures that must be
//! reached first was not taken: what is served instead is good, so that one failure is enough.

use std::time::Duration;

use ward_model::Mono;

/// How long one that failed is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// Closed at first: calls go through.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    open_until: Option<Mono>,
}

impl Breaker {
    /// Whether to call now. While it is open, one call a second may: the next waits again from then on.
    pub(crate) fn lets_through(&mut self, now: Mono) -> bool {
        match self.open_until {
            Some(until) if now < until => false,
            Some(_) => {
                self.open_until = Some(now + PAUSE);
                true
            }
            None => true,
        }
    }

    /// A call ended.
    pub(crate) fn record(&mut self, now: Mono, failed: bool) {
        self.open_until = failed.then(|| now + PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono(ms * 1_000_000)
    }

    #[test]
    fn one_call_a_second_tries_and_a_good_one_closes_it() {
        let mut breaker = Breaker::default();
        assert!(breaker.lets_through(at(0)) && breaker.lets_through(at(0)));
        breaker.record(at(100), true);
        let tried: Vec<_> = (0..40).filter(|n| breaker.lets_through(at(n * 100))).collect();
        assert_eq!(tried, [11, 21, 31]);
        breaker.record(at(4_000), false);
        assert!(breaker.lets_through(at(4_000)) && breaker.lets_through(at(4_000)));
    }
}
