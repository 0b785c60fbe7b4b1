//! Whether a page or an API answers as it should: its status, its speed, what is in its JSON.
//!
//! Each run opens a connection of its own: that is what a new client meets, and a kept one that the server is just
//! closing would be a failure which is none. Environment variables that name proxies are not looked at, or the proxy
//! would be what is checked.

mod json;

use std::{fmt, ops::RangeInclusive, sync::Arc, time::Duration};

use reqwest::{
    Client, Method, Response, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect::{Attempt, Policy},
};
use ward_chassis::Clock;
use ward_model::Status;
use ward_proto::Invalid;

use super::{chain, flight::Flight, resolve::resolve};
use crate::{
    check::{Check, Verdict},
    trust::Trust,
};
pub use json::Json;

/// An HTTP server answers a GET or HEAD as it should.
///
/// Unhealthy if it cannot be reached, if its status is not one of those expected (200 to 299 unless said), if its JSON is not
/// as asserted, or if the check's timeout passes first; the message says which. Degraded or unhealthy if the answer, with
/// its body where JSON is asserted, takes longer than said. Redirects are not followed unless asked.
///
/// URL, headers and their values are shown nowhere, but for host and port. What is asserted of JSON is shown, with what was
/// found instead.
///
/// ```
/// use std::time::Duration;
/// use ward_sdk::checks::{Http, Json};
///
/// # let token = "";
/// let check = Http::get("bank-api", "https://bank.example/status")
///     .header("authorization", format!("Bearer {token}"))
///     .status(200..=200)
///     .degraded_over(Duration::from_millis(300))
///     .json("/status", Json::equals("up"))
///     .json("/queue/waiting", Json::AtMost(100.0))
///     .check()
///     .timeout(Duration::from_secs(2))
///     .subject("bank");
/// ```
#[derive(Clone)]
pub struct Http {
    name: String,
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    ca: Option<Vec<u8>>,
    redirects: usize,
    expected: Expected,
}

