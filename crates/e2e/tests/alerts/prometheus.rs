//! The real Prometheus, which scrapes a demo and an Alertmanager, and is asked as Grafana asks it.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::outside::{find, not_run};

/// A running one. Ends with its test.
pub(crate) struct Prometheus {
    process: Child,
    address: SocketAddr,
    client: reqwest::Client,
    _home: TempDir,
}

/// Where it is. `None` after saying that the test is not run.
pub(crate) fn program() -> Option<PathBuf> {
    let found = find("PROMETHEUS", &["prometheus"]);
    if found.is_none() {
        let wanted = "prometheus on PATH or in $PROMETHEUS";
        not_run("what dashboards ask of the real Prometheus", wanted);
    }
    found
}

/// What it scrapes.
pub(crate) struct Targets {
    pub(crate) ward: SocketAddr,
    pub(crate) alertmanager: SocketAddr,
    /// A file with the processes of a demo.
    pub(crate) shop: PathBuf,
    /// And two more.
    pub(crate) catalog: SocketAddr,
    pub(crate) cart: SocketAddr,
}

impl Targets {
    fn config(&self) -> String {
        let Self {
            ward,
            alertmanager,
            shop,
            catalog,
            cart,
        } = self;
        let shop = shop.display();
        format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: ward
  static_configs: [{{targets: ['{ward}']}}]
- job_name: alertmanager
  static_configs: [{{targets: ['{alertmanager}']}}]
- job_name: shop
  file_sd_configs: [{{files: ['{shop}'], refresh_interval: 1s}}]
  static_configs:
  - {{targets: ['{catalog}'], labels: {{service: catalog}}}}
  - {{targets: ['{cart}'], labels: {{service: cart}}}}
"
        )
    }
}

impl Prometheus {
    /// With the jobs that the compose stack has, oftener.
    pub(crate) fn start(program: &Path, targets: &Targets) -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("prometheus.yml");
        fs::write(&config, targets.config()).unwrap();
        let mut process = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                home.path().join("data").display()
            ))
            .args([
                "--web.listen-address=127.0.0.1:0",
                "--enable-feature=exemplar-storage",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let mut lines = lines.map_while(Result::ok);
        let mut said = String::new();
        let listens = lines.find_map(|line| {
            said += &format!("{line}\n");
            let address = line
                .split_once("msg=\"Listening on\"")?
                .1
                .split_once("address=")?
                .1;
            address.split(' ').next()?.parse().ok()
        });
        let address = listens.unwrap_or_else(|| panic!("it does not say where it listens: {said}"));
        // So that it never waits for somebody to read.
        thread::spawn(move || lines.for_each(drop));
        // reqwest makes no client without, for plain HTTP neither. Any test may have been the first.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(30));
        Self {
            process,
            address,
            client: client.build().unwrap(),
            _home: home,
        }
    }

    /// What an expression is now, a series each: `metric` and `value`.
    pub(crate) async fn query(&self, expr: &str) -> Vec<Value> {
        let answer = self.ask("query", &[("query", expr)]).await;
        match answer["result"].as_array() {
            Some(series) => series.clone(),
            None => panic!("{expr} is no vector but {answer}"),
        }
    }

    /// The values that a label of a metric has.
    pub(crate) async fn values(&self, metric: &str, label: &str) -> Vec<String> {
        let answer = self
            .ask(&format!("label/{label}/values"), &[("match[]", metric)])
            .await;
        serde_json::from_value(answer).unwrap()
    }

    async fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> Value {
        let mut url = reqwest::Url::parse(&format!("http://{}/api/v1/{what}", self.address)).unwrap();
        url.query_pairs_mut().extend_pairs(parameters);
        let mut answer: Value = loop {
            let asked = self.client.get(url.clone()).send().await.unwrap();
            // Until it has read what it remembers, which is nothing.
            if asked.status() != reqwest::StatusCode::SERVICE_UNAVAILABLE {
                break serde_json::from_str(&asked.text().await.unwrap()).unwrap();
            }
            tokio::time::sleep(crate::people::GLANCE).await;
        };
        assert_eq!(answer["status"], "success", "{what} {parameters:?}: {answer}");
        answer["data"].take()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
