//! `ward top`: the system on a whole screen, as it changes.
//!
//! Three parts: what is shown is a plain function of what came and what was typed ([`view`]), how it looks is a plain
//! function of that ([`render`]), and here is the loop that feeds the one and calls the other. It draws at most ten
//! times a second however fast things change, and once a second when nothing does, for the ages; it never asks what it
//! has not been told has changed.
//!
//! The loop runs on a thread that may wait, as that of `ward watch`: a terminal that takes no more text blocks a write,
//! and signals are to end the command all the same.

mod ask;
mod changes;
mod detail;
mod model;
mod order;
mod paint;
mod render;
mod screen;
#[cfg(test)]
mod shop;
mod view;

use std::{
    env,
    future::pending,
    io::{self, IsTerminal},
    pin::Pin,
    thread,
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use ratatui::crossterm::event::{self, Event as Input};
use tokio::{
    runtime::Handle,
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::spawn_blocking,
    time::{Sleep, sleep},
};
use ward_chassis::{Clock, Shutdown, shutdown};
use ward_model::{Name, Status};
use ward_sdk::watch::{Event, Watcher};

use crate::{
    Exit, Failure,
    client::Server,
    output::{Out, Times},
    typed,
    watch::never_reached,
};
use ask::Asking;
use screen::Screen;
use view::{View, Wish};

/// Between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// How long a frame may stand: spans are told in seconds.
const STANDING: Duration = Duration::from_secs(1);
/// How long giving the terminal back may take behind a signal to end.
const LEAVING: Duration = Duration::from_secs(1);
/// Keys that wait while a frame is drawn. The thread that reads them waits when there are more.
const KEYS: usize = 64;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward top
  ward top storefront payments
  ward top --least-severity degraded

Keys: ? in it lists them; q leaves. Survives a restart of the aggregator, and says so when what it shows is
old. Ends with 0 when left, 4 if no aggregator was ever reached, 64 if standard output is no terminal.")]
pub(crate) struct TopArgs {
    /// Services to show, with the system; all when left out
    #[arg(value_name = "NAME", value_parser = typed::service)]
    names: Vec<Name>,
    /// Only what is, or was until now, at least this bad
    #[arg(long, value_name = "STATUS", value_parser = typed::status(), default_value = "healthy")]
    least_severity: Status,
    #[command(flatten)]
    server: Server,
}

pub(crate) async fn run(args: TopArgs) -> Result<Exit, Failure> {
    let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    if !io::stdout().is_terminal() || dumb {
        return Err(no_terminal("standard output is not one that can be drawn on"));
    }
    let shutdown = shutdown::signal().map_err(Failure::runtime)?;
    let signals = Signals::listen(shutdown.clone()).map_err(Failure::runtime)?;
    let watcher = args
        .server
        .watcher()
        .names(args.names)
        .least_severity(args.least_severity)
        .start()?;
    let clock = Clock::start();
    let screen = Screen::take().map_err(|error| no_terminal(&format!("it cannot be taken: {error}")))?;
    let top = Top {
        view: View::new(args.server.to_string(), Times::here(clock.wall())),
        server: args.server,
        clock,
        screen,
        watcher,
        asking: None,
        colours: Out::colours(),
    };
    let runtime = Handle::current();
    let stuck = stuck(shutdown);
    let showing = spawn_blocking(move || runtime.block_on(top.show(signals)));
    tokio::select! {
        done = showing => done.context("show the system")?,
        () = stuck => {
            screen::give_back_mode();
            Ok(Exit::Good)
        }
    }
}

fn no_terminal(why: &str) -> Failure {
    Failure::Usage(format!(
        "`ward top` needs a terminal ({why}): use `ward watch` for lines as things change, or `ward status` for now"
    ))
}

async fn stuck(shutdown: Shutdown) {
    shutdown.triggered().await;
    sleep(LEAVING).await;
}

/// What the world outside the terminal says.
#[derive(Debug)]
struct Signals {
    shutdown: Shutdown,
    stop: Signal,
    continued: Signal,
}

impl Signals {
    /// A hangup and SIGQUIT end it as SIGTERM does, so that the terminal is given back.
    fn listen(shutdown: Shutdown) -> io::Result<Self> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut quit = signal(SignalKind::quit())?;
        let ends = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = hangup.recv() => {}
                _ = quit.recv() => {}
            }
            ends.trigger();
        });
        Ok(Self {
            shutdown,
            stop: signal(SignalKind::from_raw(nix::libc::SIGTSTP))?,
            continued: signal(SignalKind::from_raw(nix::libc::SIGCONT))?,
        })
    }
}

