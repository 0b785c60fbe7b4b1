//! The loop: sees, steps the machine, and has told what came of it.

use std::{
    collections::BTreeMap, convert::Infallible, mem, panic::AssertUnwindSafe, sync::Arc, time::Duration,
};

use futures_util::FutureExt as _;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    select,
    sync::watch,
    task::{block_in_place, unconstrained},
    time::{MissedTickBehavior, interval, sleep},
};
use ward_alerts::{Facts, Machine, Seen};
use ward_config::Alerting as Settings;
use ward_model::{Acknowledgement, Alert, AlertKey, AlertState, Mono, Name, Wall};

use super::{
    Board, Command, Commands, breakers, keep,
    receivers::receivers,
    record::{self, Recorder},
    restore::{self, Before, Late},
    sight::Sight,
    time::Time,
    told::Annotations,
    traces::Traces,
};
use crate::{edge::Shared, hub::Follower, reload::InForce};

/// How often rules are judged. What waits the shortest waits some seconds.
const STEP: Duration = Duration::from_secs(1);
/// How often signals are looked at: three times in the shortest time that a rule of them is shipped with.
const SIGNALS: Duration = Duration::from_secs(10);
/// How often what is said of an alert that fires is made anew: each time that it is sent again.
const ANEW: Duration = Duration::from_secs(60);
/// So many changes take the machine milliseconds: more are judged where nobody waits behind them.
const MANY: usize = 256;

pub(super) struct Run {
    time: Time,
    pub(super) machine: Machine,
    follower: Follower,
    sight: Sight,
    recorder: Recorder,
    /// As they were said, by the clock; the machine has them in its own time.
    pub(super) acknowledged: BTreeMap<Option<Name>, Acknowledgement>,
    /// What was acknowledged before the start is known: before that no silence is ended.
    knows: bool,
    /// What was commanded since the last step.
    pub(super) commanded: Vec<Seen>,
    /// Where each stood when that was written down last, and since when.
    pub(super) written: BTreeMap<AlertKey, Stand>,
    /// What is told with those that fire.
    pub(super) explained: BTreeMap<AlertKey, Annotations>,
    /// In which trace each was told, where somebody traces.
    pub(super) traces: Traces,
    /// Who was explained last, where there are too many for one time.
    pub(super) explained_last: Option<AlertKey>,
    /// There was no room for some alerts, and that was said.
    pub(super) said_beyond: bool,
    signals_due: Mono,
    anew_due: Mono,
}

/// What changes while it runs.
struct Changes {
    in_force: watch::Receiver<Arc<InForce>>,
    /// The store lost what it had.
    lost: watch::Receiver<()>,
    /// What was kept before the start, if it was not to be had then.
    late: Option<Late>,
}

/// Until it is dropped. Should judging panic, it begins anew with what was told last.
pub(crate) async fn run(edge: Shared, mut commands: Commands) {
    // Before what takes time, so that what changes meanwhile is seen.
    let (in_force, lost) = (edge.reloader.changes(), edge.memory.losses());
    let last_alive = edge.memory.last_alive().await;
    let (before, late) = restore::before(&edge.memory).await;
    let knows = late.is_none();
    if knows {
        restored(&edge, &before.alerts);
    }
    let mut changes = Changes { in_force, lost, late };
    let mut run = Run::begin(&edge, before, last_alive, knows);
    loop {
        let attending = AssertUnwindSafe(run.attend(&edge, &mut commands, &mut changes)).catch_unwind();
        let Err(_) = attending.await;
        tracing::error!("judging alerts panicked, and begins anew");
        sleep(STEP).await;
        run = Run::begin(&edge, on_board(&edge), Some(edge.clock.wall()), run.knows);
    }
}

/// What fires on is no news to those who are told.
fn restored(edge: &Shared, alerts: &[Alert]) {
    let told = alerts.iter().filter(|alert| was_told(alert)).cloned().collect();
    edge.alerting.notifier.restored(told);
}

/// As it was told last.
fn on_board(edge: &Shared) -> Before {
    let board = edge.alerting.board();
    Before {
        alerts: board.alerts.iter().map(|alert| (**alert).clone()).collect(),
        acknowledged: board.acknowledged.clone(),
    }
}

