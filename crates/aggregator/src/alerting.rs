//! Alerts: who is to be told of what was decided.
//!
//! Once a second the machine of `ward-alerts` is told what was published since, and every ten seconds the engine's signals;
//! what comes out is kept in the store, written into the audit log, and handed to `ward-notify`. It is a watcher like any
//! other: it follows the hub, so that no verdict waits for it, and a page can be late but never in the way. Whether
//! something fires is not decided here, nor how it is delivered.

mod breakers;
mod keep;
mod outbox;
mod receivers;
mod record;
mod restore;
mod run;
mod sight;
mod tell;
mod time;
mod told;
mod traces;
mod words;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot};
use ward_chassis::Clock;
use ward_config::Settings;
use ward_model::{Acknowledgement, Alert, AlertState, Name, Severity};
use ward_notify::{Notifier, Standing};

use self::{outbox::StoreOutbox, receivers::receivers};
use crate::{decider::Unavailable, memory::Memory};

pub(crate) use run::run;

/// Commands that wait for the step under way: more of them wait where they are.
const COMMANDS: usize = 16;

/// How alerts stand.
#[derive(Debug, Default)]
pub(crate) struct Board {
    /// All that are not inactive, resolved ones for fifteen minutes; by service, the system first.
    pub(crate) alerts: Vec<Arc<Alert>>,
    /// What is in force.
    pub(crate) acknowledged: Vec<Acknowledgement>,
    /// Conditions that hold and have no alert, for want of room.
    pub(crate) beyond: usize,
}

/// A handle to it.
#[derive(Debug)]
pub(crate) struct Alerting {
    board: ArcSwap<Board>,
    commands: mpsc::Sender<Command>,
    notifier: Notifier,
}

/// One who is told, and how it stands.
#[derive(Debug)]
pub(crate) struct Receiver {
    /// Otherwise it is a webhook.
    pub(crate) is_alertmanager: bool,
    pub(crate) standing: Standing,
}

/// What somebody does about alerts, and who wants to know that it was done.
#[derive(Debug)]
pub(crate) enum Command {
    Acknowledge(Acknowledgement, oneshot::Sender<()>),
    Unacknowledge(Option<Name>, oneshot::Sender<()>),
}

/// For [`run`], once.
#[derive(Debug)]
pub(crate) struct Commands(mpsc::Receiver<Command>);

impl Alerting {
    /// Begins to deliver what is still owed from before. Nothing is judged before [`run`].
    pub(crate) fn start(settings: &Settings, memory: &Arc<Memory>, clock: &Clock) -> (Self, Commands) {
        let (commands, taken) = mpsc::channel(COMMANDS);
        let outbox = Arc::new(StoreOutbox(memory.clone()));
        let alerting = Self {
            board: ArcSwap::default(),
            commands,
            notifier: Notifier::start(
                receivers(&settings.alerting, memory.origin()),
                outbox,
                clock.clone(),
            ),
        };
        (alerting, Commands(taken))
    }

    /// How alerts stand now.
    pub(crate) fn board(&self) -> Arc<Board> {
        self.board.load_full()
    }

    /// How it stands with who is told.
    pub(crate) fn receivers(&self, settings: &Settings) -> Vec<Receiver> {
        let alertmanagers = &settings.alerting.alertmanagers;
        let told = |standing: Standing| Receiver {
            is_alertmanager: alertmanagers.iter().any(|named| named.name == standing.receiver),
            standing,
        };
        self.notifier.standing().into_iter().map(told).collect()
    }

    /// Somebody works on what fires. It is in force when this returns.
    pub(crate) async fn acknowledge(&self, said: Acknowledgement) -> Result<(), Unavailable> {
        self.command(|done| Command::Acknowledge(said, done)).await
    }

    /// And does no more.
    pub(crate) async fn unacknowledge(&self, service: Option<Name>) -> Result<(), Unavailable> {
        self.command(|done| Command::Unacknowledge(service, done)).await
    }

    async fn command(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) -> Result<(), Unavailable> {
        let (done, is_done) = oneshot::channel();
        self.commands.send(command(done)).await.map_err(|_| Unavailable)?;
        is_done.await.map_err(|_| Unavailable)
    }

    /// What is owed is delivered as far as that takes moments; the rest is kept.
    pub(crate) async fn stop(&self) {
        self.notifier.stop(LAST_DELIVERIES).await;
    }
}

/// Less than the step of a stop.
const LAST_DELIVERIES: Duration = Duration::from_secs(3);

impl Board {
    /// Those that fire of a service (`None`: the system) and are for people.
    pub(crate) fn firing(&self, service: Option<&Name>) -> impl Iterator<Item = &Alert> {
        let of = self
            .alerts
            .iter()
            .map(Arc::as_ref)
            .filter(move |alert| alert.key.service.as_ref() == service);
        of.filter(|alert| alert.state == AlertState::Firing && alert.severity > Severity::None)
    }
}