/// Reads keys and sizes on a thread of its own, for as long as somebody takes them.
fn keys() -> mpsc::Receiver<io::Result<Input>> {
    let (heard, keys) = mpsc::channel(KEYS);
    thread::spawn(move || {
        loop {
            let key = event::read();
            let failed = key.is_err();
            if heard.blocking_send(key).is_err() || failed {
                return;
            }
        }
    });
    keys
}

struct Top {
    view: View,
    server: Server,
    clock: Clock,
    screen: Screen,
    watcher: Watcher,
    /// Questions about what is open.
    asking: Option<Asking>,
    colours: bool,
}

/// The next thing that happened.
enum Happened {
    End,
    Stop,
    Continued,
    Input(Option<io::Result<Input>>),
    /// A frame has stood long enough for another.
    Frame,
    /// And so long that its ages are wrong.
    Old,
    Watched(Event),
    Answered(Box<Result<detail::Answer, String>>),
}

impl Top {
    async fn show(mut self, mut signals: Signals) -> Result<Exit, Failure> {
        let mut keys = keys();
        let mut changed = true;
        let mut frame: Option<Pin<Box<Sleep>>> = None;
        let mut old = Box::pin(sleep(STANDING));
        loop {
            if changed && frame.is_none() {
                self.draw()?;
                changed = false;
                frame = Some(Box::pin(sleep(FRAME)));
                old = Box::pin(sleep(STANDING));
            }
            let happened = tokio::select! {
                // Who types or ends it does not wait behind a storm of changes.
                biased;
                () = signals.shutdown.triggered() => Happened::End,
                _ = signals.stop.recv() => Happened::Stop,
                _ = signals.continued.recv() => Happened::Continued,
                input = keys.recv() => Happened::Input(input),
                () = elapsed(&mut frame) => Happened::Frame,
                () = &mut old => Happened::Old,
                answer = answer(&mut self.asking) => Happened::Answered(Box::new(answer?)),
                event = self.watcher.next() => Happened::Watched(event),
            };
            match happened {
                Happened::End => return Ok(Exit::Good),
                Happened::Frame => frame = None,
                happened => {
                    changed = true;
                    if self.take(happened)? {
                        return Ok(Exit::Good);
                    }
                }
            }
        }
    }

    /// True at the end.
    fn take(&mut self, happened: Happened) -> Result<bool, Failure> {
        match happened {
            Happened::Input(Some(Ok(Input::Key(key)))) => {
                let wish = self.view.key(key, self.clock.now());
                return wish.map_or(Ok(false), |wish| self.fulfil(wish));
            }
            // Its size is asked for with each frame.
            Happened::Input(Some(Ok(_))) => {}
            Happened::Input(Some(Err(error))) => {
                return Err(Failure::Other(
                    anyhow::Error::new(error).context("read the keyboard"),
                ));
            }
            Happened::Input(None) => return Err(anyhow::anyhow!("the keyboard is read no more").into()),
            Happened::Stop => self.screen.stop().context("stop")?,
            Happened::Continued => self.screen.back().context("take the terminal again")?,
            Happened::Watched(Event::Lost { error }) if self.view.knows_nothing() => {
                return Err(never_reached(&self.server, &error));
            }
            Happened::Watched(event) => {
                let concerns = self.view.apply(event, self.clock.now());
                if let Some(asking) = self.asking.as_mut().filter(|_| concerns) {
                    asking.want();
                }
            }
            Happened::Answered(answer) => self.view.answered(*answer, self.clock.now()),
            Happened::End | Happened::Frame | Happened::Old => {}
        }
        Ok(false)
    }

    /// True at the end.
    fn fulfil(&mut self, wish: Wish) -> Result<bool, Failure> {
        match wish {
            Wish::Quit => return Ok(true),
            // To all that were started with it, as the terminal would; here it comes back as a signal.
            Wish::Stop => screen::stop_group().context("stop")?,
            Wish::Redraw => self.screen.forget().context("clear the terminal")?,
            Wish::Ask => self.asking.iter_mut().for_each(Asking::want),
            Wish::Open(name) => self.asking = Some(Asking::new(self.server.clone(), name)),
            Wish::Close => self.asking = None,
        }
        Ok(false)
    }

    fn draw(&mut self) -> Result<(), Failure> {
        let now = self.clock.now();
        let (view, colours) = (&mut self.view, self.colours);
        self.screen
            .draw(|frame| {
                view.fit(frame.area(), now);
                render::draw(view, frame.buffer_mut(), now, colours);
            })
            .context("draw on the terminal")?;
        Ok(())
    }
}

async fn elapsed(timer: &mut Option<Pin<Box<Sleep>>>) {
    match timer {
        Some(timer) => timer.await,
        None => pending().await,
    }
}

async fn answer(asking: &mut Option<Asking>) -> Result<Result<detail::Answer, String>, Failure> {
    match asking {
        Some(asking) => asking.answer().await,
        None => pending().await,
    }
}
