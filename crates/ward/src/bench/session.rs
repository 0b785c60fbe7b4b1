//! One `Report` stream: opens it, introduces instances, sends, and takes in what comes back.
//!
//! The sdk's reporter was not taken: it carries one instance a stream, paces itself and hides what breaks, all of which
//! is the measurement here.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use ward_proto::v1::{self, health_service_client::HealthServiceClient};
use ward_sdk::Connection;

use super::tally::Tally;
use crate::failure::root;

/// Requests under way to the transport.
const QUEUE: usize = 4;
/// Hellos, and goodbyes, in one message: far below the 64 KiB that a message may have.
const PARTS: usize = 200;
/// How long the target may take to be connected to, to open a stream, and to say anything about a hello.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait for more once all hellos are acknowledged and not all are answered: of many refusals not each one
/// is told.
const REST: Duration = Duration::from_secs(1);

/// An open stream.
#[derive(Debug)]
pub(super) struct Session {
    out: mpsc::Sender<v1::ReportRequest>,
    answers: Streaming<v1::ReportResponse>,
    tally: Arc<Tally>,
    /// Of each request that is not acknowledged: how many of its beats are counted.
    owed: VecDeque<u64>,
    acknowledged: u64,
}

/// Why a stream ended.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) why: String,
    /// When the target wants to see it again.
    pub(super) retry_after: Duration,
}

impl Broken {
    fn because(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            retry_after: Duration::ZERO,
        }
    }

    fn call(status: &tonic::Status) -> Self {
        match std::error::Error::source(status) {
            Some(_) => Self::because(root(status)),
            None => Self::because(format!("{:?}: {}", status.code(), status.message())),
        }
    }
}

impl Session {
    /// Opens a stream and introduces instances. Returns those that were taken.
    pub(super) async fn open(
        channel: Connection,
        hellos: Vec<v1::Hello>,
        tally: Arc<Tally>,
    ) -> Result<(Self, Vec<v1::Registration>), Broken> {
        let (out, requests) = mpsc::channel(QUEUE);
        let mut client = HealthServiceClient::new(channel);
        let opened = timeout(PATIENCE, client.report(ReceiverStream::new(requests))).await;
        let opened = opened.map_err(|_| Broken::because("no answer to Report"))?;
        let mut session = Self {
            out,
            answers: opened.map_err(|status| Broken::call(&status))?.into_inner(),
            tally,
            owed: VecDeque::new(),
            acknowledged: 0,
        };
        for some in hellos.chunks(PARTS) {
            let request = v1::ReportRequest {
                hellos: some.to_vec(),
                ..v1::ReportRequest::default()
            };
            session.send(request, 0).await?;
        }
        let registered = session.registered(hellos.len()).await?;
        Ok((session, registered))
    }

    async fn registered(&mut self, expected: usize) -> Result<Vec<v1::Registration>, Broken> {
        let (mut registered, mut refused) = (Vec::with_capacity(expected), 0);
        while registered.len() + refused < expected {
            let patience = if self.owed.is_empty() { REST } else { PATIENCE };
            let Ok(answer) = timeout(patience, self.answer()).await else {
                match self.owed.is_empty() {
                    true => break,
                    false => return Err(Broken::because("no answer to hello")),
                }
            };
            let answer = answer?;
            refused += answer.rejections.len();
            registered.extend(answer.registrations);
        }
        Ok(registered)
    }

    /// Hands one request to the transport, `beats` of which are to be counted once they are acknowledged.
    pub(super) async fn send(&mut self, request: v1::ReportRequest, beats: u64) -> Result<(), Broken> {
        self.owed.push_back(beats);
        match self.out.send(request).await {
            Ok(()) => Ok(()),
            // Why is said by the other direction.
            Err(_) => match self.answer().await {
                Ok(_) => Err(Broken::because("the stream takes nothing more")),
                Err(broken) => Err(broken),
            },
        }
    }

    /// The next answer, what it says already counted. Cancel safe.
    pub(super) async fn answer(&mut self) -> Result<v1::ReportResponse, Broken> {
        let answer = self
            .answers
            .message()
            .await
            .map_err(|status| Broken::call(&status))?;
        let answer = answer.ok_or_else(|| Broken::because("the target ended the stream"))?;
        while self.acknowledged < answer.acknowledged {
            let Some(beats) = self.owed.pop_front() else {
                return Err(Broken::because("more was acknowledged than was sent"));
            };
            Tally::add(&self.tally.acknowledged, beats);
            self.acknowledged += 1;
        }
        answer
            .rejections
            .iter()
            .for_each(|rejection| self.tally.refuse(rejection));
        match answer.closing {
            Some(closing) => Err(Broken {
                why: format!("the target closed: {}", closing.reason),
                retry_after: Duration::from_millis(closing.retry_after_ms.into()),
            }),
            None => Ok(answer),
        }
    }

    /// Says goodbye for these handles, and waits until all that was sent is acknowledged.
    pub(super) async fn leave(mut self, handles: &[u32]) -> Result<(), Broken> {
        for some in handles.chunks(PARTS) {
            let goodbye = |&handle: &u32| v1::Goodbye {
                handle,
                reason: "the bench is over".to_owned(),
            };
            let request = v1::ReportRequest {
                goodbyes: some.iter().map(goodbye).collect(),
                ..v1::ReportRequest::default()
            };
            self.send(request, 0).await?;
        }
        while !self.owed.is_empty() {
            let answered = timeout(PATIENCE, self.answer()).await;
            answered.map_err(|_| Broken::because("no answer to goodbye"))??;
        }
        Ok(())
    }
}
