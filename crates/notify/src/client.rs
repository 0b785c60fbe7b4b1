//! One request to a receiver, and what became of it.
//!
//! What an answer says is decided by its status alone: a body that breaks off behind a good one changes nothing about
//! what was taken. Redirects are not followed, since they would be told our secrets; nor are proxies of the environment.
//! Credentials are read for each request, so that they can be exchanged at any time, and leave as headers that no `Debug`
//! shows. Names are resolved by the system, and files read, within the time that the request has.

mod answer;
mod credentials;
mod file;
mod tls;

use std::{mem, sync::Arc, time::Duration};

use reqwest::{
    Method, Response, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, USER_AGENT},
    redirect::Policy,
};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use ward_chassis::telemetry::{TRACEPARENT, TraceContext};
use ward_model::Wall;

use self::tls::Tls;
use crate::Receiver;

/// What is read of an answer that nobody asked for: enough to say what is wrong, and to use the connection again.
const ANSWER_BYTES: usize = 16 * 1024;
/// A connection is not kept from one minute to the next: what lies between may forget it in less.
const IDLE: Duration = Duration::from_secs(15);

/// Makes requests to one receiver.
#[derive(Debug, Default)]
pub(crate) struct Client {
    tls: Tls,
    /// Reads the files, while it does. A file system may never answer: there is one such thread for each receiver, not one
    /// for each request.
    reading: Option<JoinHandle<(Tls, Result<Ready, String>)>>,
}

/// What a request is made with.
#[derive(Debug)]
struct Ready {
    client: reqwest::Client,
    credentials: Option<HeaderValue>,
}

/// What is asked of it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) body: Option<(&'static str, Vec<u8>)>,
    /// Most bytes of an answer that is read for what it says.
    pub(crate) most: usize,
    /// In which trace it is asked.
    pub(crate) trace: Option<TraceContext>,
}

impl Request {
    pub(crate) fn post(url: Url, kind: &'static str, body: Vec<u8>) -> Self {
        Self {
            method: Method::POST,
            url,
            body: Some((kind, body)),
            most: ANSWER_BYTES,
            trace: None,
        }
    }
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Taken; with what was read of what it said.
    Took(Vec<u8>),
    /// Not taken for what is in it: it would be no use to ask the same again soon.
    Refused { why: String },
    /// It did not come to that. That it does not know us, or that there is nothing at this address, says nothing about what
    /// is asked: it lasts until somebody mends it.
    Failed { why: String, after: Option<Duration> },
}

impl Client {
    /// Makes one request; `now` is for answers that name a time to come back.
    pub(crate) async fn send(&mut self, receiver: &Receiver, request: Request, now: Wall) -> Answer {
        let asked = timeout(receiver.timeout, self.ask(receiver, &request)).await;
        match asked.unwrap_or_else(|_| Err(self.late(receiver))) {
            Ok(response) => read(&receiver.origin(), response, request.most, now).await,
            Err(why) => Answer::Failed { why, after: None },
        }
    }

    async fn ask(&mut self, receiver: &Receiver, request: &Request) -> Result<Response, String> {
        let secure = request.url.scheme() == "https";
        let Ready { client, credentials } = self.ready(receiver, secure).await?;
        let mut built = client
            .request(request.method.clone(), request.url.clone())
            .timeout(receiver.timeout)
            .header(USER_AGENT, HeaderValue::from_static("ward"));
        if let Some(credentials) = credentials {
            built = built.header(AUTHORIZATION, credentials);
        }
        if let Some(trace) = request.trace {
            built = built.header(TRACEPARENT, trace.to_string());
        }
        if let Some((kind, body)) = &request.body {
            built = built.header(CONTENT_TYPE, *kind).body(body.clone());
        }
        let sent = built.send().await;
        sent.map_err(|error| answer::fault(&error, &receiver.origin(), receiver.timeout))
    }

