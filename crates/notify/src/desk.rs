//! Where a receiver's task meets those who have something to tell it.
//!
//! Everybody who comes holds the lock for as long as it takes to note something, so that nobody who tells waits for a
//! receiver. The outbox is written to under the same lock: what it is told last is then what is true.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::sync::Notify;
use ward_chassis::Clock;
use ward_model::{Acknowledgement, Alert, AlertState, Mono, Now, Severity};

use crate::{
    Kind, Outbox, Receiver, Standing, Timing,
    ledger::{Fate, Ledger, Ticket},
    outbox::{Entry, Write},
};

/// The shipped sign of life.
const WATCHDOG: &str = "Watchdog";
/// Most acknowledgements that become silences: those who acknowledge more than that are not working on them.
const SILENCES: usize = 1_000;

/// When whoever makes alerts last said that it goes on. Shared by all desks.
#[derive(Debug, Default)]
pub(crate) struct Pulse(AtomicU64);

impl Pulse {
    pub(crate) fn beat(&self, now: Mono) {
        // Zero is never.
        self.0.store(now.0.max(1), Ordering::Relaxed);
    }

    /// Whether it goes on, as far as it says so at all.
    fn beats(&self, now: Mono, within: Duration) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        last == 0 || now.since(Mono(last)) <= within
    }
}

/// Whether an alert is for no person: it says that alerts are made and told.
pub(crate) fn is_sign_of_life(alert: &Alert) -> bool {
    alert.severity == Severity::None && alert.key.rule.as_str() == WATCHDOG
}

#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) name: String,
    pub(crate) clock: Clock,
    pub(crate) timing: Timing,
    pub(crate) bell: Notify,
    outbox: Arc<dyn Outbox>,
    pulse: Arc<Pulse>,
    inner: Mutex<Inner>,
}

/// What of the configuration a receiver's task needs.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) receiver: Arc<Receiver>,
    pub(crate) labels: Arc<BTreeMap<String, String>>,
    pub(crate) external_url: Option<Arc<str>>,
    /// [`crate::Config::id`].
    pub(crate) id: Arc<str>,
}

#[derive(Debug)]
struct Inner {
    settings: Settings,
    ledger: Ledger,
    sign_of_life: Option<Arc<Alert>>,
    /// None until it is known.
    acknowledged: Option<Arc<[Acknowledgement]>>,
    standing: Standing,
    stopping: bool,
    /// It was said that it takes nothing.
    said_down: bool,
    /// It was said that things are not recorded.
    said_unrecorded: bool,
    /// When it was last said that something was left out, and that something was refused.
    said_dropped: Option<Mono>,
    said_refused: Option<Mono>,
}

/// Between two lines of the log about alerts that are left out or refused, of which there may be many.
const PAUSE: Duration = Duration::from_secs(60);

