//! What each identity may do, as the operator wrote it down.

use std::{collections::BTreeMap, sync::Arc};

use crate::Grants;

/// The name under which the policy says what those may do who prove nothing.
pub const ANONYMOUS: &str = "anonymous";

/// Rows of names and grants. Who has none may do nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    rows: BTreeMap<String, Arc<Grants>>,
}

impl Policy {
    /// These rows.
    pub fn new(rows: impl IntoIterator<Item = (String, Grants)>) -> Self {
        let rows = rows.into_iter();
        Self {
            rows: rows.map(|(name, grants)| (name, Arc::new(grants))).collect(),
        }
    }

    /// What whoever proved to be `name` may do.
    pub fn grants(&self, name: &str) -> Arc<Grants> {
        self.rows.get(name).cloned().unwrap_or_default()
    }

    /// What those may do who prove nothing.
    pub fn anonymous(&self) -> Arc<Grants> {
        self.grants(ANONYMOUS)
    }

    /// All rows, in the order of their names.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &Grants)> {
        self.rows.iter().map(|(name, grants)| (name.as_str(), &**grants))
    }

    /// The names of certificates that have a row.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.rows()
            .map(|(name, _)| name)
            .filter(|name| *name != ANONYMOUS)
    }

    /// Nobody has a row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}
