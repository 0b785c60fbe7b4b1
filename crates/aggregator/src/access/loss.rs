//! The moment in which something is taken away from somebody.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::sync::watch;

use super::{Caller, InForce};
use crate::rarely::Rarely;

/// Such a moment, still to come. For one who polls by hand, often.
pub(crate) struct Loss {
    changes: watch::Receiver<Arc<InForce>>,
    loss: Rarely<Taken>,
}

type Taken = dyn Future<Output = ()> + Send;

impl Loss {
    pub(super) fn new(changes: watch::Receiver<Arc<InForce>>, caller: Caller) -> Self {
        let mut watched = changes.clone();
        // What was in force when the caller was let in may be another already.
        watched.mark_changed();
        let loss: Pin<Box<Taken>> = Box::pin(async move {
            // An error is the end of the server, which ends streams in its own way.
            if watched
                .wait_for(|in_force| !in_force.keeps(&caller))
                .await
                .is_err()
            {
                std::future::pending().await
            }
        });
        Self {
            changes,
            loss: loss.into(),
        }
    }

    /// Ready once something was taken away; not to be polled again then. Costs next to nothing while nothing changes.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let changed = self.changes.has_changed().unwrap_or(false);
        if changed {
            self.changes.mark_unchanged();
        }
        self.loss.poll(cx, changed)
    }
}

impl fmt::Debug for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loss").finish_non_exhaustive()
    }
}
