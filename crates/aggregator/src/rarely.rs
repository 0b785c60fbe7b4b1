//! A future that is polled seldom, though its task is woken often.
//!
//! A task that waits for several things polls each of them whenever one of them wakes it, and to poll a timer or a channel
//! in vain costs more than to tell a watcher of a change. What a future waits for wakes its task whether it was polled
//! meanwhile or not, so one that was polled with this task's waker, and cannot be ready yet, is left alone.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker},
};

/// Such a future.
pub(crate) struct Rarely<F: ?Sized> {
    /// Who was to be woken when it was last polled, and it was pending.
    waker: Option<Waker>,
    future: Pin<Box<F>>,
}

impl<F: Future> Rarely<F> {
    pub(crate) fn new(future: F) -> Self {
        Box::pin(future).into()
    }
}

impl<F: ?Sized> From<Pin<Box<F>>> for Rarely<F> {
    fn from(future: Pin<Box<F>>) -> Self {
        Self { waker: None, future }
    }
}

impl<F: Future + ?Sized> Rarely<F> {
    /// The future, to look at.
    pub(crate) fn get(&self) -> &F {
        &self.future
    }

    /// Polls it if that is of any use: it may be ready, as far as the caller can see, or another task than before waits.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, may_be_ready: bool) -> Poll<F::Output> {
        let known = self
            .waker
            .as_ref()
            .is_some_and(|waker| waker.will_wake(cx.waker()));
        if known && !may_be_ready {
            return Poll::Pending;
        }
        let polled = self.future.as_mut().poll(cx);
        self.waker = polled.is_pending().then(|| cx.waker().clone());
        polled
    }
}

impl<F: ?Sized> fmt::Debug for Rarely<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rarely").finish_non_exhaustive()
    }
}
