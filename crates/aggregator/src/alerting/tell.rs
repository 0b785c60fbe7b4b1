//! What came of a step: kept, written down, shown, and only then told.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::join_all;
use tokio::time::timeout;
use ward_alerts::Seen;
use ward_audit::{Draft, Kind, Source};
use ward_model::{Acknowledgement, Alert, AlertKey, AlertState, Name, RuleName, Severity, Wall};

use super::{
    keep,
    run::{Run, stand, was_told},
    told, words,
};
use crate::edge::Shared;

/// How long pages wait for the audit log before they leave without.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many events are appended at once: half of those that may wait.
const APPENDS: usize = 512;

impl Run {
    pub(super) async fn tell(&mut self, edge: &Shared, now: Wall, changed: Vec<Arc<Alert>>, is_anew: bool) {
        self.shorten_acknowledgements(edge);
        let moved: Vec<Arc<Alert>> = changed
            .iter()
            .filter(|alert| self.moves(alert))
            .cloned()
            .collect();
        self.traces.tell(edge.decider.story(), &moved, now);
        self.write(edge, &moved).await;
        self.explain(edge, &changed, is_anew).await;
        let affected = told::affected(self.machine.alerts().map(Arc::as_ref));
        let head = told::audit_head(&edge.hub);
        let whole = |alert: &Alert| {
            let mut alert = self.for_people(edge, alert.clone());
            let mut add = |key: &str, text: Option<&String>| {
                let text = text.map(|text| (key.to_owned(), text.clone()));
                alert.annotations.extend(text);
            };
            add("affects", affected.get(&alert.key));
            add("audit_head", head.as_ref());
            let explained = self.explained.get(&alert.key);
            alert.annotations.extend(explained.cloned().unwrap_or_default());
            self.traces.write_into(&mut alert);
            alert
        };
        let keys: HashSet<&AlertKey> = changed.iter().map(|alert| &alert.key).collect();
        let again = self.machine.alerts().filter(|alert| is_anew && is_firing(alert));
        let again = again.filter(|alert| !keys.contains(&alert.key));
        // What changed in its order: causes before what they explain.
        let deliver = changed.iter().chain(again).filter(|alert| was_told(alert));
        let deliver: Vec<Alert> = deliver.map(|alert| whole(alert)).collect();
        let kept = changed.iter().map(|alert| match was_told(alert) {
            true => Arc::new(self.labelled(edge, alert)),
            false => alert.clone(),
        });
        let kept: Vec<Arc<Alert>> = kept.collect();
        // Apart, a crash between them would have what is owed resolved, as it is not known to fire, and told anew; or would
        // forget a page.
        keep::together(&edge.memory, || {
            if !deliver.is_empty() {
                edge.alerting.notifier.tell(deliver);
            }
            kept.iter().for_each(|alert| keep::alert(&edge.memory, alert));
        });
        // What is shown is owed already. Of those that nobody was told of there may be ten thousand: they are shown as they are, and
        // not copied.
        let shown = |alert: &Arc<Alert>| match was_told(alert) {
            true => Arc::new(whole(alert)),
            false => alert.clone(),
        };
        edge.alerting.board.store(Arc::new(self.board(shown)));
        for alert in kept.iter().filter(|alert| keep::is_over(alert)) {
            self.written.remove(&alert.key);
            self.explained.remove(&alert.key);
            self.traces.forget(&alert.key);
        }
        edge.alerting.notifier.ring();
        self.say_beyond();
    }

    /// Why those are as they are that changed, or all that fire: in their turn, as many as are explained at once.
    async fn explain(&mut self, edge: &Shared, changed: &[Arc<Alert>], all: bool) {
        // A sign of life has no cause.
        let has_cause = |alert: &&Arc<Alert>| is_firing(alert) && alert.severity > Severity::None;
        let mut keys: Vec<AlertKey> = changed
            .iter()
            .filter(has_cause)
            .map(|alert| alert.key.clone())
            .collect();
        if all {
            let firing = self.machine.alerts().filter(has_cause).map(|alert| &alert.key);
            let (before, behind): (Vec<_>, Vec<_>) =
                firing.partition(|key| self.explained_last.as_ref().is_some_and(|last| *key <= last));
            keys.extend(behind.into_iter().chain(before).cloned());
        }
        keys.truncate(told::AT_ONCE);
        if all {
            self.explained_last = keys.last().cloned();
        }
        if let Ok(explained) = told::explained(&edge.decider, keys).await {
            self.explained.extend(explained);
        }
    }

    /// It stands otherwise than was written down: most of what changes is what is said of them.
    fn moves(&self, alert: &Alert) -> bool {
        let stand = stand(alert);
        let was = self.written.get(&alert.key).copied();
        // What waits again once it is withheld no more has not ended.
        let waits_again =
            stand.0 == AlertState::Pending && was.is_some_and(|(state, _)| state == AlertState::Suppressed);
        was != Some(stand) && !waits_again
    }

