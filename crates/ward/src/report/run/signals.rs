//! Signals that are meant for the command, though they were sent to this process.

use std::{
    fs,
    future::{Future, poll_fn},
    io,
    task::Poll,
};

use nix::sys::signal::Signal;
use tokio::signal::unix::{Signal as Listener, SignalKind, signal};

/// Those that are passed on. What stops and continues reaches both by itself, as they share a terminal.
const PASSED: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// None of them ends this process any longer.
pub(super) struct Signals {
    listening: Vec<(Signal, Listener)>,
    /// How many came that ask for an end.
    urged: usize,
}

impl Signals {
    /// What is ignored stays ignored, here and in the command: that is what nohup(1) asks for.
    pub(super) fn listen() -> io::Result<Self> {
        let ignored = ignored();
        let wanted = PASSED.into_iter().filter(|&signal| ignored & bit(signal) == 0);
        let listening = wanted.map(|wanted| Ok((wanted, signal(SignalKind::from_raw(wanted as i32))?)));
        Ok(Self {
            listening: listening.collect::<io::Result<_>>()?,
            urged: 0,
        })
    }

    /// The next one. Cancel safe.
    pub(super) async fn next(&mut self) -> Signal {
        let came = poll_fn(|context| {
            let came = self
                .listening
                .iter_mut()
                .find_map(|(signal, listener)| listener.poll_recv(context).is_ready().then_some(*signal));
            came.map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        self.urged += usize::from(!matches!(came, Signal::SIGUSR1 | Signal::SIGUSR2));
        came
    }

    /// What `doing`, behind the end of the command, comes to; `None` if a second signal asks for an end first. The
    /// first is for the command, also where it comes late: who stops a whole group or a unit of systemd tells both at
    /// once, and the report of that is still wanted.
    pub(super) async fn unless_urged<T>(&mut self, doing: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(doing);
        loop {
            tokio::select! {
                done = &mut doing => return Some(done),
                _ = self.next() => {}
            }
            if self.urged > 1 {
                return None;
            }
        }
    }
}

fn bit(signal: Signal) -> u64 {
    1 << (signal as i32 - 1)
}

/// The mask of signals that whoever started this process had it ignore. Asking the kernel itself takes unsafe code;
/// where there is no /proc none are taken to be.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}
