//! A database's program that can stand still, be killed, and come back.

use std::{
    env, fs,
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::chown, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User, geteuid},
};
use tokio::time::{Instant, sleep};

use crate::people::{GLANCE, PATIENCE};

/// A running one. It ends with its test, and does so too when that is killed.
pub(crate) struct Program {
    shell: Child,
    process: i32,
}

impl Program {
    /// Starts `program`, and waits until it listens.
    pub(crate) async fn start(program: &Path, arguments: &[String], folder: &Path, port: u16) -> Self {
        let mut shell = unprivileged(Path::new("sh"), folder)
            .args([
                "-c",
                r#""$@" >&2 & echo $!; read -r line; kill -9 $! 2>/dev/null; wait"#,
                "sh",
            ])
            .arg(program)
            .args(arguments)
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
            assert!(Instant::now() < end, "{} does not listen", program.display());
            sleep(GLANCE).await;
        }
        Self { shell, process }
    }

    pub(crate) fn freeze(&self) {
        self.send(Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.send(Signal::SIGCONT);
    }

    /// Asks it to end, in its own way.
    pub(crate) fn stop(&self) {
        kill(Pid::from_raw(self.process), Signal::SIGINT).unwrap();
    }

    /// Ends it and its children at once: those of PostgreSQL would hold its memory, without which it does not start again.
    pub(crate) fn kill(self) {
        self.send(Signal::SIGKILL);
    }

    /// To the process and its children: PostgreSQL has one for each connection.
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

impl Drop for Program {
    fn drop(&mut self) {
        self.thaw();
        drop(self.shell.stdin.take());
        drop(self.shell.wait());
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// PostgreSQL refuses to be root.
pub(crate) fn unprivileged(program: &Path, folder: &Path) -> Command {
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

/// The folder of a program: in `variable`, which may name the program itself, else on the path.
pub(crate) fn found(program: &str, variable: &str) -> Option<std::path::PathBuf> {
    if let Some(named) = env::var_os(variable).map(std::path::PathBuf::from) {
        let file = if named.is_dir() {
            named.join(program)
        } else {
            named
        };
        return Some(file).filter(|file| file.is_file());
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
