//! An aggregator with these alerts, rules and recording, which keeps what it was asked. Beside them it has one service, bank.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fmt::Debug,
    pin::Pin,
    sync::{Arc, Mutex},
};

use tokio_stream::Stream;
use tonic::{Request, Response, Status};
use ward_proto::v1::{
    self,
    alert_service_server::{AlertService, AlertServiceServer},
};

use crate::{evil, servers};

/// Alerts of one page, whatever was asked for.
const PAGE: usize = 2;

#[derive(Debug, Default)]
pub(crate) struct Alerting {
    pub(crate) alerts: Vec<v1::Alert>,
    pub(crate) receivers: Vec<v1::Receiver>,
    pub(crate) acknowledgements: Vec<v1::Acknowledgement>,
    pub(crate) rules: Vec<v1::Rule>,
    pub(crate) recording: Vec<v1::ReadRecordingResponse>,
    pub(crate) heard: Heard,
}

/// What was asked of it, as text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn push(&self, request: &impl Debug) {
        self.0.lock().unwrap().push(format!("{request:?}"));
    }

    /// The last.
    pub(crate) fn last(&self) -> String {
        self.0.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

impl Alerting {
    /// Serves for as long as the test's runtime lives.
    pub(crate) async fn serve(self) -> (String, Heard) {
        let heard = self.heard.clone();
        let routes = evil::routes(Ok).add_service(AlertServiceServer::new(self));
        (servers::serve(routes).await, heard)
    }

    fn wanted(&self, asked: &v1::ListAlertsRequest) -> Vec<v1::Alert> {
        let about = |alert: &v1::Alert| match alert.key.as_ref().unwrap().service.as_str() {
            "" => "system".to_owned(),
            service => service.to_owned(),
        };
        let states = match asked.states.as_slice() {
            [] => &[v1::AlertState::Firing as i32],
            states => states,
        };
        let wanted = |alert: &&v1::Alert| {
            states.contains(&alert.state)
                && alert.severity >= asked.least_severity
                && (asked.name.is_empty() || asked.name == about(alert))
        };
        self.alerts.iter().filter(wanted).cloned().collect()
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AlertService for Alerting {
    type ReadRecordingStream = Pin<Box<dyn Stream<Item = Result<v1::ReadRecordingResponse, Status>> + Send>>;

    async fn list_alerts(&self, asked: Request<v1::ListAlertsRequest>) -> Answer<v1::ListAlertsResponse> {
        let asked = asked.into_inner();
        self.heard.push(&asked);
        let all = self.wanted(&asked);
        let from: usize = asked.page_token.parse().unwrap_or(0);
        let next = from + PAGE;
        let next_page_token = if next < all.len() {
            next.to_string()
        } else {
            String::new()
        };
        let alerts = all.into_iter().skip(from).take(PAGE).collect();
        Ok(Response::new(v1::ListAlertsResponse {
            alerts,
            next_page_token,
        }))
    }

    async fn list_receivers(
        &self,
        _: Request<v1::ListReceiversRequest>,
    ) -> Answer<v1::ListReceiversResponse> {
        let receivers = self.receivers.clone();
        Ok(Response::new(v1::ListReceiversResponse { receivers }))
    }

    async fn acknowledge(&self, asked: Request<v1::AcknowledgeRequest>) -> Answer<v1::AcknowledgeResponse> {
        let asked = asked.into_inner();
        self.heard.push(&asked);
        match self.acknowledgements.first() {
            Some(said) => Ok(Response::new(v1::AcknowledgeResponse {
                acknowledgement: Some(said.clone()),
            })),
            None => Err(Status::failed_precondition(format!(
                "nothing about {} fires",
                asked.name
            ))),
        }
    }

    async fn end_acknowledgement(
        &self,
        asked: Request<v1::EndAcknowledgementRequest>,
    ) -> Answer<v1::EndAcknowledgementResponse> {
        let asked = asked.into_inner();
        self.heard.push(&asked);
        match asked.name.as_str() {
            "bank" => Ok(Response::new(v1::EndAcknowledgementResponse {})),
            _ => Err(Status::not_found(evil::TEXT)),
        }
    }

    async fn list_acknowledgements(
        &self,
        _: Request<v1::ListAcknowledgementsRequest>,
    ) -> Answer<v1::ListAcknowledgementsResponse> {
        let acknowledgements = self.acknowledgements.clone();
        Ok(Response::new(v1::ListAcknowledgementsResponse {
            acknowledgements,
        }))
    }

    async fn list_rules(&self, _: Request<v1::ListRulesRequest>) -> Answer<v1::ListRulesResponse> {
        let rules = self.rules.clone();
        Ok(Response::new(v1::ListRulesResponse { rules }))
    }

    async fn read_recording(
        &self,
        asked: Request<v1::ReadRecordingRequest>,
    ) -> Answer<Self::ReadRecordingStream> {
        self.heard.push(&asked.into_inner());
        let told: Vec<_> = self.recording.iter().cloned().map(Ok).collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(told))))
    }
}