impl Run {
    /// Goes on from what was kept.
    fn begin(edge: &Shared, before: Before, last_alive: Option<Wall>, knows: bool) -> Self {
        let Before { alerts, acknowledged } = before;
        let settings = edge.reloader.now();
        let mut machine = Machine::new(settings.settings.alerting.rules.clone());
        let written = alerts.iter().map(|alert| (alert.key.clone(), stand(alert)));
        let written = written.collect();
        // What fires on is shown from the start: the first step may have nothing to say of it.
        edge.alerting.board.store(Arc::new(Board {
            alerts: alerts.iter().cloned().map(Arc::new).collect(),
            acknowledged: acknowledged.clone(),
            beyond: 0,
        }));
        machine.restore(alerts, acknowledged.clone());
        let mut commanded = vec![Seen::Facts(Facts::Started { last_alive })];
        commanded.extend(acknowledged.iter().cloned().map(Seen::Acknowledged));
        let said = acknowledged.into_iter().map(|said| (said.service.clone(), said));
        let run = Self {
            time: Time::start(edge.clock.now()),
            machine,
            follower: edge.hub.follow(),
            sight: Sight::default(),
            recorder: Recorder::default(),
            acknowledged: said.collect(),
            knows,
            commanded,
            written,
            explained: BTreeMap::new(),
            traces: Traces::default(),
            explained_last: None,
            said_beyond: false,
            signals_due: Mono::default(),
            anew_due: edge.clock.mono() + ANEW,
        };
        run.silence(edge);
        run
    }

