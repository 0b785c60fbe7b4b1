//! How long it takes from a change to a watcher: a few instances change their word at fixed times, and a watch hears it.
//!
//! Each change carries its number in the message of the check. The verdict that is waited for is the instance's, told in
//! the same revision as those of its service and the system. A watcher that is behind is told of several changes as one:
//! then the newest one stands for those before it.

use std::{array, collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use ward_chassis::Clock;
use ward_model::{Entity, InstanceState, Mono, Name};
use ward_proto::v1;
use ward_sdk::{
    Connection,
    watch::{Event, Level, Update, Watcher},
};

use super::{
    plan::{CHECK, PROBES_SERVICE, Plan},
    session::{Broken, Session},
    tally::{Stage, Tally},
};
use crate::client::Server;

const PROBES: usize = 8;
/// From one change to the next, of all probes together. Not a multiple of the engine's tick of 10 ms, so that changes
/// come at all times within one.
const EVERY: Duration = Duration::from_millis(19);
/// By how much a timer may be late.
const TIMER: Duration = Duration::from_millis(1);
/// How long the last changes are waited for.
const LAST: Duration = Duration::from_secs(2);

/// Changes that were to be made and have not been seen: their numbers, and when they were due.
#[derive(Debug)]
struct Pending([Mutex<VecDeque<(u64, Mono)>>; PROBES]);

/// The probes, and the watcher that looks out for them.
#[derive(Clone, Debug)]
pub(super) struct Probes {
    plan: Arc<Plan>,
    tally: Arc<Tally>,
    clock: Clock,
    pending: Arc<Pending>,
}

impl Probes {
    pub(super) fn new(plan: &Arc<Plan>, tally: &Arc<Tally>, clock: &Clock) -> Self {
        Self {
            plan: plan.clone(),
            tally: tally.clone(),
            clock: clock.clone(),
            pending: Arc::new(Pending(array::from_fn(|_| Mutex::default()))),
        }
    }

    /// What watches them.
    pub(super) fn watcher(target: &Server) -> Result<Watcher, ward_sdk::watch::Error> {
        let service = Name::service(PROBES_SERVICE).expect("a name of our own");
        target
            .watcher()
            .names([service])
            .level(Level::Instance)
            .no_witness()
            .start()
    }

    /// Watches for ever.
    pub(super) async fn watch(self, mut watcher: Watcher) {
        loop {
            match watcher.next().await {
                Event::Update(update) => self.seen(&update),
                Event::Lost { error } => {
                    Tally::add(&self.tally.reconnects, 1);
                    self.tally.broke(format!("a watch: {error}"));
                }
                Event::Bookmark { .. } | Event::Restored { .. } | Event::Audit(_) => {}
            }
        }
    }

    fn seen(&self, update: &Update) {
        let now = self.clock.mono();
        for changed in &update.changes {
            let Entity::Instance(instance) = &changed.entity else {
                continue;
            };
            let Some((probe, number)) = self.word(instance) else {
                continue;
            };
            let mut pending = self.pending.0[probe].lock();
            while let Some(&(_, due)) = pending.front().filter(|(pending, _)| *pending <= number) {
                self.tally.seen.record(now.since(due));
                pending.pop_front();
            }
        }
    }

    /// Which probe it is, and which of its changes this is.
    fn word(&self, instance: &InstanceState) -> Option<(usize, u64)> {
        let probe = self.plan.probe(instance.id.instance.as_str())?;
        let number = instance.checks.first()?.condition.message.parse().ok()?;
        (probe < PROBES).then_some((probe, number))
    }

    /// Changes words while the run is measured, then says goodbye.
    pub(super) async fn run(self, channel: Connection, mut stage: watch::Receiver<Stage>) {
        while *stage.borrow() < Stage::Leaving {
            let Err(broken) = self.changes(channel.clone(), &mut stage).await else {
                return;
            };
            Tally::add(&self.tally.reconnects, 1);
            self.tally.broke(format!("the probes: {}", broken.why));
            sleep(broken.retry_after.max(Duration::from_millis(250))).await;
        }
    }

    async fn changes(&self, channel: Connection, stage: &mut watch::Receiver<Stage>) -> Result<(), Broken> {
        let hellos = self.plan.probe_hellos(PROBES);
        let (mut session, registered) = Session::open(channel, hellos, self.tally.clone()).await?;
        let probes: Vec<_> = registered
            .iter()
            .filter_map(|registered| Some((self.plan.probe(&registered.instance)?, registered.handle)))
            .collect();
        let handles: Vec<_> = registered.iter().map(|registered| registered.handle).collect();
        if probes.is_empty() {
            return Ok(());
        }
        Stage::Measuring.reached(stage).await;
        let begun = self.clock.mono();
        for number in 1.. {
            let due = begun + EVERY.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
            while self.clock.mono() < due {
                tokio::select! {
                    biased;
                    answer = session.answer() => drop(answer?),
                    // Timers are good to a millisecond, which is much beside what is measured: the rest is spun.
                    () = sleep(due.since(self.clock.mono()).saturating_sub(TIMER)) => {}
                }
            }
            if *stage.borrow() == Stage::Leaving {
                break;
            }
            let place = number as usize % probes.len();
            let turn = number / probes.len() as u64;
            self.flip(&mut session, probes[place], turn + 1, number, due)
                .await?;
        }
        self.last().await;
        session.leave(&handles).await
    }

    /// One change, of which `turn` counts those of this probe from 1.
    async fn flip(
        &self,
        session: &mut Session,
        (probe, handle): (usize, u32),
        turn: u64,
        number: u64,
        due: Mono,
    ) -> Result<(), Broken> {
        let bad = turn % 2 == 1;
        let status = if bad {
            v1::Status::Degraded
        } else {
            v1::Status::Healthy
        };
        let update = v1::Update {
            handle,
            // Whole, so that no sequence has to be kept.
            full: true,
            sequence: 1 + number,
            results: vec![v1::CheckResult {
                name: CHECK.to_owned(),
                status: status.into(),
                message: number.to_string(),
            }],
            ..Default::default()
        };
        let request = v1::ReportRequest {
            updates: vec![update],
            ..v1::ReportRequest::default()
        };
        self.pending.0[probe].lock().push_back((number, due));
        Tally::add(&self.tally.flips, 1);
        session.send(request, 0).await
    }

    /// What was changed last may be on its way.
    async fn last(&self) {
        let all_seen = async {
            while self.pending.0.iter().any(|pending| !pending.lock().is_empty()) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        // What is not seen by now counts as not seen.
        drop(timeout(LAST, all_seen).await);
    }
}
