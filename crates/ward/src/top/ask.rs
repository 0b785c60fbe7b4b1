//! Asks the aggregator about the service that is open, when it has changed and not otherwise.
//!
//! That it changed is told by a second watch, of its instances alone: the first one, of all services, does not hear of a
//! check of one instance. Watching all instances of all services would be a thousand times as much to read.

use std::{future::pending, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Sleep, sleep},
};
use tonic::Code;
use ward_model::{Explanation, InstanceState, Name, ServiceState};
use ward_proto::v1;
use ward_sdk::watch::{Event, Level, Watcher};

use super::detail::Answer;
use crate::{
    Failure,
    client::{Client, Server},
};

/// The least time between two questions, however fast it changes: people do not read faster.
const PACE: Duration = Duration::from_millis(500);

/// Questions about one service, one at a time.
#[derive(Debug)]
pub(super) struct Asking {
    server: Server,
    name: Name,
    /// `None` where the address could not be watched; then only what the first watch hears of is asked about.
    watcher: Option<Watcher>,
    wanted: bool,
    under_way: Option<JoinHandle<Result<Answer, Failure>>>,
    pause: Option<std::pin::Pin<Box<Sleep>>>,
}

impl Asking {
    /// Asks at once.
    pub(super) fn new(server: Server, name: Name) -> Self {
        let watcher = server
            .watcher()
            .names([name.clone()])
            .level(Level::Instance)
            .start()
            .ok();
        Self {
            server,
            name,
            watcher,
            wanted: true,
            under_way: None,
            pause: None,
        }
    }

    /// Something it rests on has changed.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// The next answer, or why there is none. Cancel safe.
    pub(super) async fn answer(&mut self) -> Result<Result<Answer, String>, Failure> {
        loop {
            if self.wanted && self.under_way.is_none() && self.pause.is_none() {
                self.wanted = false;
                self.pause = Some(Box::pin(sleep(PACE)));
                self.under_way = Some(tokio::spawn(ask(self.server.clone(), self.name.clone())));
            }
            tokio::select! {
                done = joined(&mut self.under_way) => {
                    self.under_way = None;
                    let answer = done.map_err(|error| Failure::Other(anyhow::Error::new(error).context("ask the aggregator")))?;
                    return Ok(answer.map_err(said));
                }
                () = elapsed(&mut self.pause) => self.pause = None,
                event = next(&mut self.watcher) => {
                    // A mark says that nothing changed; a lost connection is told by the first watch.
                    self.wanted |= matches!(event, Event::Update(_) | Event::Restored { .. });
                }
            }
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(under_way) = &self.under_way {
            under_way.abort();
        }
    }
}

async fn joined<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, tokio::task::JoinError> {
    match task {
        Some(task) => task.await,
        None => pending().await,
    }
}

async fn elapsed(pause: &mut Option<std::pin::Pin<Box<Sleep>>>) {
    match pause {
        Some(pause) => pause.await,
        None => pending().await,
    }
}

async fn next(watcher: &mut Option<Watcher>) -> Event {
    match watcher {
        Some(watcher) => watcher.next().await,
        None => pending().await,
    }
}

async fn ask(server: Server, name: Name) -> Result<Answer, Failure> {
    server.ask(|client| answer(client, name)).await
}

async fn answer(mut client: Client, name: Name) -> Result<Answer, Failure> {
    let name = name.to_string();
    let gone = |client: &Client, status: tonic::Status| match status.code() {
        Code::NotFound => Failure::Usage("no such service any more".into()),
        _ => client.failed(&status),
    };
    let request = v1::GetServiceRequest { name: name.clone() };
    let seen = client.grpc.get_service(request).await;
    let seen = seen.map_err(|status| gone(&client, status))?.into_inner();
    let explained = client.grpc.explain(v1::ExplainRequest { name }).await;
    let explained = explained.map_err(|status| gone(&client, status))?.into_inner();
    let service = ServiceState::try_from(seen.service.unwrap_or_default());
    let instances = seen.instances.into_iter().map(InstanceState::try_from);
    Ok(Answer {
        service: service.map_err(|error| client.invalid(error))?,
        instances: instances
            .collect::<Result<_, _>>()
            .map_err(|error| client.invalid(error))?,
        explanation: Explanation::try_from(explained).map_err(|error| client.invalid(error))?,
    })
}

/// On one line of a screen; how to start an aggregator is no help here.
fn said(failure: Failure) -> String {
    match failure {
        Failure::Unreachable { why, .. } => format!("cannot be asked: {why}"),
        failure => failure.to_string(),
    }
}
