//! One place in the shop and the process that fills it: started, told its fault, started again when it ends.
//!
//! A member's standard input is its leash: orders come over it, and its end is the order to leave, so that nothing
//! survives the supervisor, whatever ends that. Each process has a group of its own: Ctrl-C in the terminal reaches the
//! supervisor alone, which ends the others in order.

use std::{
    fs::File,
    io,
    net::SocketAddr,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, ChildStdin, Command},
    sync::{mpsc, oneshot},
};

use crate::{
    How,
    control::{Answer, Refusal},
    plan::Member,
};

/// How long after its end a member is started again; half as long again each time, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// How long a member may take to say goodbye. It waits for nobody else.
const GOODBYE: Duration = Duration::from_secs(2);

/// What a member's process is started with.
#[derive(Clone, Debug)]
pub(crate) struct Seat {
    pub(crate) member: &'static Member,
    pub(crate) binary: PathBuf,
    pub(crate) server: SocketAddr,
    pub(crate) registry: PathBuf,
    pub(crate) log: PathBuf,
}

/// What a seat is told. The end of the orders is the order to end.
#[derive(Debug)]
pub(crate) enum Order {
    /// Break the member (`Some`) or mend it (`None`).
    Fault(Option<How>, oneshot::Sender<Answer>),
}

/// A member ended without being told to.
#[derive(Debug)]
pub(crate) struct Fell {
    pub(crate) member: &'static Member,
    pub(crate) how: String,
    pub(crate) pause: Duration,
    /// It was told to crash: no news.
    pub(crate) told: bool,
}

#[derive(Debug)]
struct Running {
    child: Child,
    leash: ChildStdin,
}

impl Running {
    /// A line over the leash. The pipe holds thousands of them: a frozen member makes nobody wait.
    async fn tell(&mut self, fault: Option<How>) -> io::Result<()> {
        self.leash
            .write_all(format!("{}\n", fault.map_or("mend", How::as_str)).as_bytes())
            .await
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = self
            .child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .ok_or(io::ErrorKind::NotFound)?;
        Ok(kill(Pid::from_raw(pid), signal)?)
    }
}

/// The state of a seat while it is tended.
#[derive(Debug)]
struct Tended {
    seat: Seat,
    running: Option<Running>,
    fault: Option<How>,
    pause: Duration,
}

enum Event {
    Order(Option<Order>),
    Ended(io::Result<ExitStatus>),
    PauseOver,
}

/// Fills the seat until the orders end, then empties it. Leaves no process behind, also when dropped half way.
///
/// The first start is done before this returns anything but a pending future; `fell` hears of each end nobody asked for.
pub(crate) async fn tend(seat: Seat, mut orders: mpsc::Receiver<Order>, fell: mpsc::Sender<Fell>) {
    let mut tended = Tended {
        seat,
        running: None,
        fault: None,
        pause: FIRST_PAUSE,
    };
    tended.start(&fell).await;
    loop {
        match tended.next(&mut orders).await {
            Event::Order(Some(Order::Fault(fault, answer))) => {
                let done = tended.set_fault(fault, &fell).await;
                // Who asked may have gone away; what was asked is done.
                answer.send(done).ok();
            }
            Event::Order(None) => break,
            Event::Ended(ended) => {
                tended.running = None;
                tended.report(&fell, describe(ended)).await;
            }
            Event::PauseOver => {
                tended.pause = (tended.pause * 3 / 2).min(LONGEST_PAUSE);
                tended.start(&fell).await;
            }
        }
    }
    tended.end().await;
}

fn describe(ended: io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}

impl Tended {
    async fn next(&mut self, orders: &mut mpsc::Receiver<Order>) -> Event {
        match &mut self.running {
            Some(running) => tokio::select! {
                order = orders.recv() => Event::Order(order),
                ended = running.child.wait() => Event::Ended(ended),
            },
            None => tokio::select! {
                order = orders.recv() => Event::Order(order),
                () = tokio::time::sleep(self.pause) => Event::PauseOver,
            },
        }
    }

    async fn start(&mut self, fell: &mpsc::Sender<Fell>) {
        let started = async {
            let mut running = self.seat.spawn()?;
            // The first line tells what it starts with; it waits for that.
            running.tell(self.fault).await?;
            io::Result::Ok(running)
        };
        match started.await {
            Ok(running) => self.running = Some(running),
            Err(error) => self.report(fell, format!("cannot be started: {error}")).await,
        }
    }

    async fn report(&self, fell: &mpsc::Sender<Fell>, how: String) {
        let told = self.fault == Some(How::Crash);
        let news = Fell {
            member: self.seat.member,
            how,
            pause: self.pause,
            told,
        };
        // Nobody listens while the shop closes.
        fell.send(news).await.ok();
    }

    async fn set_fault(&mut self, fault: Option<How>, fell: &mpsc::Sender<Fell>) -> Answer {
        let name = || self.seat.member.name.to_owned();
        match (self.fault, fault) {
            (Some(how), Some(_)) => return Err(Refusal::Broken(name(), how)),
            (None, None) => return Err(Refusal::Whole(name())),
            (None, Some(_)) if self.running.is_none() => return Err(Refusal::Away(name())),
            _ => {}
        }
        let before = std::mem::replace(&mut self.fault, fault);
        let Some(running) = &mut self.running else {
            // Mended while down: no need to wait for the pause to be over.
            self.pause = FIRST_PAUSE;
            self.start(fell).await;
            return Ok(());
        };
        let done = match (before, fault) {
            (_, Some(How::Freeze)) => running.signal(Signal::SIGSTOP),
            (Some(How::Freeze), None) => running.signal(Signal::SIGCONT),
            _ => running.tell(fault).await,
        };
        self.pause = FIRST_PAUSE;
        done.map_err(|error| {
            self.fault = before;
            Refusal::Failed(name(), error.to_string())
        })
    }

    /// Lets the member say goodbye, and ends it if it does not.
    async fn end(mut self) {
        let Some(Running { mut child, leash }) = self.running.take() else {
            return;
        };
        if self.fault == Some(How::Freeze) {
            // It would never read that its leash is gone, nor would it be missed.
            child.start_kill().ok();
        }
        drop(leash);
        if tokio::time::timeout(GOODBYE, child.wait()).await.is_err() {
            // An error says that it has ended after all.
            child.kill().await.ok();
        }
    }
}

impl Seat {
    fn spawn(&self) -> io::Result<Running> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut child = Command::new(&self.binary)
            .arg("demo-service")
            .arg(self.member.name)
            .arg("--server")
            .arg(self.server.to_string())
            .arg("--registry")
            .arg(&self.registry)
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let leash = child
            .stdin
            .take()
            .expect("its standard input was asked to be a pipe");
        Ok(Running { child, leash })
    }
}

#[cfg(test)]
mod tests;
