//! A PostgreSQL that can stand still.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use tempfile::TempDir;

use crate::program::{Program, found, free_port, unprivileged};

/// Of its user `ward`. No log and no page may have it.
pub(crate) const PASSWORD: &str = "hunter2-of-postgres";

/// One with its data, which outlives stops. It ends with its test.
pub(crate) struct Postgres {
    running: Option<Program>,
    program: PathBuf,
    port: u16,
    folder: TempDir,
}

impl Postgres {
    /// `None` where there is none.
    pub(crate) async fn start() -> Option<Self> {
        let mut postgres = Self::set_up()?;
        postgres.run().await;
        Some(postgres)
    }

    /// Its data, and nobody who listens yet. `None` where there is none.
    pub(crate) fn set_up() -> Option<Self> {
        let program = found("postgres", "PG_BIN")?;
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, PASSWORD).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
        let mut init = unprivileged(&program.with_file_name("initdb"), folder.path());
        let init = init.args([
            "--username=ward",
            "--auth=scram-sha-256",
            "--no-sync",
            "--locale=C",
            "--encoding=UTF8",
        ]);
        let init = init.arg("--pwfile").arg(secret);
        let made = init
            .arg("--pgdata")
            .arg(folder.path().join("data"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(Self {
            running: None,
            program,
            port: free_port(),
            folder,
        })
    }

    /// Starts it, for the first time or again.
    pub(crate) async fn run(&mut self) {
        self.running = None;
        let settings = [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".into(),
            "unix_socket_directories=".into(),
            "fsync=off".into(),
            "shared_buffers=16MB".into(),
        ];
        let data = self.folder.path().join("data");
        let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
        arguments.extend(settings.into_iter().flat_map(|setting| ["-c".into(), setting]));
        let running = Program::start(&self.program, &arguments, self.folder.path(), self.port);
        self.running = Some(running.await);
    }

    pub(crate) fn url(&self) -> String {
        format!("postgresql://ward:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// For a `ward.toml`.
    pub(crate) fn settings(&self) -> String {
        format!("[store]\nurl = \"{}\"\n", self.url())
    }

    pub(crate) fn freeze(&self) {
        self.running.as_ref().unwrap().freeze();
    }

    pub(crate) fn thaw(&self) {
        self.running.as_ref().unwrap().thaw();
    }

    pub(crate) fn stop(&self) {
        self.running.as_ref().unwrap().stop();
    }

    pub(crate) fn kill(&mut self) {
        self.running.take().unwrap().kill();
    }
}
