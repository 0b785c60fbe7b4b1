//! An aggregator that knows a few services, and what must still be true of it afterwards.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use ward_aggregator::{App, Config, HttpLimits};

/// Nothing waited for takes this long on any machine; what takes longer is not coming.
pub(crate) const SOON: std::time::Duration = std::time::Duration::from_secs(20);

pub(crate) struct Target {
    pub(crate) app: App,
    pub(crate) client: reqwest::Client,
    _home: TempDir,
}

/// With three services that were told once and hold for a day.
pub(crate) async fn start(limits: HttpLimits) -> Target {
    // reqwest makes no client without one, for plain HTTP neither. Any test may have been the first.
    drop(rustls::crypto::ring::default_provider().install_default());
    let home = tempfile::tempdir().unwrap();
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let config = Config {
        grpc: any,
        http: any,
        http_limits: limits,
        ..Config::new(home.path())
    };
    let target = Target {
        app: App::start(config).await.unwrap(),
        client: reqwest::Client::new(),
        _home: home,
    };
    let needs = json!([{ "service": "bank" }]);
    for report in [
        json!({ "service": "bank", "status": "healthy", "interval": "1d", "incarnation": "first" }),
        json!({ "service": "payments", "status": "degraded", "message": "slow", "interval": "1d", "dependencies": needs }),
        json!({ "service": "storefront", "status": "healthy", "interval": "1d", "instance": "one" }),
    ] {
        let answer = target.post("/api/v1/report", &report).await;
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }
    target
}

/// Bounds that one client may use up: what is tried here is something else.
pub(crate) fn unhurried() -> HttpLimits {
    let many = std::num::NonZeroU32::new(1_000_000).unwrap();
    let rate = ward_aggregator::Rate {
        burst: many,
        per_second: many,
    };
    HttpLimits {
        reads: rate,
        writes: rate,
        probes: rate,
        ..HttpLimits::default()
    }
}

impl Target {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.app.http_addr())
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        self.client.post(self.url(path)).json(body).send().await.unwrap()
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.client.get(self.url(path)).send().await.unwrap();
        answer.json().await.unwrap()
    }

    /// What was said at the start holds: nobody is gone, nobody was added, and what was told is as it was told.
    pub(crate) async fn is_unharmed(&self) {
        let page = self.json("/api/v1/services?page_size=1000").await;
        let known = |service: &Value| (service["name"].clone(), service["condition"]["status"].clone());
        let known: Vec<_> = page["services"].as_array().unwrap().iter().map(known).collect();
        let expected = [
            ("bank", "healthy"),
            ("payments", "degraded"),
            ("storefront", "healthy"),
        ];
        let expected = expected.map(|(name, status)| (Value::from(name), Value::from(status)));
        assert_eq!(known, expected);
        let maintained = self.json("/api/v1/maintenance").await;
        assert_eq!(maintained["active"], json!([]));
        let probe = self.client.get(self.url("/livez")).send().await.unwrap();
        assert_eq!(probe.status(), 200);
    }

    /// Sends these bytes on a connection of their own, and returns all that comes back until this side of the server
    /// closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.app.http_addr()).await.unwrap();
        // It may have answered and left before it heard all.
        drop(stream.write_all(bytes).await);
        let mut answer = Vec::new();
        let read = timeout(SOON, stream.read_to_end(&mut answer)).await;
        drop(read.expect("an end"));
        String::from_utf8_lossy(&answer).into_owned()
    }
}

/// What a problem says, held to the shape that every problem has.
pub(crate) async fn problem(answer: reqwest::Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let text = answer.text().await.unwrap();
    assert!(text.len() < 4_096, "{} bytes", text.len());
    assert!(!text.chars().any(char::is_control), "{text}");
    let problem: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(problem["status"], status, "{text}");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty()),
        "{text}"
    );
    assert!(
        problem["code"].as_str().is_some_and(|code| !code.is_empty()),
        "{text}"
    );
    (status, problem)
}
