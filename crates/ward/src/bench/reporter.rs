//! A host with its instances: one stream that beats for all of them, and is opened again whenever it breaks.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, watch},
    time::sleep,
};
use ward_chassis::Clock;
use ward_proto::v1;
use ward_sdk::Connection;

use super::{
    plan::Plan,
    session::{Broken, Session},
    tally::{Stage, Tally},
};

/// Pauses between attempts to open a stream: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// So many attempts are waited for before the measuring begins without the stream.
const ATTEMPTS: u32 = 3;

#[derive(Clone, Debug)]
pub(super) struct Reporter {
    pub(super) plan: Arc<Plan>,
    pub(super) stream: u32,
    pub(super) channel: Connection,
    pub(super) tally: Arc<Tally>,
    pub(super) clock: Clock,
    pub(super) stage: watch::Receiver<Stage>,
    /// Streams that may be in the opening at the same time.
    pub(super) opening: Arc<Semaphore>,
}

impl Reporter {
    /// Until the run is over and the instances have left.
    pub(super) async fn run(mut self) {
        let (mut failures, mut opened, mut waited_for) = (0, false, true);
        while *self.stage.borrow() < Stage::Leaving {
            let begun = self.open().await;
            if let (Ok((_, handles)), false) = (&begun, opened) {
                opened = true;
                Tally::add(&self.tally.opened, 1);
                self.tally.register(handles.len());
            }
            failures = if begun.is_ok() { 0 } else { failures + 1 };
            if waited_for && (opened || failures >= ATTEMPTS) {
                waited_for = false;
                Tally::add(&self.tally.ready, 1);
            }
            let broken = match begun {
                // Refused, all of them: that is told, and asking again would change nothing.
                Ok((_, handles)) if handles.is_empty() => return,
                Ok((session, handles)) => match self.beat(session, &handles).await {
                    Ok(()) => return,
                    Err(broken) => broken,
                },
                Err(broken) => broken,
            };
            if opened {
                Tally::add(&self.tally.reconnects, 1);
            }
            self.tally.broke(broken.why);
            let pause = PAUSES.0.saturating_mul(1 << failures.min(5)).min(PAUSES.1);
            tokio::select! {
                () = sleep(pause.max(broken.retry_after)) => {}
                () = Stage::Leaving.reached(&mut self.stage) => {}
            }
        }
    }

    async fn open(&self) -> Result<(Session, Vec<u32>), Broken> {
        let _turn = self.opening.acquire().await;
        let hellos = self.plan.hellos(self.stream);
        let (session, registered) = Session::open(self.channel.clone(), hellos, self.tally.clone()).await?;
        let handles = registered.iter().map(|registered| registered.handle);
        Ok((session, handles.collect()))
    }

    /// Beats at the times of the plan, however late the one before was, until the run is over.
    async fn beat(&self, mut session: Session, handles: &[u32]) -> Result<(), Broken> {
        let mut stage = self.stage.clone();
        let mut due = self.plan.first_beat(self.stream, self.clock.mono());
        loop {
            tokio::select! {
                biased;
                () = Stage::Leaving.reached(&mut stage) => break,
                answer = session.answer() => drop(answer?),
                () = sleep(due.since(self.clock.mono())) => {
                    let counts = *self.stage.borrow() == Stage::Measuring;
                    let beats = if counts { handles.len() as u64 } else { 0 };
                    let request = v1::ReportRequest {
                        beats: handles.to_vec(),
                        ..v1::ReportRequest::default()
                    };
                    session.send(request, beats).await?;
                    if counts {
                        self.tally.late.record(self.clock.mono().since(due));
                        Tally::add(&self.tally.messages, 1);
                        Tally::add(&self.tally.beats, beats);
                    }
                    due = due + self.plan.interval;
                }
            }
        }
        session.leave(handles).await
    }
}
