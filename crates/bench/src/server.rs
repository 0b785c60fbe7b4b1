//! A server in a process of its own, on the servers' core, so that what it costs can be told from what its client costs.
//!
//! It is this very program, started again as `bench serve KIND`; see [`crate::serve`]. A thread of the client's process
//! was not taken: its CPU time could be told apart, but not its memory, and both would share one allocator.

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    time::Duration,
};

use anyhow::Context;

use crate::machine;

/// A running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    addr: SocketAddr,
    child: Child,
    /// The server ends when this does, whatever becomes of this process.
    _held: ChildStdin,
}

impl Server {
    /// Starts one, with what stands behind `bench serve`; returns when it listens.
    pub(crate) fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let program = env::current_exe().context("find this program")?;
        let mut command = Command::new(program);
        command
            .arg("serve")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let what = || format!("start `bench serve {}`", arguments.join(" "));
        let mut child = machine::on_core(machine::SERVER_CORE, || Ok(command.spawn()?)).with_context(what)?;
        let held = child.stdin.take().context("a server without stdin")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("a server without stdout")?;
        BufReader::new(stdout).read_line(&mut line).with_context(what)?;
        let addr = line
            .trim()
            .parse()
            .with_context(|| format!("{}: it said {line:?}", what()))?;
        Ok(Self {
            addr,
            child,
            _held: held,
        })
    }

    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// CPU time it has used.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        machine::cpu_of(self.pid())
    }

    /// Its resident memory, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        machine::memory_of(self.pid())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to save, and the next one wants its core.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
