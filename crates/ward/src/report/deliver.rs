//! How a run is told: beats while it goes on, the last word when it is over.
//!
//! The command comes first. Nothing here stops it, delays its start or changes how it ends; an aggregator that is away
//! costs a few attempts behind its end and one line on standard error.

use std::time::Duration;

use jiff::Timestamp;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use tonic::Code;
use ward_chassis::Clock;
use ward_model::{Freshness, InstanceState};
use ward_proto::v1;

use super::{declared, millis, send};
use crate::{
    Failure,
    client::{Client, Server},
    output::Escaped,
};

/// The check that says how the last run ended.
pub(super) const CHECK: &str = "run";
/// What ends sooner is reported once: when it is over.
const SHORT: Duration = Duration::from_secs(1);
/// How often a run is heard of at least: one that vanishes, with its machine for example, is lost within two minutes,
/// and not at the time of its next run.
const RUNNING_INTERVAL: Duration = Duration::from_secs(30);
/// Pauses between attempts to tell the end.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(750),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// How long a beat under way may take to end once the run is over. With an aggregator that answers it takes no time.
pub(super) const SETTLING: Duration = Duration::from_secs(2);
/// How long all attempts may take. With [`SETTLING`] it comes to 10 s, so that a job is not late for what comes after
/// it.
const PATIENCE: Duration = Duration::from_secs(8);

/// What is told of whom.
#[derive(Clone, Debug)]
pub(super) struct Delivery {
    pub(super) server: Server,
    /// Who, and what is declared of it. Without results.
    pub(super) hello: v1::Hello,
}

impl Delivery {
    /// Keeps the lease of a run that goes on, until `over`. What is under way then is finished first: whoever does not
    /// wait for that has to abort it, so that it cannot overtake the last word.
    pub(super) async fn beat(self, mut over: oneshot::Receiver<()>) {
        let since = Timestamp::from_millisecond(Clock::start().wall().0).map_or_else(
            |_| String::new(),
            |since| format!("running since {}", since.strftime("%FT%TZ")),
        );
        let mut pause = SHORT;
        loop {
            tokio::select! {
                _ = &mut over => return,
                () = sleep(pause) => {}
            }
            // What fails now is tried again at the next beat, and is worth no word: the end is what matters.
            pause = match self.running(&since).await {
                Ok(interval) => interval.min(RUNNING_INTERVAL),
                Err(_) => RUNNING_INTERVAL.min(Duration::from_millis(self.hello.interval_ms.into())),
            };
        }
    }

    /// Says that it runs, and how often it has to be heard. The word of its last run stands, if there was one.
    async fn running(&self, since: &str) -> Result<Duration, Failure> {
        let mut hello = self.hello.clone();
        hello.interval_ms = hello.interval_ms.min(millis(RUNNING_INTERVAL));
        hello.checks = vec![declared(CHECK)];
        if !self.has_spoken().await? {
            hello.results = vec![v1::CheckResult {
                name: CHECK.into(),
                status: v1::Status::Unknown.into(),
                message: since.into(),
            }];
        }
        let asked = hello.interval_ms;
        let registered = send(&self.server, hello, false).await?.registration;
        // An older aggregator does not say.
        let ms = registered
            .map(|registered| registered.interval_ms)
            .filter(|ms| *ms > 0)
            .unwrap_or(asked);
        Ok(Duration::from_millis(ms.into()))
    }

    /// Whether the aggregator knows how the last run ended. A check keeps its word when it is declared again.
    async fn has_spoken(&self) -> Result<bool, Failure> {
        let request = v1::GetServiceRequest {
            name: self.hello.service.clone(),
        };
        let asked = |mut client: Client| async move {
            match client.grpc.get_service(request).await {
                Ok(answer) => Ok(answer.into_inner().instances),
                Err(status) if status.code() == Code::NotFound => Ok(Vec::new()),
                Err(status) => Err(client.failed(&status)),
            }
        };
        let instances = self.server.ask(asked).await?;
        let us = instances
            .into_iter()
            .filter(|instance| instance.instance == self.hello.instance)
            .find_map(|instance| InstanceState::try_from(instance).ok());
        Ok(us.is_some_and(|us| {
            let lives = matches!(us.freshness, Freshness::Fresh | Freshness::Suspect);
            lives && us.checks.iter().any(|check| check.name.as_str() == CHECK)
        }))
    }

    /// Tells how it ended, in a few attempts.
    pub(super) async fn last_word(
        &self,
        result: v1::CheckResult,
        values: Vec<v1::SignalValue>,
    ) -> Result<v1::ReportOnceResponse, String> {
        let mut hello = self.hello.clone();
        hello.checks = vec![declared(CHECK)];
        hello.results = vec![result];
        hello.values.extend(values);
        let mut why = None;
        let attempts = async {
            let mut pauses = PAUSES.into_iter();
            loop {
                match send(&self.server, hello.clone(), false).await {
                    Ok(answer) => return Ok(answer),
                    Err(Failure::Unreachable { server, why: said }) => {
                        let absent = format!("no aggregator at {server} ({})", Escaped(&said));
                        let Some(pause) = pauses.next() else {
                            return Err(absent);
                        };
                        why = Some(absent);
                        sleep(pause).await;
                    }
                    // Asking again changes nothing about a refusal.
                    Err(failure) => return Err(failure.to_string()),
                }
            }
        };
        let attempted = timeout(PATIENCE, attempts).await;
        attempted.unwrap_or_else(|_| Err(why.unwrap_or_else(|| format!("no answer from {}", self.server))))
    }
}
