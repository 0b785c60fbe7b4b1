//! A running `ward demo` and what a client sees of it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{sleep, timeout},
};
use tonic::transport::Channel;
use ward_proto::v1::{
    CausalChain, ExplainRequest, GetSystemRequest, Status, health_service_client::HealthServiceClient,
};

/// Far more than it takes (some seconds), for machines that are busy.
const PATIENCE: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(100);

pub(crate) struct Shop {
    demo: Child,
    output: Lines<BufReader<ChildStdout>>,
    client: HealthServiceClient<Channel>,
    grpc: String,
    runtime: TempDir,
}

/// What should come of a break.
#[derive(Clone, Copy)]
pub(crate) struct Expect {
    pub(crate) chain: &'static [&'static str],
    pub(crate) storefront: Status,
    pub(crate) system: Status,
}

impl Shop {
    pub(crate) async fn open() -> Result<Self> {
        Self::open_in(tempfile::tempdir()?).await
    }

    /// Starts the demo and waits until it says that it is open.
    pub(crate) async fn open_in(runtime: TempDir) -> Result<Self> {
        let mut demo = ward(runtime.path())
            .args(["demo", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()?;
        let mut output = BufReader::new(demo.stdout.take().context("its output is piped")?).lines();
        let opened = timeout(PATIENCE, async {
            ensure!(
                next_with(&mut output, "the shop is open")
                    .await?
                    .contains("after")
            );
            let line = next_with(&mut output, " grpc ").await?;
            let grpc = line
                .split_whitespace()
                .next_back()
                .context("an address")?
                .to_owned();
            next_with(&mut output, "Ctrl-C").await?;
            anyhow::Ok(grpc)
        });
        let grpc = opened.await.context("the shop did not open")??;
        let client = HealthServiceClient::connect(format!("http://{grpc}")).await?;
        Ok(Self {
            demo,
            output,
            client,
            grpc,
            runtime,
        })
    }

    /// `ward demo <arguments>` in another terminal, which says where what follows shows; an error is what that said.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> Result<()> {
        let mut command = ward(self.runtime.path());
        let output = command
            .arg("demo")
            .args(arguments)
            .args(["--server", &self.grpc])
            .output()
            .await?;
        let said = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code().context("it ends by itself")?;
        ensure!(code == 0, "{code}: {said}");
        let hint = format!("`ward watch --server {}`", self.grpc);
        ensure!(said.contains(&hint), "no {hint} in {said}");
        Ok(())
    }

    /// Breaks a member, sees what is expected and nobody else blamed, mends it, sees health.
    pub(crate) async fn ill_and_well(&mut self, name: &str, how: &str, expect: Expect) -> Result<()> {
        let case = || format!("{name} with {how}");
        self.ask(&["break", name, "--how", how])
            .await
            .with_context(case)?;
        self.until(|view| view.is(expect)).await.with_context(case)?;
        self.stays(Duration::from_secs(3), |view| view.is(expect))
            .await
            .with_context(case)?;
        self.ask(&["mend", name]).await.with_context(case)?;
        self.until(View::is_well).await.with_context(case)
    }

    async fn until(&mut self, right: impl Fn(&View) -> bool) -> Result<()> {
        let mut last = None;
        let reached = timeout(PATIENCE, async {
            loop {
                let view = self.view().await?;
                if right(&view) {
                    return anyhow::Ok(());
                }
                last = Some(view);
                sleep(GLANCE).await;
            }
        });
        let reached = reached.await;
        reached.with_context(|| format!("it never came to that, last seen: {last:#?}"))?
    }

    async fn stays(&mut self, span: Duration, right: impl Fn(&View) -> bool) -> Result<()> {
        let stayed = timeout(span, async {
            loop {
                let view = self.view().await?;
                ensure!(right(&view), "it did not stay so: {view:#?}");
                sleep(GLANCE).await;
            }
        });
        match stayed.await {
            Ok(done) => done,
            Err(_) => Ok(()),
        }
    }

    async fn view(&mut self) -> Result<View> {
        let system = self
            .client
            .get_system(GetSystemRequest {})
            .await?
            .into_inner()
            .system
            .context("a system")?;
        let explained = self
            .client
            .explain(ExplainRequest {
                name: "storefront".into(),
            })
            .await?
            .into_inner();
        Ok(View {
            system: system.condition.context("a condition")?.status(),
            causes: system.causes,
            storefront: explained.condition.context("a condition")?.status(),
            chains: explained.chains,
        })
    }

    /// The processes of the members.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let demo = self.demo.id().expect("it runs");
        let all = fs::read_dir("/proc").into_iter().flatten().flatten();
        let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        all.filter(|&pid| stat(pid).is_some_and(|(_, parent)| parent == demo))
            .collect()
    }

