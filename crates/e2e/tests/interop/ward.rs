//! `ward aggregator`, the program itself, as a process that can be killed and comes back on its ports.

use std::{
    env,
    ffi::OsStr,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use tempfile::TempDir;

/// A running aggregator. Ends with its test.
pub(crate) struct Ward {
    process: Child,
    data: TempDir,
    config: Option<PathBuf>,
    /// What it has said until now.
    log: Arc<Mutex<String>>,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Ward {
    /// On free ports.
    pub(crate) fn start() -> Self {
        Self::with(None, &env::temp_dir())
    }

    /// On free ports, as this file says.
    pub(crate) fn configured(config: &Path) -> Self {
        Self::configured_in(config, &env::temp_dir())
    }

    /// The same, with its data in that folder.
    pub(crate) fn configured_in(config: &Path, folder: &Path) -> Self {
        Self::with(Some(config.to_owned()), folder)
    }

    fn with(config: Option<PathBuf>, folder: &Path) -> Self {
        let data = tempfile::tempdir_in(folder).unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let log = Arc::default();
        let (process, grpc, http) = spawn(&data, config.as_deref(), (any, any), &log);
        Self {
            process,
            data,
            config,
            log,
            grpc,
            http,
        }
    }

    pub(crate) fn data_dir(&self) -> &Path {
        self.data.path()
    }

    /// What it has said until now.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Has it read its configuration again.
    pub(crate) fn hang_up(&self) {
        let pid = Pid::from_raw(self.process.id().cast_signed());
        kill(pid, Signal::SIGHUP).unwrap();
    }

    /// Without a goodbye.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// On the same ports, with the same data.
    pub(crate) fn start_again(&mut self) {
        let addresses = (self.grpc, self.http);
        let started = spawn(&self.data, self.config.as_deref(), addresses, &self.log);
        (self.process, self.grpc, self.http) = started;
    }
}

impl Drop for Ward {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Beside the folder in which cargo puts this test. `cargo xtask test` builds it first.
pub(crate) fn program() -> PathBuf {
    let test = env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("ward");
    assert!(
        program.is_file(),
        "{}: build it with `cargo build -p ward`",
        program.display()
    );
    program
}

fn spawn(
    data: &TempDir,
    config: Option<&Path>,
    (grpc, http): (SocketAddr, SocketAddr),
    log: &Arc<Mutex<String>>,
) -> (Child, SocketAddr, SocketAddr) {
    let config = config
        .iter()
        .flat_map(|path| [OsStr::new("--config"), path.as_os_str()]);
    let mut process = Command::new(program())
        .args([
            "aggregator",
            "--grpc",
            &grpc.to_string(),
            "--http",
            &http.to_string(),
            "--data-dir",
        ])
        .arg(data.path())
        .args(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let said = lines.find_map(|line| {
        let (grpc, http) = line.strip_prefix("listening grpc=")?.split_once(" http=")?;
        Some((grpc.parse().unwrap(), http.parse().unwrap()))
    });
    let (grpc, http) = said.expect("it says where it listens");
    // So that it never waits for somebody to read.
    let log = Arc::clone(log);
    thread::spawn(move || lines.for_each(|line| *log.lock().unwrap() += &(line + "\n")));
    (process, grpc, http)
}
