//! Whether a request asks for this server by a name that is its own, and what every answer carries.
//!
//! A page of anybody can have its own name resolved to our address (DNS rebinding). The browser then takes us for the
//! page's own server: nothing is of another origin, and what the page reads and sends is bounded by nothing else here.
//! What it cannot do is send another `Host` than its own name. So a name that a public page could have must be
//! configured; an IP address, `localhost` and a name without a dot (`ward`, as containers and composed services are
//! named) it cannot have.
//!
//! The port is not looked at: it differs behind every forwarding, and tells nothing about whose page it is. Bare
//! probes are let through by any name: they say one word about this process, and one that is refused gets a process restarted
//! that is well. With a query they say more, and are held to it. gRPC is not held to this: no page can send it, since browsers speak HTTP/2 over TLS alone; and who came
//! over TLS has been told by our certificate which names are ours.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::{
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, Version, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use ward_chassis::Peer;

use super::{App, probes, problem::Problem};

/// Tells browsers whose pages may show an answer without reading it.
pub(super) const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// What every answer carries. Those that hyper gives by itself, to what is no HTTP, carry nothing and say nothing.
const FIXED: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    // Of before `frame-ancestors`.
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    ),
];

/// The names that were configured: `ward.example.org`, `*.internal`, `*`.
#[derive(Debug)]
pub(super) struct Hosts(Vec<String>);

impl Hosts {
    pub(super) fn new(configured: &[String]) -> Self {
        Self(configured.to_vec())
    }

    /// Every name that the request gives this server is one of its own. One that gives none (HTTP/1.0) is no browser's.
    fn are_asked_for(&self, request: &Request) -> bool {
        let mut headers = request.headers().get_all(header::HOST).iter();
        let of_uri = request.uri().authority().map(|authority| authority.as_str());
        of_uri.is_none_or(|authority| self.has(authority))
            && headers.all(|host| host.to_str().is_ok_and(|authority| self.has(authority)))
    }

    fn has(&self, authority: &str) -> bool {
        let Some(host) = host(authority) else {
            return false;
        };
        let host = host.to_ascii_lowercase();
        let named = |pattern: &String| match pattern.strip_prefix('*') {
            Some(suffix) => host.ends_with(suffix),
            None => *pattern == host,
        };
        is_no_pages(&host) || self.0.iter().any(named)
    }
}

/// No page of the public internet has this for its host.
fn is_no_pages(host: &str) -> bool {
    !host.contains('.') || host.ends_with(".localhost") || host.parse::<Ipv4Addr>().is_ok()
}

/// The host of `host:port`, without the dot that a full name may end in; of an IPv6 address, nothing.
fn host(authority: &str) -> Option<&str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            ("", port)
        }
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let is_one =
        host.bytes().all(is_part) && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    is_one.then(|| host.strip_suffix('.').unwrap_or(host))
}

/// Around everything, also what answers pages of other origins.
pub(super) async fn seal(State(app): State<App>, request: Request, next: Next) -> Response {
    let uri = request.uri();
    let is_bare_probe = probes::PATHS.contains(&uri.path()) && uri.query().is_none();
    let judged = if is_bare_probe {
        Ok(())
    } else {
        judge(&app, &request)
    };
    let mut response = match judged {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is said here is true for a moment, and shown in pages of others only where it is made for that: badges.
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (RESOURCE_POLICY, "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn judge(app: &App, request: &Request) -> Result<(), Box<Problem>> {
    let told = request.headers().get_all(header::HOST).iter().count();
    if told > 1 || (told == 0 && request.version() >= Version::HTTP_11) {
        // RFC 9112, section 3.2; hyper leaves it to us.
        let detail = format!("the request has {told} headers `Host`, expected one");
        return Err(Box::new(Problem::new(StatusCode::BAD_REQUEST, "NO_HOST", detail)));
    }
    let is_secure = request.extensions().get::<Peer>().is_some_and(|peer| peer.secure);
    if is_secure || app.guard.hosts.are_asked_for(request) {
        return Ok(());
    }
    app.edge.metrics.count_refused("host");
    let detail = "this server is not asked for by this name: add it to `hosts` in ward.toml if it is one of its own, or \
                  ask by its IP address";
    let problem = Problem::new(StatusCode::MISDIRECTED_REQUEST, "HOST_NOT_ALLOWED", detail);
    Err(Box::new(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(configured: &[&str]) -> Hosts {
        Hosts(configured.iter().map(|host| (*host).to_owned()).collect())
    }

    #[test]
    fn what_no_page_can_have_needs_no_configuration() {
        let none = hosts(&[]);
        for own in [
            "127.0.0.1",
            "10.0.0.7:7780",
            "[::1]",
            "[fd00::7]:7780",
            "localhost",
            "LOCALHOST:80",
            "a.b.localhost",
            "localhost.",
            "ward",
            "ward:7780",
            "ward-1",
            "",
        ] {
            assert!(none.has(own), "{own}");
        }
        for other in [
            "evil.example",
            "evil.example:7780",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost.x",
            "1.2.3",
            "256.0.0.1",
            "evil.example.",
            "ward.internal",
            "[evil.example]",
            "[::1",
            "[::1]x",
            "user@ward",
            "ward:evil.example",
            "ward/evil",
            "a b",
            "ward\u{e4}",
        ] {
            assert!(!none.has(other), "{other}");
        }
    }

    #[test]
    fn what_is_configured_is_compared_whole() {
        let some = hosts(&["ward.example.org", "*.internal"]);
        for own in [
            "ward.example.org",
            "Ward.Example.ORG.:443",
            "ward.internal",
            "a.b.internal",
        ] {
            assert!(some.has(own), "{own}");
        }
        for other in [
            "example.org",
            "x.ward.example.org",
            "ward.example.org.evil",
            "evilinternal.x",
            "x.notinternal",
        ] {
            assert!(!some.has(other), "{other}");
        }
        assert!(hosts(&["*"]).has("evil.example"), "the guard is given up");
    }
}
