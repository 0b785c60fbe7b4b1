//! The one task that talks to the aggregator: connects, keeps the conversation going, comes back.
//!
//! What to say is the `Session`'s business, when to try again `backoff`'s; here are the socket and the timers. Between
//! this task and the connection there is room for one request: a request is only made when it can leave, from the state
//! of that moment, so that a connection that takes nothing costs nothing and delays nobody.

mod lost;

use std::{
    future,
    pin::Pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Interval, MissedTickBehavior, Sleep, interval, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use ward_proto::v1::{self, RejectionCode, health_service_client::HealthServiceClient};

use crate::{
    backoff,
    board::Board,
    server::Server,
    session::{Due, Refused, Session, State},
};
use lost::{Lost, TROUBLES};

/// How long connecting and the first answer's headers may take: over this the aggregator hangs.
const OPENING: Duration = Duration::from_secs(5);
/// How long a hello may stay unanswered.
const ANSWER: Duration = Duration::from_secs(10);
/// The longest wait an aggregator can ask for. One that was told wrong must not silence its reporters for good.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Stream {
    board: Arc<Board>,
    server: Server,
    session: Session,
    /// Its own, for where the aggregator names none.
    interval: Duration,
    stop: watch::Receiver<bool>,
    /// Connections in a row that did not lead to a registration.
    failures: u32,
    /// Which troubles were logged since the last registration.
    told: [bool; TROUBLES],
    /// Refusals in a row without a beat between them.
    refusals: u32,
    last_refusal: Option<RejectionCode>,
    /// When to say hello, or everything, again. Outlives the connection on which it was refused.
    again: Option<Pin<Box<Sleep>>>,
}

/// One connection's timers and what is to be said on it.
struct Talk {
    due: Due,
    interval: Duration,
    beats: Interval,
    answer_by: Option<Pin<Box<Sleep>>>,
}

enum Ended {
    /// By this side, for good.
    Stopped,
    /// By the other side, which said when to come back.
    Closing(Duration),
    Lost(Lost),
}

type Requests = mpsc::Sender<v1::ReportRequest>;
type Answers = Streaming<v1::ReportResponse>;

