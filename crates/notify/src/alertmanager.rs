//! Telling an Alertmanager, with the timing of Prometheus.
//!
//! All that fires is sent again every minute, with an end that three lost sends do not reach: it forgets what nobody
//! repeats. What is new leaves at once. Silences come first, so that one that is over withholds no resolution.

mod body;
mod silences;

use std::sync::Arc;

use reqwest::Url;
use tokio::time::sleep;
use ward_model::{Mono, Now};

use self::silences::Silences;
use crate::{
    client::{Answer, Client, Request},
    desk::{Desk, Settings},
    ledger::Ticket,
    pace::Pace,
    trace::{self, Deliveries},
};

/// Most alerts in one request: what Alertmanager takes in milliseconds, and a proxy in front of it without complaint.
const BATCH: usize = 256;

/// Tells one Alertmanager, until it is to stop.
pub(crate) async fn run(desk: Arc<Desk>) {
    let mut courier = Courier {
        pace: Pace::new(desk.timing),
        silences: Silences::new(desk.timing),
        client: Client::default(),
        round: desk.clock.mono(),
        desk,
    };
    while let Some(wake) = courier.turn().await {
        let wait = wake.since(courier.desk.clock.mono());
        tokio::select! {
            () = courier.desk.bell.notified() => {}
            () = sleep(wait) => {}
        }
    }
}

#[derive(Debug)]
struct Courier {
    desk: Arc<Desk>,
    client: Client,
    pace: Pace,
    silences: Silences,
    /// When all of it is to be sent again.
    round: Mono,
}

/// How a request ended, for those behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Went {
    On,
    Nowhere,
}

impl Courier {
    /// Does what there is to do now. Says when to look again, or that it is over.
    async fn turn(&mut self) -> Option<Mono> {
        let now = self.desk.clock.now();
        let stopping = self.desk.is_stopping();
        self.desk.ask(|ledger| ledger.expire(now.mono));
        if now.mono >= self.round && !stopping {
            self.desk.ask(|ledger| ledger.round());
            self.round = now.mono + self.desk.timing.resend;
        }
        let from = self.from();
        // Who is to stop does not wait for the end of a pause, unless it was asked to.
        let may = from <= now.mono || (stopping && !self.pace.is_asked(now.mono));
        if may {
            self.deliver().await;
        } else {
            self.silence(false).await;
        }
        (!stopping).then(|| self.wake())
    }

    /// From when on it may be tried, with what is due now.
    fn from(&self) -> Mono {
        let fresh = self.desk.ask(|ledger| ledger.fresh());
        self.pace.from(fresh)
    }

    fn wake(&self) -> Mono {
        let (due, refused) = self.desk.ask(|ledger| (ledger.batch(1), ledger.next_refused()));
        let due = (!due.is_empty()).then(Mono::default);
        let alerts = due.into_iter().chain(refused).map(|due| due.max(self.from()));
        let silences = self.desk.acknowledged().map(|_| self.silences.next());
        let silences = silences.map(|due| due.max(self.pace.asked()));
        let all = alerts.chain([self.round]).chain(silences);
        all.min().unwrap_or_default()
    }

    /// Sends all that is due, until a request fails.
    async fn deliver(&mut self) {
        // Once for what is in force, so that where silences hang no batch waits behind another's.
        let mut in_force = self.desk.acknowledged();
        self.silence(true).await;
        loop {
            let batch = self.desk.ask(|ledger| ledger.batch(BATCH));
            let alone = || self.desk.ask(|ledger| ledger.alone(self.desk.clock.mono()));
            let batch = if batch.is_empty() {
                alone().into_iter().collect()
            } else {
                batch
            };
            if batch.is_empty() {
                return;
            }
            // What ended meanwhile is ended before the resolution is sent that may be among these.
            let now_in_force = self.desk.acknowledged();
            if in_force != now_in_force {
                in_force = now_in_force;
                self.silence(true).await;
            }
            if self.send(&batch).await == Went::Nowhere {
                return;
            }
        }
    }

