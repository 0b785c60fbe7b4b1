//! The stack of a test: how `docker compose` is called for it, and what is asked of its containers.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::asking::{self, now};
use crate::{announce, root, succeed};

/// Not that of docker-compose.yml: a stack that somebody uses stays as it is.
const PROJECT: &str = "ward-compose-test";
const IMAGE: &str = "ward:compose-test";
/// Those that the story does without.
const OPTIONAL: &[&str] = &["grafana"];
/// From the first container to the last that is healthy, once images exist.
const UP: Duration = Duration::from_secs(90);
const PORTS: &[&str] = &[
    "WARD_GRPC_PORT",
    "WARD_HTTP_PORT",
    "STOREFRONT_PORT",
    "PROMETHEUS_PORT",
    "ALERTMANAGER_PORT",
    "JAEGER_PORT",
    "MAILDEV_PORT",
    "GRAFANA_PORT",
];
/// What somebody's shell may say about their own stack.
const THEIRS: &[&str] = &[
    "WARD_BIND",
    "SMTP_SMARTHOST",
    "SMTP_FROM",
    "SMTP_PAGER_TO",
    "SMTP_TEAM_TO",
    "SMTP_REQUIRE_TLS",
    "DEADMAN_URL",
    "SMTP_USERNAME",
    "SMTP_PASSWORD",
    "GRAFANA_PASSWORD",
];

/// See the module.
pub(super) struct Stack {
    program: PathBuf,
    /// Services without an image, and which one.
    left_out: Vec<(String, String)>,
}

impl Stack {
    pub(super) fn new(program: PathBuf) -> Self {
        Self {
            program,
            left_out: Vec::new(),
        }
    }

    pub(super) fn left_out(&self) -> &[(String, String)] {
        &self.left_out
    }

