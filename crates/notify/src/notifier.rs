//! The handle that alerts are given to, and what is common to all receivers.
//!
//! Whoever tells something holds a lock until it is noted for each receiver, and never waits for one. Channels were not
//! taken: what is newest replaces what it makes idle, so that what waits is bounded by how much there is to know.

mod start;

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use tokio::{task::AbortHandle, task::JoinSet, time::timeout};
use ward_chassis::Clock;
use ward_model::{Acknowledgement, Alert, AlertKey, AlertState, Name, Now};

use self::start::Before;
use crate::{
    Config, Kind, Outbox, Receiver, Standing, Timing, alertmanager,
    desk::{Desk, Pulse, Settings},
    ledger::MOST,
    outbox::Id,
    webhook,
};

/// Places given in a millisecond before those of the next are used. A life's places are then behind those of the life
/// before, unless it told more than so many things in each of its milliseconds.
const PLACES: u64 = 1_024;
/// Pause before a receiver's task that panicked begins anew.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// Tells receivers about alerts. Cheap to clone; when the last is dropped without [`Notifier::stop`], delivery ends where
/// it stands, as in a crash.
#[derive(Clone, Debug)]
pub struct Notifier(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    outbox: Arc<dyn Outbox>,
    clock: Clock,
    timing: Timing,
    pulse: Arc<Pulse>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: Config,
    desks: Vec<Post>,
    tasks: JoinSet<()>,
    /// What fires, with its place: for receivers that are new, and so that labels stay as they were.
    firing: BTreeMap<AlertKey, (u64, Arc<Alert>)>,
    place: u64,
    /// None until it was said, when the owner has read what was in force before the start.
    acknowledged: Option<Arc<[Acknowledgement]>>,
    before: Before,
    /// Reads what was owed. Not among the tasks, which are waited for at the end: an outbox may never answer.
    loading: JoinSet<()>,
}

/// A receiver that is told.
#[derive(Debug)]
struct Post {
    desk: Arc<Desk>,
    kind: Kind,
    task: AbortHandle,
}

impl Notifier {
    /// Starts a task for each receiver, on the runtime that this is called on. What was owed in the life before is
    /// delivered as soon as the outbox has told it.
    pub fn start(config: Config, outbox: Arc<dyn Outbox>, clock: Clock) -> Self {
        Self::start_with(config, outbox, clock, Timing::default())
    }

    /// The same with other times.
    pub fn start_with(config: Config, outbox: Arc<dyn Outbox>, clock: Clock, timing: Timing) -> Self {
        let state = State {
            config: Config::default(),
            desks: Vec::new(),
            tasks: JoinSet::new(),
            firing: BTreeMap::new(),
            place: u64::try_from(clock.wall().0).unwrap_or_default() * PLACES,
            acknowledged: None,
            before: Before::default(),
            loading: JoinSet::new(),
        };
        let shared = Arc::new(Shared {
            outbox,
            clock,
            timing,
            pulse: Arc::default(),
            state: Mutex::new(state),
        });
        shared.replace(config);
        start::load(&shared);
        Self(shared)
    }

    /// What fires on since before the start, in any order, and if it is at hand what was resolved a short while ago; to be
    /// called once, after the start, also with nothing. They have the labels that they were told with
    /// ([`Notifier::labelled`]), and get no others. Alertmanagers are sent all of it at once, with the old `startsAt`;
    /// webhooks only what they are owed. What was owed as firing and is not among these fires no more: receivers are told
    /// so.
    pub fn restored(&self, mut alerts: Vec<Alert>) {
        let now = self.0.clock.now();
        // Causes first, as far as can still be known.
        alerts.sort_by_key(|alert| (alert.fired, !is_cause(alert)));
        let mut state = self.0.state.lock();
        for mut alert in alerts {
            // Restored late, some were told in this life already, and are what they were told as.
            if let Some((_, known)) = state.known(&alert) {
                alert.labels.clone_from(&known.labels);
            }
            let Some((place, alert)) = state.note(alert) else {
                continue;
            };
            for post in &state.desks {
                post.desk.remember(&alert, place, now);
            }
        }
        state.before.restored = true;
        state.close_orphans(now);
        state.ring();
    }

    /// What changed, causes before what they explain. Never waits. What is owed is given to the outbox before this returns,
    /// and nobody is woken to deliver it before [`Notifier::ring`]: an owner keeps the alerts themselves with it, in one
    /// transaction. A crash may then make it tell something twice, and neither forget it nor tell it as something new.
    ///
    /// Pending and suppressed ones are passed over.
    pub fn tell(&self, changed: Vec<Alert>) {
        let now = self.0.clock.now();
        let mut state = self.0.state.lock();
        for mut alert in changed {
            alert.labels = state.labelled(&alert);
            state.tell(alert, now);
        }
    }

