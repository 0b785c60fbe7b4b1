//! The shop as its containers run it: each member a process of its own, and two real databases behind.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{
    alertmanager::get,
    outside::not_run,
    people::{GLANCE, PATIENCE},
    postgres::Postgres,
    program::free_port,
    redis::Redis,
    ward::{Ward, program},
};

/// Rules as they are shipped, but sooner.
const RULES: &str = "[alerting.rules.ServiceUnhealthy]\nkeep_firing_for = \"0s\"\nfor = \"6s\"\n";
const MEMBERS: [(&str, &[&str]); 6] = [
    ("bank", &[]),
    ("recommendations", &[]),
    ("catalog", &[]),
    ("cart", &[]),
    ("payments", &["bank"]),
    ("storefront", &["catalog", "cart", "payments", "recommendations"]),
];

/// All of it. Ends with its test.
pub(crate) struct Stack {
    pub(crate) postgres: Postgres,
    pub(crate) redis: Redis,
    ward: Ward,
    members: BTreeMap<&'static str, Child>,
    ports: BTreeMap<&'static str, u16>,
    folder: TempDir,
}

/// What Ward says of the whole, at one moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) system: String,
    pub(crate) causes: Vec<String>,
    /// Of each service that is not healthy.
    pub(crate) ill: BTreeMap<String, String>,
}

