//! The command as a process: started, given the signals that come, stopped when its time is up.

use std::{ffi::OsString, fs::File, future::pending, io, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tokio::{process::Command, sync::oneshot, task::JoinHandle, time::sleep};

use super::{ending::How, signals::Signals, stderr};

/// How long a command that was asked to stop may take to.
const GRACE: Duration = Duration::from_secs(10);

/// A command that runs.
pub(super) struct Child {
    process: tokio::process::Child,
    stderr: Option<(JoinHandle<String>, oneshot::Sender<()>)>,
    reach: Reach,
}

/// Whom signals are passed on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The command with all that it starts, which have a group of their own.
    Group,
    /// The command alone: at a terminal it shares our group, or it could not read from there. The terminal tells the
    /// whole group what is typed, so an interruption is not passed on: twice means something else to many.
    Command,
}

impl Child {
    pub(super) fn start(command: &[OsString]) -> io::Result<Self> {
        let reach = match File::open("/dev/tty") {
            Ok(_) => Reach::Command,
            Err(_) => Reach::Group,
        };
        let mut starting = Command::new(&command[0]);
        starting.args(&command[1..]).stderr(Stdio::piped());
        if reach == Reach::Group {
            starting.process_group(0);
        }
        let mut process = starting.spawn()?;
        let stderr = process.stderr.take().map(|from| {
            let (over, is_over) = oneshot::channel();
            (tokio::spawn(stderr::pass(from, is_over)), over)
        });
        Ok(Self {
            process,
            stderr,
            reach,
        })
    }

    /// Waits for its end. Says how it ended, and the last line of its standard error.
    pub(super) async fn supervise(mut self, limit: Option<Duration>, signals: &mut Signals) -> (How, String) {
        let mut patience = limit;
        let mut sent = None;
        let mut alarm = Box::pin(alarm(patience));
        let ended = loop {
            tokio::select! {
                ended = self.process.wait() => break ended,
                signal = signals.next() => self.pass_on(signal),
                () = &mut alarm => {
                    let next = match sent {
                        None => Signal::SIGTERM,
                        Some(_) => Signal::SIGKILL,
                    };
                    patience = sent.is_none().then_some(GRACE);
                    sent = Some(next);
                    self.send(next);
                    alarm.set(self::alarm(patience));
                }
            }
        };
        let how = match (ended, limit, sent) {
            (Ok(_), Some(limit), Some(signal)) => How::TimedOut(limit, signal),
            (Ok(status), ..) => How::ended(status),
            // Nobody else waits for it, so there is always something to wait for.
            (Err(error), ..) => How::not_started(&error),
        };
        (how, self.last_line(signals).await)
    }

    async fn last_line(&mut self, signals: &mut Signals) -> String {
        let Some((passing, over)) = self.stderr.take() else {
            return String::new();
        };
        drop(over);
        // A reader of ours who does not read must not keep us for ever from ending at a signal.
        let passed = signals.unless_urged(passing).await;
        passed.and_then(Result::ok).unwrap_or_default()
    }

    fn pass_on(&self, signal: Signal) {
        let typed = matches!(signal, Signal::SIGINT | Signal::SIGQUIT);
        if self.reach == Reach::Group || !typed {
            self.send(signal);
        }
    }

    fn send(&self, signal: Signal) {
        // Without an id it has ended, and been waited for.
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        let Some(id) = id.map(Pid::from_raw) else {
            return;
        };
        // One that has just ended needs no signal any more.
        let sent = match self.reach {
            Reach::Group => killpg(id, signal),
            Reach::Command => kill(id, signal),
        };
        sent.unwrap_or_default();
    }
}

async fn alarm(after: Option<Duration>) {
    match after {
        Some(after) => sleep(after).await,
        None => pending().await,
    }
}