/// What an answer must be.
#[derive(Clone, Debug)]
struct Expected {
    status: RangeInclusive<u16>,
    degraded_over: Option<Duration>,
    unhealthy_over: Option<Duration>,
    json: Vec<(String, Json)>,
    body_bytes: usize,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("name", &self.name)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl Http {
    const BODY_BYTES: usize = 256 * 1024;

    /// A check called `name` that GETs `url`. A user and password in it are sent as basic authentication.
    pub fn get(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self::new(name.into(), Method::GET, url.into())
    }

    /// A check called `name` that asks for the HEAD of `url`.
    pub fn head(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self::new(name.into(), Method::HEAD, url.into())
    }

    fn new(name: String, method: Method, url: String) -> Self {
        Self {
            name,
            method,
            url,
            headers: Vec::new(),
            ca: None,
            redirects: 0,
            expected: Expected {
                status: 200..=299,
                degraded_over: None,
                unhealthy_over: None,
                json: Vec::new(),
                body_bytes: Self::BODY_BYTES,
            },
        }
    }

    /// A header to send. Its value is treated as a secret.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Which statuses are as expected, as in `200..=399` or `204..=204`.
    #[must_use]
    pub fn status(mut self, expected: RangeInclusive<u16>) -> Self {
        self.expected.status = expected;
        self
    }

    /// Degraded if the answer takes longer.
    #[must_use]
    pub fn degraded_over(mut self, limit: Duration) -> Self {
        self.expected.degraded_over = Some(limit);
        self
    }

    /// Unhealthy if the answer takes longer; the check's timeout does as much.
    #[must_use]
    pub fn unhealthy_over(mut self, limit: Duration) -> Self {
        self.expected.unhealthy_over = Some(limit);
        self
    }

    /// The answer is JSON, and what `pointer` (RFC 6901, as in `/checks/0/status`; empty for the whole) points to in it is
    /// as `expected`. All of several must hold.
    #[must_use]
    pub fn json(mut self, pointer: impl Into<String>, expected: Json) -> Self {
        self.expected.json.push((pointer.into(), expected));
        self
    }

    /// The longest body that is read for its JSON: 256 KiB unless said. A longer one is unhealthy.
    #[must_use]
    pub fn body_bytes(mut self, most: usize) -> Self {
        self.expected.body_bytes = most;
        self
    }

    /// How many redirects to follow. Where a header or a password is sent with the request, only those to the same host
    /// are followed, and none from https to http.
    #[must_use]
    pub fn redirects(self, most: usize) -> Self {
        Self {
            redirects: most,
            ..self
        }
    }

    /// The certificate authority to trust instead of the system's, as PEM.
    #[must_use]
    pub fn ca(self, pem: impl Into<Vec<u8>>) -> Self {
        Self {
            ca: Some(pem.into()),
            ..self
        }
    }

    /// The check. For https it reads the certificate authorities of the system, once.
    pub fn check(self) -> Check {
        let name = self.name.clone();
        match self.probe().map(Arc::new) {
            Ok(probe) => Check::new(name, move || Arc::clone(&probe).look()),
            Err(mistake) => Check::mistaken(name, mistake),
        }
    }

    fn probe(self) -> Result<Probe, Invalid> {
        let url = url(&self.url)?;
        let headers = headers(&self.headers)?;
        if !self.expected.json.is_empty() && self.method == Method::HEAD {
            return Err(Invalid::new(
                "json",
                "cannot be asserted of a HEAD: use Http::get",
            ));
        }
        if let Some(fault) = self
            .expected
            .json
            .iter()
            .find_map(|(pointer, json)| json.fault(pointer))
        {
            return Err(Invalid::new("json", fault));
        }
        let secret = !headers.is_empty() || !url.username().is_empty() || url.password().is_some();
        let tls = url.scheme() == "https" || self.redirects > 0;
        let trust = match &self.ca {
            Some(_) if !tls => return Err(Invalid::new("ca", "is of no use without https")),
            _ if tls => Trust::new(self.ca.as_deref())?,
            _ => Trust::nobody(),
        };
        let client = Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            // It would tell the next server the whole URL, with what is secret in its query.
            .referer(false)
            .redirect(redirects(self.redirects, secret))
            .dns_resolver(Arc::new(Resolver(Flight::new())))
            .tls_backend_preconfigured(trust.client().with_no_client_auth())
            .build()
            .map_err(|error| {
                Invalid::new("url", format!("cannot be used: {}", chain(&error.without_url())))
            })?;
        Ok(Probe {
            shown: host_and_port(&url),
            client,
            method: self.method,
            url,
            headers,
            expected: self.expected,
            clock: Clock::start(),
        })
    }
}

fn url(text: &str) -> Result<Url, Invalid> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"));
    url.filter(Url::has_host)
        .ok_or_else(|| Invalid::new("url", "must be an http:// or https:// URL with a host"))
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap, Invalid> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let valid =
            HeaderName::try_from(name).map_err(|_| Invalid::new("header", "must have a valid name"))?;
        let mut value = HeaderValue::try_from(value).map_err(|_| {
            Invalid::new(
                "header",
                format!("{valid} must have a valid value, of visible characters"),
            )
        })?;
        value.set_sensitive(true);
        headers.append(valid, value);
    }
    Ok(headers)
}

fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// A redirect that is not followed is an answer, judged by its status.
fn redirects(most: usize, secret: bool) -> Policy {
    let decide = move |attempt: Attempt<'_>| {
        // The first of them is the one asked for.
        let (count, from) = (attempt.previous().len(), attempt.previous().first());
        let same = from.is_some_and(|from| {
            let upgraded = from.scheme() == "http" && attempt.url().scheme() == "https";
            let kept = from.origin() == attempt.url().origin();
            from.host_str() == attempt.url().host_str() && (kept || upgraded)
        });
        if count > most || (secret && !same) {
            attempt.stop()
        } else {
            attempt.follow()
        }
    };
    if most == 0 {
        Policy::none()
    } else {
        Policy::custom(decide)
    }
}

