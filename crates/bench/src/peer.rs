//! What people use today, started beside Ward where it is installed.
//!
//! Each runs in a directory and on a port of its own, on the servers' core, with a Go runtime told that it has one core.
//! None is configured beyond that: what is measured is what comes out of the package.

pub(crate) mod etcd;
pub(crate) mod redis;

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use tempfile::TempDir;

use crate::machine;

/// Something to install.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    /// Its file name.
    pub(crate) file: &'static str,
    /// The package of Debian that has it.
    pub(crate) package: &'static str,
    /// Arguments that make it listen on this port of the loopback address and write into this directory only.
    pub(crate) arguments: fn(u16, &Path) -> Vec<String>,
}

/// A running one. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Peer {
    addr: SocketAddr,
    child: Child,
    _directory: TempDir,
}

/// How long one may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);

impl Program {
    /// Where it is, if it is installed.
    pub(crate) fn find(self) -> Option<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        // Daemons are in a folder that is not on everybody's path.
        let daemons = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
        env::split_paths(&path)
            .chain(daemons)
            .map(|folder| folder.join(self.file))
            .find(|file| file.is_file())
    }

    /// Starts it and waits until it listens; `None` if it is not installed.
    pub(crate) fn start(self) -> anyhow::Result<Option<Peer>> {
        let Some(program) = self.find() else {
            return Ok(None);
        };
        let directory = tempfile::tempdir()?;
        let addr = free_addr()?;
        let log = fs::File::create(directory.path().join("log"))?;
        let mut command = Command::new(program);
        command
            .args((self.arguments)(addr.port(), directory.path()))
            .env("GOMAXPROCS", "1")
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = machine::on_core(machine::SERVER_CORE, || Ok(command.spawn()?));
        let child = child.with_context(|| format!("start {}", self.file))?;
        let peer = Peer {
            addr,
            child,
            _directory: directory,
        };
        peer.wait().with_context(|| format!("wait for {}", self.file))?;
        Ok(Some(peer))
    }

    /// What to do about one that is not there.
    pub(crate) fn missing(self) -> Option<String> {
        let Self { file, package, .. } = self;
        let missing = self.find().is_none();
        missing
            .then(|| format!("{file} is not installed, its figures are left out: apt-get install {package}"))
    }
}

impl Peer {
    /// Where it listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// CPU time it has used.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        machine::cpu_of(self.child.id())
    }

    fn wait(&self) -> anyhow::Result<()> {
        let step = Duration::from_millis(50);
        let mut waited = Duration::ZERO;
        while TcpStream::connect(self.addr).is_err() {
            if waited > PATIENCE {
                let log = fs::read_to_string(self._directory.path().join("log")).unwrap_or_default();
                bail!("nothing listens at {} after {PATIENCE:?}: {log}", self.addr);
            }
            thread::sleep(step);
            waited += step;
        }
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Its directory goes with it: there is nothing to save.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An address that nobody listens at, as far as anybody can tell.
pub(crate) fn free_addr() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Leases, keys and watches, replicated by raft and synced to disk.
pub(crate) const ETCD: Program = Program {
    file: "etcd",
    package: "etcd-server",
    arguments: |port, directory| {
        let client = format!("http://127.0.0.1:{port}");
        // Nobody asks for its peers' port: it is alone.
        let peers = "http://127.0.0.1:0";
        [
            ("data-dir", directory.display().to_string().as_str()),
            ("listen-client-urls", &client),
            ("advertise-client-urls", &client),
            ("listen-peer-urls", peers),
            ("log-level", "error"),
        ]
        .map(|(option, value)| format!("--{option}={value}"))
        .to_vec()
    },
};

/// Keys with a time to live and pub/sub, in memory; nothing is written to disk.
pub(crate) const REDIS: Program = Program {
    file: "redis-server",
    package: "redis-server",
    arguments: |port, _| {
        [
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        .map(str::to_owned)
        .to_vec()
    },
};

/// All of them.
pub(crate) const ALL: [Program; 3] = [ETCD, REDIS, NATS];

/// Subjects and whoever subscribes to them, in memory.
pub(crate) const NATS: Program = Program {
    file: "nats-server",
    package: "nats-server",
    arguments: |port, _| {
        ["-a", "127.0.0.1", "-p", &port.to_string()]
            .map(str::to_owned)
            .to_vec()
    },
};
