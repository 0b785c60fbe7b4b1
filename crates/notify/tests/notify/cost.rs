//! What it costs to tell much at once: whoever tells waits for it.

use std::{sync::Arc, time::Instant};

use ward_notify::{Later, Notifier, Outbox};

use crate::sample::{alertmanager, config, firing, now, quick, webhook};

/// An outbox that does nothing.
#[derive(Debug)]
struct Nothing;

impl Outbox for Nothing {
    fn keep(&self, _: String, _: Option<String>) {}

    fn durable(&self) -> Later<'_, bool> {
        Box::pin(std::future::pending())
    }

    fn kept(&self) -> Later<'_, Vec<(String, String)>> {
        Box::pin(std::future::ready(Vec::new()))
    }
}

#[tokio::test]
#[ignore = "long: measures; to be run in release"]
async fn ten_thousand_alerts_are_told_in() {
    let nowhere = || "http://127.0.0.1:9".to_owned();
    let to = config([alertmanager("am", nowhere()), webhook("hook", nowhere())]);
    let notifier = Notifier::start_with(to, Arc::new(Nothing), ward_chassis::Clock::start(), quick());
    let fired = now();
    let all: Vec<_> = (0..10_000)
        .map(|n| firing(&format!("s{n}"), "ServiceUnhealthy", fired))
        .collect();
    for what in ["new", "again"] {
        let began = Instant::now();
        notifier.tell(all.clone());
        println!(
            "10,000 alerts, {what}, told to two receivers in {:?}",
            began.elapsed()
        );
        assert!(notifier.standing().iter().all(|standing| standing.owed == 10_000));
    }
}
