//! The loop: sees, steps the machine, keeps, tells.

use std::{
    collections::{BTreeMap, HashSet},
    mem,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt as _, future::join_all};
use tokio::{
    select,
    task::unconstrained,
    time::{MissedTickBehavior, interval, timeout},
};
use ward_alerts::{Facts, Machine, Seen};
use ward_chassis::Clock;
use ward_config::Alerting as Settings;
use ward_model::{Acknowledgement, Alert, AlertKey, AlertState, Mono, Name, Severity, Wall};

use super::{
    Board, Command, Commands, keep,
    receivers::receivers,
    record::{self, Recorder},
    restore,
    sight::Sight,
    told::{self, Annotations},
    words,
};
use crate::{edge::Shared, hub::Follower};

/// How often rules are judged. What waits the shortest waits some seconds.
const STEP: Duration = Duration::from_secs(1);
/// How often signals are looked at: twice in the shortest time that a rule of them is shipped with.
const SIGNALS: Duration = Duration::from_secs(10);
/// How often what is said of an alert that fires is made anew: each time that it is sent again.
const ANEW: Duration = Duration::from_secs(60);
/// How long a page waits for the audit log before it leaves without.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many events are appended at once: half of those that may wait.
const APPENDS: usize = 512;

/// Time for the machine: wall time at the start, and from there on monotonic.
#[derive(Debug)]
struct Time {
    start: Wall,
    from: Mono,
}

impl Time {
    fn now(&self, clock: &Clock) -> Wall {
        let passed = clock.mono().since(self.from).as_millis();
        Wall(
            self.start
                .0
                .saturating_add(i64::try_from(passed).unwrap_or(i64::MAX)),
        )
    }
}

struct Run {
    time: Time,
    machine: Machine,
    follower: Follower,
    sight: Sight,
    recorder: Recorder,
    acknowledged: BTreeMap<Option<Name>, Acknowledgement>,
    /// What was commanded since the last step.
    commanded: Vec<Seen>,
    /// Where each stood when that was written down last, and since when.
    written: BTreeMap<AlertKey, Stand>,
    /// What is told with those that fire.
    explained: BTreeMap<AlertKey, Annotations>,
    signals_due: Mono,
    anew_due: Mono,
}

