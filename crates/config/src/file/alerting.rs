//! What may be said about alerts: which there are, and who is told of them.

mod receiver;
mod rule;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use ward_model::bounds::LABELS;

use super::List;
use crate::{
    Alerting,
    reading::{At, Node, Reading, Value, joined, table},
    value::{BaseUrl, Entry, FilePath, LabelValue, RuleFiles, Text},
};

pub(crate) use receiver::alertmanagers;
use receiver::{Addressed, AlertmanagerTable, Named, WebhookTable, unique};
pub(crate) use rule::{Changes, Rules};

/// Most patterns of files of rules: each is a folder that is looked through.
const RULE_FILES: usize = 16;
/// Most receivers of each kind: each has a task, and is owed as many alerts as there may be.
const RECEIVERS: usize = 16;
/// Most labels and most annotations of an alert: all of them stand in each message about it.
const ENTRIES: usize = LABELS;

table! {
    /// Which alerts there are, and who is told of them.
    struct AlertingTable {
        /// Labels of every alert, beside its own.
        "labels" labels: Entries<LabelValue>,
        /// Where people reach the HTTP of the aggregator: links in alerts begin so.
        "external_url" external_url: BaseUrl,
        /// Where runbooks are: a rule without a `runbook_url` has this, with its name behind, or in the place of `*`. If it is left
        /// out and `external_url` is there, shipped rules have the page that the aggregator shows: `external_url`/runbooks/NAME.
        "runbooks" runbooks: BaseUrl,
        /// Files with more rules, `[rules.NAME]` each, from the folder of this file on. A `*` in the last part stands for any
        /// letters. They are read whenever this file is.
        "rule_files" rule_files: List<RuleFiles, RULE_FILES>,
        /// Rules, by the names of their alerts. Of one that is shipped only what differs is said; one of your own needs `expr`
        /// and `severity`.
        "rules" rules: Rules,
        /// Alertmanagers. Each is told of every alert.
        "alertmanagers" alertmanagers: List<Addressed<AlertmanagerTable>, RECEIVERS>,
        /// Receivers of CloudEvents: each alert when it fires and when it is resolved.
        "webhooks" webhooks: List<Addressed<WebhookTable>, RECEIVERS>,
    }
}

table! {
    /// A file of rules.
    struct RuleFile {
        /// Rules, by the names of their alerts.
        "rules" rules: Rules,
    }
}

/// Labels or annotations.
#[derive(Clone, Debug)]
pub(crate) struct Entries<T>(BTreeMap<String, At<T>>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Entry> Value for Entries<T> {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let table = reading.table(node)?;
        if table.len() > ENTRIES {
            let message = format!("has {} entries", table.len());
            reading.wrong(&node.path, &node.span, message).expected = Some(format!("at most {ENTRIES}"));
            return None;
        }
        let mut read = BTreeMap::new();
        for (key, _) in table {
            let name = key.get_ref().as_ref();
            let value: Option<At<T>> = reading.take(node, table, name);
            match T::judge_name(name) {
                Ok(()) => read.extend(value.map(|value| (name.to_owned(), value))),
                Err((wrong, expected)) => {
                    let mistake = reading.wrong(&joined(&node.path, name), &key.span(), wrong.message);
                    (mistake.expected, mistake.help) = (Some(expected.to_owned()), wrong.help);
                }
            }
        }
        Some(Self(read))
    }

    fn schema() -> Json {
        json!({
            "type": "object",
            "propertyNames": T::name_schema(),
            "additionalProperties": <T as Text>::schema(),
            "maxProperties": ENTRIES,
        })
    }
}

impl<T> Entries<T> {
    /// As they are, by name.
    fn over(&self, entries: &mut BTreeMap<String, String>, text: impl Fn(&T) -> &str) {
        let said = self.0.iter();
        entries.extend(said.map(|(name, value)| (name.clone(), text(&value.value).to_owned())));
    }
}

impl AlertingTable {
    /// Returns what other files have to say.
    pub(super) fn over(self, settings: &mut Alerting, reading: &mut Reading<'_>) -> Elsewhere {
        if let Some(labels) = self.labels {
            labels.value.over(&mut settings.labels, |label| &label.0);
        }
        settings.external_url = self.external_url.map(|url| url.value.0);
        settings.runbooks = self.runbooks.map(|url| below(url.value.0));
        let alertmanagers = settled(self.alertmanagers, reading, AlertmanagerTable::settle);
        let webhooks = settled(self.webhooks, reading, WebhookTable::settle);
        let names = alertmanagers
            .iter()
            .map(|one| &one.name)
            .chain(webhooks.iter().map(|one| &one.name));
        unique(names, reading);
        let mut addresses = addressed(&alertmanagers);
        addresses.extend(addressed(&webhooks));
        settings.alertmanagers = alertmanagers.into_iter().map(|one| one.receiver).collect();
        settings.webhooks = webhooks.into_iter().map(|one| one.receiver).collect();
        let mut rules = Changes::new(settings.runbooks.clone());
        if let Some(said) = self.rules {
            rules.take(said.value, reading);
        }
        Elsewhere {
            rule_files: self.rule_files.map(|list| list.value.0).unwrap_or_default(),
            addresses,
            rules,
        }
    }
}

/// What other files have to say about alerts.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    /// Where more rules are.
    pub(crate) rule_files: Vec<At<RuleFiles>>,
    /// Where addresses are, with the name of the receiver.
    pub(crate) addresses: Vec<(String, At<FilePath>)>,
    /// What is said about rules so far.
    pub(crate) rules: Changes,
}

fn settled<T, U, const MOST: usize>(
    said: Option<At<List<Addressed<T>, MOST>>>,
    reading: &mut Reading<'_>,
    settle: impl Fn(T, &At<()>, &mut Reading<'_>) -> Option<Named<U>>,
) -> Vec<Named<U>> {
    let said = said.map(|list| list.value.0).unwrap_or_default();
    let one = |At { value, path, span }: At<Addressed<T>>| {
        let place = At {
            value: (),
            path,
            span,
        };
        settle(value.0, &place, reading)
    };
    said.into_iter().filter_map(one).collect()
}

fn addressed<T>(receivers: &[Named<T>]) -> Vec<(String, At<FilePath>)> {
    let file = |one: &Named<T>| Some((one.name.value.clone(), one.url_file.clone()?));
    receivers.iter().filter_map(file).collect()
}

/// An address that a name is put behind, or into.
fn below(url: String) -> String {
    if url.ends_with('/') || url.contains('*') {
        url
    } else {
        url + "/"
    }
}

/// Reads a file of rules.
pub(crate) fn read_rules(node: &Node<'_>, changes: &mut Changes, reading: &mut Reading<'_>) {
    if let Some(rules) = RuleFile::read(node, reading).and_then(|file| file.rules) {
        changes.take(rules.value, reading);
    }
}
