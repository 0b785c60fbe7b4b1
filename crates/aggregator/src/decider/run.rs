//! The loop itself: time, and what waits in the inbox.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::interval,
};
use ward_model::Mono;

use super::{Loop, Shared, TOGETHER, Unavailable, Waiting};

/// How many commands are taken out of the inbox at once, with the writer held once and watchers woken once for all of them.
const BATCH: usize = TOGETHER;

/// Until stopped, until nobody is left who could ask, or until the writer is gone because a decision failed.
pub(super) async fn run(
    shared: Arc<Shared>,
    mut commands: mpsc::Receiver<Waiting>,
    stopped: oneshot::Receiver<()>,
    tick: Duration,
) {
    let turns = async {
        // Set anew behind each turn: a late tick must be seen as late, once, and a burst to make up for it would hide that.
        let mut ticks = interval(tick);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => {}
                taken = commands.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        return;
                    }
                }
            }
            let Ok(next) = turn(&shared, &mut batch) else {
                return;
            };
            ticks.reset_after(next.since(shared.clock.mono()));
        }
    };
    tokio::select! {
        biased;
        _ = stopped => {}
        () = turns => {}
    }
}

/// Obeys all commands, and sees to it that time passes. Returns when it is to pass next.
fn turn(shared: &Shared, batch: &mut Vec<Waiting>) -> Result<Mono, Unavailable> {
    if let Some(last) = batch.last() {
        // Whoever is still in the inbox came behind this one.
        shared.oldest.store(last.since.0, Relaxed);
    }
    shared.seat.hold(|writer| {
        batch.drain(..).for_each(|waiting| writer.obey(waiting.command));
        writer.wake();
        writer.tick_if_due();
        writer.next_tick()
    })
}

impl Loop {
    /// One that is not there any more.
    pub(crate) fn ended_already() -> Self {
        Self {
            stop: None,
            ended: None,
            thread: None,
        }
    }

    /// Resolves when the loop has ended, which before [`Self::stop`] means that it failed. Cancel safe.
    pub(crate) async fn ended(&mut self) {
        if let Some(ended) = &mut self.ended {
            drop(ended.await);
            self.ended = None;
        }
    }

    /// Stops the loop behind the event under way. Who still waits for an answer gets [`Unavailable`].
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        self.ended().await;
        // What `ended` waited for is the last thing the thread drops, so this hardly waits.
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the decision had failed before the stop");
        }
    }
}
