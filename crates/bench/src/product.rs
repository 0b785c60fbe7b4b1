//! The product itself: the program `ward` as it is released, beside this one, for items about whole processes.
//!
//! `bench serve ward` has raised bounds and no command line; what starts, drains and stays small has to be what people
//! run, with the bounds they get.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::machine;

/// Where `ward` is.
pub(crate) fn program() -> anyhow::Result<PathBuf> {
    let here = env::current_exe().context("find this program")?;
    let program = here.with_file_name("ward");
    ensure!(
        program.is_file(),
        "{} is not built: `cargo xtask bench` does that, or `cargo build --release --package ward`",
        program.display()
    );
    Ok(program)
}

/// `ward aggregator` with nothing configured, on the servers' core. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Aggregator {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    child: Child,
    /// Gone with it, if it is its own.
    _data: Option<TempDir>,
}

/// How it says where it listens.
const LISTENING: &str = "listening grpc=";

impl Aggregator {
    /// Starts one; returns when it says where it listens.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let mut started = Self::start_in(data.path())?;
        started._data = Some(data);
        Ok(started)
    }

    /// The same in a data directory that is there already.
    pub(crate) fn start_in(data: &Path) -> anyhow::Result<Self> {
        machine::on_core(machine::SERVER_CORE, || Self::start_here(data))
    }

    /// The same on whatever cores the caller may use.
    pub(crate) fn start_here(data: &Path) -> anyhow::Result<Self> {
        let any = "127.0.0.1:0";
        let mut command = Command::new(program()?);
        command
            .args(["aggregator", "--grpc", any, "--http", any, "--data-dir"])
            .arg(data)
            .env("WARD_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let mut said = BufReader::new(child.stderr.take().context("ward without stderr")?);
        let mut line = String::new();
        while !line.starts_with(LISTENING) {
            line.clear();
            ensure!(said.read_line(&mut line)? > 0, "ward ended before it listened");
        }
        // Read on, so that it never waits for somebody who reads its log.
        thread::spawn(move || drop(said.read_to_end(&mut Vec::new())));
        let (grpc, http) = addresses(&line).with_context(|| format!("it said {line:?}"))?;
        Ok(Self {
            grpc,
            http,
            child,
            _data: None,
        })
    }

    /// CPU time it has used.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        machine::cpu_of(self.child.id())
    }

    /// Its resident memory, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        machine::memory_of(self.child.id())
    }

    /// What it answers to a GET: status line, headers and body as they come.
    pub(crate) fn get(&self, path: &str) -> anyhow::Result<String> {
        get(self.http, path)
    }

    /// A figure without labels of `/metrics`.
    pub(crate) fn metric(&self, name: &str) -> anyhow::Result<f64> {
        metric(self.http, name)
    }

    /// Asks it to stop.
    pub(crate) fn terminate(&self) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        kill(pid, Signal::SIGTERM).context("ask ward to stop")
    }

    /// Until it has ended.
    pub(crate) fn wait(mut self) -> anyhow::Result<ExitStatus> {
        self.child.wait().context("wait for ward")
    }
}

impl Drop for Aggregator {
    fn drop(&mut self) {
        // Nothing of it is kept.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (grpc, http) = line.trim().strip_prefix(LISTENING)?.split_once(" http=")?;
    Some((grpc.parse().ok()?, http.parse().ok()?))
}

fn get(host: SocketAddr, path: &str) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(host)?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// A figure without labels of an aggregator's `/metrics`.
pub(crate) fn metric(http: SocketAddr, name: &str) -> anyhow::Result<f64> {
    let answer = get(http, "/metrics")?;
    figure(&answer, name).with_context(|| format!("no {name} in /metrics of {http}"))
}

fn figure(exposition: &str, name: &str) -> Option<f64> {
    exposition
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_understood() {
        let (grpc, http) = addresses("listening grpc=127.0.0.1:7 http=127.0.0.1:8\n").unwrap();
        assert_eq!((grpc.port(), http.port()), (7, 8));
        assert_eq!(addresses("listening"), None);
        let exposition = "# HELP a_total b\na_total_more 1\na_total 12\na{b=\"c\"} 3\n";
        assert_eq!(figure(exposition, "a_total"), Some(12.0));
        assert_eq!(figure(exposition, "a"), None);
    }
}
