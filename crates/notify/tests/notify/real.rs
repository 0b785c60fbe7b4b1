//! The real Alertmanager, with a webhook of its own behind it: what people hear of what is sent.

use std::{
    env, fs,
    io::Write as _,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use ward_model::{Acknowledgement, Alert};
use ward_notify::{Config, Notifier};

use crate::{
    memory::Memory,
    sample::{MS, acknowledged, alertmanager, firing, now, resolved, start, tell},
    server::{Asked, Reply, SOON, Server},
};

/// Where it is: in `ALERTMANAGER`, else on the path under the name of Debian's package or its own.
fn find() -> Option<PathBuf> {
    let named = env::var_os("ALERTMANAGER").map(PathBuf::from);
    let folders = env::var_os("PATH").unwrap_or_default();
    let on_path = || {
        let names = ["alertmanager", "prometheus-alertmanager"];
        let all = env::split_paths(&folders).flat_map(|folder| names.map(|name| folder.join(name)));
        all.collect::<Vec<_>>().into_iter().find(|path| path.is_file())
    };
    let found = named.map_or_else(on_path, |path| Some(path).filter(|path| path.is_file()));
    if found.is_none() {
        let is_set = |name| env::var(name).is_ok_and(|value| ["1", "true"].contains(&value.as_str()));
        let why = "no prometheus-alertmanager on PATH or in $ALERTMANAGER";
        assert!(!is_set("WARD_REQUIRE_ALL") && !is_set("CI"), "{why}");
        // Past libtest's capture, which `println!` is not; xtask counts the line.
        let line = format!("\nNOT RUN: delivery to the real Alertmanager: {why}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
    found
}

/// A running one. It ends when its standard input does, so also when the test is killed.
struct Real {
    address: SocketAddr,
    shell: Child,
    _folder: tempfile::TempDir,
}

impl Real {
    /// Starts it, telling `people` what it is told, and waits until it answers.
    async fn start(program: &PathBuf, people: &Server, address: Option<SocketAddr>) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let address = address.unwrap_or_else(free);
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("alertmanager.yml");
        let text = format!(
            "route: {{receiver: people, group_by: [alertname, service], group_wait: 100ms, group_interval: 300ms, \
             repeat_interval: 1h}}\nreceivers: [{{name: people, webhook_configs: [{{url: '{}/people'}}]}}]\n",
            people.url()
        );
        fs::write(&config, text).unwrap();
        let shell = Command::new("sh")
            .args([
                "-c",
                "\"$0\" \"$@\" </dev/null >/dev/null 2>&1 & read -r _; kill -9 $!",
            ])
            .arg(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let real = Self {
            address,
            shell,
            _folder: folder,
        };
        real.until("it to be ready", "status", |_| true).await;
        real
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until what it lists is so.
    async fn until(&self, what: &str, path: &str, mut is: impl FnMut(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let asking = async {
            loop {
                let url = format!("{}/api/v2/{path}", self.url());
                if let Ok(answer) = client().get(&url).send().await
                    && let Ok(value) = answer.json().await
                {
                    if is(&value) {
                        return value;
                    }
                    last = value;
                }
                tokio::time::sleep(20 * MS).await;
            }
        };
        let found = tokio::time::timeout(SOON, asking).await;
        found.unwrap_or_else(|_| panic!("waited for {what}; it has {last:#}"))
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().unwrap();
    }
}

fn client() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn people() -> Server {
    Server::start(|_| Reply::ok()).await
}

/// What people were told: the status and the service of each alert of each page.
fn told(log: &[Asked]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pages = log.iter().map(Asked::json);
    let alerts = pages.flat_map(|page| page["alerts"].as_array().unwrap().clone());
    alerts
        .map(|alert| (text(&alert["status"]), text(&alert["labels"]["service"])))
        .collect()
}

fn pair(status: &str, service: &str) -> (String, String) {
    (status.to_owned(), service.to_owned())
}

fn alive(silence: &&Value) -> bool {
    silence["status"]["state"] == "active"
}

fn bank() -> Alert {
    firing("bank", "ServiceUnhealthy", now())
}

#[tokio::test]
async fn people_hear_once_that_it_fires_and_once_that_it_is_resolved() {
    let Some(program) = find() else { return };
    let people = people().await;
    let real = Real::start(&program, &people, None).await;
    let outbox = Memory::new();
    let notifier = start([alertmanager("am", real.url())], &outbox);
    let bank = bank();
    tell(&notifier, vec![bank.clone()]);
    people
        .until_is("the page", |log| told(log) == [pair("firing", "bank")])
        .await;
    // As often as it is sent again, it is one.
    tokio::time::sleep(1_000 * MS).await;
    real.until("one alert", "alerts", |alerts| {
        alerts.as_array().is_some_and(|alerts| alerts.len() == 1)
    })
    .await;
    tell(&notifier, vec![resolved(&bank)]);
    people
        .until_is("the resolution", |log| {
            told(log) == [pair("firing", "bank"), pair("resolved", "bank")]
        })
        .await;
    // Firing again is a new page, whatever is still sent of the old one.
    tell(&notifier, vec![firing("bank", "ServiceUnhealthy", now())]);
    people
        .until_is("the second page", |log| {
            told(log).get(2) == Some(&pair("firing", "bank"))
        })
        .await;
    tokio::time::sleep(1_500 * MS).await;
    assert_eq!(told(&people.log()).len(), 3);
    assert!(outbox.kept().is_empty());
}

fn set(notifier: &Notifier, acknowledgements: &[&Acknowledgement]) {
    notifier.silence(acknowledgements.iter().map(|said| (*said).clone()).collect());
}

#[tokio::test]
async fn an_acknowledgement_is_a_silence_and_the_resolution_is_heard() {
    let Some(program) = find() else { return };
    let people = people().await;
    let real = Real::start(&program, &people, None).await;
    let notifier = start([alertmanager("am", real.url())], &Memory::new());
    let bank = bank();
    tell(&notifier, vec![bank.clone()]);
    people
        .until_is("the page", |log| told(log) == [pair("firing", "bank")])
        .await;
    let mut said = acknowledged("bank", &["ServiceUnhealthy", "CpuHigh"], 3_600_000 * MS);
    set(&notifier, &[&said]);
    let silenced = |alerts: &Value| alerts[0]["status"]["state"] == "suppressed";
    real.until("it to be silenced", "alerts", silenced).await;
    let all = real
        .until("the silence", "silences", |all| {
            all.as_array().is_some_and(|all| all.len() == 1)
        })
        .await;
    assert_eq!(all[0]["createdBy"], "ann");
    assert!(
        all[0]["comment"]
            .as_str()
            .unwrap()
            .starts_with("the disk is being replaced [ward ")
    );
    // A longer one is the same one.
    said.end.0 += 3_600_000;
    set(&notifier, &[&said]);
    let end = |silence: &Value| {
        silence["endsAt"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    let longer = |all: &Value| end(&all[0]).as_millisecond() == said.end.0;
    let longer = real.until("its new end", "silences", longer).await;
    assert_eq!(
        (longer.as_array().unwrap().len(), &longer[0]["id"]),
        (1, &all[0]["id"])
    );
    // Another alert of the service is heard.
    tell(&notifier, vec![firing("bank", "DiskHigh", now())]);
    people.until_is("the other", |log| told(log).len() == 2).await;
    // It ends with the alert, and that is heard.
    set(&notifier, &[]);
    tell(&notifier, vec![resolved(&bank)]);
    people
        .until_is("the resolution", |log| {
            told(log).last() == Some(&pair("resolved", "bank"))
        })
        .await;
    let none = |all: &Value| {
        all.as_array()
            .unwrap()
            .iter()
            .all(|silence| silence["status"]["state"] == "expired")
    };
    real.until("the end of the silence", "silences", none).await;
}

#[tokio::test]
async fn one_that_lost_its_state_is_told_all_of_it() {
    let Some(program) = find() else { return };
    let people = people().await;
    let real = Real::start(&program, &people, None).await;
    let address = real.address;
    let notifier = start([alertmanager("am", real.url())], &Memory::new());
    let said = acknowledged("shop", &["ServiceUnhealthy"], 3_600_000 * MS);
    set(&notifier, &[&said]);
    tell(&notifier, vec![bank(), firing("shop", "ServiceUnhealthy", now())]);
    let both = |alerts: &Value| {
        let states = alerts
            .as_array()
            .unwrap()
            .iter()
            .map(|alert| alert["status"]["state"].clone());
        let mut states: Vec<_> = states.map(|state| state.as_str().unwrap().to_owned()).collect();
        states.sort();
        states == ["active", "suppressed"]
    };
    real.until("both", "alerts", both).await;
    drop(real);
    let anew = Real::start(&program, &people, Some(address)).await;
    anew.until("both again", "alerts", both).await;
    let all = anew
        .until("the silence", "silences", |all| {
            all.as_array().unwrap().iter().any(|silence| alive(&silence))
        })
        .await;
    assert_eq!(all.as_array().unwrap().iter().filter(alive).count(), 1);
}

#[tokio::test]
async fn silences_of_others_are_left_alone() {
    let Some(program) = find() else { return };
    let people = people().await;
    let real = Real::start(&program, &people, None).await;
    let theirs = serde_json::json!({
        "matchers": [{"name": "source", "value": "ward", "isRegex": false}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z",
        "createdBy": "bob", "comment": "not yours [ward 00000000/0123456789abcdef]",
    });
    let url = format!("{}/api/v2/silences", real.url());
    client()
        .post(url)
        .json(&theirs)
        .send()
        .await
        .unwrap()
        .error_for_status()
        .unwrap();
    let notifier = start([alertmanager("am", real.url())], &Memory::new());
    let said = acknowledged("bank", &["ServiceUnhealthy"], 3_600_000 * MS);
    set(&notifier, &[&said]);
    real.until("two", "silences", |all| {
        all.as_array().unwrap().iter().filter(alive).count() == 2
    })
    .await;
    set(&notifier, &[]);
    let one = |all: &Value| all.as_array().unwrap().iter().filter(alive).count() == 1;
    let left = real.until("one", "silences", one).await;
    let left = left.as_array().unwrap().iter().find(alive).unwrap();
    assert_eq!(left["createdBy"], "bob");
    // Another installation, of the same address and labels, does not end ours either.
    set(&notifier, &[&said]);
    real.until("two", "silences", |all| {
        all.as_array().unwrap().iter().filter(alive).count() == 2
    })
    .await;
    let other = Config {
        id: "another".into(),
        ..crate::sample::config([alertmanager("am", real.url())])
    };
    let other = Notifier::start_with(
        other,
        Memory::new() as _,
        ward_chassis::Clock::start(),
        crate::sample::quick(),
    );
    set(
        &other,
        &[&acknowledged("shop", &["ServiceUnhealthy"], 3_600_000 * MS)],
    );
    real.until("three", "silences", |all| {
        all.as_array().unwrap().iter().filter(alive).count() == 3
    })
    .await;
    tokio::time::sleep(600 * MS).await;
    real.until("three", "silences", |all| {
        all.as_array().unwrap().iter().filter(alive).count() == 3
    })
    .await;
}