    /// The labels that an alert is told with: its own and those of the configuration, as they were when it began to fire.
    /// An owner keeps these with the alert, so that it is the same one after a restart with another configuration, and asks
    /// for them before [`Notifier::tell`], behind which those of a resolved one are not known any more. Of what is not told
    /// they are its own.
    pub fn labelled(&self, alert: &Alert) -> BTreeMap<String, String> {
        self.0.state.lock().labelled(alert)
    }

    /// What was told is delivered now.
    pub fn ring(&self) {
        self.0.state.lock().ring();
    }

    /// The outbox lost what it kept, and can keep again: what is owed is given to it anew. Never waits.
    pub fn keep_again(&self) {
        let state = self.0.state.lock();
        state.desks.iter().for_each(|post| post.desk.keep_again());
    }

    /// Whoever makes alerts goes on: to be said at each of its steps, with or without something to tell. Once it was said,
    /// the sign of life is sent only while it is said at least once a minute: a timer would go on when nothing else does.
    pub fn alive(&self) {
        self.0.pulse.beat(self.0.clock.mono());
    }

    /// All acknowledgements that are in force now. Never waits. Until it is said first, also with none, silences are left as
    /// they are: those of the life before are still wanted. To be called before [`Notifier::tell`] where both change,
    /// so that a silence ends before the resolution is told.
    pub fn silence(&self, in_force: Vec<Acknowledgement>) {
        let mut state = self.0.state.lock();
        let in_force: Arc<[Acknowledgement]> = in_force.into();
        for post in &state.desks {
            post.desk.acknowledge(&in_force);
        }
        state.acknowledged = Some(in_force);
    }

    /// Other receivers, labels, addresses. Receivers of the same name and kind go on with what they are owed. If of a kind
    /// one is gone and one is new, the new one is owed what the other was: its address, which may be its name, was mended.
    /// What others that are gone were owed is forgotten. New Alertmanagers are sent all that fires, new webhooks only what
    /// comes.
    pub fn replace(&self, config: Config) {
        self.0.replace(config);
    }

    /// How it stands, in the order of the configuration.
    pub fn standing(&self) -> Vec<Standing> {
        let state = self.0.state.lock();
        state.desks.iter().map(|post| post.desk.standing()).collect()
    }

    /// Delivers what can be delivered in that time, and ends; a receiver that fails is tried once. The rest stays owed.
    pub async fn stop(&self, within: Duration) {
        let mut tasks = {
            let mut state = self.0.state.lock();
            state.loading.abort_all();
            state.desks.iter().for_each(|post| post.desk.stop());
            std::mem::take(&mut state.tasks)
        };
        let ended = async { while tasks.join_next().await.is_some() {} };
        if timeout(within, ended).await.is_err() {
            tracing::warn!("not all alerts were delivered before the end; they stay owed");
        }
        tasks.shutdown().await;
    }
}

impl Shared {
    fn replace(&self, config: Config) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        let before = std::mem::take(&mut state.desks);
        let goes_on: Vec<_> = config
            .receivers
            .iter()
            .map(|receiver| predecessor(receiver, &before, &config))
            .collect();
        let mut before: Vec<Option<Post>> = before.into_iter().map(Some).collect();
        let labels = Arc::new(config.labels.clone());
        let external_url: Option<Arc<str>> = config.external_url.as_deref().map(Into::into);
        let id: Arc<str> = config.id.as_str().into();
        for (receiver, known) in config.receivers.iter().zip(goes_on) {
            let settings = Settings {
                receiver: Arc::new(receiver.clone()),
                labels: Arc::clone(&labels),
                external_url: external_url.clone(),
                id: Arc::clone(&id),
            };
            let post = match known.and_then(|at| before[at].take()) {
                Some(post) if post.is(receiver) => post.with(settings),
                gone => self.open(&mut state, settings, gone, now),
            };
            state.desks.push(post);
        }
        state.config = config;
        before.into_iter().flatten().for_each(close);
    }

    /// Opens a desk, perhaps for one that is gone.
    fn open(&self, state: &mut State, settings: Settings, gone: Option<Post>, now: Now) -> Post {
        let kind = settings.receiver.kind;
        let (outbox, pulse) = (Arc::clone(&self.outbox), Arc::clone(&self.pulse));
        let desk = Desk::new(settings, outbox, pulse, self.clock.clone(), self.timing);
        let desk = Arc::new(desk);
        if let Some(gone) = gone {
            gone.task.abort();
            desk.take_over(&gone.desk);
        }
        for (place, alert) in state.firing.values() {
            desk.remember(alert, *place, now);
        }
        if let Some(in_force) = &state.acknowledged {
            desk.acknowledge(in_force);
        }
        let task = state.tasks.spawn(serve(Arc::clone(&desk), kind));
        Post { desk, kind, task }
    }
}

