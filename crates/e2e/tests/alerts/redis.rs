//! A Redis that can stand still.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::program::{Program, found, free_port};

/// No log and no page may have it.
pub(crate) const PASSWORD: &str = "hunter2-of-redis";

/// One of its own. It ends with its test.
pub(crate) struct Redis {
    running: Option<Program>,
    program: PathBuf,
    port: u16,
    folder: TempDir,
}

impl Redis {
    /// Nobody who listens yet. `None` where there is none.
    pub(crate) fn set_up() -> Option<Self> {
        Some(Self {
            running: None,
            program: found("redis-server", "REDIS_SERVER")?,
            port: free_port(),
            folder: tempfile::tempdir().unwrap(),
        })
    }

    /// Starts it, for the first time or again.
    pub(crate) async fn run(&mut self) {
        self.running = None;
        let port = self.port.to_string();
        let arguments = [
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--requirepass",
            PASSWORD,
        ];
        let arguments: Vec<_> = arguments.iter().map(|&word| word.to_owned()).collect();
        let running = Program::start(&self.program, &arguments, self.folder.path(), self.port);
        self.running = Some(running.await);
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}/", self.port)
    }

    pub(crate) fn freeze(&self) {
        self.running.as_ref().unwrap().freeze();
    }

    pub(crate) fn thaw(&self) {
        self.running.as_ref().unwrap().thaw();
    }

    pub(crate) fn kill(&mut self) {
        self.running.take().unwrap().kill();
    }
}
