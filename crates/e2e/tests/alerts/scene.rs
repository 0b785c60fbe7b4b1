//! Ward, an Alertmanager and people, and services of which a test says how they are.

use std::{fs, path::Path, process::Command, time::Duration};

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use ward_model::Status;
use ward_sdk::{Builder, Reporter};

use crate::{
    alertmanager::{self, Alertmanager, get},
    people::{GLANCE, PATIENCE, People},
    ward::{Ward, program},
};

/// All of it. Ends with its test.
pub(crate) struct Scene {
    pub(crate) people: People,
    pub(crate) alertmanager: Alertmanager,
    pub(crate) ward: Ward,
    home: TempDir,
}

impl Scene {
    /// Alerts about services fire after a second. `None` without Alertmanager.
    pub(crate) async fn set() -> Option<Self> {
        Self::set_with("1s", "").await
    }

    /// Alerts about services fire after `lasts`; `more` stands in `ward.toml` as well.
    pub(crate) async fn set_with(lasts: &str, more: &str) -> Option<Self> {
        let program = alertmanager::program()?;
        let people = People::come().await;
        let alertmanager = Alertmanager::start(program, &people);
        Some(Self::around(
            people,
            alertmanager,
            lasts,
            more,
            &std::env::temp_dir(),
        ))
    }

    /// The same with what is there already, and Ward's data in that folder.
    pub(crate) fn around(
        people: People,
        alertmanager: Alertmanager,
        lasts: &str,
        more: &str,
        folder: &Path,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("ward.toml");
        fs::write(&config, settings(&[&alertmanager], lasts) + more).unwrap();
        let ward = Ward::configured_in(&config, folder);
        Self {
            people,
            alertmanager,
            ward,
            home,
        }
    }

    /// A healthy service, and what it needs to work at all.
    pub(crate) async fn service(&self, name: &str, needs: &[&str]) -> Reporter {
        self.service_with(name, |builder| {
            needs.iter().fold(builder, |builder, need| builder.hard(*need))
        })
        .await
    }

    /// A healthy service, with more to say.
    pub(crate) async fn service_with(&self, name: &str, with: impl FnOnce(Builder) -> Builder) -> Reporter {
        let builder = Reporter::builder(name)
            .server(self.ward.grpc.to_string())
            .instance("one")
            .interval(Duration::from_secs(1));
        let reporter = with(builder).start().unwrap();
        self.until_status(name, Status::Healthy).await;
        reporter
    }

    pub(crate) async fn until_status(&self, service: &str, status: Status) {
        let path = format!("/api/v1/services/{service}");
        let end = Instant::now() + PATIENCE;
        loop {
            let said = get(self.ward.http, &path).await.unwrap_or_default();
            let state: Value = serde_json::from_str(&said).unwrap_or_default();
            if state["service"]["condition"]["status"] == status.as_str() {
                return;
            }
            assert!(Instant::now() < end, "{service} does not become {status}: {said}");
            sleep(GLANCE).await;
        }
    }

    /// How Ward's own alert of that rule about a service stands, once it stands so.
    pub(crate) async fn until(&self, service: &str, rule: &str, state: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let alerts = self.alerts().await.unwrap_or_default();
            let about = |alert: &&Value| alert["service"] == service && alert["rule"] == rule;
            if let Some(alert) = alerts.iter().find(about).filter(|alert| alert["state"] == state) {
                return alert.clone();
            }
            let log = || self.ward.log();
            assert!(
                Instant::now() < end,
                "{service}/{rule} not {state} in {alerts:#?}; {}",
                log()
            );
            sleep(GLANCE).await;
        }
    }

    /// Until the store has all that was put into it.
    pub(crate) async fn until_written(&self) {
        let written = "ward_memory_queued{part=\"store\"} 0\n";
        let end = Instant::now() + PATIENCE;
        let is_written = || async { Some(get(self.ward.http, "/metrics").await?.contains(written)) };
        while is_written().await != Some(true) {
            assert!(Instant::now() < end, "the store is not told");
            sleep(GLANCE).await;
        }
    }

    /// All of Ward's alerts, in any state.
    pub(crate) async fn alerts(&self) -> Option<Vec<Value>> {
        let path = "/api/v1/alerts?state=pending,suppressed,firing,resolved";
        let answer: Value = serde_json::from_str(&get(self.ward.http, path).await?).unwrap();
        Some(answer["alerts"].as_array().unwrap().clone())
    }

    /// `ward <arguments>`, which succeeds.
    pub(crate) fn command(&self, arguments: &[&str]) {
        let output = Command::new(program())
            .args(arguments)
            .args(["--server", &self.ward.grpc.to_string()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ward {arguments:?}: {said}");
    }

    /// Has Ward tell these as well.
    pub(crate) fn tell_also(&self, other: &Alertmanager, lasts: &str) {
        let config = self.home.path().join("ward.toml");
        fs::write(config, settings(&[&self.alertmanager, other], lasts)).unwrap();
        self.ward.hang_up();
    }
}

/// A `ward.toml`, open at its end. What is over is resolved at once.
pub(crate) fn settings(alertmanagers: &[&Alertmanager], lasts: &str) -> String {
    let status = format!("[alerting.rules.ServiceUnhealthy]\nkeep_firing_for = \"0s\"\nfor = \"{lasts}\"\n");
    status + &told(alertmanagers)
}

/// These are told.
pub(crate) fn told(alertmanagers: &[&Alertmanager]) -> String {
    let one = |alertmanager: &&Alertmanager| {
        let address = alertmanager.address;
        format!("[[alerting.alertmanagers]]\nurl = \"http://{address}\"\n")
    };
    alertmanagers.iter().map(one).collect()
}

/// Ill, with a message.
pub(crate) fn breaks(service: &Reporter, message: &str) {
    service.set_status(Status::Unhealthy, message);
}

/// Well again.
pub(crate) fn mends(service: &Reporter) {
    service.set_status(Status::Healthy, "");
}
