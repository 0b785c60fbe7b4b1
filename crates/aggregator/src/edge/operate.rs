//! What operators do: maintenance, forgetting. The same for every edge.
//!
//! Who did it is asked for, since it is shown to people; logged beside it is who they have proved to be. Each command is
//! durable in the audit log before it is done.

use std::time::Duration;

use ward_audit::{Draft, Kind, Source};
use ward_chassis::logs::RECORD;
use ward_engine::{Event, Reply};
use ward_model::{Maintenance, Name};
use ward_proto::Invalid;

use super::{
    Edge, Shared,
    ask::{self, service_name},
    failure::Failure,
};
use crate::{access::Caller, hub::Cursor, maintenance};

/// Longest name of an operator, in characters.
const BY: usize = 128;
/// Longest reason, in characters.
pub(super) const WHY: usize = 512;

/// Somebody begins to work on a service; without a duration until they say that it is over.
pub(super) async fn start_maintenance(
    edge: &Shared,
    caller: &Caller,
    service: &str,
    by: String,
    why: String,
    duration: Option<Duration>,
) -> Result<Maintenance, Failure> {
    let service = service_name("service", service)?;
    let by = operator(by)?;
    let why = text("why", why, WHY)?;
    let mut draft =
        draft(edge, caller, Kind::MaintenanceStart, service.as_str(), &by).with("why", why.as_str());
    if let Some(duration) = duration {
        draft = draft.with("duration_ms", duration.as_millis().to_string());
    }
    let event = Event::StartMaintenance {
        service,
        by,
        why,
        duration,
    };
    match decide(edge, caller, draft, event).await? {
        Reply::Maintenance(maintenance) => {
            let Maintenance { service, by, why, .. } = &*maintenance;
            tracing::info!(target: RECORD, %service, by, %caller, why, ?duration, "maintenance was started");
            Ok(*maintenance)
        }
        reply => Err(unexpected(&reply)),
    }
}

/// The work is over.
pub(super) async fn end_maintenance(
    edge: &Shared,
    caller: &Caller,
    service: &str,
    by: String,
) -> Result<(), Failure> {
    let service = service_name("service", service)?;
    let by = operator(by)?;
    let draft = draft(edge, caller, Kind::MaintenanceEnd, service.as_str(), &by);
    let event = Event::EndMaintenance {
        service: service.clone(),
    };
    decide(edge, caller, draft, event).await?;
    tracing::info!(target: RECORD, %service, by, %caller, "maintenance was ended");
    Ok(())
}

/// What is in maintenance, and what will be.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) cursor: Cursor,
    /// By the names of the services.
    pub(super) active: Vec<Maintenance>,
    /// The nearest first.
    pub(super) upcoming: Vec<Maintenance>,
}

pub(super) async fn list_maintenance(edge: &Edge) -> Result<Planned, Failure> {
    let (cursor, _) = ask::system(edge).await?;
    let active = ask::all(edge, |service| service.maintenance).await?;
    Ok(Planned {
        cursor,
        active: active.into_iter().flatten().collect(),
        upcoming: edge.upcoming.load().to_vec(),
    })
}

/// Drops a service, or one of its instances. Returns how many instances were dropped.
pub(super) async fn forget(
    edge: &Shared,
    caller: &Caller,
    service: &str,
    instance: Option<&str>,
    by: String,
) -> Result<u32, Failure> {
    let service = service_name("service", service)?;
    let instance = instance.map(instance_name).transpose()?;
    let by = operator(by)?;
    let subject = match &instance {
        Some(instance) => format!("{service}/{instance}"),
        None => service.to_string(),
    };
    let draft = draft(edge, caller, Kind::Forget, subject, &by);
    let event = Event::Forget {
        service: service.clone(),
        instance: instance.clone(),
    };
    match decide(edge, caller, draft, event).await? {
        Reply::Forgotten(instances) => {
            let one = instance.as_ref().map(Name::as_str);
            tracing::info!(target: RECORD, %service, instance = one, by, %caller, instances, "forgotten");
            Ok(instances)
        }
        reply => Err(unexpected(&reply)),
    }
}

/// Has a command decided, once it is written down.
async fn decide(edge: &Shared, caller: &Caller, draft: Draft, event: Event) -> Result<Reply, Failure> {
    let decided = |edge: Shared| async move {
        match edge.decider.apply(event).await? {
            Reply::Refused(refusal) => Err(Failure::from(&refusal)),
            reply => Ok(reply),
        }
    };
    carry_out(edge, caller, draft, decided).await
}

/// Does what somebody commands, once it is written down. Once begun it is finished, whoever waits for it: what is in the log
/// as intended is to be done, or said not to have been.
pub(super) async fn carry_out<T: Send + 'static, F>(
    edge: &Shared,
    caller: &Caller,
    draft: Draft,
    act: impl FnOnce(Shared) -> F + Send + 'static,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>> + Send,
{
    let now = edge.clock.mono();
    edge.clients.of(caller, now).once(now).map_err(|wait| {
        edge.metrics.count_bound("commands");
        Failure::TooOften(
            "this client commands more often than it may: come back later",
            wait,
        )
    })?;
    if edge.closings.is_closing() {
        let message = "the aggregator is stopping: ask again in a moment";
        return Err(Failure::Unavailable(message.to_owned()));
    }
    let edge = edge.clone();
    let acted = tokio::spawn(async move {
        let intent = edge.memory.intend(draft).await?;
        match act(edge.clone()).await {
            Ok(done) => {
                edge.memory.done(intent);
                Ok(done)
            }
            Err(failure) => {
                edge.memory.not_done(intent, &failure.message());
                Err(failure)
            }
        }
    });
    let lost = Failure::Internal("the command failed on the way: look at what it did");
    acted.await.unwrap_or(Err(lost))
}

/// A command, as it stands in the audit log. Who proved who they are is its actor; who needed not is who they say.
pub(super) fn draft(edge: &Edge, caller: &Caller, kind: Kind, subject: impl Into<String>, by: &str) -> Draft {
    let cursor = edge.hub.head();
    let actor = caller.proven().unwrap_or_else(|| by.to_owned());
    let draft = Draft::new(kind, Source::Operator, subject, edge.clock.now())
        .at(cursor.epoch, cursor.revision)
        .by(actor)
        .with("by", by);
    match caller.peer() {
        Some(peer) => draft.with("peer", peer.addr.to_string()),
        None => draft,
    }
}

fn unexpected(reply: &Reply) -> Failure {
    tracing::error!(?reply, "an answer to a command that is none");
    Failure::Internal("the command was taken and not answered: look at what it did")
}

fn instance_name(text: &str) -> Result<Name, Invalid> {
    Name::instance(text).map_err(|invalid| Invalid::new("instance", invalid.to_string()))
}

pub(super) fn operator(by: String) -> Result<String, Invalid> {
    if by.is_empty() {
        return Err(Invalid::new("by", "is empty, expected who does this"));
    }
    if by == maintenance::BY {
        return Err(Invalid::new(
            "by",
            "is what windows of the configuration are by, expected who does this",
        ));
    }
    text("by", by, BY)
}

/// Text that goes into logs and onto terminals.
pub(super) fn text(field: &str, text: String, most: usize) -> Result<String, Invalid> {
    let characters = text.chars().count();
    let wrong = if characters > most {
        format!("has {characters} characters, expected at most {most}")
    } else if text.chars().any(char::is_control) {
        "has control characters, expected none".to_owned()
    } else {
        return Ok(text);
    };
    Err(Invalid::new(field, wrong))
}
