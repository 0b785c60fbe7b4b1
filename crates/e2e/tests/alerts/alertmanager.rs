//! The real Alertmanager, as a process that can be stopped, killed, and started again with what it knew or without.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{
    outside::{find, not_run},
    people::{GLANCE, PATIENCE, People},
};

const CONFIG: &str = include_str!("alertmanager.yml");
/// Writes what runs in the compose stack.
const START: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/alertmanager/start");

/// A running one. Ends with its test.
pub(crate) struct Alertmanager {
    program: PathBuf,
    home: TempDir,
    process: Child,
    pub(crate) address: SocketAddr,
}

/// Where it is. `None` after saying that the test is not run.
pub(crate) fn program() -> Option<PathBuf> {
    let found = find("ALERTMANAGER", &["alertmanager", "prometheus-alertmanager"]);
    if found.is_none() {
        let wanted = "prometheus-alertmanager on PATH or in $ALERTMANAGER";
        not_run("alerts through the real Alertmanager", wanted);
    }
    found
}

impl Alertmanager {
    /// On a free port, telling these.
    pub(crate) fn start(program: PathBuf, people: &People) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("alertmanager.yml"), config(people)).unwrap();
        Self::start_in(program, home)
    }

    /// On a free port, with the configuration that is shipped, as that is made of these variables.
    pub(crate) fn start_shipped(program: PathBuf, variables: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let made = Command::new("sh")
            .arg(START)
            .env("ALERTMANAGER", "true")
            .env("WARD_ALERTMANAGER_DIR", home.path())
            .envs(variables.iter().copied())
            .status();
        assert!(made.unwrap().success());
        Self::start_in(program, home)
    }

    fn start_in(program: PathBuf, home: TempDir) -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (process, address) = spawn(&program, home.path(), any);
        Self {
            program,
            home,
            process,
            address,
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id().cast_signed()), signal).unwrap();
    }

    /// Gone: with `SIGTERM` it keeps whom it told what, with `SIGKILL` it may not.
    pub(crate) fn end(&mut self, signal: Signal) {
        self.signal(signal);
        self.process.wait().unwrap();
    }

    /// On the same port.
    pub(crate) fn start_again(&mut self) {
        (self.process, self.address) = spawn(&self.program, self.home.path(), self.address);
    }

    /// On the same port, with nothing of what it knew.
    pub(crate) fn start_empty(&mut self) {
        fs::remove_dir_all(self.home.path().join("data")).unwrap();
        self.start_again();
    }

    /// What it lists under `alerts` or `silences`, once that is so.
    pub(crate) async fn until(&self, what: &str, is: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let listed = self.list(what).await;
            if let Some(listed) = listed.as_ref().filter(|listed| is(listed)) {
                return listed.clone();
            }
            assert!(Instant::now() < end, "waited for other {what} than {listed:#?}");
            sleep(GLANCE).await;
        }
    }

    /// `None` while it does not answer.
    pub(crate) async fn list(&self, what: &str) -> Option<Vec<Value>> {
        let asked = get(self.address, &format!("/api/v2/{what}")).await?;
        Some(serde_json::from_str(&asked).unwrap())
    }

    /// Posts these alerts to it.
    pub(crate) async fn take(&self, alerts: &Value) {
        let url = format!("http://{}/api/v2/alerts", self.address);
        let posted = client().post(url).json(alerts).send().await.unwrap();
        posted.error_for_status().unwrap();
    }

    /// The alert about a service, once it has one.
    pub(crate) async fn alert(&self, service: &str) -> Value {
        let about = |alert: &&Value| alert["labels"]["service"] == service;
        let listed = self
            .until("alerts", |listed| listed.iter().any(|alert| about(&alert)))
            .await;
        listed.iter().find(about).unwrap().clone()
    }

    /// A metric, by its name and labels as it is written.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let text = get(self.address, "/metrics").await?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(|value| value.parse().unwrap())
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// `None` if nobody answers.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Option<String> {
    let asked = client().get(format!("http://{address}{path}")).send();
    let answer = asked.await.ok()?.error_for_status().ok()?;
    answer.text().await.ok()
}

fn client() -> reqwest::Client {
    // reqwest makes no client without, for plain HTTP neither. Any test may have been the first.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(5));
    client.build().unwrap()
}

fn config(people: &People) -> String {
    let port = people.smtp.unwrap_or_default();
    let lines = CONFIG.lines();
    let lines = lines.filter(|line| people.smtp.is_some() || !line.ends_with("# mail"));
    let told = people.address.port().to_string();
    let text: String = lines.map(|line| line.to_owned() + "\n").collect();
    text.replace("SMTP", &port.to_string()).replace("TOLD", &told)
}

fn spawn(program: &Path, home: &Path, address: SocketAddr) -> (Child, SocketAddr) {
    let mut process = Command::new(program)
        .arg(format!(
            "--config.file={}",
            home.join("alertmanager.yml").display()
        ))
        .arg(format!("--storage.path={}", home.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        // No cluster: nobody looks for the address of this machine.
        .arg("--cluster.listen-address=")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let mut said = String::new();
    let listens = lines.find_map(|line| {
        said += &format!("{line}\n");
        let address = line.split_once("msg=\"Listening on\" address=")?.1;
        address.split(' ').next()?.parse().ok()
    });
    let address = listens.unwrap_or_else(|| panic!("it does not say where it listens: {said}"));
    // So that it never waits for somebody to read.
    thread::spawn(move || lines.for_each(drop));
    (process, address)
}