impl Stream {
    pub(crate) fn new(
        board: Arc<Board>,
        server: Server,
        session: Session,
        interval: Duration,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            board,
            server,
            session,
            interval,
            stop,
            failures: 0,
            told: [false; TROUBLES],
            refusals: 0,
            last_refusal: None,
            again: None,
        }
    }

    /// Until told to stop, having said goodbye if that was possible.
    pub(crate) async fn run(mut self) {
        loop {
            let ended = self.connection().await;
            self.board.figures.connected.store(false, Relaxed);
            self.session.restart();
            let pause = match ended {
                Ended::Stopped => return,
                Ended::Closing(after) => after.min(RETRY_AFTER_MAX).max(self.backoff()),
                Ended::Lost(lost) => {
                    self.log(&lost);
                    match lost {
                        Lost::Denied(_) => self.denied(),
                        _ => self.backoff(),
                    }
                }
            };
            let again = self.again.take();
            let wait = async {
                sleep(pause).await;
                if let Some(again) = again {
                    again.await;
                }
            };
            tokio::select! {
                () = wait => {}
                () = stopped(&mut self.stop) => return,
            }
        }
    }

    fn backoff(&mut self) -> Duration {
        let pause = backoff::reconnect(self.failures, rand::random());
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// The pause behind a refusal of this client. People mend it, and asking faster would not.
    fn denied(&mut self) -> Duration {
        self.board.figures.rejections.fetch_add(1, Relaxed);
        let pause = backoff::hello_again(RejectionCode::Denied, self.refusals, rand::random());
        self.refusals = self.refusals.saturating_add(1);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// Once for each loss and kind of it: an aggregator that is away for a night is no news every second of it, and that
    /// it came back and refuses is.
    fn log(&mut self, lost: &Lost) {
        let cause = lost.cause();
        let trouble = lost.trouble();
        if !std::mem::replace(&mut self.told[trouble as usize], true) {
            tracing::warn!(error = %lost, cause, "not reporting to the aggregator, trying on{}", trouble.remedy());
        } else {
            tracing::debug!(error = %lost, cause, attempts = self.failures, "still not reporting to the aggregator");
        }
    }

    async fn connection(&mut self) -> Ended {
        let mut stop = self.stop.clone();
        let (requests, mut answers) = match self.open().await {
            Ok(opened) => opened,
            Err(ended) => return ended,
        };
        let mut talk = Talk::new(self.interval);
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                answer = answers.message() => match answer {
                    Ok(Some(answer)) => {
                        if let Some(after) = self.hear(answer, &mut talk) {
                            return Ended::Closing(after);
                        }
                    }
                    Ok(None) => return Ended::Lost(Lost::Over),
                    Err(status) => return Ended::Lost(Lost::call(status)),
                },
                _ = talk.beats.tick() => talk.due.beat = true,
                () = self.board.news.notified() => talk.due.news = true,
                () = reached(&mut talk.answer_by) => return Ended::Lost(Lost::Unanswered(ANSWER)),
                () = reached(&mut self.again) => {
                    self.again = None;
                    let known = self.session.is_known();
                    talk.due.full |= known;
                    talk.due.hello |= !known;
                }
                room = requests.reserve(), if talk.due.any() => {
                    let Ok(room) = room else { return Ended::Lost(Lost::Over) };
                    if let Some(request) = self.speak(&mut talk) {
                        room.send(request);
                    }
                }
            }
        }
        self.leave(requests, answers).await;
        Ended::Stopped
    }

    /// A connection on which hello was said. Once it is, being told to stop waits for the goodbye.
    async fn open(&mut self) -> Result<(Requests, Answers), Ended> {
        let mut stop = self.stop.clone();
        let opening = async {
            let connection = tokio::select! {
                connected = self.server.connect() => connected.map_err(|error| Ended::Lost(Lost::Connect(error)))?,
                () = stopped(&mut stop) => return Err(Ended::Stopped),
            };
            // One, so that nothing is queued: see the module.
            let (requests, outbox) = mpsc::channel(1);
            if let (Some(hello), Ok(room)) = (self.introduce(), requests.try_reserve()) {
                room.send(hello);
            }
            let answers = HealthServiceClient::new(connection)
                .report(ReceiverStream::new(outbox))
                .await;
            let answers = answers.map_err(|status| Ended::Lost(Lost::call(status)))?;
            Ok((requests, answers.into_inner()))
        };
        timeout(OPENING, opening)
            .await
            .unwrap_or(Err(Ended::Lost(Lost::Unanswered(OPENING))))
    }

    fn introduce(&mut self) -> Option<v1::ReportRequest> {
        self.say(Due {
            hello: true,
            ..Due::default()
        })
    }

    /// The request for what is due, if it is one.
    fn speak(&mut self, talk: &mut Talk) -> Option<v1::ReportRequest> {
        let due = std::mem::take(&mut talk.due);
        let request = self.say(due)?;
        if due.hello {
            talk.answer_by = Some(Box::pin(sleep(ANSWER)));
        } else if due.beat {
            self.refusals = 0;
        }
        Some(request)
    }

    fn say(&mut self, due: Due) -> Option<v1::ReportRequest> {
        let state = State {
            // First: what changed before is among the results then.
            traced: self.board.traced.get(),
            results: self.board.results(),
            values: self.board.values(),
        };
        let request = self.session.speak(due, &state, self.board.clock.wall())?;
        let figures = &self.board.figures;
        figures.requests.fetch_add(1, Relaxed);
        figures.beats.fetch_add(request.beats.len() as u64, Relaxed);
        figures.updates.fetch_add(request.updates.len() as u64, Relaxed);
        if request.beats.is_empty() {
            self.board.traced.told(state.traced.as_ref());
        }
        Some(request)
    }

    /// Takes an answer; says when to come back if the other side is about to close.
    fn hear(&mut self, answer: v1::ReportResponse, talk: &mut Talk) -> Option<Duration> {
        let heard = self.session.hear(answer);
        for refused in heard.refused {
            self.refused(refused, talk);
        }
        if heard.registered {
            self.registered(heard.interval, talk);
        }
        talk.due.full |= heard.full_wanted;
        heard.closing
    }

    fn registered(&mut self, interval: Option<Duration>, talk: &mut Talk) {
        let figures = &self.board.figures;
        if !figures.connected.swap(true, Relaxed) {
            figures.connections.fetch_add(1, Relaxed);
            tracing::info!(service = %self.board.service, "reporting to the aggregator");
        }
        self.failures = 0;
        self.told = [false; TROUBLES];
        self.last_refusal = None;
        self.again = None;
        talk.answer_by = None;
        talk.beat_every(interval.unwrap_or(self.interval));
        // Whatever changed while the answer was on its way.
        talk.due.news = true;
    }

    fn refused(&mut self, refused: Refused, talk: &mut Talk) {
        self.board.figures.rejections.fetch_add(1, Relaxed);
        let Refused { code, message } = refused;
        if self.last_refusal.replace(code) != Some(code) {
            let name = code.as_str_name();
            if code == RejectionCode::Superseded {
                tracing::error!(
                    code = name,
                    message,
                    "another incarnation of this instance has taken over"
                );
            } else {
                tracing::warn!(code = name, message, "the aggregator refused a report");
            }
        }
        if !self.session.is_known() {
            self.board.figures.connected.store(false, Relaxed);
            talk.answer_by = None;
        } else if code == RejectionCode::Invalid || self.again.is_some() {
            // Each beat may be refused until everything was said again: moving its time would put it off for good.
            return;
        }
        self.again = Some(Box::pin(sleep(backoff::hello_again(
            code,
            self.refusals,
            rand::random(),
        ))));
        self.refusals = self.refusals.saturating_add(1);
    }

    /// Says goodbye and waits until the other side has heard it. For the caller to bound.
    async fn leave(&mut self, requests: Requests, mut answers: Answers) {
        while self.session.is_introduced() {
            let Ok(Some(answer)) = answers.message().await else {
                return;
            };
            self.session.hear(answer);
        }
        if let Some(goodbye) = self.session.goodbye("shutdown")
            && requests.send(goodbye).await.is_err()
        {
            return;
        }
        drop(requests);
        while let Ok(Some(_)) = answers.message().await {}
    }
}

impl Talk {
    fn new(interval: Duration) -> Self {
        Self {
            due: Due::default(),
            interval,
            beats: beats(interval),
            answer_by: Some(Box::pin(sleep(ANSWER))),
        }
    }

    /// From now on; at another interval than before with a beat at once, so that the new lease begins with it.
    fn beat_every(&mut self, interval: Duration) {
        if interval == self.interval {
            return self.beats.reset();
        }
        tracing::debug!(?interval, "the aggregator wants beats at another interval");
        (self.interval, self.beats) = (interval, beats(interval));
    }
}

fn beats(period: Duration) -> Interval {
    let mut beats = interval(period);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beats
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that the reporter is gone, which is a stop as well.
    if stop.wait_for(|&stop| stop).await.is_err() {}
}

async fn reached(deadline: &mut Option<Pin<Box<Sleep>>>) {
    match deadline {
        Some(deadline) => deadline.as_mut().await,
        None => future::pending().await,
    }
}
