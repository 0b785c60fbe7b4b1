//! A PostgreSQL that can stand still.

use std::{
    env, fs,
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User, geteuid},
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::people::{GLANCE, PATIENCE};

/// A running one. It ends with its test, and does so too when that is killed.
pub(crate) struct Postgres {
    shell: Child,
    process: i32,
    port: u16,
    _folder: TempDir,
}

impl Postgres {
    /// `None` where there is none.
    pub(crate) async fn start() -> Option<Self> {
        let programs = programs()?;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut init = unprivileged(&programs.join("initdb"), folder.path());
        let init = init.args([
            "--username=ward",
            "--auth=trust",
            "--no-sync",
            "--locale=C",
            "--encoding=UTF8",
        ]);
        let made = init.arg("--pgdata").arg(&data).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let mut shell = unprivileged(Path::new("sh"), folder.path())
            .args([
                "-c",
                r#""$@" >&2 & echo $!; read -r line; kill -9 $! 2>/dev/null; wait"#,
                "sh",
            ])
            .arg(programs.join("postgres"))
            .arg("-D")
            .arg(data)
            .args(["-c", &format!("port={port}"), "-c", "listen_addresses=127.0.0.1"])
            .args([
                "-c",
                "unix_socket_directories=",
                "-c",
                "fsync=off",
                "-c",
                "shared_buffers=16MB",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = Vec::new();
        let mut stdout = shell.stdout.take().unwrap();
        while said.last() != Some(&b'\n') {
            let mut byte = [0];
            stdout.read_exact(&mut byte).unwrap();
            said.push(byte[0]);
        }
        let process = String::from_utf8(said).unwrap().trim().parse().unwrap();
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err() {
            assert!(Instant::now() < end, "PostgreSQL does not listen");
            sleep(GLANCE).await;
        }
        Some(Self {
            shell,
            process,
            port,
            _folder: folder,
        })
    }

    /// For a `ward.toml`.
    pub(crate) fn settings(&self) -> String {
        let port = self.port;
        format!("[store]\nurl = \"postgresql://ward@127.0.0.1:{port}/postgres\"\n")
    }

    pub(crate) fn freeze(&self) {
        self.send(Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.send(Signal::SIGCONT);
    }

    /// To the process and its children: it has one for each connection.
    fn send(&self, signal: Signal) {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.process));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().map(|number| number.parse().unwrap());
        for process in std::iter::once(self.process).chain(children) {
            // One that has ended meanwhile needs none.
            kill(Pid::from_raw(process), signal).ok();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.thaw();
        drop(self.shell.stdin.take());
        drop(self.shell.wait());
    }
}

/// The folder of its programs: in `PG_BIN`, else on the path.
fn programs() -> Option<PathBuf> {
    let named = env::var_os("PG_BIN").map(PathBuf::from);
    let folders = env::var_os("PATH").unwrap_or_default();
    let on_path = || env::split_paths(&folders).find(|folder| folder.join("postgres").is_file());
    named.map_or_else(on_path, |folder| {
        Some(folder).filter(|folder| folder.join("postgres").is_file())
    })
}

/// PostgreSQL refuses to be root.
fn unprivileged(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if geteuid().is_root() {
        let users = ["postgres", "nobody"];
        let user = users.iter().find_map(|name| User::from_name(name).ok().flatten());
        let user = user.expect("one of the users postgres and nobody");
        chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    command
}
