//! The moment in which something is taken away from somebody.
//!
//! Whoever asks is polled often, and what it waits for is polled only when that has woken it. To go by whether there is
//! another snapshot was not enough: who asks between the snapshot and the word to those who wait would poll in vain, and
//! not again when the word comes.

use std::{
    fmt,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use parking_lot::Mutex;
use tokio::{sync::watch, task::coop::unconstrained};

use super::{Caller, InForce};

/// Such a moment, still to come. For one who polls by hand, often.
pub(crate) struct Loss {
    bell: Arc<Bell>,
    /// Whom the bell wakes.
    task: Option<Waker>,
    loss: Pin<Box<dyn Future<Output = ()> + Send>>,
}

/// What waits has been woken, and not been polled since.
struct Bell {
    rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // Before it looks for the task, which looks for this once it has put itself there.
        self.rung.store(true, SeqCst);
        let task = self.task.lock().clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

impl Loss {
    pub(super) fn new(mut changes: watch::Receiver<Arc<InForce>>, caller: Caller) -> Self {
        // What was in force when the caller was let in may be another already.
        changes.mark_changed();
        let loss = Box::pin(async move {
            // An error is the end of the server, which ends streams in its own way.
            if changes
                .wait_for(|in_force| !in_force.keeps(&caller))
                .await
                .is_err()
            {
                std::future::pending().await
            }
        });
        let bell = Bell {
            rung: AtomicBool::new(true),
            task: Mutex::new(None),
        };
        Self {
            bell: Arc::new(bell),
            task: None,
            loss,
        }
    }

    /// Ready once something was taken away; not to be polled again then. Costs next to nothing while nothing changes.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.task.as_ref().is_some_and(|task| task.will_wake(cx.waker())) {
            self.task = Some(cx.waker().clone());
            self.bell.task.lock().clone_from(&self.task);
        }
        if !self.bell.rung.load(SeqCst) {
            return Poll::Pending;
        }
        self.bell.rung.store(false, SeqCst);
        let bell = Waker::from(self.bell.clone());
        // Not held to the budget that tokio gives a task: nothing else of the task's is done with it.
        pin!(unconstrained(self.loss.as_mut())).poll(&mut Context::from_waker(&bell))
    }
}

impl fmt::Debug for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loss").finish_non_exhaustive()
    }
}