/// Until it is dropped, or the engine is gone.
pub(crate) async fn run(edge: Shared, mut commands: Commands) {
    let mut run = Run::restored(&edge).await;
    let mut ticks = interval(STEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut in_force = edge.reloader.changes();
    let mut lost = edge.memory.losses();
    loop {
        select! {
            biased;
            _ = ticks.tick() => run.step(&edge).await,
            Some(command) = commands.0.recv() => run.command(&edge, command).await,
            changed = in_force.changed() => {
                changed.expect("the edge holds the sender");
                let settings = in_force.borrow_and_update().settings.alerting.clone();
                run.replace(&edge, &settings);
            }
            Ok(()) = lost.changed() => run.keep_all(&edge),
        }
    }
}

impl Run {
    /// Goes on from what was kept.
    async fn restored(edge: &Shared) -> Self {
        let alerts = restore::alerts(&edge.memory).await;
        let said = restore::acknowledgements(&edge.memory).await;
        let time = Time {
            start: edge.clock.wall(),
            from: edge.clock.mono(),
        };
        let settings = edge.reloader.now();
        let mut machine = Machine::new(settings.settings.alerting.rules.clone());
        let last_alive = edge.memory.last_alive().await;
        edge.alerting
            .notifier
            .restored(alerts.iter().filter(|alert| was_told(alert)).cloned().collect());
        let written = alerts
            .iter()
            .map(|alert| (alert.key.clone(), stand(alert)))
            .collect();
        // What fires on is shown from the start: the first step may have nothing to say of it.
        edge.alerting.board.store(Arc::new(Board {
            alerts: alerts.clone(),
            acknowledged: said.clone(),
        }));
        machine.restore(alerts, said.clone());
        let mut commanded = vec![Seen::Facts(Facts::Started { last_alive })];
        commanded.extend(said.iter().cloned().map(Seen::Acknowledged));
        Self {
            time,
            machine,
            follower: edge.hub.follow(),
            sight: Sight::default(),
            recorder: Recorder::default(),
            acknowledged: said
                .into_iter()
                .map(|said| (said.service.clone(), said))
                .collect(),
            commanded,
            written,
            explained: BTreeMap::new(),
            signals_due: Mono::default(),
            anew_due: edge.clock.mono() + ANEW,
        }
    }

    /// Other rules, or others that are told.
    fn replace(&mut self, edge: &Shared, settings: &Settings) {
        self.machine.replace_rules(settings.rules.clone());
        edge.alerting.notifier.replace(receivers(settings));
    }

    async fn command(&mut self, edge: &Shared, command: Command) {
        let done = match command {
            Command::Acknowledge(said, done) => {
                keep::acknowledgement(&edge.memory, said.service.as_ref(), Some(&said));
                self.acknowledged.insert(said.service.clone(), said.clone());
                self.commanded.push(Seen::Acknowledged(said));
                done
            }
            Command::Unacknowledge(service, done) => {
                self.end(edge, &service);
                self.commanded.push(Seen::Unacknowledged(service));
                done
            }
        };
        self.silence(edge);
        self.step(edge).await;
        // Who does not wait any longer needs no answer.
        done.send(()).ok();
    }

    fn end(&mut self, edge: &Shared, service: &Option<Name>) {
        if self.acknowledged.remove(service).is_some() {
            keep::acknowledgement(&edge.memory, service.as_ref(), None);
        }
    }

    fn silence(&self, edge: &Shared) {
        edge.alerting
            .notifier
            .silence(self.acknowledged.values().cloned().collect());
    }

    /// Nothing is judged while the engine stands still: a sign of life would be a lie.
    async fn step(&mut self, edge: &Shared) {
        if !edge.is_alive() {
            return;
        }
        let (now, mono) = (self.time.now(&edge.clock), edge.clock.mono());
        let looked = mono >= self.signals_due;
        if looked {
            self.signals_due = mono + SIGNALS;
            if self.sight.look_at_signals(&edge.decider).await.is_err() {
                return;
            }
        }
        self.look(edge);
        let mut seen = mem::take(&mut self.commanded);
        seen.extend(self.sight.seen());
        let keep = |facts: &Facts| record::put(&edge.memory, now, facts);
        self.recorder.see(now, &seen, keep);
        if looked {
            self.recorder.looked(now, keep);
        }
        let changed = self.machine.step(now, seen);
        edge.metrics.judged(edge.clock.mono().since(mono));
        edge.alerting.notifier.alive();
        let is_anew = mono >= self.anew_due;
        if is_anew {
            self.anew_due = mono + ANEW;
        }
        if !changed.is_empty() || is_anew {
            self.tell(edge, changed, is_anew).await;
        }
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

    /// Keeps what changed, writes it down, and only then tells it.
    async fn tell(&mut self, edge: &Shared, changed: Vec<Alert>, is_anew: bool) {
        self.end_acknowledgements(edge);
        self.written(edge, &changed).await;
        self.explain(edge, &changed, is_anew).await;
        let affected = told::affected(self.machine.alerts());
        let head = told::audit_head(&edge.hub);
        let whole = |alert: &Alert| {
            let mut alert = alert.clone();
            let mut add = |key: &str, text: Option<&String>| {
                alert
                    .annotations
                    .extend(text.map(|text| (key.to_owned(), text.clone())));
            };
            add("affects", affected.get(&alert.key));
            add("audit_head", head.as_ref());
            alert
                .annotations
                .extend(self.explained.get(&alert.key).cloned().unwrap_or_default());
            alert
        };
        let keys: HashSet<&AlertKey> = changed.iter().map(|alert| &alert.key).collect();
        let again = self.machine.alerts().filter(|alert| is_anew && is_firing(alert));
        let again = again.filter(|alert| !keys.contains(&alert.key));
        // What changed in its order: causes before what they explain.
        let deliver = changed.iter().chain(again).filter(|alert| was_told(alert));
        let deliver: Vec<Alert> = deliver.map(whole).collect();
        let board = Board {
            alerts: self.machine.alerts().map(whole).collect(),
            acknowledged: self.acknowledged.values().cloned().collect(),
        };
        self.forget_ended(edge, &board);
        edge.alerting.board.store(Arc::new(board));
        // What is owed is kept before what is owed about: a crash between them tells something twice, and forgets nothing.
        if !deliver.is_empty() {
            edge.alerting.notifier.tell(deliver);
        }
        changed.iter().for_each(|alert| keep::alert(&edge.memory, alert));
    }

    /// Why those are as they are that changed, or all that fire.
    async fn explain(&mut self, edge: &Shared, changed: &[Alert], all: bool) {
        let firing = self.machine.alerts().filter(|_| all);
        // A sign of life has no cause.
        let firing = changed
            .iter()
            .chain(firing)
            .filter(|alert| is_firing(alert) && alert.severity > Severity::None);
        let keys = firing.map(|alert| alert.key.clone()).collect();
        if let Ok(explained) = told::explained(&edge.decider, keys).await {
            self.explained.extend(explained);
        }
    }

    /// Writes into the audit log what became of alerts: durable before anybody is told, if the disk is well.
    async fn written(&mut self, edge: &Shared, changed: &[Alert]) {
        let (cursor, now) = (edge.hub.head(), edge.clock.now());
        // Most of what changes is what is said of them.
        let written = &mut self.written;
        let mut is_news = |alert: &&Alert| {
            let stand = stand(alert);
            written.insert(alert.key.clone(), stand) != Some(stand)
        };
        let news = changed.iter().filter(|alert| is_news(alert));
        let drafts: Vec<_> = news
            .filter_map(|alert| words::draft(alert, cursor, now))
            .collect();
        for some in drafts.chunks(APPENDS) {
            let appends = join_all(some.iter().map(|draft| edge.memory.written(draft.clone())));
            if timeout(PATIENCE, appends).await.is_err() {
                // They are written all the same once the disk takes them.
                tracing::warn!(
                    alerts = some.len(),
                    "alerts leave before they are in the audit log: its disk is slow"
                );
            }
        }
    }

    /// What was acknowledged is over once nothing of it fires, or its time is up.
    fn end_acknowledgements(&mut self, edge: &Shared) {
        let held: Vec<_> = self
            .machine
            .alerts()
            .filter_map(|alert| alert.acknowledged.as_ref())
            .collect();
        let ended = self.acknowledged.values().filter(|said| !held.contains(said));
        let ended: Vec<_> = ended.map(|said| said.service.clone()).collect();
        if !ended.is_empty() {
            ended.iter().for_each(|service| self.end(edge, service));
            self.silence(edge);
        }
    }

    /// Alerts that are no more, not even as resolved ones.
    fn forget_ended(&mut self, edge: &Shared, board: &Board) {
        let before = edge.alerting.board.load();
        let still: HashSet<&AlertKey> = board.alerts.iter().map(|alert| &alert.key).collect();
        let gone = before.alerts.iter().filter(|alert| !still.contains(&alert.key));
        for alert in gone {
            keep::forget(&edge.memory, alert);
            self.written.remove(&alert.key);
            self.explained.remove(&alert.key);
        }
    }

    /// The store lost what it had: it is told all of it.
    fn keep_all(&mut self, edge: &Shared) {
        self.machine
            .alerts()
            .for_each(|alert| keep::alert(&edge.memory, alert));
        for said in self.acknowledged.values() {
            keep::acknowledgement(&edge.memory, said.service.as_ref(), Some(said));
        }
        edge.alerting.notifier.keep_again();
    }
}

/// Where an alert stands, since when it fires.
type Stand = (AlertState, Option<Wall>);

fn stand(alert: &Alert) -> Stand {
    (alert.state, alert.fired)
}

fn is_firing(alert: &Alert) -> bool {
    alert.state == AlertState::Firing
}

/// Somebody is, or was, to be told of it.
fn was_told(alert: &Alert) -> bool {
    alert.fired.is_some() && matches!(alert.state, AlertState::Firing | AlertState::Resolved)
}
