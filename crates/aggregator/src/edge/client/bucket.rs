//! A bucket that leaks: what was let through lately, and whether there is room for more.
//!
//! It keeps what is in it and not what is left, so that how large it is and how fast it leaks may be others each time:
//! they grow with what a client has. `governor`, which counts what HTTP takes, has one rate for good; and one that keeps
//! what is left would have to be given something for each instance that comes, and could be tricked with coming and going.

use std::time::Duration;

use ward_model::Mono;

/// How large it is, and how fast it leaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) burst: f64,
    /// Above zero.
    pub(super) per_second: f64,
}

#[derive(Debug)]
pub(super) struct Bucket {
    level: f64,
    at: Mono,
}

impl Bucket {
    /// Empty.
    pub(super) fn new(now: Mono) -> Self {
        Self { level: 0.0, at: now }
    }

    /// Lets one through; without room for it, says when there will be.
    pub(super) fn take(&mut self, now: Mono, size: Size) -> Result<(), Duration> {
        self.level = self.level(now, size);
        self.at = self.at.max(now);
        let over = self.level + 1.0 - size.burst;
        if over <= 0.0 {
            self.level += 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64(over / size.per_second))
    }

    /// What is in it.
    pub(super) fn level(&self, now: Mono, size: Size) -> f64 {
        let leaked = now.since(self.at).as_secs_f64() * size.per_second;
        (self.level - leaked).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        burst: 3.0,
        per_second: 2.0,
    };

    fn at(millis: u64) -> Mono {
        Mono(millis * 1_000_000)
    }

    #[test]
    fn takes_a_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(at(0));
        assert!((0..3).all(|_| bucket.take(at(0), SIZE).is_ok()));
        assert_eq!(bucket.take(at(0), SIZE), Err(Duration::from_millis(500)));
        assert_eq!(bucket.take(at(499), SIZE), Err(Duration::from_millis(1)));
        let taken = (0..10_000).filter(|&ms| bucket.take(at(500 + ms), SIZE).is_ok());
        assert_eq!(taken.count(), 20, "two a second");
        // Streams read the clock each for itself: one that is behind pays, and nothing leaks twice.
        assert!(bucket.take(at(0), SIZE).is_err());
        assert_eq!(bucket.level(at(60_000), SIZE), 0.0);
    }

    #[test]
    fn one_that_grew_and_shrank_again_has_not_forgotten() {
        let mut bucket = Bucket::new(at(0));
        let large = Size { burst: 100.0, ..SIZE };
        assert!((0..100).all(|_| bucket.take(at(0), large).is_ok()));
        assert_eq!(bucket.take(at(0), SIZE), Err(Duration::from_secs(49)));
        assert!(
            bucket.take(at(0), large).is_err(),
            "nothing is won by coming again"
        );
    }
}