    async fn ready(&mut self, receiver: &Receiver, secure: bool) -> Result<Ready, String> {
        // One that did not end in time is waited for first: what it read may be old.
        if let Some(reading) = &mut self.reading {
            let read = reading.await;
            self.reading = None;
            self.tls = read.map(|(tls, _)| tls).unwrap_or_default();
        }
        let (mut tls, receiver) = (mem::take(&mut self.tls), receiver.clone());
        let reading = spawn_blocking(move || {
            let ready = read_files(&mut tls, &receiver, secure);
            (tls, ready)
        });
        let read = self.reading.insert(reading).await;
        self.reading = None;
        let (tls, ready) = read.map_err(|_| "read files: it was broken off".to_owned())?;
        self.tls = tls;
        ready
    }

    /// What took too long.
    fn late(&self, receiver: &Receiver) -> String {
        let Receiver { timeout, .. } = receiver;
        match self.reading {
            None => answer::late(&receiver.origin(), *timeout),
            Some(_) => format!(
                "read the password, token or certificates for {}: their file system does not answer within {timeout:?}",
                receiver.origin()
            ),
        }
    }
}

fn read_files(tls: &mut Tls, receiver: &Receiver, secure: bool) -> Result<Ready, String> {
    Ok(Ready {
        credentials: credentials::read(&receiver.auth)?,
        client: tls.client(receiver, secure)?,
    })
}

/// The client for a configuration of TLS.
fn with_tls(tls: rustls::ClientConfig) -> Result<reqwest::Client, String> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .referer(false)
        .redirect(Policy::none())
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(IDLE)
        .build()
        .map_err(|error| format!("make an HTTP client: {error}"))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

async fn read(origin: &str, mut response: Response, most: usize, now: Wall) -> Answer {
    let status = response.status();
    let after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| answer::retry_after(value.to_str().ok()?, now));
    let mut body = Vec::new();
    // One that breaks off, hangs or is too long is judged by its status, as said above.
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(most - body.len())]);
        if body.len() == most {
            break;
        }
    }
    let why = || format!("{origin} answered {status}{}", answer::quoted(&body));
    match status.as_u16() {
        200..=299 => Answer::Took(body),
        400 | 413 | 422 => Answer::Refused { why: why() },
        status => Answer::Failed {
            why: why(),
            after: after.filter(|_| matches!(status, 429 | 503)),
        },
    }
}

#[cfg(test)]
mod tests {
    use ward_model::Severity;

    use super::*;
    use crate::{Auth, Kind};

    #[tokio::test]
    async fn a_file_system_that_does_not_answer_costs_one_thread_and_no_more_time_than_a_request_has() {
        let receiver = Receiver {
            name: "r".into(),
            kind: Kind::Webhook { watchdog: false },
            url: "http://127.0.0.1:9".into(),
            auth: Auth::None,
            ca: None,
            identity: None,
            timeout: Duration::from_millis(50),
            least: Severity::None,
        };
        let request = || Request::post(Url::parse(&receiver.url).unwrap(), "text/plain", Vec::new());
        let (answers, waits) = std::sync::mpsc::channel::<()>();
        let mut client = Client {
            reading: Some(spawn_blocking(move || {
                waits.recv().ok();
                (Tls::default(), Err("of before".into()))
            })),
            ..Client::default()
        };
        let stuck = client.reading.as_ref().map(JoinHandle::id);
        for _ in 0..3 {
            let sent = timeout(receiver.timeout * 20, client.send(&receiver, request(), Wall(0)));
            let Ok(Answer::Failed { why, .. }) = sent.await else {
                panic!("it is not waited for any longer")
            };
            assert!(why.contains("does not answer within 50ms"), "{why}");
            assert_eq!(client.reading.as_ref().map(JoinHandle::id), stuck);
        }
        drop(answers);
        let patient = Receiver {
            timeout: Duration::from_secs(20),
            ..receiver.clone()
        };
        let Answer::Failed { why, .. } = client.send(&patient, request(), Wall(0)).await else {
            panic!("nobody is there")
        };
        assert_eq!(why, "connect to http://127.0.0.1:9: connection refused");
    }
}
