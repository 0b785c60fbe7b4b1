//! The ready-made checks against what they are for: servers that answer, hang, lie and break, and PostgreSQL and Redis
//! themselves, which the tests start, stop, freeze, fill and bring back.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "checks/canary.rs"]
mod canary;
#[path = "checks/certificate.rs"]
mod certificate;
#[path = "checks/http.rs"]
mod http;
#[path = "checks/network.rs"]
mod network;
#[path = "checks/postgres.rs"]
mod postgres;
#[path = "checks/program.rs"]
mod program;
#[path = "checks/redis.rs"]
mod redis;
#[path = "checks/server.rs"]
mod server;

use std::{future::Future, time::Duration};

use tokio::time::{sleep, timeout};
use ward_sdk::{Check, Status, Verdict};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until it is of that status, and returns what was said then.
async fn becomes(check: &Check, status: Status) -> Verdict {
    let mut last = Verdict::healthy();
    let waiting = async {
        loop {
            last = check.look().await;
            if last.status == status {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let came = timeout(PATIENCE, waiting).await;
    assert!(came.is_ok(), "not {status} in time, but {last:?}");
    last
}

/// Looks once; what is said must have `words` in it.
async fn says(check: &Check, status: Status, words: &str) -> Verdict {
    let verdict = check.look().await;
    assert!(
        verdict.status == status && verdict.message.contains(words),
        "expected {status} and {words:?}, not {verdict:?}"
    );
    verdict
}

/// Looks many times at what hangs: no task of an earlier run may be left.
async fn leaves_nothing(check: &Check, runs: usize) {
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    check.look().await;
    let before = alive();
    for _ in 0..runs {
        check.look().await;
    }
    // One run may still be on its way out.
    let settled = eventually(|| alive() <= before + 1).await;
    assert!(settled, "{before} tasks before {runs} runs, {} after", alive());
}

async fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    within(Duration::from_secs(10), async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .is_some()
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    timeout(limit, future).await.ok()
}
