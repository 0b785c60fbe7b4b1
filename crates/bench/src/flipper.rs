//! One who makes changes: reports a hundred services and flips them, one after the other, ill and well again.
//!
//! At most one is ill at a time, so that what is told of a flip is always about as long. The interval is an hour: nobody
//! flaps and nobody is missed, and no beats are needed.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_stream::wrappers::ReceiverStream;
use ward_proto::v1::{
    CheckResult, Hello, ReportRequest, ReportResponse, Status, Update,
    health_service_client::HealthServiceClient,
};

/// How many services.
pub(crate) const SERVICES: u64 = 100;

/// Of what is sent, one waits at most.
const UNDER_WAY: usize = 4;

/// A stream of reports. Dropping it ends the stream.
#[derive(Debug)]
pub(crate) struct Flipper {
    requests: mpsc::Sender<ReportRequest>,
    /// By service.
    handles: Vec<u32>,
    flips: u64,
    /// Ends with the first answer that says that something was not taken.
    answers: JoinHandle<anyhow::Result<()>>,
}

/// The service of a flip, counted from 0, and its status behind that.
pub(crate) fn flip(number: u64) -> (u64, Status) {
    let status = if number.is_multiple_of(2) {
        Status::Unhealthy
    } else {
        Status::Healthy
    };
    (number / 2 % SERVICES, status)
}

/// What a service is called.
pub(crate) fn service(index: u64) -> String {
    format!("service-{index:03}")
}

impl Flipper {
    /// Reports all services as healthy.
    pub(crate) async fn connect(addr: SocketAddr) -> anyhow::Result<Self> {
        let (requests, out) = mpsc::channel(UNDER_WAY);
        let mut client = HealthServiceClient::connect(format!("http://{addr}")).await?;
        let hellos = (0..SERVICES).map(hello).collect();
        let request = ReportRequest {
            hellos,
            ..ReportRequest::default()
        };
        requests.send(request).await?;
        let mut answers = client.report(ReceiverStream::new(out)).await?.into_inner();
        let mut handles = Vec::new();
        while (handles.len() as u64) < SERVICES {
            let answer = answers.message().await?.context("the server ended the report")?;
            taken(&answer)?;
            handles.extend(
                answer
                    .registrations
                    .iter()
                    .map(|registration| registration.handle),
            );
        }
        let answers = tokio::spawn(async move {
            while let Some(answer) = answers.message().await? {
                taken(&answer)?;
            }
            Ok(())
        });
        Ok(Self {
            requests,
            handles,
            flips: 0,
            answers,
        })
    }

    /// Makes so many flips, in one request.
    pub(crate) async fn flip(&mut self, flips: u64) -> anyhow::Result<()> {
        if self.answers.is_finished() {
            (&mut self.answers).await??;
        }
        let updates = (self.flips..self.flips + flips)
            .map(|number| self.update(number))
            .collect();
        self.flips += flips;
        let request = ReportRequest {
            updates,
            ..ReportRequest::default()
        };
        self.requests
            .send(request)
            .await
            .context("the server ended the report")
    }

    fn update(&self, number: u64) -> Update {
        let (service, status) = flip(number);
        // Two flips in each turn through all services, the hello before.
        let sequence = 2 + number / (2 * SERVICES) * 2 + number % 2;
        Update {
            handle: self.handles[usize::try_from(service).expect("few services")],
            sequence,
            results: vec![result(status)],
            ..Update::default()
        }
    }
}

fn hello(index: u64) -> Hello {
    /// The most there may be.
    const HOUR_MS: u32 = 3_600_000;
    Hello {
        service: service(index),
        instance: "instance-0000001".to_owned(),
        incarnation: "1".to_owned(),
        interval_ms: HOUR_MS,
        sequence: 1,
        results: vec![result(Status::Healthy)],
        ..Hello::default()
    }
}

fn result(status: Status) -> CheckResult {
    CheckResult {
        name: "self".to_owned(),
        status: status.into(),
        message: String::new(),
    }
}

fn taken(answer: &ReportResponse) -> anyhow::Result<()> {
    ensure!(
        answer.rejections.is_empty() && answer.full_state_wanted.is_empty() && answer.closing.is_none(),
        "a report was not taken: {answer:?}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_is_ill() {
        assert_eq!(flip(0), (0, Status::Unhealthy));
        assert_eq!(flip(1), (0, Status::Healthy));
        assert_eq!(flip(2), (1, Status::Unhealthy));
        assert_eq!(flip(2 * SERVICES), (0, Status::Unhealthy));
    }
}
