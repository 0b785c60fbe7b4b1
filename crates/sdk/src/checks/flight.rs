//! Questions to the system that block and cannot be taken back: a file system that hangs, a resolver that waits.
//!
//! Each is asked on a thread of its own, and by one check only one at a time, so that a mount that hangs for a day costs
//! one thread and not one each period. Tokio's `spawn_blocking` was not taken: at its end a runtime waits for what
//! blocks there, and a service could no longer stop.

use std::{io, panic, sync::Arc, thread};

use tokio::sync::{Semaphore, oneshot};

/// Where the questions of one check go.
#[derive(Clone, Debug)]
pub(crate) struct Flight(Arc<Semaphore>);

/// Why a question was not asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Grounded {
    /// The one before has no answer.
    #[error("the system has not answered the question before this one")]
    Aloft,
    /// No thread to be had.
    #[error("start a thread to ask the system")]
    Thread(#[source] io::Error),
}

impl From<Grounded> for io::Error {
    fn from(grounded: Grounded) -> Self {
        match grounded {
            Grounded::Aloft => Self::new(io::ErrorKind::TimedOut, grounded),
            Grounded::Thread(error) => error,
        }
    }
}

impl Flight {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(1)))
    }

    /// Asks, and waits for the answer. Dropped, the question goes on and its answer is lost; until then none is asked.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Grounded> {
        let turn = Arc::clone(&self.0)
            .try_acquire_owned()
            .map_err(|_| Grounded::Aloft)?;
        let (answered, answer) = oneshot::channel();
        let asking = move || {
            let outcome = panic::catch_unwind(panic::AssertUnwindSafe(question));
            drop(turn);
            // Nobody waits any more: the run was given up.
            drop(answered.send(outcome));
        };
        thread::Builder::new()
            .name("ward-check".into())
            .spawn(asking)
            .map_err(Grounded::Thread)?;
        match answer.await {
            Ok(Ok(answer)) => Ok(answer),
            // What `run` makes of a check that panics is the right thing here too.
            Ok(Err(panic)) => panic::resume_unwind(panic),
            Err(_) => Err(Grounded::Thread(io::ErrorKind::BrokenPipe.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn what_hangs_holds_one_thread_and_then_it_goes_on() {
        let flight = Flight::new();
        let (release, released) = mpsc::channel::<()>();
        let hanging = flight.ask(move || released.recv());
        assert!(timeout(Duration::from_millis(20), hanging).await.is_err());
        assert!(matches!(flight.ask(|| 1).await, Err(Grounded::Aloft)));
        release.send(()).unwrap();
        let waiting = async {
            while flight.ask(|| ()).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), waiting).await.unwrap();
        assert_eq!(flight.ask(|| 7).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_panic_is_passed_on_and_the_next_may_ask() {
        let flight = Flight::new();
        let panicking = flight.clone();
        let run = tokio::spawn(async move { panicking.ask(|| panic!("on purpose")).await.is_ok() });
        assert!(run.await.unwrap_err().is_panic());
        assert!(flight.ask(|| ()).await.is_ok());
    }
}
