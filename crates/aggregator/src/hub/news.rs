//! Waiting for the next revision.
//!
//! A level, not an edge: one who looks late misses nothing. Each watcher has one entry at most in the list of those to be
//! woken, and none once it was woken, so that to be told is one push into a list and one wake. `tokio::sync::watch` was
//! not taken: its future borrows the receiver, so who polls by hand makes, enters and leaves one for each poll.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Acquire, Ordering::Release},
    },
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;
use slab::Slab;

/// What is waited for. Bounded by the watchers there may be.
#[derive(Debug, Default)]
pub(super) struct News {
    /// How often there were any. Moves only while `waiting` is held.
    told: AtomicU64,
    waiting: Mutex<Slab<Waker>>,
}

impl News {
    /// Wakes all who wait. `spare` is room for those who wait next, and holds that of those who waited behind this.
    pub(super) fn tell(&self, spare: &mut Slab<Waker>) {
        let mut waiting = self.waiting.lock();
        self.told.fetch_add(1, Release);
        mem::swap(&mut *waiting, spare);
        drop(waiting);
        spare.drain().for_each(Waker::wake);
    }
}

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    news: Arc<News>,
    /// How often there had been news when it last looked.
    seen: u64,
    /// Its place in the list, and when it took that.
    waits: Option<(u64, usize)>,
}

impl Waiter {
    pub(super) fn new(news: &Arc<News>) -> Self {
        Self {
            news: news.clone(),
            seen: 0,
            waits: None,
        }
    }

    /// To be called before looking at what there is: what comes behind it is news.
    pub(super) fn look(&mut self) {
        self.seen = self.news.told.load(Acquire);
    }

    /// Ready if there was any since the last look.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.news.told.load(Acquire) != self.seen {
            return Poll::Ready(());
        }
        let mut waiting = self.news.waiting.lock();
        let told = self.news.told.load(Acquire);
        if told != self.seen {
            return Poll::Ready(());
        }
        match self.waits {
            Some((since, place)) if since == told => waiting[place].clone_from(cx.waker()),
            _ => self.waits = Some((told, waiting.insert(cx.waker().clone()))),
        }
        Poll::Pending
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let Some((since, place)) = self.waits else { return };
        let mut waiting = self.news.waiting.lock();
        if self.news.told.load(Acquire) == since {
            waiting.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn each_is_woken_once_and_nobody_who_left() {
        let (news, mut spare) = (Arc::new(News::default()), Slab::new());
        let woken: [Arc<Woken>; 2] = Default::default();
        let wakers = woken.clone().map(Waker::from);
        let [mut stays, mut leaves] = [0, 1].map(|_| Waiter::new(&news));
        for _ in 0..3 {
            stays.look();
            for _ in 0..2 {
                assert!(stays.poll(&Context::from_waker(&wakers[0])).is_pending());
            }
        }
        assert!(leaves.poll(&Context::from_waker(&wakers[1])).is_pending());
        assert_eq!(news.waiting.lock().len(), 2);
        drop(leaves);
        news.tell(&mut spare);
        let counts = || [0, 1].map(|who| woken[who].0.load(Relaxed));
        assert_eq!(counts(), [1, 0]);
        assert!(
            stays.poll(&Context::from_waker(&wakers[0])).is_ready(),
            "until it looks"
        );
        news.tell(&mut spare);
        assert_eq!(counts(), [1, 0], "nobody waited");
        stays.look();
        assert!(stays.poll(&Context::from_waker(&wakers[1])).is_pending());
        news.tell(&mut spare);
        assert_eq!(counts(), [1, 1], "the one who polled last");
        drop(stays);
        assert!(news.waiting.lock().is_empty());
    }
}
