//! `AlertService`: alerts over gRPC.

use std::{pin::Pin, time::Duration};

use futures_util::{Stream, future::BoxFuture, stream};
use tonic::{Request, Response, Status};
use ward_alerts::Unknown;
use ward_model::Wall;
use ward_proto::{
    Invalid, alert_states, least_urgent, rule_names, service_or_system,
    v1::{
        self,
        alert_service_server::{AlertService, AlertServiceServer},
    },
};

use super::{Filter, Listed, Origin, PAGE, Said, behind, place};
use crate::{
    access::Caller,
    edge::{Shared, ask::within, failure::Failure},
    hub::Closing,
};

/// Most bytes of alerts in one answer: under the largest message, with room for the last of them.
const PAGE_BYTES: usize = 700 << 10;
/// Most bytes of a recording in one message.
const RECORDED_BYTES: usize = 256 << 10;

pub(in crate::edge) fn service(edge: &Shared) -> AlertServiceServer<Service> {
    let (bytes_in, bytes_out) = (edge.limits.message_bytes_in, edge.limits.message_bytes_out);
    AlertServiceServer::new(Service { edge: edge.clone() })
        .max_decoding_message_size(bytes_in)
        .max_encoding_message_size(bytes_out)
}

/// See the module.
#[derive(Clone, Debug)]
pub(in crate::edge) struct Service {
    edge: Shared,
}

type Recording = Pin<Box<dyn Stream<Item = Result<v1::ReadRecordingResponse, Status>> + Send>>;

impl Service {
    /// An answer that is told whole or not at all: some of it would be taken for all.
    fn whole<T: prost::Message>(&self, answer: T) -> Result<Response<T>, Status> {
        let most = self.edge.limits.message_bytes_out;
        match answer.encoded_len() {
            bytes if bytes <= most => Ok(Response::new(answer)),
            bytes => {
                let message = format!("the answer has {bytes} bytes, and a message at most {most}");
                Err(Failure::Exhausted(message).into())
            }
        }
    }
}

fn failed(invalid: Invalid) -> Status {
    Failure::from(invalid).into()
}

#[tonic::async_trait]
impl AlertService for Service {
    type ReadRecordingStream = Recording;

    async fn list_alerts(
        &self,
        request: Request<v1::ListAlertsRequest>,
    ) -> Result<Response<v1::ListAlertsResponse>, Status> {
        let asked = request.into_inner();
        let of = (!asked.name.is_empty()).then(|| service_or_system("name", &asked.name));
        let after = (!asked.page_token.is_empty()).then(|| behind("page_token", &asked.page_token));
        let filter = Filter {
            of: of.transpose().map_err(failed)?,
            states: alert_states(&asked.states).map_err(failed)?,
            least: least_urgent(asked.least_severity).map_err(failed)?,
            after: after.transpose().map_err(failed)?,
        };
        let count = match asked.page_size as usize {
            0 => PAGE,
            count => count.min(PAGE),
        };
        let (found, more) = super::list(&self.edge, &filter, count);
        let alerts = found.iter().map(v1::Alert::from);
        let alerts: Vec<v1::Alert> = within(alerts, PAGE_BYTES, prost::Message::encoded_len).collect();
        let more = more || alerts.len() < found.len();
        let last = alerts.len().checked_sub(1).filter(|_| more);
        Ok(Response::new(v1::ListAlertsResponse {
            alerts,
            next_page_token: last.map_or_else(String::new, |last| place(&found[last].key)),
        }))
    }

    async fn list_receivers(
        &self,
        _request: Request<v1::ListReceiversRequest>,
    ) -> Result<Response<v1::ListReceiversResponse>, Status> {
        let receivers = super::receivers(&self.edge).iter().map(receiver).collect();
        Ok(Response::new(v1::ListReceiversResponse { receivers }))
    }

    async fn acknowledge(
        &self,
        request: Request<v1::AcknowledgeRequest>,
    ) -> Result<Response<v1::AcknowledgeResponse>, Status> {
        let caller = Caller::of(request.extensions());
        let asked = request.into_inner();
        let said = Said {
            service: service_or_system("name", &asked.name).map_err(failed)?,
            by: asked.by,
            why: asked.why,
            duration: (asked.duration_ms > 0).then(|| Duration::from_millis(asked.duration_ms)),
            rules: rule_names("rules", &asked.rules).map_err(failed)?,
        };
        let said = super::acknowledge(&self.edge, &caller, said).await?;
        Ok(Response::new(v1::AcknowledgeResponse {
            acknowledgement: Some((&said).into()),
        }))
    }

    async fn end_acknowledgement(
        &self,
        request: Request<v1::EndAcknowledgementRequest>,
    ) -> Result<Response<v1::EndAcknowledgementResponse>, Status> {
        let caller = Caller::of(request.extensions());
        let asked = request.into_inner();
        let service = service_or_system("name", &asked.name).map_err(failed)?;
        super::unacknowledge(&self.edge, &caller, service, asked.by).await?;
        Ok(Response::new(v1::EndAcknowledgementResponse {}))
    }

    async fn list_acknowledgements(
        &self,
        _request: Request<v1::ListAcknowledgementsRequest>,
    ) -> Result<Response<v1::ListAcknowledgementsResponse>, Status> {
        let board = self.edge.alerting.board();
        let acknowledgements = board.acknowledged.iter().map(v1::Acknowledgement::from).collect();
        self.whole(v1::ListAcknowledgementsResponse { acknowledgements })
    }

