//! Whether this process should be sent work: not before every part of it is up, not once it is ending.
//!
//! A part that must be up holds a [`Latch`] and drops it when it is; nobody has to know the list of parts. It says
//! nothing about liveness, which asks no dependency and has its own probe. A boolean set at the end of start was the
//! alternative: it says "not ready" and cannot say what for.

use std::sync::Arc;

use tokio::sync::watch;

/// The readiness of one process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<watch::Sender<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    /// One entry for each latch that is held, in the order of their making.
    waiting_for: Vec<&'static str>,
    started: bool,
    draining: bool,
}

/// Keeps its process from being ready until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it says that the part is up"]
pub struct Latch {
    name: &'static str,
    readiness: Readiness,
}

impl Readiness {
    /// Ready as soon as it has had latches and all are dropped; one that never had any is ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// A latch for the part called `name`. Make all of them before the first is dropped, or the process is ready in
    /// between.
    pub fn latch(&self, name: &'static str) -> Latch {
        self.0.send_modify(|state| state.waiting_for.push(name));
        Latch {
            name,
            readiness: self.clone(),
        }
    }

    /// Takes readiness back for good: the first step of a drain, so that nobody new is sent here while it runs.
    pub fn drain(&self) {
        self.0.send_modify(|state| state.draining = true);
    }

    /// Whether work may be sent.
    pub fn is_ready(&self) -> bool {
        self.0.borrow().is_ready()
    }

    /// Whether it has ever been ready; stays true while draining.
    pub fn is_started(&self) -> bool {
        let state = self.0.borrow();
        state.started || state.waiting_for.is_empty()
    }

    /// Whether the process is ending.
    pub fn is_draining(&self) -> bool {
        self.0.borrow().draining
    }

    /// The parts that are not up yet.
    pub fn waiting_for(&self) -> Vec<&'static str> {
        self.0.borrow().waiting_for.clone()
    }

    /// Resolves once ready. Never, if it drains before. Cancel safe.
    pub async fn ready(&self) {
        let mut state = self.0.subscribe();
        state
            .wait_for(State::is_ready)
            .await
            .expect("self holds the sender");
    }
}

impl State {
    fn is_ready(&self) -> bool {
        self.waiting_for.is_empty() && !self.draining
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        self.readiness.0.send_modify(|state| {
            if let Some(at) = state.waiting_for.iter().position(|&name| name == self.name) {
                state.waiting_for.remove(at);
            }
            state.started |= state.waiting_for.is_empty();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_the_last_latch_drops_and_never_again_once_draining() {
        let readiness = Readiness::new();
        let (store, hub) = (readiness.latch("store"), readiness.latch("hub"));
        assert_eq!(readiness.waiting_for(), ["store", "hub"]);
        drop(store);
        assert!(!readiness.is_ready() && !readiness.is_started());
        assert_eq!(readiness.waiting_for(), ["hub"]);
        drop(hub);
        assert!(readiness.is_ready() && readiness.is_started());
        readiness.drain();
        assert!(!readiness.is_ready(), "readiness falls first");
        assert!(readiness.is_started(), "a draining process has not un-started");
        drop(readiness.latch("late"));
        assert!(!readiness.is_ready());
    }

    #[test]
    fn a_latch_made_late_takes_readiness_back_but_not_the_start() {
        let readiness = Readiness::new();
        drop(readiness.latch("store"));
        let _late = readiness.latch("late");
        assert!(!readiness.is_ready());
        assert!(readiness.is_started());
    }

    #[tokio::test]
    async fn waiters_are_woken() {
        let readiness = Readiness::new();
        let latch = readiness.latch("store");
        let waiting = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.ready().await }
        });
        drop(latch);
        tokio::time::timeout(std::time::Duration::from_secs(5), waiting)
            .await
            .unwrap()
            .unwrap();
    }
}
