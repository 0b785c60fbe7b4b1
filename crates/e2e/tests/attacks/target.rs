//! The aggregator under attack: this binary again, in a process of its own. The `ward` command cannot be used: nothing
//! it can be told loosens a guard.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use nix::sys::resource::{Resource, setrlimit};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use ward_aggregator::{App, ClientLimits, Config};
use ward_chassis::Limits;

use crate::honest::Experience;

const SETUP: &str = "WARD_ATTACK_SETUP";
const DATA_DIR: &str = "WARD_ATTACK_DATA_DIR";

/// How the server is set up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// Whether the guards are on. The numbers below replace a guard's own, where that would take a test too long.
    pub(crate) guarded: bool,
    pub(crate) connections: Option<usize>,
    pub(crate) connections_per_address: Option<usize>,
    pub(crate) handshake_timeout: Option<Duration>,
    /// The process's limit of open files.
    pub(crate) open_files: Option<u64>,
}

impl Setup {
    /// With the guards as shipped, and without any.
    pub(crate) fn both() -> [Self; 2] {
        [true, false].map(|guarded| Self {
            guarded,
            ..Self::default()
        })
    }

    fn limits(&self) -> Limits {
        let mut limits = if self.guarded {
            Limits::default()
        } else {
            Limits::unguarded()
        };
        if self.guarded {
            limits.connections = self.connections.unwrap_or(limits.connections);
            limits.connections_per_address = self
                .connections_per_address
                .unwrap_or(limits.connections_per_address);
            limits.handshake_timeout = self.handshake_timeout.or(limits.handshake_timeout);
        }
        limits
    }
}

/// A running server. Ends with its test.
pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    pub(crate) guarded: bool,
    process: Child,
    _data_dir: TempDir,
    memory_before: u64,
    cpu_before: Duration,
}

impl Target {
    pub(crate) fn start(setup: &Setup) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let mut process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "target::be_attacked", "--ignored", "--nocapture"])
            .env(SETUP, serde_json::to_string(setup).unwrap())
            .env(DATA_DIR, data_dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.as_mut().unwrap()).lines();
        let addr = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on ")?.parse().ok())
            .expect("the server says where it listens");
        let mut target = Self {
            addr,
            guarded: setup.guarded,
            process,
            _data_dir: data_dir,
            memory_before: 0,
            cpu_before: Duration::ZERO,
        };
        (target.memory_before, target.cpu_before) = (target.memory_bytes(), target.cpu());
        target
    }

    /// CPU time that the process has used.
    pub(crate) fn cpu(&self) -> Duration {
        /// Of `/proc/<pid>/stat`: 100 on every Linux that Rust runs on.
        const TICKS_PER_SECOND: u64 = 100;
        let stat = self.proc("stat");
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks: u64 = fields[11..13]
            .iter()
            .map(|field| field.parse::<u64>().unwrap())
            .sum();
        Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
    }

    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.id()))
            .unwrap()
            .count()
    }

    fn memory_bytes(&self) -> u64 {
        let status = self.proc("status");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    fn proc(&self, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", self.process.id())).expect("the server lives")
    }

    /// Prints the line of this attack, and holds the server to what it owes an honest client.
    #[expect(clippy::print_stdout, reason = "the table is for people")]
    pub(crate) fn report(&self, attack: &str, what_happened: &str, honest: Experience) {
        let guard = if self.guarded { "guarded" } else { "without" };
        let memory = self.memory_bytes().saturating_sub(self.memory_before) as f64 / 1e6;
        let cpu = (self.cpu() - self.cpu_before).as_secs_f64();
        println!(
            "{attack:<22} {guard}  {what_happened:<74} {memory:>6.1} MB {cpu:>5.2} CPU-s  honest: {honest}"
        );
        if self.guarded {
            assert_eq!(honest.failed, None, "{attack}: an honest client was not served");
            assert!(memory < 64.0, "{attack}: {memory} MB more");
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "role: the server, started by the attacks"]
async fn be_attacked() {
    let setup: Setup = serde_json::from_str(&env::var(SETUP).expect("started by an attack")).unwrap();
    let config = Config {
        grpc: ([127, 0, 0, 1], 0).into(),
        http: ([127, 0, 0, 1], 0).into(),
        limits: setup.limits(),
        client_limits: if setup.guarded {
            ClientLimits::default()
        } else {
            ClientLimits::unguarded()
        },
        ..Config::new(env::var_os(DATA_DIR).unwrap())
    };
    let app = App::start(config).await.unwrap();
    if let Some(open_files) = setup.open_files {
        // Only now: it would have taken fewer connections than it has descriptors for.
        setrlimit(Resource::RLIMIT_NOFILE, open_files, open_files).unwrap();
    }
    // libtest has written to this line already.
    println!("\nlistening on {}", app.grpc_addr());
    // Ends with whoever started it, even if that is killed.
    tokio::task::spawn_blocking(|| io::stdin().read(&mut [0]))
        .await
        .unwrap()
        .unwrap();
    app.stop().await;
}
