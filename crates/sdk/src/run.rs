//! Runs one check in its rhythm, for as long as its task lives.
//!
//! Each run is a task of its own, so that a panic is a verdict instead of the end. A run that was given up but blocks
//! its thread is waited for: starting another would block one thread more each period.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::{JoinError, JoinSet},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    board::Board,
    check::{Check, Verdict},
};

/// The longest the first run is put off. A fleet that starts at once should not ask its database at once.
const FIRST_JITTER: Duration = Duration::from_millis(250);

/// How long a run that was given up is waited for: one that blocks no thread ends as soon as its task is looked at. Without
/// that, where timeout and period are the same, the next would find it and take it for one that blocks.
const REAP: Duration = Duration::from_millis(50);

/// `phase` in 0..1 spreads the runs of many instances over the period.
pub(crate) async fn run(check: Check, board: Arc<Board>, index: usize, phase: f64) {
    let mut runs = JoinSet::new();
    sleep(FIRST_JITTER.min(check.period / 10).mul_f64(phase)).await;
    look(&check, &board, index, &mut runs).await;
    sleep(check.period.mul_f64(0.5 + phase / 2.0)).await;
    let mut ticks = interval(check.period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        look(&check, &board, index, &mut runs).await;
    }
}

async fn look(check: &Check, board: &Board, index: usize, runs: &mut JoinSet<Verdict>) {
    let began = board.clock.mono();
    board.record(index, verdict(check, runs).await, began);
}

/// Of one run, with those before it that have not ended.
pub(crate) async fn verdict(check: &Check, runs: &mut JoinSet<Verdict>) -> Verdict {
    while runs.try_join_next().is_some() {}
    if !runs.is_empty() {
        return check.without_verdict("a run that timed out still blocks its thread");
    }
    let run = check.clone();
    // Called in the task as well: a function may panic before it returns its future.
    runs.spawn(async move { run.run().await });
    let limit = check.effective_timeout();
    match timeout(limit, runs.join_next()).await {
        Ok(Some(Ok(verdict))) => verdict,
        Ok(Some(Err(error))) => ended(check, &error),
        Ok(None) => Verdict::unknown("the check did not run"),
        Err(_) => {
            runs.abort_all();
            drop(timeout(REAP, runs.join_next()).await);
            check.timed_out(limit)
        }
    }
}

/// What was said while panicking is for the log of this process, where the panic hook has put it.
fn ended(check: &Check, error: &JoinError) -> Verdict {
    if error.is_panic() {
        tracing::error!(check = check.name, "a health check panicked");
        check.without_verdict("the check panicked")
    } else {
        Verdict::unknown("the check was cancelled")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future,
        sync::atomic::{AtomicU32, Ordering::Relaxed},
    };

    use super::*;

    #[tokio::test]
    async fn a_run_that_hangs_counts_once_and_blocks_nothing() {
        const PERIOD: Duration = Duration::from_millis(20);
        let count = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&count);
        let hangs = move || {
            counter.fetch_add(1, Relaxed);
            future::pending::<()>()
        };
        let check = Check::new("hangs", hangs).period(PERIOD).timeout(PERIOD);
        let mut runs = JoinSet::new();
        for run in 1..=5 {
            // With the timeout as long as the period the next run is due at once.
            assert_eq!(verdict(&check, &mut runs).await, check.timed_out(PERIOD));
            assert_eq!(count.load(Relaxed), run);
        }
    }

    #[cfg(feature = "host")]
    #[tokio::test]
    async fn of_the_host_a_late_run_is_no_finding() {
        use ward_model::Status;

        use crate::checks::{Cpu, Disk, Memory, MemoryTrend};

        let checks = [
            Cpu::new("x").check(),
            Disk::new("x", "/").check(),
            Memory::new("x").check(),
            MemoryTrend::new("x").check(),
        ];
        for check in checks {
            let mut runs = JoinSet::new();
            // The one before.
            runs.spawn(future::pending());
            let late = verdict(&check, &mut runs).await;
            assert_eq!(late.status, Status::Unknown, "{check:?}");
        }
        let panics = Check::new("panics", || -> future::Ready<()> { panic!("as it should") });
        let panicked = verdict(&panics.clone(), &mut JoinSet::new()).await;
        assert_eq!(panicked, Verdict::unhealthy("the check panicked"));
        let panicked = verdict(&panics.late(|| Status::Unknown), &mut JoinSet::new()).await;
        assert_eq!(panicked, Verdict::unknown("the check panicked"));
        let hangs = Check::new("hangs", future::pending::<()>).timeout(REAP);
        let late = verdict(&hangs.late(|| Status::Unknown), &mut JoinSet::new()).await;
        assert_eq!(late, Verdict::unknown("timed out after 50ms"));
    }
}
