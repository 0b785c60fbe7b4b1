//! What one watcher who reads nothing costs the others: Ward without and with one.

use std::time::Duration;

use anyhow::Context;
use tokio::{io::AsyncWriteExt, net::TcpStream, runtime::Runtime};

use super::{Audience, BURST, CPU_US, Crowd, Kind, LAST_MS, figures};
use crate::{
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subject, Subjects},
    progress::Progress,
    watchers::h2,
};

/// Bursts that are more than a stream's window and Ward's own buffer for it: 300 kB.
const FLOOD: usize = 20;

pub(super) fn run(
    runtime: &Runtime,
    crowd: Crowd,
    effort: Effort,
    progress: &Progress,
) -> anyhow::Result<Vec<Row>> {
    let mut subjects = Subjects {
        limit: Some(subject(runtime, crowd, effort, false)?),
        ward: Some(subject(runtime, crowd, effort, true)?),
        peers: Vec::new(),
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    let row = |what: &str, unit, measure, goal| {
        taken.row(Question {
            item: "B6",
            what,
            unit,
            measure,
            peer: None,
            goal,
        })
    };
    let cost = format!(
        "{} beside one who reads nothing, server CPU a delivery (limit: without that one)",
        crowd.text()
    );
    let last = format!("{} beside one who reads nothing, the last has it", crowd.text());
    Ok(vec![
        row(&cost, "us", CPU_US, Goal::AtMost(1.01)),
        row(&last, "ms", LAST_MS, Goal::None),
    ])
}

/// Both make the same changes; one begins each sample with somebody who hears none of them.
fn subject(runtime: &Runtime, crowd: Crowd, effort: Effort, stalls: bool) -> anyhow::Result<Subject<'_>> {
    let mut audience = runtime
        .block_on(Audience::gather(Kind::Ward, crowd))?
        .context("Ward is here")?;
    Ok(Box::new(move || {
        runtime.block_on(async {
            // A new one each time, because Ward ends those that stall.
            let stalled = if stalls {
                Some(stall(&audience).await?)
            } else {
                None
            };
            for _ in 0..FLOOD {
                audience.changes(BURST, Duration::ZERO).await?;
            }
            let heard = audience.changes(1, effort.sample).await?;
            drop(stalled);
            Ok(figures(&heard))
        })
    }))
}

/// Asks to be told and never reads an answer.
async fn stall(audience: &Audience) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(audience.addr()).await?;
    stream.write_all(&h2::opening(1, h2::FIRST_WINDOW)).await?;
    Ok(stream)
}
