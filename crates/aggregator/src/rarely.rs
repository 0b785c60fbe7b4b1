//! A future that is polled seldom, though its task is woken often.
//!
//! A task that waits for several things polls each of them whenever one of them wakes it, and to poll a timer or a channel
//! in vain costs more than to tell a watcher of a change. What a future waits for wakes its task whether it was polled
//! meanwhile or not, so one that was polled with this task's waker, and cannot be ready yet, is left alone.

use std::{
    fmt,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::task::coop::unconstrained;

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
        // Not held to the budget that tokio gives a task: one that has none left registers nothing and is pending.
        let polled = pin!(unconstrained(self.future.as_mut())).poll(cx);
        self.waker = polled.is_pending().then(|| cx.waker().clone());
        polled
    }
}

impl<F: ?Sized> fmt::Debug for Rarely<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rarely").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, task::Wake};

    use tokio::sync::oneshot;

    use super::*;

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn it_is_polled_when_that_may_be_of_use() {
        let [one, other] = [0, 1].map(|_| Waker::from(Arc::new(Task)));
        let poll = |rarely: &mut Rarely<oneshot::Receiver<u8>>, waker, may_be_ready| {
            rarely.poll(&mut Context::from_waker(waker), may_be_ready)
        };
        let (sender, receiver) = oneshot::channel();
        let mut rarely = Rarely::new(receiver);
        assert!(
            poll(&mut rarely, &one, false).is_pending(),
            "polled once, in any case"
        );
        sender.send(7).unwrap();
        assert!(poll(&mut rarely, &one, false).is_pending(), "left alone");
        assert_eq!(poll(&mut rarely, &one, true), Poll::Ready(Ok(7)));
        let (sender, receiver) = oneshot::channel();
        let mut rarely = Rarely::new(receiver);
        assert!(poll(&mut rarely, &one, false).is_pending());
        sender.send(8).unwrap();
        assert_eq!(
            poll(&mut rarely, &other, false),
            Poll::Ready(Ok(8)),
            "another task waits"
        );
    }
}