    pub(super) fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(root());
        command
    }

    pub(super) fn compose(&self, arguments: &[&str]) -> Command {
        let files = [
            "--file",
            "docker-compose.yml",
            "--file",
            "crates/xtask/src/compose/override.yaml",
        ];
        let mut command = self.docker(&["compose", "--project-name", PROJECT, "--env-file", "/dev/null"]);
        command.args(files).args(arguments);
        for theirs in THEIRS.iter().chain(&["COMPOSE_FILE", "COMPOSE_PROFILES"]) {
            command.env_remove(theirs);
        }
        command
            .envs(PORTS.iter().map(|port| (port, "0")))
            .env("WARD_IMAGE", IMAGE)
            .env("SLACK_WEBHOOK_URL", "http://slack:8080/")
            .env("DOCKER_BUILDKIT", "1");
        command
    }

    /// How a person takes the stack down.
    pub(super) fn way_down(&self) -> String {
        format!("docker compose --project-name {PROJECT} down --volumes")
    }

    /// Docker is there, runs, and knows compose.
    pub(super) fn engine_answers(&self) -> anyhow::Result<()> {
        said(&mut self.docker(&["info", "--format", "{{.ServerVersion}}"]))
            .context("no engine of Docker answers")?;
        said(&mut self.docker(&["compose", "version"])).context("docker has no compose")?;
        Ok(())
    }

    /// Has all images, or knows which services to leave out.
    pub(super) fn images(&mut self, built: bool) -> anyhow::Result<()> {
        let config: Value = serde_json::from_str(&said(&mut self.compose(&["config", "--format", "json"]))?)?;
        let services = config["services"]
            .as_object()
            .context("compose has no services")?;
        let images: BTreeMap<_, _> = services
            .iter()
            .map(|(name, service)| {
                (
                    name.clone(),
                    service["image"].as_str().unwrap_or_default().to_owned(),
                )
            })
            .filter(|(_, image)| image != IMAGE)
            .collect();
        for (service, image) in images {
            if said(&mut self.docker(&["image", "inspect", "--format", "{{.Id}}", &image])).is_ok() {
                continue;
            }
            if let Err(error) = succeed(&mut self.docker(&["pull", "--quiet", &image])) {
                ensure!(
                    OPTIONAL.contains(&service.as_str()),
                    "the image of {service}, {image}: {error:#}"
                );
                self.left_out.push((service, image));
            }
        }
        if built {
            return Ok(());
        }
        succeed(&mut self.compose(&["build", "setup"]))
    }

    /// From nothing, whatever an earlier test left.
    pub(super) fn first_up(&self) -> anyhow::Result<()> {
        self.remove()?;
        self.up()
    }

    pub(super) fn up(&self) -> anyhow::Result<()> {
        let services = said(&mut self.compose(&["config", "--services"]))?;
        let is_left_out = |name: &str| self.left_out.iter().any(|(service, _)| service == name);
        let services: Vec<_> = services.lines().filter(|name| !is_left_out(name)).collect();
        let bound = UP.as_secs().to_string();
        let mut command = self.compose(&["up", "--detach", "--no-build", "--wait", "--wait-timeout", &bound]);
        let started = now();
        let came = succeed(command.args(&services));
        let took = started.elapsed();
        came.context("not all services became healthy")?;
        ensure!(took < UP, "it took {took:.1?}, expected less than {UP:?}");
        println!("up and healthy within {took:.1?}");
        Ok(())
    }

    /// For whoever reads why it failed.
    pub(super) fn show(&self) {
        for arguments in [&["ps", "--all"][..], &["logs", "--no-color", "--tail", "15"]] {
            drop(succeed(&mut self.compose(arguments)));
        }
    }

    /// Volumes stay.
    pub(super) fn down(&self) -> anyhow::Result<()> {
        succeed(&mut self.compose(&["down", "--timeout", "20"]))
    }

    /// Nothing stays.
    pub(super) fn remove(&self) -> anyhow::Result<()> {
        succeed(&mut self.compose(&["down", "--volumes", "--remove-orphans", "--timeout", "5"]))
    }

    /// What `ward` says in the aggregator's container, whatever it ends with: a verdict is no failure.
    pub(super) fn ward(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut command = self.compose(&["exec", "-T", "aggregator", "ward"]);
        let output = command
            .args(arguments)
            .args(["-o", "json"])
            .output()
            .context("start docker")?;
        serde_json::from_slice(&output.stdout).with_context(|| {
            format!(
                "`ward {}`: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            )
        })
    }

    /// A `ward watch` of the aggregator, one JSON object a line.
    pub(super) fn watch(&self) -> anyhow::Result<Child> {
        let mut command = self.compose(&["exec", "-T", "aggregator", "ward", "watch", "-o", "json"]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("start docker")
    }

    /// The JSON that a published port answers with. Looked up each time: a container that is started again has another.
    pub(super) fn get(&self, service: &str, port: u16, path: &str) -> anyhow::Result<Value> {
        let address = said(&mut self.compose(&["port", service, &port.to_string()]))?;
        let address: SocketAddr = address
            .parse()
            .with_context(|| format!("{service} has no port {port}: {address:?}"))?;
        ensure!(
            address.ip().is_loopback(),
            "{service} can be reached from outside, at {address}"
        );
        asking::get(address, path)
    }

    /// What `docker inspect` says of the container of a service.
    pub(super) fn inspect(&self, service: &str, what: &str) -> anyhow::Result<String> {
        let container = said(&mut self.compose(&["ps", "--quiet", service]))?;
        said(&mut self.docker(&["inspect", "--format", what, &container]))
    }

    /// What a service has written to its output. Asked of the engine: compose puts codes for terminals in front of lines.
    pub(super) fn log(&self, service: &str) -> anyhow::Result<String> {
        let container = said(&mut self.compose(&["ps", "--quiet", service]))?;
        said(&mut self.docker(&["logs", &container]))
    }

    /// SIGKILL to the process of a service, as the kernel would send it. `docker kill` would not do: it is somebody's wish, after
    /// which the engine starts nothing again.
    pub(super) fn kill(&self, service: &str) -> anyhow::Result<()> {
        let process = self.inspect(service, "{{.State.Pid}}")?;
        let killing = [
            "run",
            "--rm",
            "--pid=host",
            "--user=0",
            "--network=none",
            "--entrypoint=sh",
        ];
        let mut command = self.docker(&killing);
        succeed(command.args([IMAGE, "-c", &format!("kill -KILL {process}")]))
    }

    pub(super) fn run(&self, arguments: &[&str]) -> anyhow::Result<()> {
        succeed(&mut self.compose(arguments))
    }

    /// What it says on standard output.
    pub(super) fn says(&self, arguments: &[&str]) -> anyhow::Result<String> {
        said(&mut self.compose(arguments))
    }
}

/// What a program that succeeds says on standard output.
fn said(command: &mut Command) -> anyhow::Result<String> {
    let output = command
        .output()
        .with_context(|| format!("start {}", command.get_program().display()))?;
    if !output.status.success() {
        announce(command);
        bail!(
            "ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
