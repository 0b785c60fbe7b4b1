//! `Check` of `grpc.health.v1`, over a connection that is there.

use std::{error::Error, future::ready, io};

use hyper_util::rt::TokioIo;
use tonic::{
    Code, Request, Status,
    transport::{Channel, Endpoint, Uri},
};
use tower::service_fn;
use ward_grpc_health::v1::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{Asking, Finding, Outcome, dial::Stream, greeting::Greeted};
use crate::failure::root;

/// Waits for the server's greeting.
pub(super) async fn connect(stream: Stream, authority: &str, asking: &Asking) -> Result<Channel, String> {
    let (stream, greeting) = Greeted::new(stream);
    let mut stream = Some(TokioIo::new(stream));
    // Asked again when the connection ends: there is no second one.
    let connector = service_fn(move |_: Uri| {
        let gone = || io::Error::other("the connection was closed");
        ready(stream.take().ok_or_else(gone))
    });
    let origin: Uri = format!("http://{authority}")
        .parse()
        .map_err(|_| format!("{authority} is no name of a server"))?;
    let endpoint = Endpoint::from(origin)
        .user_agent(asking.user_agent.as_encoded_bytes())
        .map_err(|error| root(&error))?;
    let channel = endpoint
        .connect_with_connector(connector)
        .await
        .map_err(|error| root(&error))?;
    match greeting.await {
        Ok(greeted) => greeted.map(|()| channel),
        Err(_) => Err("it closed the connection without a word".into()),
    }
}

/// Asks once.
pub(super) async fn ask(channel: Channel, asking: Asking) -> Finding {
    let Asking { service, headers, .. } = asking;
    let mut request = Request::new(HealthCheckRequest {
        service: service.clone(),
    });
    for (name, value) in headers {
        request.metadata_mut().append(name, value);
    }
    let answer = HealthClient::new(channel).check(request).await;
    match answer.map(|answer| answer.into_inner().status()) {
        Ok(ServingStatus::Serving) => (Outcome::Serving, "SERVING".into()),
        Ok(status) => {
            let of = if service.is_empty() {
                String::new()
            } else {
                format!(" of {service}")
            };
            (Outcome::NotServing, format!("says {}{of}", status.as_str_name()))
        }
        Err(status) => (Outcome::Unanswered, failed(&status, &service)),
    }
}

fn failed(status: &Status, service: &str) -> String {
    match status.code() {
        Code::Unimplemented => "does not implement grpc.health.v1".into(),
        Code::NotFound => format!("knows no service {service:?}"),
        code => {
            let said = match status.source() {
                Some(source) => root(source),
                None => status.message().to_owned(),
            };
            format!("answered {code:?}: {said}")
        }
    }
}
