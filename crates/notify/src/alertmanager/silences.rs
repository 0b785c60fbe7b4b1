//! Acknowledgements as silences of an Alertmanager, and how what is there becomes what is to be there.
//!
//! Nothing is remembered of what was done: what is there is asked for each time, since an Alertmanager may lose its state,
//! be new, or be changed by people. A silence is ours if a mark stands in its comment that says which aggregator made it
//! and for which acknowledgement; others are never touched.

mod plan;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use reqwest::Method;
use ward_model::{Acknowledgement, Mono};

use self::plan::{Listed, Posted, SOURCE, Step, plan, wanted};
use super::address;
use crate::{
    Timing,
    client::{Answer, Client, Request},
    desk::{Desk, Settings},
    pace::Pace,
};

/// Most bytes of the list of silences that is read: some ten thousand. There are more only if somebody makes them by
/// program, and then this says so.
const LIST_BYTES: usize = 8 << 20;

/// The silences of one Alertmanager.
#[derive(Debug)]
pub(super) struct Silences {
    timing: Timing,
    pace: Pace,
    /// What was put in force last.
    done: Option<Arc<[Acknowledgement]>>,
    /// When to look again.
    look: Mono,
    /// It was not reached since, and may have lost them.
    is_lost: bool,
    /// That it failed was said.
    failing: bool,
}

impl Silences {
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            timing,
            pace: Pace::new(timing),
            done: None,
            look: Mono::default(),
            is_lost: false,
            failing: false,
        }
    }

    /// Whether to look, now or with alerts that are about to be sent.
    pub(super) fn is_due(&self, in_force: &Arc<[Acknowledgement]>, now: Mono, with_alerts: bool) -> bool {
        let changed = self.done.as_ref() != Some(in_force);
        let early = with_alerts && self.is_lost && !self.pace.is_asked(now);
        let may = early || now >= self.pace.from(false);
        may && (changed || now >= self.look)
    }

    /// When to look again, if nothing changes.
    pub(super) fn next(&self) -> Mono {
        let due = if self.done.is_some() {
            self.look
        } else {
            Mono::default()
        };
        due.max(self.pace.from(false))
    }

    /// It was not reached, and may come back with nothing: what is there is looked at whenever alerts are sent, until it is
    /// right again. Otherwise what is acknowledged would be heard.
    pub(super) fn lost(&mut self, in_force: &[Acknowledgement]) {
        if !in_force.is_empty() {
            (self.done, self.is_lost) = (None, true);
        }
    }

    /// Makes what is there what is to be there.
    pub(super) async fn reconcile(
        &mut self,
        client: &mut Client,
        settings: &Settings,
        in_force: Arc<[Acknowledgement]>,
        desk: &Desk,
    ) {
        let covered = |said: &Acknowledgement| desk.ask(|ledger| ledger.covered(said));
        let wanted = wanted(&in_force, settings, desk.clock.wall(), covered);
        let outcome = apply(client, settings, &wanted, desk).await;
        let now = desk.clock.mono();
        match outcome {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!(receiver = desk.name, "silences are as they should be again");
                }
                self.pace.took(now);
                self.is_lost = false;
                self.done = Some(in_force);
                self.look = now + self.timing.resend;
            }
            Err(Fault { why, after }) => {
                self.pace.failed(now, after, rand::random());
                self.done = None;
                // Before anything was acknowledged nobody waits for it.
                if !std::mem::replace(&mut self.failing, true) && !wanted.is_empty() {
                    tracing::warn!(
                        receiver = desk.name,
                        error = why,
                        "acknowledged alerts are not silenced"
                    );
                }
            }
        }
    }
}

struct Fault {
    why: String,
    after: Option<Duration>,
}

async fn apply(
    client: &mut Client,
    settings: &Settings,
    wanted: &BTreeMap<String, Posted>,
    desk: &Desk,
) -> Result<(), Fault> {
    let listed = list(client, settings, desk).await?;
    for step in plan(wanted, &listed, settings) {
        let request = match &step {
            Step::Post(silence) => post(settings, silence),
            Step::Expire(id) => ask(settings, Method::DELETE, &["silence", id]),
        };
        ended(
            client.send(&settings.receiver, request?, desk.clock.wall()).await,
            desk,
        )?;
        match step {
            Step::Post(silence) => {
                tracing::info!(
                    receiver = desk.name,
                    comment = silence.comment,
                    "a silence is set"
                );
            }
            Step::Expire(id) => tracing::info!(receiver = desk.name, id, "a silence is ended"),
        }
    }
    Ok(())
}

fn ended(answer: Answer, desk: &Desk) -> Result<Vec<u8>, Fault> {
    match answer {
        Answer::Took(body) => {
            desk.counted(0);
            Ok(body)
        }
        Answer::Failed { why, after } => {
            desk.counted(1);
            Err(Fault { why, after })
        }
        Answer::Refused { why } => {
            desk.counted(2);
            Err(Fault { why, after: None })
        }
    }
}

fn ask(settings: &Settings, method: Method, path: &[&str]) -> Result<Request, Fault> {
    let url = address(&settings.receiver.url, path).map_err(|why| Fault { why, after: None })?;
    Ok(Request {
        method,
        url,
        body: None,
        most: LIST_BYTES,
        trace: None,
    })
}

fn post(settings: &Settings, silence: &Posted) -> Result<Request, Fault> {
    let Request { url, .. } = ask(settings, Method::POST, &["silences"])?;
    let body = serde_json::to_vec(silence).expect("texts can be written");
    Ok(Request::post(url, "application/json", body))
}

async fn list(client: &mut Client, settings: &Settings, desk: &Desk) -> Result<Vec<Listed>, Fault> {
    let mut request = ask(settings, Method::GET, &["silences"])?;
    let (name, value) = SOURCE;
    let filter = format!("{name}=\"{value}\"");
    request.url.query_pairs_mut().append_pair("filter", &filter);
    let answer = client.send(&settings.receiver, request, desk.clock.wall()).await;
    let body = ended(answer, desk)?;
    serde_json::from_slice(&body).map_err(|error| Fault {
        why: format!(
            "read the list of silences, of which there came {} bytes and at most {LIST_BYTES} are read: {error}",
            body.len()
        ),
        after: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_looked_at_with_alerts_unless_it_asked_for_quiet() {
        let said = Acknowledgement {
            service: None,
            rules: Vec::new(),
            by: String::new(),
            why: String::new(),
            start: ward_model::Wall(0),
            end: ward_model::Wall(1),
        };
        let in_force: Arc<[Acknowledgement]> = vec![said].into();
        let now = Mono::default() + Duration::from_secs(100);
        for (asked, early) in [(None, true), (Some(Duration::from_secs(30)), false)] {
            let mut silences = Silences::new(Timing::default());
            silences.pace.failed(now, asked, 1.0);
            silences.lost(&in_force);
            assert!(!silences.is_due(&in_force, now, false));
            assert_eq!(silences.is_due(&in_force, now, true), early, "{asked:?}");
        }
    }
}
