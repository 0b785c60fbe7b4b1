//! More connections than the server has descriptors for.

use std::time::Duration;

use anyhow::Context;
use tokio::{net::TcpStream, time};

use crate::{Size, attack::Outcome, honest::ask_once, target::Target};

/// Where the server counts accepts that failed.
const TRIES: &str = "ward_connections_refused_total{listener=\"grpc\",reason=\"descriptors\"} ";
/// A server that sleeps in between does not come to as many; one that does not tries a hundred thousand times.
const TRIES_A_SECOND: f64 = 100.0;
/// The server's limit.
pub(crate) const OPEN_FILES: u64 = 64;

/// Stopped if the server sleeps while there is nothing to accept with, and serves newcomers once there is.
pub(crate) async fn exhaust(target: &Target, size: Size) -> anyhow::Result<Outcome> {
    let mut held = Vec::new();
    for _ in 0..2 * OPEN_FILES {
        // The kernel completes these; the server cannot accept all of them.
        held.push(TcpStream::connect(target.grpc).await?);
    }
    let exhausted = async {
        while target.open_files()? < usize::try_from(OPEN_FILES)? {
            time::sleep(Duration::from_millis(2)).await;
        }
        anyhow::Ok(())
    };
    time::timeout(Duration::from_secs(5), exhausted)
        .await
        .context("descriptors do not run out")??;
    // Within the time in which connections that say nothing are closed.
    let watched = size.of(Duration::from_secs(1), Duration::from_secs(3));
    let (before, exhausted) = (target.cpu()?, target.clock().mono());
    time::sleep(watched).await;
    let share = (target.cpu()?.saturating_sub(before)).as_secs_f64() / watched.as_secs_f64();
    drop(held);
    let began = target.clock().mono();
    let recovered = ask_once(target.grpc).await.is_ok();
    let recovery = target.clock().mono().since(began);
    let tries = super::slow::metric(target.http, TRIES).await?;
    let passed = target.clock().mono().since(exhausted);
    Ok(Outcome {
        // By tries, since a busy machine leaves little of a core to burn; by the time that there was for them, of which it
        // takes more.
        stopped: (tries as f64) < TRIES_A_SECOND * passed.as_secs_f64().max(1.0)
            && recovered
            && recovery < Duration::from_secs(5),
        happened: format!(
            "{tries} tries to accept and {:.0} % of a core with none left; a new client {} after {recovery:.1?}",
            share * 100.0,
            if recovered { "served" } else { "not served" },
        ),
    })
}
