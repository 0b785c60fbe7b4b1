//! The end of a process: order, bounds, and the second signal.

use std::{future::pending, time::Duration};

use super::*;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(30);

fn outcomes(report: &DrainReport) -> Vec<(&'static str, StepOutcome)> {
    report
        .steps
        .iter()
        .map(|step| (step.name, step.outcome))
        .collect()
}

#[tokio::test]
async fn steps_run_in_order_and_the_report_tells_them_apart() {
    let order = parking_lot::Mutex::new(Vec::new());
    let report = Drain::new(LONG)
        .step("readiness", LONG, async { order.lock().push("readiness") })
        .step("stuck", SHORT, pending())
        .step("store", LONG, async { order.lock().push("store") })
        .run(&Clock::start(), &Shutdown::manual())
        .await
        .unwrap();
    assert_eq!(
        outcomes(&report),
        [
            ("readiness", StepOutcome::Finished),
            ("stuck", StepOutcome::TimedOut),
            ("store", StepOutcome::Finished)
        ]
    );
    assert!(report.steps[1].took >= SHORT);
    assert!(!report.is_clean());
    assert_eq!(*order.lock(), ["readiness", "store"]);
}

#[tokio::test]
async fn the_whole_is_bounded_too() {
    let report = Drain::new(SHORT)
        .step("stuck", LONG, pending())
        .step("late", LONG, async { panic!("ran after the end") })
        .run(&Clock::start(), &Shutdown::manual())
        .await
        .unwrap();
    assert_eq!(
        outcomes(&report),
        [("stuck", StepOutcome::TimedOut), ("late", StepOutcome::Skipped)]
    );
}

#[tokio::test]
async fn the_second_signal_drops_the_drain() {
    let shutdown = Shutdown::manual();
    shutdown.trigger();
    tokio::time::timeout(LONG, shutdown.triggered()).await.unwrap();
    let clock = Clock::start();
    let drain = Drain::new(LONG)
        .step("first", LONG, async {})
        .step("stuck", LONG, pending());
    let second = async {
        tokio::task::yield_now().await;
        shutdown.trigger();
        pending::<()>().await;
    };
    let result = tokio::select! {
        result = drain.run(&clock, &shutdown) => result,
        () = second => unreachable!("pends for ever"),
    };
    assert_eq!(result, Err(Aborted { step: "stuck" }));
    tokio::time::timeout(LONG, shutdown.aborted()).await.unwrap();
}
