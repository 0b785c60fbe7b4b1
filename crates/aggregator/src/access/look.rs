//! A look at files, beside the task that wants to know what they say: they may be on a disk that hangs.
//!
//! One is under way at most, and it is waited for as long as it takes: a thread that hangs in the system cannot be ended,
//! and one more each second would take all threads that there are for what blocks. Whoever waits goes on meanwhile. A
//! `timeout` around a new look each time was not taken, for the same reason.

use std::time::Duration;

use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};

/// A look that is not over after so many waits is one that hangs. Of waits of a second: four small files take a
/// millisecond, and a disk that wakes up takes some seconds.
const LATE: u32 = 10;

/// Why a look saw nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Blind {
    #[error("read the files, which takes longer than they ever should: see whether their disk hangs")]
    Hangs,
    #[error("read the files: the look panicked, the next one follows")]
    Panicked,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Looks<T> {
    wait: Duration,
    under_way: Option<JoinHandle<T>>,
    waits: u32,
}

impl<T: Send + 'static> Looks<T> {
    /// For each of which is waited so long at once.
    pub(super) fn new(wait: Duration) -> Self {
        Self {
            wait,
            under_way: None,
            waits: 0,
        }
    }

    /// What a look has seen: the one that is under way, else this one. `None` while that is not known; once too late, it
    /// is said to hang.
    pub(super) async fn look(
        &mut self,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Option<Result<T, Blind>> {
        let under_way = self.under_way.get_or_insert_with(|| spawn_blocking(look));
        let Ok(ended) = timeout(self.wait, under_way).await else {
            self.waits += 1;
            return (self.waits == LATE).then_some(Err(Blind::Hangs));
        };
        (self.under_way, self.waits) = (None, 0);
        Some(ended.map_err(|_| Blind::Panicked))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(5);
    const LONG: Duration = Duration::from_secs(60);

    /// What comes of looks until one is over.
    async fn until_over(looks: &mut Looks<u32>, look: fn() -> u32) -> Result<u32, Blind> {
        loop {
            if let Some(seen) = looks.look(look).await {
                return seen;
            }
        }
    }

    #[tokio::test]
    async fn one_that_hangs_is_waited_for_and_none_is_begun_beside_it() {
        let mut looks = Looks::new(MOMENT);
        let (go_on, hangs) = mpsc::channel::<u32>();
        assert_eq!(looks.look(move || hangs.recv().unwrap()).await, None);
        let beside: fn() -> u32 = || unreachable!("one is under way");
        assert_eq!(until_over(&mut looks, beside).await, Err(Blind::Hangs));
        assert_eq!(looks.look(beside).await, None, "it is said once");
        go_on.send(7).unwrap();
        looks.wait = LONG;
        assert_eq!(until_over(&mut looks, beside).await, Ok(7));
        assert_eq!(until_over(&mut looks, || 8).await, Ok(8));
    }

    #[tokio::test]
    async fn one_that_panics_is_followed_by_the_next() {
        let mut looks = Looks::new(LONG);
        let panics: fn() -> u32 = || panic!("made up");
        assert_eq!(until_over(&mut looks, panics).await, Err(Blind::Panicked));
        assert_eq!(until_over(&mut looks, || 8).await, Ok(8));
    }
}
