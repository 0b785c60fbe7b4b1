//! Reporters of many instances on many streams, to whatever serves `Report`.
//!
//! The SDK's reporter was not taken: it sends what changed when it changed, and is measured by itself; here it is the
//! server that is to be busy.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::ensure;
use prost::{Message, bytes::Bytes};
use tokio::runtime::Runtime;
use ward_proto::v1::{Hello, ReportRequest, ReportResponse};

use crate::{
    flow::{Flow, Flows},
    peer,
    product::metric,
    server::Server,
};

const REPORT: &str = "/ward.health.v1.HealthService/Report";
/// As Ward and the no-op acknowledge, see [`crate::serve`].
pub(crate) const ACKNOWLEDGED_EACH: u64 = 64;
/// Longer than a row takes: nobody is to be convicted between two samples.
const INTERVAL: Duration = Duration::from_secs(3_600);

/// How the reporters are spread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    /// Connections, with one stream each.
    pub(crate) connections: usize,
    /// Instances of each stream.
    pub(crate) instances: usize,
    /// Most requests of a stream that are not acknowledged.
    pub(crate) window: u64,
}

/// A server, its reporters, and what they have sent.
#[derive(Debug)]
pub(crate) struct Reporters {
    pub(crate) server: Server,
    pub(crate) flows: Flows,
    /// Where Ward says how many beats it has counted; the no-op does not count them.
    metrics: Option<SocketAddr>,
    /// Beats in the messages that were sent until the last change of [`Self::play`].
    beats: u64,
    /// Requests sent until then.
    requests: u64,
    /// Beats in each message since then.
    batch: u64,
}

impl Reporters {
    /// Reporters of an aggregator, their instances registered.
    pub(crate) fn of_ward(runtime: &Runtime, spread: Spread) -> anyhow::Result<Self> {
        let http = peer::free_addr()?;
        let server = Server::start(&["ward", "--http", &http.to_string()])?;
        Self::connect(runtime, server, spread, Some(http))
    }

    /// The same to a server that does nothing.
    pub(crate) fn of_noop(runtime: &Runtime, spread: Spread) -> anyhow::Result<Self> {
        Self::connect(runtime, Server::start(&["noop"])?, spread, None)
    }

    fn connect(
        runtime: &Runtime,
        server: Server,
        spread: Spread,
        metrics: Option<SocketAddr>,
    ) -> anyhow::Result<Self> {
        let registered = metrics.map(|_| spread.instances);
        let flows = runtime.block_on(async {
            let mut flows = Vec::with_capacity(spread.connections);
            for connection in 0..spread.connections {
                let hellos = hellos(connection, spread.instances);
                let take = taker(registered);
                flows.push(Flow::open(server.addr(), REPORT, hellos, spread.window, take).await?);
            }
            let flows = Flows(flows);
            flows.settle(1).await?;
            anyhow::Ok(flows)
        })?;
        let mut reporters = Self {
            server,
            requests: flows.sent(),
            flows,
            metrics,
            beats: 0,
            batch: 0,
        };
        reporters.play(1, spread.instances);
        Ok(reporters)
    }

    /// From now on messages have the beats of `batch` instances, of all `instances` of a stream in turn.
    pub(crate) fn play(&mut self, batch: usize, instances: usize) {
        self.beats = self.beats();
        self.requests = self.flows.sent();
        self.batch = batch as u64;
        let requests = beats(batch, instances);
        self.flows.play(|_| requests.clone());
    }

    /// Beats sent so far.
    fn beats(&self) -> u64 {
        self.beats + (self.flows.sent() - self.requests) * self.batch
    }

    /// When everything is acknowledged: that Ward has counted each beat.
    pub(crate) fn verify(&self) -> anyhow::Result<()> {
        let Some(metrics) = self.metrics else {
            return Ok(());
        };
        let (sent, counted) = (self.beats(), metric(metrics, "ward_beats_total")? as u64);
        ensure!(
            counted == sent,
            "{sent} beats were sent, Ward has counted {counted}"
        );
        Ok(())
    }
}

fn hellos(connection: usize, instances: usize) -> Bytes {
    let hellos = (0..instances).map(|instance| Hello {
        service: format!("service-{}", connection % 100),
        instance: format!("host-{connection}-{instance}"),
        incarnation: "1".to_owned(),
        interval_ms: INTERVAL.as_millis() as u32,
        ..Hello::default()
    });
    let request = ReportRequest {
        hellos: hellos.collect(),
        ..ReportRequest::default()
    };
    request.encode_to_vec().into()
}

/// Ward gives handles in the order of the hellos, from 0.
fn beats(batch: usize, instances: usize) -> Arc<[Bytes]> {
    let handles: Vec<u32> = (0..instances as u32).collect();
    let message = |beats: &[u32]| {
        let request = ReportRequest {
            beats: beats.to_vec(),
            ..ReportRequest::default()
        };
        request.encode_to_vec().into()
    };
    handles.chunks_exact(batch).map(message).collect()
}

/// Takes answers: all that is said, but for the registrations that are expected, is that requests were handled.
fn taker(expected: Option<usize>) -> impl FnMut(ReportResponse) -> anyhow::Result<u64> + Send {
    let mut handled = 0;
    let mut missing = expected.unwrap_or(0);
    move |answer| {
        let ReportResponse {
            acknowledged,
            registrations,
            full_state_wanted,
            rejections,
            closing,
        } = answer;
        ensure!(rejections.is_empty(), "rejected: {:?}", rejections[0]);
        ensure!(full_state_wanted.is_empty(), "the full state is wanted");
        ensure!(closing.is_none(), "closing: {closing:?}");
        ensure!(
            acknowledged >= handled,
            "{acknowledged} are acknowledged after {handled}"
        );
        ensure!(registrations.len() <= missing, "more registrations than hellos");
        missing -= registrations.len();
        ensure!(
            missing == 0 || acknowledged <= 1,
            "{missing} hellos without an answer"
        );
        handled = acknowledged;
        Ok(acknowledged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_round_all_instances() {
        let messages = beats(64, 256);
        let decoded: Vec<u32> = messages
            .iter()
            .flat_map(|message| ReportRequest::decode(message.clone()).unwrap().beats)
            .collect();
        assert_eq!((messages.len(), decoded), (4, (0..256).collect()));
    }

    #[test]
    fn an_answer_that_is_no_mere_acknowledgement_is_an_error() {
        let acknowledged = |acknowledged| ReportResponse {
            acknowledged,
            ..ReportResponse::default()
        };
        let mut take = taker(None);
        assert_eq!(take(acknowledged(64)).unwrap(), 64);
        assert!(take(acknowledged(63)).is_err());
        assert!(
            taker(Some(2))(acknowledged(64)).is_err(),
            "hellos without an answer"
        );
    }
}
