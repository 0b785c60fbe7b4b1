//! One GET, over a connection that is there.
//!
//! What the body says is repeated and not judged: the status is what load balancers and orchestrators go by, and a
//! second opinion here would differ from theirs.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Response,
    body::{Bytes, Incoming},
    client::conn::http1::{SendRequest, handshake},
    header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::time::timeout;
use ward_chassis::Clock;

use super::{Asking, Finding, Outcome, dial::Stream, within};
use crate::failure::root;

/// More than any health document has; the rest is not read.
const BODY_BYTES: usize = 64 * 1024;
/// Longest word shown of a body, in characters.
const WORD: usize = 80;
/// How long is waited for the body behind a status that is there: it is a courtesy, and comes with the status mostly.
const WORD_PATIENCE: Duration = Duration::from_millis(200);

/// A request, and the connection to send it on.
pub(super) struct Request {
    sender: SendRequest<Empty<Bytes>>,
    request: hyper::Request<Empty<Bytes>>,
}

pub(super) async fn connect(
    stream: Stream,
    path: &str,
    authority: &str,
    asking: &Asking,
) -> Result<Request, String> {
    let (sender, connection) = handshake(TokioIo::new(stream))
        .await
        .map_err(|error| root(&error))?;
    // Ends with the connection, which ends with the process. What fails in it fails the request.
    tokio::spawn(async move { drop(connection.await) });
    let mut request = hyper::Request::get(path)
        .header(HOST, authority)
        .header(USER_AGENT, asking.user_agent.as_encoded_bytes())
        .header(ACCEPT, "*/*")
        .body(Empty::new())
        .map_err(|error| root(&error))?;
    for (name, value) in &asking.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).map_err(|error| root(&error))?;
        let value = HeaderValue::from_bytes(value.as_encoded_bytes()).map_err(|error| root(&error))?;
        request.headers_mut().insert(name, value);
    }
    Ok(Request { sender, request })
}

/// Asks once. The status has to come within `patience`; the body takes none that is not left of it, and judges nothing
/// by hanging either.
pub(super) async fn ask(request: Request, patience: Duration) -> Finding {
    let Request { mut sender, request } = request;
    let clock = Clock::start();
    let begun = clock.mono();
    let response = match within(patience, sender.send_request(request)).await {
        Ok(Ok(response)) => response,
        // No answer in HTTP, or none at all, where one was to come: nobody to speak to.
        Ok(Err(error)) => return (Outcome::Unconnected, root(&error)),
        Err(late) => return (Outcome::Unanswered, late),
    };
    let status = response.status();
    let left = patience.saturating_sub(clock.mono().since(begun));
    let word = timeout(left.min(WORD_PATIENCE), word(response))
        .await
        .unwrap_or_default()
        .map(|word| format!(" ({word})"))
        .unwrap_or_default();
    match status.is_success() || status.is_redirection() {
        true => (Outcome::Serving, format!("{status}{word}")),
        false => (Outcome::NotServing, format!("answered {status}{word}")),
    }
}

/// The status that a health document in JSON gives: Ward's, Spring's, application/health+json.
async fn word(response: Response<Incoming>) -> Option<String> {
    let kind = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    if !kind.contains("json") {
        return None;
    }
    let body = Limited::new(response.into_body(), BODY_BYTES)
        .collect()
        .await
        .ok()?;
    let document: Value = serde_json::from_slice(&body.to_bytes()).ok()?;
    let word = document.get("status")?.as_str()?;
    Some(word.chars().take(WORD).collect())
}