    async fn attend(&mut self, edge: &Shared, commands: &mut Commands, changes: &mut Changes) -> Infallible {
        let mut ticks = interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let late = async {
                match &mut changes.late {
                    Some(late) => late.await,
                    None => std::future::pending().await,
                }
            };
            select! {
                biased;
                _ = ticks.tick() => self.step(edge).await,
                Some(command) = commands.0.recv() => self.command(edge, command).await,
                changed = changes.in_force.changed() => {
                    changed.expect("the edge holds the sender");
                    let settings = changes.in_force.borrow_and_update().settings.alerting.clone();
                    self.replace(edge, &settings);
                }
                Ok(()) = changes.lost.changed() => self.keep_all(edge),
                before = late => {
                    changes.late = None;
                    self.remember(edge, before);
                }
            }
        }
    }

    /// Other rules, or others that are told.
    fn replace(&mut self, edge: &Shared, settings: &Settings) {
        self.machine.replace_rules(settings.rules.clone());
        let id = edge.memory.origin();
        edge.alerting.notifier.replace(receivers(settings, id));
    }

    /// What was kept before the start comes only now: it begins anew, with what it has found out since.
    fn remember(&mut self, edge: &Shared, before: Before) {
        let is_new = |alert: &Alert| self.machine.alert(&alert.key).is_none();
        let mut alerts: Vec<Alert> = before.alerts.into_iter().filter(is_new).collect();
        alerts.extend(self.machine.alerts().map(|alert| (**alert).clone()));
        let said = before.acknowledged.into_iter();
        let said = said.filter(|said| !self.acknowledged.contains_key(&said.service));
        let acknowledged = said.chain(self.acknowledged.values().cloned()).collect();
        restored(edge, &alerts);
        let before = Before { alerts, acknowledged };
        *self = Self::begin(edge, before, Some(edge.clock.wall()), true);
    }

    async fn command(&mut self, edge: &Shared, command: Command) {
        let done = match command {
            Command::Acknowledge(said, done) => {
                self.acknowledge(edge, said);
                done
            }
            Command::Unacknowledge(service, done) => {
                self.unacknowledge(edge, &service);
                self.commanded.push(Seen::Unacknowledged(service));
                done
            }
        };
        self.silence(edge);
        self.step(edge).await;
        // Who does not wait any longer needs no answer.
        done.send(()).ok();
    }

    fn acknowledge(&mut self, edge: &Shared, said: Acknowledgement) {
        let now = edge.clock.now();
        self.commanded.push(Seen::Acknowledged(Acknowledgement {
            start: self.time.of(said.start, now),
            end: self.time.of(said.end, now),
            ..said.clone()
        }));
        self.hold(edge, said);
    }

    /// Keeps and shows it; the machine is told by the caller.
    pub(super) fn hold(&mut self, edge: &Shared, said: Acknowledgement) {
        keep::acknowledgement(&edge.memory, said.service.as_ref(), Some(&said));
        self.acknowledged.insert(said.service.clone(), said);
    }

    pub(super) fn unacknowledge(&mut self, edge: &Shared, service: &Option<Name>) {
        if self.acknowledged.remove(service).is_some() {
            keep::acknowledgement(&edge.memory, service.as_ref(), None);
        }
    }

    pub(super) fn silence(&self, edge: &Shared) {
        if self.knows {
            let said = self.acknowledged.values().cloned().collect();
            edge.alerting.notifier.silence(said);
        }
    }

    /// Nothing is judged while the engine stands still: a sign of life would be a lie.
    async fn step(&mut self, edge: &Shared) {
        if !edge.is_alive() {
            return;
        }
        let mono = edge.clock.mono();
        let looked = mono >= self.signals_due;
        if looked {
            self.signals_due = mono + SIGNALS;
            let Ok(turned) = self.sight.look_at_signals(&edge.decider).await else {
                return;
            };
            for (service, kind) in turned {
                breakers::record(edge, &service, kind);
            }
        }
        let now = self.pass(edge);
        self.look(edge);
        let mut seen = mem::take(&mut self.commanded);
        seen.extend(self.sight.seen());
        let keep = |facts: &Facts| record::put(&edge.memory, now, facts);
        self.recorder.see(now, &seen, keep);
        let begun = edge.clock.mono();
        let changed = self.judge(now, seen);
        edge.metrics.judged(edge.clock.mono().since(begun));
        let due = if looked {
            self.recorder.looked(now)
        } else {
            Vec::new()
        };
        for name in due {
            if let Some(facts) = self.machine.service(&name) {
                keep(&Facts::Service(name, Box::new(facts.clone())));
            }
        }
        edge.alerting.notifier.alive();
        let is_anew = mono >= self.anew_due;
        if is_anew {
            self.anew_due = mono + ANEW;
        }
        if !changed.is_empty() || is_anew {
            self.tell(edge, now, changed, is_anew).await;
        }
    }

    /// What time it is. Where it jumped nobody watched, and all is looked at anew.
    fn pass(&mut self, edge: &Shared) -> Wall {
        let (now, jumped) = self.time.pass(edge.clock.now());
        if let Some(before) = jumped {
            tracing::warn!(
                from = before.0,
                to = now.0,
                "the clock jumped: alerts are judged anew"
            );
            let last_alive = Some(before);
            self.commanded
                .insert(0, Seen::Facts(Facts::Started { last_alive }));
            self.follower = edge.hub.follow();
            self.sight = Sight::default();
            self.sight.anew();
            self.signals_due = Mono::default();
        }
        now
    }

    fn judge(&mut self, now: Wall, seen: Vec<Seen>) -> Vec<Arc<Alert>> {
        let others_wait = Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread;
        if seen.len() > MANY && others_wait {
            return block_in_place(|| self.machine.step(now, seen));
        }
        self.machine.step(now, seen)
    }

    /// Takes what was published since. It is not waited for: to be woken for each revision would cost those who wait for a
    /// verdict more than it is worth once a second, and of what came in between the newest is enough.
    fn look(&mut self, edge: &Shared) {
        while let Some(told) = unconstrained(self.follower.next()).now_or_never() {
            match told {
                Some(told) => self.sight.take(told),
                // It was ended, as a watcher that took nothing for long: anew, with the next step.
                None => {
                    self.follower = edge.hub.follow();
                    return self.sight.anew();
                }
            }
        }
    }

    /// The store lost what it had: it is told all of it.
    fn keep_all(&mut self, edge: &Shared) {
        let alerts = self.machine.alerts().map(|alert| self.labelled(edge, alert));
        let alerts: Vec<Alert> = alerts.collect();
        keep::together(&edge.memory, || {
            alerts.iter().for_each(|alert| keep::alert(&edge.memory, alert));
            edge.alerting.notifier.keep_again();
        });
        for said in self.acknowledged.values() {
            keep::acknowledgement(&edge.memory, said.service.as_ref(), Some(said));
        }
    }

    /// How all of it stands, each alert as `whole` makes it.
    pub(super) fn board(&self, whole: impl Fn(&Arc<Alert>) -> Arc<Alert>) -> Board {
        Board {
            alerts: self.machine.alerts().map(whole).collect(),
            acknowledged: self.acknowledged.values().cloned().collect(),
            beyond: self.machine.beyond(),
        }
    }
}

/// Where an alert stands, since when it fires.
pub(super) type Stand = (AlertState, Option<Wall>);

pub(super) fn stand(alert: &Alert) -> Stand {
    (alert.state, alert.fired)
}

/// Somebody is, or was, to be told of it.
pub(super) fn was_told(alert: &Alert) -> bool {
    alert.fired.is_some() && matches!(alert.state, AlertState::Firing | AlertState::Resolved)
}

#[cfg(test)]
mod tests;
