//! `ward report --run`: a command that looks as if it ran by itself, and a report of how it ended.
//!
//! Its input and output are this process's own. Its standard error goes through here, byte by byte, because the last line
//! of it is what people want to know of a job that failed. No lock keeps two runs apart: flock(1) does, and says so
//! better.

mod child;
mod ending;
mod signals;
mod stderr;

use std::{ffi::OsString, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle, time::timeout};
use ward_chassis::Clock;
use ward_proto::v1;

use super::{
    deliver::{Delivery, SETTLING},
    warn,
};
use crate::{
    Exit, Failure,
    client::Server,
    output::{Escaped, Out},
};
use child::Child;
use ending::{Ending, How};
use signals::Signals;

/// Runs the command; ends as it ends.
pub(super) async fn run(
    mut command: Vec<OsString>,
    limit: Option<Duration>,
    hello: v1::Hello,
    server: Server,
    out: &mut Out,
) -> Result<Exit, Failure> {
    if command.first().is_some_and(|first| first == "--") {
        command.remove(0);
    }
    if command.is_empty() {
        return Err(Failure::Usage(
            "--run expects a command behind it: `--run -- COMMAND ARGUMENT...`".into(),
        ));
    }
    let delivery = Delivery { server, hello };
    // Before the command starts: a signal must not end this process and leave that one behind.
    let mut signals = Signals::listen().map_err(Failure::runtime)?;
    let clock = Clock::start();
    let begun = clock.mono();
    let (how, last_line) = match Child::start(&command, limit.is_some()) {
        Ok(child) => {
            let (over, is_over) = oneshot::channel();
            let beating = tokio::spawn(delivery.clone().beat(is_over));
            let how = child.supervise(limit, &mut signals).await;
            drop(over);
            settle(beating, &mut signals).await;
            how
        }
        Err(error) => {
            out.error(&format!(
                "cannot run {}: {}",
                Escaped(&command[0].to_string_lossy()),
                Escaped(&error.to_string())
            ));
            (How::not_started(&error), String::new())
        }
    };
    let ending = Ending {
        how,
        took: clock.mono().since(begun),
        last_line,
    };
    let telling = delivery.last_word(ending.result(), ending.values());
    let told = signals.unless_urged(telling).await;
    match told.unwrap_or_else(|| Err("it was not waited for".into())) {
        Ok(answer) => warn(&answer, out),
        Err(why) => out.note(&format!("warning: how this ended is not reported: {why}")),
    }
    Ok(Exit::As(ending.code()))
}

/// Waits for the end of the beats, and makes one where it does not come: a beat behind the last word would have a run
/// that is over missed, and then lost.
async fn settle(mut beating: JoinHandle<()>, signals: &mut Signals) {
    let settled = signals.unless_urged(timeout(SETTLING, &mut beating)).await;
    // What panicked there has said so.
    if !matches!(settled, Some(Ok(_))) {
        // Dropping the handle alone would let it go on.
        beating.abort();
        drop(beating.await);
    }
}