impl Desk {
    pub(crate) fn new(
        settings: Settings,
        outbox: Arc<dyn Outbox>,
        pulse: Arc<Pulse>,
        clock: Clock,
        timing: Timing,
    ) -> Self {
        let name = settings.receiver.name.clone();
        let repeats = settings.receiver.kind == Kind::Alertmanager;
        Self {
            clock,
            timing,
            bell: Notify::new(),
            outbox,
            pulse,
            inner: Mutex::new(Inner {
                ledger: Ledger::new(&name, repeats, timing),
                standing: Standing {
                    receiver: name.clone(),
                    ..Standing::default()
                },
                settings,
                sign_of_life: None,
                acknowledged: None,
                stopping: false,
                said_down: false,
                said_unrecorded: false,
                said_dropped: None,
                said_refused: None,
            }),
            name,
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        self.inner.lock().settings.clone()
    }

    pub(crate) fn set(&self, settings: Settings) {
        self.inner.lock().settings = settings;
        self.bell.notify_one();
    }

    /// Takes what is to be told. Nothing is sent before [`Desk::ring`], so that what belongs together is together.
    pub(crate) fn tell(&self, alert: &Arc<Alert>, place: u64, now: Now) {
        self.take(alert, now, |ledger| ledger.tell(alert, place, now));
    }

    /// Takes what fires on since before the start, and is not owed.
    pub(crate) fn remember(&self, alert: &Arc<Alert>, place: u64, now: Now) {
        self.take(alert, now, |ledger| ledger.remember(alert, place, now));
    }

    fn take(&self, alert: &Arc<Alert>, now: Now, take: impl FnOnce(&mut Ledger) -> Vec<Write>) {
        let mut inner = self.inner.lock();
        let Receiver { kind, least, .. } = *inner.settings.receiver;
        if is_sign_of_life(alert) && kind != Kind::Alertmanager {
            let watchdog = kind == Kind::Webhook { watchdog: true } && alert.state == AlertState::Firing;
            inner.sign_of_life = watchdog.then(|| Arc::clone(alert));
            return;
        }
        let known = alert
            .fired
            .is_some_and(|fired| inner.ledger.knows(&alert.key, fired));
        if alert.severity >= least || known {
            let writes = take(&mut inner.ledger);
            self.write(writes);
            inner.complain(now.mono);
        }
    }

    /// Keeps anew what is owed.
    pub(crate) fn keep_again(&self) {
        let inner = self.inner.lock();
        self.write(inner.ledger.kept_anew());
    }

    /// Takes what was owed in the life before.
    pub(crate) fn load(&self, entry: Entry<'static>, now: Now) {
        let mut inner = self.inner.lock();
        let writes = inner.ledger.load(entry, now);
        self.write(writes);
        inner.complain(now.mono);
    }

    fn write(&self, writes: Vec<Write>) {
        for (key, body) in writes {
            self.outbox.keep(key, body);
        }
    }

    pub(crate) fn ring(&self) {
        self.bell.notify_one();
    }

    pub(crate) fn acknowledge(&self, in_force: &Arc<[Acknowledgement]>) {
        let mut inner = self.inner.lock();
        if inner.acknowledged.as_ref() != Some(in_force) {
            inner.acknowledged = Some(Arc::clone(in_force));
            self.bell.notify_one();
        }
    }

    /// None while nobody has said: silences are then left as they are.
    pub(crate) fn acknowledged(&self) -> Option<Arc<[Acknowledgement]>> {
        let all = self.inner.lock().acknowledged.clone()?;
        if all.len() <= SILENCES {
            return Some(all);
        }
        Some(all.iter().take(SILENCES).cloned().collect())
    }

    pub(crate) fn sign_of_life(&self) -> Option<Arc<Alert>> {
        self.inner.lock().sign_of_life.clone()
    }

    /// Whether an alert may be sent: the sign of life says that alerts are made, and so only while they are.
    pub(crate) fn is_true(&self, alert: &Alert) -> bool {
        !is_sign_of_life(alert) || self.pulse.beats(self.clock.mono(), self.timing.resend)
    }

    /// What the ledger says.
    pub(crate) fn ask<T>(&self, question: impl FnOnce(&mut Ledger) -> T) -> T {
        question(&mut self.inner.lock().ledger)
    }

    /// Waits until what is to be sent is on disk, if it was never tried. That it cannot be written is no reason to keep it:
    /// a page is worth more than its record.
    pub(crate) async fn recorded(&self, tickets: &[Ticket]) {
        if !tickets.iter().any(|ticket| ticket.fresh) {
            return;
        }
        let untried = self.ask(|ledger| ledger.untried());
        let recorded = self.outbox.durable().await;
        let mut inner = self.inner.lock();
        inner.ledger.tried(&untried);
        if recorded {
            inner.said_unrecorded = false;
            return;
        }
        inner.standing.unrecorded += untried.len() as u64;
        if !std::mem::replace(&mut inner.said_unrecorded, true) {
            tracing::error!(
                receiver = self.name,
                "alerts are told before it is on disk that they are owed: the store does not take it; \
                 those that the receiver does not take are lost if Ward ends now"
            );
        }
    }

    /// The receiver took them, or a request about something else if there are none.
    pub(crate) fn took(&self, tickets: &[Ticket], now: Now) {
        let mut inner = self.inner.lock();
        let writes = inner.ledger.delivered(tickets);
        self.write(writes);
        inner.standing.requests[0] += 1;
        inner.standing.delivered = Some(now.wall);
        let error = inner.standing.error.take();
        if std::mem::take(&mut inner.said_down) {
            tracing::info!(
                receiver = self.name,
                before = error,
                "the receiver takes alerts again"
            );
        }
    }

    /// A request failed.
    pub(crate) fn failed(&self, why: String) {
        let mut inner = self.inner.lock();
        inner.standing.requests[1] += 1;
        // All that it was told may be lost to it.
        inner.ledger.round();
        if !std::mem::replace(&mut inner.said_down, true) {
            tracing::warn!(
                receiver = self.name,
                error = why,
                "the receiver takes no alerts; they stay owed"
            );
        }
        inner.standing.error = Some(why);
    }

    /// A request about nothing that is owed was refused.
    pub(crate) fn refused(&self, why: String) {
        let mut inner = self.inner.lock();
        inner.standing.requests[2] += 1;
        if !std::mem::replace(&mut inner.said_down, true) {
            tracing::error!(
                receiver = self.name,
                error = why,
                "the receiver refuses requests; alerts stay owed"
            );
        }
        inner.standing.error = Some(why);
    }

    /// A request was refused for what was in it.
    pub(crate) fn refused_one(&self, ticket: &Ticket, why: &str, now: Now) {
        let mut inner = self.inner.lock();
        let (fate, writes) = inner.ledger.refused(ticket, now);
        self.write(writes);
        inner.standing.requests[2] += 1;
        inner.standing.error = Some(why.to_owned());
        let said = inner
            .said_refused
            .is_some_and(|said| now.mono.since(said) < PAUSE);
        let alert = ticket.alert.key.to_string();
        match fate {
            Fate::Again if said => {}
            Fate::Again => {
                inner.said_refused = Some(now.mono);
                tracing::warn!(
                    receiver = self.name,
                    alert,
                    error = why,
                    "the receiver refuses an alert"
                );
            }
            Fate::GivenUp => {
                tracing::error!(
                    receiver = self.name,
                    alert,
                    error = why,
                    "an alert is given up: the receiver has refused it for too long"
                );
            }
        }
    }

    /// A request about something else was refused or failed, which says nothing about alerts.
    pub(crate) fn counted(&self, outcome: usize) {
        self.inner.lock().standing.requests[outcome] += 1;
    }

    pub(crate) fn stop(&self) {
        let mut inner = self.inner.lock();
        inner.stopping = true;
        inner.ledger.last_round();
        self.bell.notify_one();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.inner.lock().stopping
    }

    /// Goes on for a receiver that is no more, with all that was known of it.
    pub(crate) fn take_over(&self, gone: &Self) {
        // Whatever of it is under way comes to nothing.
        let ledger = gone.ask(|ledger| std::mem::replace(ledger, ledger.emptied()));
        let mut inner = self.inner.lock();
        inner.ledger = ledger;
        let (owed, _) = inner.ledger.owed();
        let writes = inner.ledger.rename(&self.name);
        self.write(writes);
        tracing::info!(
            receiver = self.name,
            before = gone.name,
            owed,
            "a receiver takes the place of another, and is owed what that one was"
        );
    }

    /// The receiver is no more: what it is owed is forgotten. Says how much that was.
    pub(crate) fn close(&self) -> u64 {
        let mut inner = self.inner.lock();
        let (owed, _) = inner.ledger.owed();
        let writes = inner.ledger.clear();
        self.write(writes);
        owed
    }

    pub(crate) fn standing(&self) -> Standing {
        let inner = self.inner.lock();
        let (owed, oldest) = inner.ledger.owed();
        Standing {
            owed,
            oldest,
            dropped: inner.ledger.dropped(),
            ..inner.standing.clone()
        }
    }
}

impl Inner {
    /// Says once a minute that something was left out.
    fn complain(&mut self, now: Mono) {
        let dropped = self.ledger.dropped();
        let said = self.said_dropped.is_some_and(|said| now.since(said) < PAUSE);
        if dropped > self.standing.dropped && !said {
            self.said_dropped = Some(now);
            self.standing.dropped = dropped;
            let receiver = &self.settings.receiver.name;
            tracing::error!(
                receiver,
                dropped,
                "alerts are given up: the receiver is owed more than is kept"
            );
        }
    }
}
