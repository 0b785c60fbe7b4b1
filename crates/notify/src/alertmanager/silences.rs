//! Acknowledgements as silences of an Alertmanager, and how what is there becomes what is to be there.
//!
//! Nothing is remembered of what was done: what is there is asked for each time, since an Alertmanager may lose its state,
//! be new, or be changed by people. A silence is ours if a mark stands in its comment that says which aggregator made it
//! and for which acknowledgement; others are never touched.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Serialize};
use ward_model::{Acknowledgement, Alert, Mono, RuleName};

use super::address;
use crate::{
    Timing,
    client::{Answer, Client, Request},
    desk::{Desk, Settings},
    digest::digest,
    pace::Pace,
    time::rfc3339,
};

/// Most bytes of the list of silences that is read: some ten thousand. There are more only if somebody makes them by
/// program, and then this says so.
const LIST_BYTES: usize = 8 << 20;
/// Ends of a silence that are this near to each other are the same.
const SAME: i64 = 1_000;
/// The label that all our alerts have.
const SOURCE: (&str, &str) = ("source", "ward");

/// The silences of one Alertmanager.
#[derive(Debug)]
pub(super) struct Silences {
    timing: Timing,
    pace: Pace,
    /// What was put in force last.
    done: Option<Arc<[Acknowledgement]>>,
    /// When to look again.
    look: Mono,
    /// That it failed was said.
    failing: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Matcher {
    name: String,
    value: String,
    is_regex: bool,
    /// Alertmanagers before 0.22 do not say it.
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    matchers: Vec<Matcher>,
    starts_at: String,
    ends_at: String,
    created_by: String,
    comment: String,
}

/// A silence as it is listed.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    id: String,
    status: Status,
    matchers: Vec<Matcher>,
    starts_at: String,
    ends_at: String,
    comment: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Status {
    state: String,
}

/// What is to be done to an Alertmanager.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Post(Posted),
    Expire(String),
}

