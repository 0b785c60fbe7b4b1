//! All that runs at once: reporters, probes, watches; begun together, ended together.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use ward_chassis::{Clock, Shutdown};
use ward_sdk::InvalidServer;

use super::{
    losses,
    plan::Plan,
    probe::Probes,
    progress::Progress,
    reporter::Reporter,
    session::PATIENCE,
    tally::{Stage, Tally},
};
use crate::{Failure, client::Server};

/// Streams that are opened at the same time: a fleet that comes all at once is another test.
const OPENING: usize = 64;
/// How often one looks how far it is.
const LOOK: Duration = Duration::from_millis(100);
/// How long all streams together may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(30);

pub(super) struct Fleet {
    clock: Clock,
    stage: watch::Sender<Stage>,
    tally: Arc<Tally>,
    plan: Arc<Plan>,
    /// Those that say goodbye.
    reporters: JoinSet<()>,
    /// Dropped, and so ended, with the fleet.
    _watches: JoinSet<()>,
}

impl Fleet {
    /// Begins to say hello.
    pub(super) fn start(plan: &Arc<Plan>, target: &Server) -> Result<Self, Failure> {
        let clock = Clock::start();
        let tally = Arc::new(Tally::default());
        let stage = watch::Sender::new(Stage::Filling);
        let server = target.within(PATIENCE)?;
        let connect = || {
            server
                .connect_lazy()
                .map_err(|invalid| Failure::from(InvalidServer::from(invalid)))
        };
        // Each connects when something is first said on it, and again when it broke.
        let channels: Vec<_> = (0..plan.connections)
            .map(|_| connect())
            .collect::<Result<_, _>>()?;
        let mut watches = JoinSet::new();
        let probes = Probes::new(plan, &tally, &clock);
        let watcher = Probes::watcher(target)?;
        watches.spawn(probes.clone().watch(watcher));
        let watcher = losses::watcher(target)?;
        watches.spawn(losses::watch(watcher, stage.subscribe(), tally.clone()));
        let mut reporters = JoinSet::new();
        reporters.spawn(probes.run(connect()?, stage.subscribe()));
        let opening = Arc::new(Semaphore::new(OPENING));
        for (stream, channel) in (0..plan.streams).zip(channels.iter().cycle()) {
            let reporter = Reporter {
                plan: plan.clone(),
                stream,
                channel: channel.clone(),
                tally: tally.clone(),
                clock: clock.clone(),
                stage: stage.subscribe(),
                opening: opening.clone(),
            };
            reporters.spawn(reporter.run());
        }
        Ok(Self {
            clock,
            stage,
            tally,
            plan: plan.clone(),
            reporters,
            _watches: watches,
        })
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Until all streams that can be opened are, and their instances registered.
    pub(super) async fn fill(&self, progress: &mut Progress<'_>, shutdown: &Shutdown) {
        let begun = self.clock.mono();
        while Tally::get(&self.tally.ready) < self.plan.streams.into() && !shutdown.is_triggered() {
            progress.filling(&self.tally, self.clock.mono().since(begun));
            sleep(LOOK).await;
        }
    }

    /// For as long as was asked for, or until Ctrl-C. Returns how long that was.
    pub(super) async fn measure(&self, progress: &mut Progress<'_>, shutdown: &Shutdown) -> Duration {
        let begun = self.clock.mono();
        self.stage.send_replace(Stage::Measuring);
        progress.begin(&self.tally);
        loop {
            let passed = self.clock.mono().since(begun);
            progress.measuring(&self.tally, passed);
            let left = self.plan.duration.saturating_sub(passed);
            if left.is_zero() || shutdown.is_triggered() {
                return passed;
            }
            sleep(left.min(LOOK)).await;
        }
    }

    /// Has all instances say goodbye; another Ctrl-C does without.
    pub(super) async fn leave(mut self, shutdown: &Shutdown) -> Arc<Tally> {
        self.stage.send_replace(Stage::Leaving);
        let gone = async { while self.reporters.join_next().await.is_some() {} };
        tokio::select! {
            // What is not gone by then is dropped, and the target finds out by itself.
            left = timeout(GOODBYE, gone) => drop(left),
            () = shutdown.aborted() => {}
        }
        self.tally.clone()
    }
}
