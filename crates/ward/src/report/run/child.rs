//! The command as a process: started, given the signals that come, stopped when its time is up.

use std::{
    ffi::OsString,
    fs::File,
    future::pending,
    io::{self, IsTerminal},
    process::Stdio,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tokio::{process::Command, sync::oneshot, task::JoinHandle, time::sleep};

use super::{ending::How, signals::Signals, stderr};

/// How long a command that was asked to stop may take to.
const GRACE: Duration = Duration::from_secs(10);
/// How often is looked whether anything of its group is left.
const LOOK: Duration = Duration::from_millis(20);

/// A command that runs.
pub(super) struct Child {
    process: tokio::process::Child,
    stderr: Option<(JoinHandle<String>, oneshot::Sender<()>)>,
    id: Pid,
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

impl Reach {
    fn of(limited: bool) -> Self {
        let at_terminal = File::open("/dev/tty").is_ok();
        // What is to be stopped is to be stopped whole, unless it may want to read what is typed.
        let may_read = !limited || io::stdin().is_terminal();
        match at_terminal && may_read {
            true => Self::Command,
            false => Self::Group,
        }
    }
}

impl Child {
    /// Starts it; `limited` says that it may have to be stopped.
    pub(super) fn start(command: &[OsString], limited: bool) -> io::Result<Self> {
        let reach = Reach::of(limited);
        let mut starting = Command::new(&command[0]);
        starting.args(&command[1..]).stderr(Stdio::piped());
        if reach == Reach::Group {
            starting.process_group(0);
        }
        let mut process = starting.spawn()?;
        let id = process.id().and_then(|id| i32::try_from(id).ok());
        let id = Pid::from_raw(id.expect("nobody has waited for it, and ids are positive"));
        let stderr = process.stderr.take().map(|from| {
            let (over, is_over) = oneshot::channel();
            (tokio::spawn(stderr::pass(from, is_over)), over)
        });
        Ok(Self {
            process,
            stderr,
            id,
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
        if sent == Some(Signal::SIGTERM) && self.reach == Reach::Group {
            // The command has obeyed; what it started has the rest of its grace, and no more. Who is urged has none.
            let obeying = async {
                tokio::select! {
                    () = self.group_is_gone() => true,
                    () = &mut alarm => false,
                }
            };
            if signals.unless_urged(obeying).await != Some(true) {
                sent = Some(Signal::SIGKILL);
                self.send(Signal::SIGKILL);
            }
        }
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
        let sent = match self.reach {
            Reach::Group => killpg(self.id, signal),
            // Without an id it has ended, and been waited for: the number may be another's by now.
            Reach::Command if self.process.id().is_none() => return,
            Reach::Command => kill(self.id, signal),
        };
        // One that has just ended needs no signal any more.
        sent.unwrap_or_default();
    }

    /// Waits until nothing of the group is left. The id of a group is nobody else's while it has members.
    async fn group_is_gone(&self) {
        while killpg(self.id, None) != Err(Errno::ESRCH) {
            sleep(LOOK).await;
        }
    }
}

async fn alarm(after: Option<Duration>) {
    match after {
        Some(after) => sleep(after).await,
        None => pending().await,
    }
}