impl Silences {
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            timing,
            pace: Pace::new(timing),
            done: None,
            look: Mono::default(),
            failing: false,
        }
    }

    pub(super) fn is_due(&self, in_force: &Arc<[Acknowledgement]>, now: Mono) -> bool {
        let changed = self.done.as_ref() != Some(in_force);
        now >= self.pace.from(false) && (changed || now >= self.look)
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

    /// Makes what is there what is to be there.
    pub(super) async fn reconcile(
        &mut self,
        client: &mut Client,
        settings: &Settings,
        in_force: Arc<[Acknowledgement]>,
        desk: &Desk,
    ) {
        let wanted = wanted(&in_force, settings, desk);
        let outcome = apply(client, settings, &wanted, desk).await;
        let now = desk.clock.mono();
        match outcome {
            Ok(()) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!(receiver = desk.name, "silences are as they should be again");
                }
                self.pace.took(now);
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
    for step in plan(wanted, &listed, &mark(settings)) {
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
        Answer::Refused { why, .. } => {
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
        why: format!("read the list of silences, of {} bytes: {error}", body.len()),
        after: None,
    })
}

/// How our silences begin their mark: no two aggregators that send to one Alertmanager share it, unless nothing tells their
/// alerts apart either.
fn mark(settings: &Settings) -> String {
    let Settings {
        labels, external_url, ..
    } = settings;
    let url = external_url.as_deref().unwrap_or_default();
    let labels = labels
        .iter()
        .flat_map(|(key, value)| [key.as_str(), value.as_str()]);
    let whose = digest([url].into_iter().chain(labels));
    format!("[ward {}/", &whose[..8])
}

/// The silences that are to be there, by their marks.
fn wanted(in_force: &[Acknowledgement], settings: &Settings, desk: &Desk) -> BTreeMap<String, Posted> {
    let now = desk.clock.wall();
    let lasting = in_force
        .iter()
        .filter(|said| said.end > now && !said.rules.is_empty());
    lasting
        .map(|said| {
            let start = said.start.0.to_string();
            let hash = digest([service(said), &start]);
            let mark = format!("{}{}]", mark(settings), &hash[..16]);
            let covered = desk.ask(|ledger| ledger.covered(said));
            (mark.clone(), silence(said, mark, &settings.labels, &covered))
        })
        .collect()
}

/// Of those about the system the label is absent, which is the same as empty.
fn service(said: &Acknowledgement) -> &str {
    said.service.as_ref().map_or("", |service| service.as_str())
}

fn silence(
    said: &Acknowledgement,
    mark: String,
    labels: &BTreeMap<String, String>,
    covered: &[Arc<Alert>],
) -> Posted {
    let rules: Vec<&str> = said.rules.iter().map(RuleName::as_str).collect();
    let mut matchers = vec![
        matcher("alertname", &format!("^({})$", rules.join("|")), true),
        matcher("service", service(said), false),
        matcher(SOURCE.0, SOURCE.1, false),
    ];
    // Others may send alerts about services of the same names there. What a rule says itself, or an older configuration
    // said, is not what tells ours from theirs.
    let shared = |(name, value): &(&String, &String)| {
        let says = |alert: &Arc<Alert>| alert.labels.get(*name) == Some(*value);
        covered.iter().all(says)
    };
    let shared = labels.iter().filter(shared);
    matchers.extend(shared.map(|(name, value)| matcher(name, value, false)));
    Posted {
        id: None,
        matchers,
        starts_at: rfc3339(said.start),
        ends_at: rfc3339(said.end),
        created_by: if said.by.is_empty() {
            "ward".into()
        } else {
            said.by.clone()
        },
        comment: format!("{} {mark}", said.why).trim_start().to_owned(),
    }
}

fn matcher(name: &str, value: &str, is_regex: bool) -> Matcher {
    Matcher {
        name: name.to_owned(),
        value: value.to_owned(),
        is_regex,
        is_equal: true,
    }
}

/// What has to be done to make of what is listed what is wanted. Ends come first, so that what they withheld is heard.
fn plan(wanted: &BTreeMap<String, Posted>, listed: &[Listed], ours: &str) -> Vec<Step> {
    let mut ends = Vec::new();
    let mut missing = wanted.clone();
    let mut posts = Vec::new();
    for silence in listed.iter().filter(|silence| silence.status.state != "expired") {
        let Some(mark) = marked(&silence.comment, ours) else {
            continue;
        };
        match missing.remove(mark) {
            Some(posted) if is_same(&posted, silence) => {}
            Some(posted) => posts.push(Step::Post(Posted {
                id: Some(silence.id.clone()),
                // With another start it would be another silence.
                starts_at: silence.starts_at.clone(),
                ..posted
            })),
            // Nobody acknowledges it any more, or it is there twice.
            None => ends.push(Step::Expire(silence.id.clone())),
        }
    }
    ends.extend(posts);
    ends.extend(missing.into_values().map(Step::Post));
    ends
}

/// The mark at the end of a comment, if it is one of ours.
fn marked<'a>(comment: &'a str, ours: &str) -> Option<&'a str> {
    let mark = &comment[comment.rfind(ours)?..];
    (mark.len() == ours.len() + 17 && mark.ends_with(']')).then_some(mark)
}

fn is_same(posted: &Posted, listed: &Listed) -> bool {
    let moment = |text: &str| text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond);
    let near = match (moment(&posted.ends_at), moment(&listed.ends_at)) {
        (Some(wanted), Some(there)) => wanted.abs_diff(there) <= SAME.unsigned_abs(),
        _ => false,
    };
    let sorted = |matchers: &[Matcher]| {
        let mut matchers = matchers.to_vec();
        matchers.sort_by(|a, b| a.name.cmp(&b.name));
        matchers
    };
    near && sorted(&posted.matchers) == sorted(&listed.matchers) && posted.comment == listed.comment
}