/// The system's, one question at a time.
#[derive(Debug)]
struct Resolver(Flight);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let flight = self.0.clone();
        Box::pin(async move {
            // The port is put in place by the client.
            let found = resolve(&flight, &format!("{}:0", name.as_str())).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// All that a run needs.
struct Probe {
    shown: String,
    client: Client,
    method: Method,
    url: Url,
    headers: HeaderMap,
    expected: Expected,
    clock: Clock,
}

impl Probe {
    async fn look(self: Arc<Self>) -> Verdict {
        let started = self.clock.mono();
        match self.ask().await {
            Ok(()) => self.expected.speed(self.clock.mono().since(started)),
            Err(fault) => Verdict::unhealthy(format!("{}: {fault}", self.shown)),
        }
    }

    async fn ask(&self) -> Result<(), String> {
        let request = self
            .client
            .request(self.method.clone(), self.url.clone())
            .headers(self.headers.clone());
        let told = |error: reqwest::Error| chain(&error.without_url());
        let mut response = request.send().await.map_err(told)?;
        self.expected.status(&response)?;
        if self.expected.json.is_empty() {
            return Ok(());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(told)? {
            if body.len() + chunk.len() > self.expected.body_bytes {
                return Err(format!("its body is over {} bytes", self.expected.body_bytes));
            }
            body.extend_from_slice(&chunk);
        }
        self.expected.content(&body)
    }
}

impl Expected {
    fn status(&self, response: &Response) -> Result<(), String> {
        let status = response.status();
        if self.status.contains(&status.as_u16()) {
            return Ok(());
        }
        let (low, high) = (self.status.start(), self.status.end());
        let redirect = if status.is_redirection() {
            "; it redirects, which is followed only as .redirects() allows"
        } else {
            ""
        };
        Err(format!("answered {status}, expected {low} to {high}{redirect}"))
    }

    fn content(&self, body: &[u8]) -> Result<(), String> {
        let value = serde_json::from_slice(body)
            .map_err(|error| format!("its body of {} bytes is not JSON: {error}", body.len()))?;
        let mut faults = self
            .json
            .iter()
            .filter_map(|(pointer, json)| json.unmet(pointer, &value));
        faults.next().map_or(Ok(()), Err)
    }

    fn speed(&self, took: Duration) -> Verdict {
        let over = |limit: Option<Duration>| limit.filter(|&limit| took > limit);
        let levels = [
            (Status::Unhealthy, self.unhealthy_over),
            (Status::Degraded, self.degraded_over),
        ];
        let level = levels
            .into_iter()
            .find_map(|(status, limit)| over(limit).map(|limit| (status, limit)));
        match level {
            Some((status, limit)) => Verdict::new(status, format!("took {took:.1?}, more than {limit:?}")),
            None => Verdict::new(Status::Healthy, format!("took {took:.1?}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(http: Http) -> Option<String> {
        http.check().mistake.map(|mistake| mistake.field)
    }

    #[test]
    fn mistakes_are_found_before_the_first_run() {
        let good = || Http::get("x", "http://u:p@h:80/x?y=z");
        assert_eq!(
            mistake(good().header("x-key", "v").json("/a", Json::Exists)),
            None
        );
        for bad in ["", "bank", "ftp://bank/", "http://", "//bank"] {
            assert_eq!(mistake(Http::get("x", bad)), Some("url".into()), "{bad}");
        }
        assert_eq!(mistake(good().header("no good", "v")), Some("header".into()));
        assert_eq!(mistake(good().header("x-key", "a\nb")), Some("header".into()));
        assert_eq!(mistake(good().json("a", Json::Exists)), Some("json".into()));
        assert_eq!(
            mistake(good().json("/a", Json::Above(f64::NAN))),
            Some("json".into())
        );
        assert_eq!(
            mistake(Http::head("x", "http://h/").json("", Json::Exists)),
            Some("json".into())
        );
        assert_eq!(
            mistake(Http::get("x", "https://h/").ca("no pem")),
            Some("ca".into())
        );
    }

    #[test]
    fn slowness_has_levels() {
        let http = Http::get("x", "http://h/")
            .degraded_over(Duration::from_millis(100))
            .unhealthy_over(Duration::from_millis(200));
        let status = |ms| http.expected.speed(Duration::from_millis(ms)).status;
        assert_eq!(
            [100, 101, 200, 201].map(status),
            [
                Status::Healthy,
                Status::Degraded,
                Status::Degraded,
                Status::Unhealthy
            ]
        );
        assert_eq!(
            http.expected.speed(Duration::from_millis(150)),
            Verdict::degraded("took 150.0ms, more than 100ms")
        );
    }
}