    /// Writes into the audit log what became of alerts: durable before anybody is told, if the disk is well.
    async fn write(&mut self, edge: &Shared, moved: &[Arc<Alert>]) {
        let (cursor, now) = (edge.hub.head(), edge.clock.now());
        let mut drafts = Vec::new();
        for alert in moved {
            let was = self.written.insert(alert.key.clone(), stand(alert));
            drafts.extend(words::draft(alert, was.map(|(state, _)| state), cursor, now));
        }
        let mut begun = 0;
        let written = async {
            let mut failed = None;
            for some in drafts.chunks(APPENDS) {
                begun += some.len();
                let appends = join_all(some.iter().map(|draft| edge.memory.written(draft.clone())));
                failed = appends.await.into_iter().find_map(Result::err).or(failed);
            }
            failed
        };
        let outcome = timeout(PATIENCE, written).await;
        // The rest is written in its turn.
        drafts[begun..]
            .iter()
            .for_each(|draft| edge.memory.record(draft.clone()));
        match outcome {
            Ok(None) => {}
            Ok(Some(error)) => {
                tracing::warn!(%error, alerts = drafts.len(), "alerts leave that are not in the audit log")
            }
            Err(_) => tracing::warn!(
                alerts = drafts.len(),
                "alerts leave before they are in the audit log: its disk is slow"
            ),
        }
    }

    /// What was acknowledged is over for each alert that fires no more: what fires later is heard.
    fn shorten_acknowledgements(&mut self, edge: &Shared) {
        let mut held: BTreeMap<Option<Name>, Vec<RuleName>> = BTreeMap::new();
        for alert in self.machine.alerts().filter(|alert| alert.acknowledged.is_some()) {
            let AlertKey { service, rule } = alert.key.clone();
            held.entry(service).or_default().push(rule);
        }
        let said: Vec<Acknowledgement> = self.acknowledged.values().cloned().collect();
        let mut is_changed = false;
        for said in said {
            let rules: Vec<RuleName> = held.remove(&said.service).unwrap_or_default();
            let still: Vec<RuleName> = said
                .rules
                .iter()
                .filter(|rule| rules.contains(rule))
                .cloned()
                .collect();
            if still.len() == said.rules.len() {
                continue;
            }
            is_changed = true;
            // Whose time is up covers nothing any more: the machine says when that is.
            if still.is_empty() {
                self.unacknowledge(edge, &said.service);
                edge.memory.record(ended(edge, &said));
            } else {
                self.narrow(edge, said, still);
            }
        }
        if is_changed {
            self.silence(edge);
        }
    }

    /// It is about these only from here on, and ends when it would have.
    fn narrow(&mut self, edge: &Shared, said: Acknowledgement, rules: Vec<RuleName>) {
        let known = self.machine.acknowledgements();
        let known = known.filter(|known| known.service == said.service).cloned();
        self.commanded.extend(known.map(|known| {
            let rules = rules.clone();
            Seen::Acknowledged(Acknowledgement { rules, ..known })
        }));
        self.hold(edge, Acknowledgement { rules, ..said });
    }

    /// With its acknowledgement as that was said, not in the time of the machine, and with the page that says what to do.
    fn for_people(&self, edge: &Shared, mut alert: Alert) -> Alert {
        if alert.acknowledged.is_some() {
            alert.acknowledged = self.acknowledged.get(&alert.key.service).cloned();
        }
        let external_url = &edge.reloader.now().settings.alerting.external_url;
        let page = external_url.as_ref();
        if let Some(page) = page.and_then(|url| told::runbook_url(url, &alert.key.rule)) {
            alert.annotations.entry("runbook_url".into()).or_insert(page);
        }
        alert
    }

    /// With the labels that it is told with: they are its identity, whatever the configuration says after a restart.
    pub(super) fn labelled(&self, edge: &Shared, alert: &Alert) -> Alert {
        let mut labelled = Alert {
            labels: edge.alerting.notifier.labelled(alert),
            ..self.for_people(edge, alert.clone())
        };
        self.traces.write_into(&mut labelled);
        labelled
    }

    fn say_beyond(&mut self) {
        let beyond = self.machine.beyond();
        if beyond > 0 && !std::mem::replace(&mut self.said_beyond, true) {
            tracing::warn!(beyond, "there is no room for as many alerts: some are not told");
        }
        self.said_beyond &= beyond > 0;
    }
}

fn is_firing(alert: &Alert) -> bool {
    alert.state == AlertState::Firing
}

/// It ended by itself.
fn ended(edge: &Shared, said: &Acknowledgement) -> Draft {
    let subject = said.service.as_ref().map_or("system", Name::as_str);
    let head = edge.hub.head();
    let draft = Draft::new(Kind::Unacknowledge, Source::Alerting, subject, edge.clock.now());
    draft
        .at(head.epoch, head.revision)
        .with("by", said.by.as_str())
        .with("reason", "nothing of it fires any more, or its time is up")
}
