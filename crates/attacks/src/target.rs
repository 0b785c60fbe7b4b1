//! A server under attack: a process of its own, and what `/proc` says about it.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use anyhow::Context;
use tempfile::TempDir;
use ward_chassis::Clock;
use ward_model::Mono;

use crate::{Setup, honest::Server, serve::CA};

/// A running server. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    clock: Clock,
    process: Child,
    /// The server ends when this does, whatever becomes of this process.
    _held: ChildStdin,
    /// Holds its log and its data.
    home: TempDir,
}

/// What the server has used, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    pub(crate) at: Mono,
    pub(crate) bytes: u64,
    /// The most it had since the last look.
    pub(crate) peak_bytes: u64,
    pub(crate) cpu: Duration,
}

impl Target {
    pub(crate) fn start(program: &Path, setup: &Setup) -> anyhow::Result<Self> {
        let home = tempfile::tempdir()?;
        let log = fs::File::create(home.path().join("log"))?;
        let mut process = Command::new(program)
            .arg("serve")
            .arg(serde_json::to_string(setup)?)
            .arg(home.path().join("data"))
            .env_remove("WARD_LOG")
            .env_remove("RUST_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let held = process.stdin.take().context("a server without stdin")?;
        let stdout = process.stdout.take().context("a server without stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let mut addrs = line.split_whitespace().map(str::parse);
        let mut addr = || -> anyhow::Result<SocketAddr> {
            let said = || format!("the server said {line:?}, expected where it listens");
            addrs.next().with_context(said)?.with_context(said)
        };
        Ok(Self {
            grpc: addr()?,
            http: addr()?,
            clock: Clock::start(),
            process,
            _held: held,
            home,
        })
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// As its clients have to know it.
    pub(crate) fn server(&self) -> Server {
        let ca = self.home.path().join("data").join(CA);
        Server::new(self.grpc, Some(ca).filter(|ca| ca.is_file()))
    }

    /// How much it has logged.
    pub(crate) fn log_bytes(&self) -> anyhow::Result<u64> {
        let log = fs::metadata(self.home.path().join("log"));
        Ok(log.context("look at the log of the server")?.len())
    }

    /// All that it has logged.
    pub(crate) fn log(&self) -> anyhow::Result<Vec<u8>> {
        fs::read(self.home.path().join("log")).context("read the log of the server")
    }

    /// Looks, and begins to watch for a new peak.
    pub(crate) fn measure(&self) -> anyhow::Result<Measure> {
        let status = self.proc("status")?;
        let measure = Measure {
            at: self.clock.mono(),
            bytes: bytes(&status, "VmRSS:")?,
            peak_bytes: bytes(&status, "VmHWM:")?,
            cpu: self.cpu()?,
        };
        // proc_pid_clear_refs(5): 5 resets the peak.
        fs::write(format!("/proc/{}/clear_refs", self.process.id()), "5")
            .context("reset the peak of memory")?;
        Ok(measure)
    }

    /// CPU time that the process has used.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        /// Of `/proc/<pid>/stat`: 100 on every Linux that Rust runs on.
        const TICKS_PER_SECOND: u64 = 100;
        /// Where user and system time stand behind the name.
        const TIMES: std::ops::Range<usize> = 11..13;
        let stat = self.proc("stat")?;
        let (_, behind_name) = stat.rsplit_once(')').context("a process without a name")?;
        let fields = behind_name.split_whitespace().enumerate();
        let times = fields.filter(|(at, _)| TIMES.contains(at));
        let ticks: u64 = times.filter_map(|(_, field)| field.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
    }

    pub(crate) fn open_files(&self) -> anyhow::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.process.id()))
            .context("look at the descriptors of the server")?
            .count())
    }

    fn proc(&self, file: &str) -> anyhow::Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.process.id())).context("the server has died")
    }
}

fn bytes(status: &str, field: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib
        .with_context(|| format!("a process without {field}"))?
        .parse()?;
    Ok(kib * 1024)
}

impl Drop for Target {
    fn drop(&mut self) {
        // It has nothing to save.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