    async fn list_rules(
        &self,
        _request: Request<v1::ListRulesRequest>,
    ) -> Result<Response<v1::ListRulesResponse>, Status> {
        let rules = super::rules(&self.edge).into_iter().map(rule).collect();
        self.whole(v1::ListRulesResponse { rules })
    }

    async fn read_recording(
        &self,
        request: Request<v1::ReadRecordingRequest>,
    ) -> Result<Response<Self::ReadRecordingStream>, Status> {
        let caller = Caller::of(request.extensions());
        let asked = request.into_inner();
        let now = self.edge.clock.wall();
        let until = match asked.until_unix_ms {
            0 => now,
            until => Wall(until).min(now),
        };
        let store = self.edge.memory.store();
        let store = store.map_err(|why| Failure::Unavailable(format!("there is no recording: {why}")))?;
        let kept = self.edge.reloader.now().settings.store.keep_recorded.as_millis();
        let oldest = now.0.saturating_sub(i64::try_from(kept).unwrap_or(i64::MAX));
        let since = Wall(asked.since_unix_ms.max(oldest));
        let reading = Reading {
            pages: Pages {
                recorded: store.recorded(since, until),
                until,
                ready: Vec::new().into_iter(),
                is_begun: false,
            },
            end: Box::pin(self.edge.closings.of(caller.peer().cloned())),
        };
        let told = stream::try_unfold(reading, |mut reading| async {
            let piece = reading.next().await?;
            Ok(piece.map(|piece| (piece, reading)))
        });
        Ok(Response::new(Box::pin(told)))
    }
}

fn receiver(standing: &crate::alerting::Receiver) -> v1::Receiver {
    let kind = match standing.is_alertmanager {
        true => v1::ReceiverKind::Alertmanager,
        false => v1::ReceiverKind::Webhook,
    };
    let standing = &standing.standing;
    v1::Receiver {
        name: standing.receiver.clone(),
        kind: kind.into(),
        owed: standing.owed,
        oldest_unix_ms: standing.oldest.map_or(0, |at| at.0),
        delivered_unix_ms: standing.delivered.map_or(0, |at| at.0),
        error: standing.error.clone().unwrap_or_default(),
        dropped: standing.dropped,
    }
}

fn rule(listed: Listed) -> v1::Rule {
    let Listed { spec, origin, off } = listed;
    let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    v1::Rule {
        name: spec.name.as_str().to_owned(),
        origin: match origin {
            Origin::Shipped => v1::RuleOrigin::Shipped,
            Origin::Changed => v1::RuleOrigin::Changed,
            Origin::Own => v1::RuleOrigin::Own,
        }
        .into(),
        off,
        about_system: spec.about_system,
        services: spec.services,
        expr: spec.expr,
        hold: spec.hold.unwrap_or_default(),
        for_ms: millis(spec.for_),
        keep_firing_for_ms: millis(spec.keep_firing_for),
        severity: v1::Severity::from(spec.severity).into(),
        unknown: match spec.unknown {
            Unknown::Keep => v1::UnknownHandling::Keep,
            Unknown::Judge => v1::UnknownHandling::Judge,
        }
        .into(),
        suppression: spec.suppression,
        labels: spec.labels.into_iter().collect(),
        annotations: spec.annotations.into_iter().collect(),
    }
}

/// What rules saw, on its way to somebody.
struct Reading {
    pages: Pages,
    /// This side ends it.
    end: BoxFuture<'static, Closing>,
}

impl Reading {
    /// The next message, until this side ends it.
    async fn next(&mut self) -> Result<Option<v1::ReadRecordingResponse>, Status> {
        tokio::select! {
            biased;
            closing = &mut self.end => Err(Status::unavailable(closing.reason)),
            piece = self.pages.next() => piece,
        }
    }
}

/// The same, a message at a time.
struct Pages {
    recorded: ward_store::Recorded,
    until: Wall,
    /// Read, and not told yet.
    ready: std::vec::IntoIter<ward_store::Record>,
    is_begun: bool,
}

impl Pages {
    /// `None` behind the last; there is one at least, which says from when on it is complete.
    async fn next(&mut self) -> Result<Option<v1::ReadRecordingResponse>, Status> {
        let mut bytes = 0;
        let mut recorded = Vec::new();
        while bytes < RECORDED_BYTES {
            let Some(record) = self.ready.next() else {
                match self.recorded.next().await {
                    Ok(Some(piece)) => self.ready = piece.into_iter(),
                    Ok(None) => break,
                    Err(error) => {
                        let message =
                            format!("the recording cannot be read now: {error}; see /readyz?verbose");
                        return Err(Failure::Unavailable(message).into());
                    }
                }
                continue;
            };
            bytes += record.body.len();
            recorded.push(v1::RecordedFacts {
                at_unix_ms: record.at.0,
                facts: record.body.into_bytes(),
            });
        }
        let is_over = recorded.is_empty() && std::mem::replace(&mut self.is_begun, true);
        Ok((!is_over).then_some(v1::ReadRecordingResponse {
            since_unix_ms: self.recorded.since().0,
            until_unix_ms: self.until.0,
            recorded,
        }))
    }
}