impl Stack {
    /// Everything but the databases. `None` where there are none.
    pub(crate) fn set_up() -> Option<Self> {
        let (Some(postgres), Some(redis)) = (Postgres::set_up(), Redis::set_up()) else {
            let wanted = "postgres on PATH or in $PG_BIN, and redis-server on PATH or as $REDIS_SERVER";
            not_run("the shop on real databases", wanted);
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("ward.toml");
        fs::write(&config, RULES).unwrap();
        let names = MEMBERS.iter().map(|(name, _)| *name).chain(["customers"]);
        let mut stack = Self {
            postgres,
            redis,
            ward: Ward::configured(&config),
            members: BTreeMap::new(),
            ports: names.map(|name| (name, free_port())).collect(),
            folder,
        };
        for (name, _) in MEMBERS {
            stack.start(name);
        }
        stack.start("customers");
        Some(stack)
    }

    /// A member, for the first time or again.
    pub(crate) fn start(&mut self, name: &'static str) {
        let at = |name: &str| format!("127.0.0.1:{}", self.ports[name]);
        let mut arguments = vec!["demo".to_owned()];
        match MEMBERS.iter().find(|(member, _)| *member == name) {
            None => arguments.extend([name.into(), "--storefront".into(), at("storefront")]),
            Some((_, needs)) => {
                arguments.extend(["serve".into(), name.into()]);
                let upstreams = needs.iter().map(|need| format!("--upstream={need}={}", at(need)));
                arguments.extend(upstreams);
            }
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log(name))
            .unwrap();
        let member = Command::new(program())
            .args(arguments)
            .args(["--listen", &at(name)])
            .env("WARD_SERVER", self.ward.grpc.to_string())
            .env("DATABASE_URL", self.postgres.url())
            .env("REDIS_URL", self.redis.url())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.members.insert(name, member);
    }

    /// Asks a member to end; it does so, well and soon.
    pub(crate) async fn end(&mut self, name: &str) {
        let mut member = self.members.remove(name).unwrap();
        kill(Pid::from_raw(member.id().cast_signed()), Signal::SIGTERM).unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            match member.try_wait().unwrap() {
                Some(status) => return assert!(status.success(), "{name} ended with {status}"),
                None => assert!(Instant::now() < end, "{name} does not end"),
            }
            sleep(GLANCE).await;
        }
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// What all members have logged.
    pub(crate) fn logs(&self) -> String {
        let logs = self.ports.keys().map(|name| fs::read_to_string(self.log(name)));
        logs.map(Result::unwrap_or_default).collect()
    }

    async fn ask(&self, path: &str) -> Value {
        let said = get(self.ward.http, path).await.unwrap_or_default();
        serde_json::from_str(&said).unwrap_or_default()
    }

    pub(crate) async fn verdict(&self) -> Verdict {
        let system = self.ask("/api/v1/system").await;
        let services = self.ask("/api/v1/services").await;
        let of = |value: &Value| value["condition"]["status"].as_str().unwrap_or("none").to_owned();
        let services = services["services"].as_array().cloned().unwrap_or_default();
        let all = services
            .iter()
            .map(|it| (it["name"].as_str().unwrap_or_default().to_owned(), of(it)));
        let texts = |value: &Value| {
            let all = value.as_array().cloned().unwrap_or_default();
            all.iter()
                .filter_map(|text| Some(text.as_str()?.to_owned()))
                .collect()
        };
        Verdict {
            system: of(&system["system"]),
            causes: texts(&system["system"]["causes"]),
            ill: all.filter(|(_, status)| status != "healthy").collect(),
        }
    }

    /// Until the whole is just so.
    pub(crate) async fn until(&self, system: &str, causes: &[&str], ill: &[(&str, &str)]) {
        let owned = |&(name, status): &(&str, &str)| (name.to_owned(), status.to_owned());
        let wanted = Verdict {
            system: system.into(),
            causes: causes.iter().map(|&cause| cause.to_owned()).collect(),
            ill: ill.iter().map(owned).collect(),
        };
        let end = Instant::now() + PATIENCE;
        loop {
            let seen = self.verdict().await;
            if seen == wanted {
                return;
            }
            assert!(
                Instant::now() < end,
                "expected {wanted:?}, is {seen:?}; {}",
                self.logs()
            );
            sleep(GLANCE).await;
        }
    }

    /// The links of the one chain from the storefront to the cause, and what is known of that.
    pub(crate) async fn chain(&self) -> (Vec<String>, String) {
        let end = Instant::now() + PATIENCE;
        let chains = loop {
            let explained = self.ask("/api/v1/services/storefront/explain").await;
            // It may be asked between two words about the same thing, or be one question too many at once.
            match explained["chains"].as_array() {
                Some(chains) if chains.len() == 1 => break chains.clone(),
                _ => assert!(Instant::now() < end, "{explained:#}"),
            }
            sleep(GLANCE).await;
        };
        let links = chains[0]["links"].as_array().cloned().unwrap_or_default();
        let names = links
            .iter()
            .map(|link| link["service"].as_str().unwrap_or_default().to_owned());
        (names.collect(), chains[0].to_string())
    }

    /// Who has an alert that fires, the sign of life left out.
    pub(crate) async fn firing(&self) -> Vec<String> {
        let alerts = self.ask("/api/v1/alerts?state=firing").await;
        let alerts = alerts["alerts"].as_array().cloned().unwrap_or_default();
        let text = |alert: &Value, key: &str| alert[key].as_str().unwrap_or_default().to_owned();
        let named = alerts
            .iter()
            .map(|alert| format!("{} {}", text(alert, "rule"), text(alert, "service")));
        named.filter(|name| !name.starts_with("Watchdog")).collect()
    }

    /// Until just this fires.
    pub(crate) async fn until_firing(&self, wanted: &[&str]) {
        let end = Instant::now() + PATIENCE;
        loop {
            let firing = self.firing().await;
            if firing == wanted {
                return;
            }
            assert!(Instant::now() < end, "expected {wanted:?}, fires {firing:?}");
            sleep(GLANCE).await;
        }
    }

    /// One purchase: the answer's status, and what it says.
    pub(crate) async fn buy(&self, item: u32) -> (u16, Value) {
        let port = self.ports["storefront"];
        let order = json!({ "customer": 7, "item": item });
        let client = client();
        let request = client
            .post(format!("http://127.0.0.1:{port}/purchases"))
            .json(&order);
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }

    /// Until carts are written again; how many things are in the customer's then.
    pub(crate) async fn until_writable(&self) -> u64 {
        let end = Instant::now() + PATIENCE;
        loop {
            let (status, bought) = self.buy(3).await;
            let choices = bought["cart"]["choices"].as_u64();
            if let Some(choices) = choices.filter(|_| bought["cart"]["read_only"] != true) {
                assert_eq!(status, 200);
                return choices;
            }
            assert!(Instant::now() < end, "{bought}");
            sleep(GLANCE).await;
        }
    }

    /// Until what is sold is read from the database again.
    pub(crate) async fn until_fresh(&self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let (status, bought) = self.buy(3).await;
            if bought["item"]["stale"] == false {
                return assert_eq!(status, 200);
            }
            assert!(Instant::now() < end, "{bought}");
            sleep(GLANCE).await;
        }
    }

    /// A sample of a process's metrics, by how its line begins.
    pub(crate) async fn metric(&self, name: &str, line: &str) -> f64 {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], self.ports[name]));
        let text = get(address, "/metrics").await.unwrap();
        let found = text.lines().find_map(|found| found.strip_prefix(line));
        let value = found.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        value.unwrap_or_else(|| panic!("no {line} in {text}"))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for member in self.members.values_mut() {
            drop(member.kill());
            drop(member.wait());
        }
    }
}

fn client() -> reqwest::Client {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .build()
        .unwrap()
}
