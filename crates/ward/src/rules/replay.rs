//! `ward rules replay`: what an aggregator saw, played through the machine that runs there: by the rules in force, and by
//! others, so that a change is seen before it pages anybody.
//!
//! Both are played at once while the recording is read, so that none of it is kept: a week of a large system would not fit.
//! Who acknowledged what is not recorded; it changes nothing of what fires.

mod read;
mod report;
mod text;

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::Args;
use tokio::{sync::mpsc, task::JoinHandle};
use ward_alerts::{Recorded, Replay, RuleSet, Window};
use ward_chassis::Clock;
use ward_config::changed_rules;
use ward_model::{Severity, Wall};

use self::{read::Recording, report::Report};
use super::in_force;
use crate::{
    Exit, Failure,
    client::{ClientArgs, Server},
    config,
    output::{Format, Out, Times},
    progress::Bar,
    typed::{self, About},
};

/// Most rows of a table unless told: what people read.
const LIMIT: u32 = 50;
/// Lines that are read before they are played: enough that neither waits for the other at each.
const AHEAD: usize = 4_096;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ward rules replay                                   by the rules in force, over the last seven days
  ward rules replay --since 7d --rules changed.toml   what other rules change
  ward rules replay --since 2d --until 1d --service payments -o json

FILE is a file of rules, with `[rules.NAME]` for each that is to be other than it is in force, or a
whole ward.toml. Signs of life (severity none) are left out. How far back a recording goes says
`keep_recorded` of the aggregator's `[store]`.")]
pub(super) struct ReplayArgs {
    /// From how long ago, such as 90m, 24h or 7d
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = typed::duration)]
    since: Duration,
    /// Until how long ago [default: now]
    #[arg(long, value_name = "TIME", value_parser = typed::duration)]
    until: Option<Duration>,
    /// Rules to try beside those in force
    #[arg(long, value_name = "FILE")]
    rules: Option<PathBuf>,
    /// Where the rules in force are, instead of asking the aggregator
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Tell only of what is about this service, or `system`
    #[arg(long, value_name = "NAME", value_parser = typed::about)]
    service: Option<About>,
    /// Most rows of each table
    #[arg(long, value_name = "NUMBER", default_value_t = LIMIT)]
    limit: u32,
    #[command(flatten)]
    client: ClientArgs,
}

pub(super) async fn run(args: ReplayArgs, out: &mut Out) -> Result<Exit, Failure> {
    let now = Clock::start().wall();
    let window = window(&args, now)?;
    let server = args.client.server.clone();
    let in_force = match &args.config {
        Some(file) => in_force::loaded(Some(file.clone()))?.settings.alerting.rules,
        None => {
            server
                .ask(|mut client| async move { in_force::asked(&mut client).await })
                .await?
        }
    };
    let changed = match &args.rules {
        Some(file) => Some(changed_rules(file, &in_force, config::variables())?),
        None => None,
    };
    let report = played(&server, window, in_force, changed, args.service.as_ref()).await?;
    tell(&report, &args, now, out)?;
    Ok(Exit::Good)
}

/// Of the clock of this machine.
fn window(args: &ReplayArgs, now: Wall) -> Result<Window, Failure> {
    let ago = |duration: Duration| {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        // Not zero, which is as far back as anything is kept.
        Wall(now.0.saturating_sub(ms).max(1))
    };
    let (since, until) = (ago(args.since), args.until.map_or(now, ago));
    if since >= until {
        let (since, until) = (args.since, args.until.unwrap_or_default());
        return Err(Failure::Usage(format!(
            "--since {} is not before --until {}: both are how long ago",
            ward_config::written(since),
            ward_config::written(until)
        )));
    }
    Ok(Window { since, until })
}

/// Plays what was recorded by each set of rules.
async fn played(
    server: &Server,
    window: Window,
    in_force: RuleSet,
    changed: Option<RuleSet>,
    about: Option<&About>,
) -> Result<Report, Failure> {
    let mut recording = Recording::open(server, window).await?;
    let window = recording.window;
    let player = Player::start(in_force, window);
    let other = changed.map(|rules| Player::start(rules, window));
    let bar = Bar::new("replay");
    while let Some(lines) = recording.next(&bar).await? {
        for line in lines {
            if let Some(other) = &other {
                other.play(line.clone()).await;
            }
            player.play(line).await;
        }
    }
    drop(bar);
    let before = player.end(about).await?;
    let after = match other {
        Some(other) => Some(other.end(about).await?),
        None => None,
    };
    Ok(Report::new(server, &recording, before, after))
}

/// One set of rules, on a thread of its own: it is all work and no waiting.
struct Player {
    rules: RuleSet,
    lines: mpsc::Sender<Recorded>,
    replay: JoinHandle<Replay>,
}

impl Player {
    fn start(rules: RuleSet, window: Window) -> Self {
        let (lines, mut played) = mpsc::channel(AHEAD);
        let by = rules.clone();
        let replay = tokio::task::spawn_blocking(move || {
            ward_alerts::replay(std::iter::from_fn(|| played.blocking_recv()), by, window)
        });
        Self { rules, lines, replay }
    }

    async fn play(&self, line: Recorded) {
        // Who is at the end of the window hears no more.
        drop(self.lines.send(line).await);
    }

    async fn end(self, about: Option<&About>) -> Result<(RuleSet, Replay), Failure> {
        drop(self.lines);
        let mut replay = self.replay.await.context("replay what was recorded")?;
        // A sign of life is for no person.
        replay.lives.retain(|life| life.severity > Severity::None);
        if let Some(About(service)) = about {
            replay.lives.retain(|life| life.key.service == *service);
        }
        Ok((self.rules, replay))
    }
}

fn tell(report: &Report, args: &ReplayArgs, now: Wall, out: &mut Out) -> Result<(), Failure> {
    match args.client.output {
        Format::Json => out.json(report)?,
        Format::Text => {
            let times = Times::here(now);
            let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
            let file = args.rules.as_ref().map(|file| file.to_string_lossy());
            out.data(&text::text(report, file.as_deref(), &times, (out.width(), limit)))?
        }
    };
    if report.recorded == 0 && args.client.output == Format::Text {
        out.note("an aggregator records what its rules see from its start on, while it has a store");
    }
    Ok(())
}