    async fn send(&mut self, batch: &[Ticket]) -> Went {
        self.desk.recorded(batch).await;
        match self.post(batch).await {
            Answer::Took(_) => self.took(batch),
            Answer::Failed { why, after } => self.failed(batch, why, after),
            Answer::Refused { why } => match batch {
                [one] => {
                    self.refused_one(one, &why);
                    self.pace.slowed(self.now().mono);
                    Went::Nowhere
                }
                _ => self.send_singly(batch).await,
            },
        }
    }

    /// What it did not take together may be the fault of one: that one must not keep the others back.
    async fn send_singly(&mut self, batch: &[Ticket]) -> Went {
        self.desk.counted(2);
        for one in batch {
            let alone = std::slice::from_ref(one);
            let went = match self.post(alone).await {
                Answer::Took(_) => self.took(alone),
                Answer::Failed { why, after } => self.failed(alone, why, after),
                Answer::Refused { why } => self.refused_one(one, &why),
            };
            if went == Went::Nowhere {
                return went;
            }
        }
        Went::On
    }

    async fn post(&mut self, batch: &[Ticket]) -> Answer {
        let Settings {
            receiver,
            external_url,
            ..
        } = self.desk.settings();
        let now = self.desk.clock.wall();
        let alerts = batch.iter().map(|ticket| &*ticket.alert);
        let alerts = alerts.filter(|alert| self.desk.is_true(alert));
        let body = body::encode(alerts, external_url.as_deref(), now, self.desk.timing.resend);
        match address(&receiver.url, &["alerts"]) {
            Ok(url) => {
                let deliveries = Deliveries::begin(&receiver.name, batch);
                let mut request = Request::post(url, "application/json", body);
                request.trace = deliveries.context();
                let answer = self.client.send(&receiver, request, now).await;
                deliveries.end(&answer);
                answer
            }
            Err(why) => Answer::Failed { why, after: None },
        }
    }

    fn now(&self) -> Now {
        self.desk.clock.now()
    }

    fn took(&mut self, batch: &[Ticket]) -> Went {
        let _entered = trace::enter(batch);
        self.pace.took(self.now().mono);
        self.desk.took(batch, self.now());
        Went::On
    }

    fn failed(&mut self, batch: &[Ticket], why: String, after: Option<std::time::Duration>) -> Went {
        let _entered = trace::enter(batch);
        self.pace.failed(self.now().mono, after, rand::random());
        if let Some(in_force) = self.desk.acknowledged() {
            self.silences.lost(&in_force);
        }
        self.desk.failed(why);
        Went::Nowhere
    }

    fn refused_one(&mut self, one: &Ticket, why: &str) -> Went {
        let _entered = trace::enter(std::slice::from_ref(one));
        self.pace.took(self.now().mono);
        self.desk.refused_one(one, why, self.now());
        Went::On
    }

    async fn silence(&mut self, with_alerts: bool) {
        let now = self.desk.clock.now();
        let Some(in_force) = self.desk.acknowledged() else {
            return;
        };
        if self.silences.is_due(&in_force, now.mono, with_alerts) && !self.pace.is_asked(now.mono) {
            let settings = self.desk.settings();
            self.silences
                .reconcile(&mut self.client, &settings, in_force, &self.desk)
                .await;
        }
    }
}

/// Something below an Alertmanager's `/api/v2`.
fn address(base: &str, path: &[&str]) -> Result<Url, String> {
    let mistake = || "use the address of the Alertmanager: it is no http:// or https:// URL".to_owned();
    let mut url = Url::parse(base).map_err(|_| mistake())?;
    let mut segments = url.path_segments_mut().map_err(|()| mistake())?;
    segments.pop_if_empty().extend(["api", "v2"]).extend(path);
    drop(segments);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_below_the_address() {
        for (base, full) in [
            ("http://h:9093", "http://h:9093/api/v2/silence/x"),
            ("http://h:9093/", "http://h:9093/api/v2/silence/x"),
            ("https://h/am", "https://h/am/api/v2/silence/x"),
            ("https://h/am/", "https://h/am/api/v2/silence/x"),
        ] {
            assert_eq!(address(base, &["silence", "x"]).unwrap().as_str(), full);
        }
        assert!(address("nowhere", &[]).is_err());
    }
}
