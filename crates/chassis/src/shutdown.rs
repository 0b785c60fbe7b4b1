//! How a process ends: the first signal asks it to, the second stops asking.
//!
//! [`Drain`] is a list of named steps, run in order, each under a bound and all under one. It kills nothing and exits
//! nowhere: `main` gets the [`DrainReport`] or [`Aborted`] and chooses the exit code. Dropping everything at the first
//! signal would be simpler, and every watcher would take a planned restart for a crash.

use std::{fmt, io, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal as listen_for},
    sync::watch,
    time,
};
use ward_model::Mono;

use crate::Clock;

/// Tells every part of a process that it ends. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Shutdown(Arc<watch::Sender<Phase>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Triggered,
    Aborted,
}

/// A [`Shutdown`] that SIGINT and SIGTERM trigger, and the second of them aborts. From here on neither ends the
/// process by itself. Must be called on a tokio runtime; fails if the kernel refuses the handlers.
pub fn signal() -> io::Result<Shutdown> {
    let mut interrupt = listen_for(SignalKind::interrupt())?;
    let mut terminate = listen_for(SignalKind::terminate())?;
    let shutdown = Shutdown::manual();
    let told = shutdown.clone();
    // Lives as long as the process, as the handlers do; ends with its runtime.
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
            };
            match told.phase() {
                Phase::Running => tracing::info!(signal = name, "stopping; once more to abort"),
                Phase::Triggered | Phase::Aborted => tracing::warn!(signal = name, "aborting"),
            }
            told.trigger();
        }
    });
    Ok(shutdown)
}

/// Each SIGHUP, by custom a request to read the configuration again.
#[derive(Debug)]
pub struct Hangups(tokio::signal::unix::Signal);

/// From here on SIGHUP does not end the process by itself. Must be called on a tokio runtime; fails if the kernel refuses
/// the handler.
pub fn hangups() -> io::Result<Hangups> {
    listen_for(SignalKind::hangup()).map(Hangups)
}

impl Hangups {
    /// Resolves at the next one. Several that come before anybody looks are one. Cancel safe.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // There will be no more.
            std::future::pending::<()>().await;
        }
    }
}

impl Shutdown {
    /// One that no signal reaches: for tests, and for what runs inside another process.
    pub fn manual() -> Self {
        Self(Arc::new(watch::Sender::new(Phase::Running)))
    }

    /// What a signal does: the first call triggers, the second aborts, more change nothing.
    pub fn trigger(&self) {
        self.0.send_modify(|phase| {
            *phase = match *phase {
                Phase::Running => Phase::Triggered,
                Phase::Triggered | Phase::Aborted => Phase::Aborted,
            };
        });
    }

    /// Whether it has been triggered.
    pub fn is_triggered(&self) -> bool {
        self.phase() >= Phase::Triggered
    }

    /// Resolves once triggered, also if that was long ago. Cancel safe.
    pub async fn triggered(&self) {
        self.reached(Phase::Triggered).await;
    }

    /// Resolves once aborted. Cancel safe.
    pub async fn aborted(&self) {
        self.reached(Phase::Aborted).await;
    }

    fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    async fn reached(&self, wanted: Phase) {
        let mut phase = self.0.subscribe();
        phase
            .wait_for(|&phase| phase >= wanted)
            .await
            .expect("self holds the sender");
    }
}

type Work<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The steps in which a process ends.
pub struct Drain<'a> {
    bound: Duration,
    steps: Vec<Step<'a>>,
}

struct Step<'a> {
    name: &'static str,
    bound: Duration,
    work: Work<'a>,
}

/// What became of each step, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// One for each step.
    pub steps: Vec<StepReport>,
}

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepReport {
    /// Its name.
    pub name: &'static str,
    /// How it ended.
    pub outcome: StepOutcome,
    /// How long it ran.
    pub took: Duration,
}

/// How a step of a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// By itself.
    Finished,
    /// It was dropped at its own bound, or at that of the whole drain.
    TimedOut,
    /// The bound of the whole drain had passed before its turn came.
    Skipped,
}

/// A drain that was cut short by [`Shutdown::aborted`]; the running step and all behind it were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stopping was aborted at the step {step:?}")]
pub struct Aborted {
    /// The step that was running.
    pub step: &'static str,
}

impl<'a> Drain<'a> {
    /// A drain of no steps that takes at most `bound` in all.
    pub fn new(bound: Duration) -> Self {
        Self {
            bound,
            steps: Vec::new(),
        }
    }

    /// Adds a step behind the others. `work` is dropped after `bound`.
    #[must_use]
    pub fn step(
        mut self,
        name: &'static str,
        bound: Duration,
        work: impl Future<Output = ()> + Send + 'a,
    ) -> Self {
        self.steps.push(Step {
            name,
            bound,
            work: Box::pin(work),
        });
        self
    }

    /// Runs the steps. A step that times out does not keep the next from its turn.
    pub async fn run(self, clock: &Clock, shutdown: &Shutdown) -> Result<DrainReport, Aborted> {
        let end = clock.mono() + self.bound;
        let mut steps = Vec::with_capacity(self.steps.len());
        for step in self.steps {
            let name = step.name;
            tokio::select! {
                biased;
                () = shutdown.aborted() => return Err(Aborted { step: name }),
                report = step.run(clock, end) => {
                    if report.outcome != StepOutcome::Finished {
                        tracing::warn!(step = name, outcome = ?report.outcome, took = ?report.took, "did not stop in time");
                    }
                    steps.push(report);
                }
            }
        }
        Ok(DrainReport { steps })
    }
}

impl Step<'_> {
    async fn run(self, clock: &Clock, end: Mono) -> StepReport {
        let begun = clock.mono();
        let bound = self.bound.min(end.since(begun));
        let outcome = if bound.is_zero() {
            StepOutcome::Skipped
        } else {
            match time::timeout(bound, self.work).await {
                Ok(()) => StepOutcome::Finished,
                Err(_) => StepOutcome::TimedOut,
            }
        };
        StepReport {
            name: self.name,
            outcome,
            took: clock.mono().since(begun),
        }
    }
}

impl DrainReport {
    /// Whether every step finished by itself.
    pub fn is_clean(&self) -> bool {
        self.steps
            .iter()
            .all(|step| step.outcome == StepOutcome::Finished)
    }
}

impl fmt::Debug for Drain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.steps.iter().map(|step| step.name);
        f.debug_struct("Drain")
            .field("bound", &self.bound)
            .field("steps", &names.collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests;
