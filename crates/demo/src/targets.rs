//! Where a Prometheus beside the demo finds its processes: a file in the format of `file_sd_configs`.
//!
//! The ports are chosen by the system, and one that is started again has another: so the file is kept up to date, and
//! swapped whole, as Prometheus reads it whenever it changes. A fixed list in Prometheus's own configuration would be
//! right until the first restart.

use std::{fs, io, net::SocketAddr, path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::{plan::SHOP, registry::Registry};

/// How often one looks who moved: oftener than Prometheus scrapes.
const PERIOD: Duration = Duration::from_secs(1);

/// The file, and what is in it.
#[derive(Debug)]
pub(crate) struct Targets {
    file: PathBuf,
    registry: Registry,
    customers: SocketAddr,
    written: Value,
}

impl Targets {
    pub(crate) fn new(file: PathBuf, registry: Registry, customers: SocketAddr) -> Self {
        Self {
            file,
            registry,
            customers,
            written: Value::Null,
        }
    }

    /// Writes down where all are, if that is not what stands there.
    pub(crate) async fn write(&mut self) -> io::Result<()> {
        let mut all = vec![target("customers", &self.customers.to_string())];
        for member in &SHOP {
            if let Some(at) = self.registry.look_up(member.name).await {
                all.push(target(member.name, &at.to_string()));
            }
        }
        let all = Value::from(all);
        if self.written != all {
            let draft = self.file.with_extension("draft");
            fs::write(&draft, format!("{all:#}\n"))?;
            fs::rename(draft, &self.file)?;
            self.written = all;
        }
        Ok(())
    }

    /// Keeps the file up to date, for ever.
    pub(crate) async fn keep(mut self) {
        let mut ticks = interval(PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.write().await {
                tracing::warn!(file = %self.file.display(), %error, "cannot write where the shop's processes are");
            }
        }
    }
}

fn target(service: &str, at: &str) -> Value {
    json!({ "targets": [at], "labels": { "service": service } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_file_has_whoever_listens_and_follows_who_moves() {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::new(folder.path());
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let file = folder.path().join("targets.json");
        let mut targets = Targets::new(file.clone(), registry.clone(), at(1));
        for port in [2, 3] {
            registry.publish("bank", at(port)).unwrap();
            targets.write().await.unwrap();
            let read: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
            let bank = format!("127.0.0.1:{port}");
            let expected = json!([
                { "targets": ["127.0.0.1:1"], "labels": { "service": "customers" } },
                { "targets": [bank], "labels": { "service": "bank" } },
            ]);
            assert_eq!(read, expected);
        }
    }
}