    pub(crate) fn runtime(&self) -> &Path {
        self.runtime.path()
    }

    pub(crate) fn into_runtime(self) -> TempDir {
        self.runtime
    }

    /// Ctrl-C, once: it ends, well and soon, and nothing is left of it.
    pub(crate) async fn close(mut self) -> Result<()> {
        let processes = self.processes();
        ensure!(processes.len() == 8, "{processes:?}");
        self.signal(Signal::SIGINT)?;
        let status = timeout(Duration::from_secs(10), self.demo.wait())
            .await
            .context("it does not end")??;
        ensure!(status.success(), "it ended with {status}");
        ensure!(
            !processes.iter().any(|&pid| alive(pid)),
            "some of {processes:?} are left"
        );
        let files = files_under(self.runtime());
        ensure!(files.is_empty(), "left behind: {files:?}");
        while self.output.next_line().await?.is_some() {}
        Ok(())
    }

    /// kill -9.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.demo.wait().await?;
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.demo.id().context("it runs")?)?;
        Ok(kill(Pid::from_raw(pid), signal)?)
    }
}

/// What clients are told at one moment.
#[derive(Debug)]
struct View {
    system: Status,
    causes: Vec<String>,
    storefront: Status,
    chains: Vec<CausalChain>,
}

impl View {
    fn is(&self, expect: Expect) -> bool {
        let root = expect.chain.last().expect("a chain has an end");
        let told = (self.system, self.storefront) == (expect.system, expect.storefront);
        let [chain] = &self.chains[..] else { return false };
        let links: Vec<_> = chain.links.iter().map(|link| link.service.as_str()).collect();
        told && links == expect.chain && self.causes == [*root]
    }

    fn is_well(&self) -> bool {
        (self.system, self.storefront) == (Status::Healthy, Status::Healthy) && self.chains.is_empty()
    }
}

fn ward(runtime: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ward"));
    command
        .env("XDG_RUNTIME_DIR", runtime)
        .env_remove("WARD_SERVER")
        .kill_on_drop(true);
    command
}

async fn next_with(output: &mut Lines<BufReader<ChildStdout>>, wanted: &str) -> Result<String> {
    while let Some(line) = output.next_line().await? {
        if line.contains(wanted) {
            return Ok(line);
        }
    }
    bail!("it ended without saying {wanted:?}")
}

/// State and parent of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may hold anything, and ends with the last parenthesis.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Runs, or is stopped. One that has ended may wait to be collected by whoever inherited it.
pub(crate) fn alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

pub(crate) fn files_under(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let deeper = |path: PathBuf| {
        if path.is_dir() {
            files_under(&path)
        } else {
            Vec::new()
        }
    };
    entries
        .flat_map(|entry| [vec![entry.path()], deeper(entry.path())].concat())
        .collect()
}

pub(crate) async fn eventually(patience: Duration, right: impl Fn() -> bool) -> Result<()> {
    let reached = timeout(patience, async {
        while !right() {
            sleep(GLANCE).await;
        }
    });
    reached.await.context("it never came to that")
}
