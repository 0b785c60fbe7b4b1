//! Keys that are not known: refused, with what was probably meant. A key that is ignored is a setting somebody believes in.

use toml::de::{DeTable, DeValue};
use ward_alerts::nearest;

use super::{Node, Reading, joined};
use crate::Key;

impl Reading<'_> {
    /// Refuses what is not in `known`.
    pub(crate) fn unknown_keys(&mut self, node: &Node<'_>, table: &DeTable<'_>, known: &[&str]) {
        let unknown = table
            .iter()
            .filter(|(key, _)| !known.contains(&key.get_ref().as_ref()));
        for (key, value) in unknown {
            // Looking for what was meant takes long, for a file of nothing else.
            if !self.is_told(&key.span()) {
                continue;
            }
            let name = key.get_ref().as_ref();
            let path = joined(&node.path, name);
            let help = meant(node, name, value.get_ref(), known);
            self.wrong(&path, &key.span(), "is not a known key").help = Some(help);
        }
    }
}

/// What to do about a key that is not known.
fn meant(node: &Node<'_>, name: &str, value: &DeValue<'_>, known: &[&str]) -> String {
    let is_root = node.path.is_empty();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if is_root && known == ["rules"] => "a file of rules has tables `[rules.NAME]` and no others".into(),
        None if is_root && name == "rules" => {
            "rules are called `[alerting.rules.NAME]` here; a file of rules is read where `rule_files` names it".into()
        }
        None if is_root && value.is_table() => {
            let header = joined("services", name);
            format!(
                "the table of a service is called `[{header}]`; beside those there are `[aggregator]`, `[store]`, `[access]` \
                 and `[alerting]`"
            )
        }
        None => match table_of(name).filter(|_| is_root) {
            Some(table) => format!("put it below `[{table}]`"),
            None => format!("known here: {}", known.join(", ")),
        },
    }
}

/// The table that has such a key, of those that can be said elsewhere too.
fn table_of(name: &str) -> Option<String> {
    Key::ALL.into_iter().find_map(|key| {
        let path = key.path();
        let (table, own) = path.rsplit_once('.')?;
        (own == name).then(|| table.to_owned())
    })
}