/// Whom a receiver goes on for: the one of its name, else the only one of its kind that is gone if it alone of its kind came.
fn predecessor(receiver: &Receiver, before: &[Post], config: &Config) -> Option<usize> {
    let same = before.iter().position(|post| post.is(receiver));
    same.or_else(|| {
        let stays = |post: &Post| config.receivers.iter().any(|other| post.is(other));
        let mut gone =
            (0..before.len()).filter(|at| speaks(before[*at].kind, receiver.kind) && !stays(&before[*at]));
        let is_new = |other: &&Receiver| !before.iter().any(|post| post.is(other));
        let came = config.receivers.iter().filter(is_new);
        let came = came.filter(|other| speaks(other.kind, receiver.kind)).count();
        gone.next().filter(|_| came == 1 && gone.next().is_none())
    })
}

/// Whether they are of one kind. What was owed in another language is not what is owed now.
fn speaks(one: Kind, other: Kind) -> bool {
    matches!(
        (one, other),
        (Kind::Alertmanager, Kind::Alertmanager) | (Kind::Webhook { .. }, Kind::Webhook { .. })
    )
}

impl Post {
    /// Whether it is that receiver, perhaps reached otherwise.
    fn is(&self, receiver: &Receiver) -> bool {
        speaks(self.kind, receiver.kind) && self.desk.name == receiver.name
    }

    fn with(self, settings: Settings) -> Self {
        let kind = settings.receiver.kind;
        self.desk.set(settings);
        Self { kind, ..self }
    }
}

fn close(post: Post) {
    post.task.abort();
    let owed = post.desk.close();
    if owed > 0 {
        tracing::warn!(
            receiver = post.desk.name,
            owed,
            "a receiver is gone; what it was owed is forgotten"
        );
    }
}

/// The task of a receiver. What panics in it begins anew, with all that is due.
async fn serve(desk: Arc<Desk>, kind: Kind) {
    loop {
        let run = async {
            match kind {
                Kind::Alertmanager => alertmanager::run(Arc::clone(&desk)).await,
                Kind::Webhook { .. } => webhook::run(Arc::clone(&desk)).await,
            }
        };
        if AssertUnwindSafe(run).catch_unwind().await.is_ok() {
            return;
        }
        tracing::error!(receiver = desk.name, "delivery panicked, and begins anew");
        tokio::time::sleep(AFTER_PANIC).await;
    }
}

impl State {
    /// As it is, with the labels that it has.
    fn tell(&mut self, alert: Alert, now: Now) {
        let Some((place, alert)) = self.note(alert) else {
            return;
        };
        for post in &self.desks {
            post.desk.tell(&alert, place, now);
        }
    }

    /// What is known of the same firing.
    fn known(&self, alert: &Alert) -> Option<&(u64, Arc<Alert>)> {
        let known = self.firing.get(&alert.key);
        known.filter(|(_, known)| known.fired == alert.fired)
    }

    fn labelled(&self, alert: &Alert) -> BTreeMap<String, String> {
        if Id::of(alert).is_none() {
            return alert.labels.clone();
        }
        if let Some((_, known)) = self.known(alert) {
            return known.labels.clone();
        }
        let mut labels = self.config.labels.clone();
        labels.extend(alert.labels.clone());
        labels
    }

    /// Gives an alert its place. None if it is nothing to tell.
    fn note(&mut self, alert: Alert) -> Option<(u64, Arc<Alert>)> {
        Id::of(&alert)?;
        let place = self
            .known(&alert)
            .map(|(place, _)| *place)
            .filter(|_| alert.state == AlertState::Firing);
        let place = place.unwrap_or_else(|| {
            self.place += 1;
            self.place
        });
        let alert = Arc::new(alert);
        if alert.state == AlertState::Resolved {
            if self.known(&alert).is_some() {
                self.firing.remove(&alert.key);
            }
        } else if self.firing.len() < MOST || self.firing.contains_key(&alert.key) {
            self.firing.insert(alert.key.clone(), (place, Arc::clone(&alert)));
        }
        Some((place, alert))
    }

    fn ring(&self) {
        self.desks.iter().for_each(|post| post.desk.ring());
    }
}

/// Whether it is about a root cause itself.
fn is_cause(alert: &Alert) -> bool {
    let service = alert.key.service.as_ref().map(Name::as_str);
    service.is_some() && alert.labels.get("root_cause").map(String::as_str) == service
}
