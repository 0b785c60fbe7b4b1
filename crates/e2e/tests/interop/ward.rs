//! `ward aggregator`, the program itself, as a process that can be killed and comes back on its ports.

use std::{
    env,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
};

use tempfile::TempDir;

/// A running aggregator. Ends with its test.
pub(crate) struct Ward {
    process: Child,
    data: TempDir,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
}

impl Ward {
    /// On free ports.
    pub(crate) fn start() -> Self {
        let data = tempfile::tempdir().unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (process, grpc, http) = spawn(&data, any, any);
        Self {
            process,
            data,
            grpc,
            http,
        }
    }

    /// Without a goodbye.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// On the same ports, with the same data.
    pub(crate) fn start_again(&mut self) {
        (self.process, self.grpc, self.http) = spawn(&self.data, self.grpc, self.http);
    }
}

impl Drop for Ward {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Beside the folder in which cargo puts this test. `cargo xtask test` builds it first.
fn program() -> PathBuf {
    let test = env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("ward");
    assert!(
        program.is_file(),
        "{}: build it with `cargo build -p ward`",
        program.display()
    );
    program
}

fn spawn(data: &TempDir, grpc: SocketAddr, http: SocketAddr) -> (Child, SocketAddr, SocketAddr) {
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
    thread::spawn(move || lines.for_each(drop));
    (process, grpc, http)
}
