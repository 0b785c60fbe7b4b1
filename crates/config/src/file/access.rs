//! What may be said about who may do what.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use ward_access::{ANONYMOUS, Grants, Pattern, Policy};
use ward_model::{SPIFFE_ID_BYTES, is_spiffe_id};

use super::List;
use crate::{
    reading::{At, Node, Reading, Value, joined, table},
    value::{Text, Wrong, cut},
};

/// Most patterns of one right: a name is compared with each of them.
const PATTERNS: usize = 64;
/// Most rows. Certificates are looked up in them by name.
const ROWS: usize = 10_000;

table! {
    /// What one identity may do. What is left out is not permitted.
    struct AccessTable {
        /// The services it may report for: names, with "*" at the end for all that begin so.
        "report" report: List<Pattern, PATTERNS>,
        /// The services whose state its checks may be about, beside its own.
        "observe" observe: List<Pattern, PATTERNS>,
        /// The hosts whose agent it is.
        "agent" agent: List<Pattern, PATTERNS>,
        /// It may ask and watch how everything is, /metrics included. Default false.
        "watch" watch: bool,
        /// It may start and end maintenance. Default false.
        "command" command: bool,
        /// It may forget services and instances. Default false.
        "administer" administer: bool,
    }
}

impl Text for Pattern {
    const EXPECTED: &'static str =
        "names: 1 to 63 of a-z, 0-9, '.' and '-', with '*' at the end for all that begin so";

    fn parse(text: &str) -> Result<Self, Wrong> {
        text.parse().map_err(|_| Wrong {
            message: format!("is \"{}\", which is no pattern of names", cut(text)),
            help: None,
        })
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": r"^(?=.{1,63}$)[a-z0-9.-]*\*?$" })
    }
}

/// The tables below `access`.
#[derive(Clone, Debug)]
pub(crate) struct Access(BTreeMap<String, AccessTable>);

const EXPECTED_ROW: &str = "a SPIFFE id, such as \"spiffe://example.org/payments\" (no upper case in its trust domain; no \"//\", \".\" or \"..\" in \
     its path, and no \"/\" at its end), a DNS name in lower case, or anonymous";
/// The same as [`is_row`], beside the length.
const ROW_PATTERN: &str = r"^(spiffe://[a-z0-9._-]{1,255}(/(?!\.{1,2}(/|$))[a-zA-Z0-9._-]+)+|[a-z0-9._-]+)$";

/// What a certificate can say, or the word for those who show none.
fn is_row(name: &str) -> bool {
    let of_dns = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    let is_dns = !name.is_empty() && name.len() <= SPIFFE_ID_BYTES && name.chars().all(of_dns);
    is_dns || is_spiffe_id(name)
}

impl Access {
    pub(super) fn settle(self) -> Policy {
        Policy::new(self.0.into_iter().map(|(name, row)| (name, row.settle())))
    }
}

impl AccessTable {
    fn settle(self) -> Grants {
        type Patterns = Option<At<List<Pattern, PATTERNS>>>;
        let patterns = |said: Patterns| {
            let said = said.into_iter().flat_map(|said| said.value.0);
            said.map(|pattern| pattern.value).collect()
        };
        let is = |said: Option<At<bool>>| said.is_some_and(|said| said.value);
        Grants {
            report: patterns(self.report),
            observe: patterns(self.observe),
            agent: patterns(self.agent),
            watch: is(self.watch),
            command: is(self.command),
            administer: is(self.administer),
        }
    }
}

impl Value for Access {
    fn read(node: &Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let table = reading.table(node)?;
        if table.len() > ROWS {
            let message = format!("names {} identities", table.len());
            reading.wrong(&node.path, &node.span, message).expected = Some(format!("at most {ROWS}"));
            return None;
        }
        let mut read = BTreeMap::new();
        for (key, _) in table {
            let name = key.get_ref().as_ref();
            let row: Option<At<AccessTable>> = reading.take(node, table, name);
            if is_row(name) {
                read.extend(row.map(|row| (name.to_owned(), row.value)));
                continue;
            }
            let message = "names no identity that there can be";
            let mistake = reading.wrong(&joined(&node.path, name), &key.span(), message);
            mistake.expected = Some(EXPECTED_ROW.into());
            let lower = name.to_lowercase();
            mistake.help = Some(lower)
                .filter(|lower| lower != name && is_row(lower) && *lower == ANONYMOUS)
                .map(|lower| format!("write `{lower}`"));
        }
        Some(Self(read))
    }

    fn schema() -> Json {
        json!({
            "type": "object",
            "propertyNames": { "type": "string", "minLength": 1, "maxLength": SPIFFE_ID_BYTES, "pattern": ROW_PATTERN },
            "additionalProperties": AccessTable::schema(),
            "maxProperties": ROWS,
        })
    }
}
