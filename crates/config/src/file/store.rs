//! What may be said about what is remembered, and for how long.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::{
    reading::{At, table},
    settings::Store,
    value::{DatabaseUrl, FilePath, Text, Wrong, between},
};

table! {
    /// What is remembered between two starts, and how history is kept: in the file `ward.db` of the data directory unless
    /// a database is named.
    struct StoreTable {
        /// A PostgreSQL database instead of a file: "postgresql://USER:PASSWORD@HOST:PORT/NAME". Default none. A change needs
        /// a restart, as for the rest of this table.
        "url" url: DatabaseUrl,
        /// A file with that address in it, instead of the address itself: it holds a password.
        "url_file" url_file: FilePath,
        /// How long each transition is kept, from "1d" on. Default "90d".
        "keep_history" keep_history: Keep,
        /// How long figures of each day are kept, no shorter than transitions. Default "400d".
        "keep_days" keep_days: Keep,
        /// How long what alerting rules saw is kept, for `ward rules replay`. Default "8d".
        "keep_recorded" keep_recorded: Keep,
    }
}

/// How long something is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep(pub(crate) Duration);

const DAY: Duration = Duration::from_secs(24 * 3_600);
/// A hundred years: nobody means more, and sums of it overflow nothing.
const MOST: Duration = Duration::from_secs(36_525 * 24 * 3_600);

impl Text for Keep {
    const EXPECTED: &'static str = "a duration of \"1d\" to \"36525d\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        between(text, DAY, MOST).map(Self)
    }

    fn schema() -> Json {
        let duration = <Duration as Text>::schema();
        json!(duration)
    }
}

impl StoreTable {
    pub(super) fn over(self, settings: &mut Store) {
        let said = |said: Option<At<Keep>>| said.map(|said| said.value.0);
        settings.keep_history = said(self.keep_history).unwrap_or(settings.keep_history);
        settings.keep_days = said(self.keep_days).unwrap_or(settings.keep_days);
        settings.keep_recorded = said(self.keep_recorded).unwrap_or(settings.keep_recorded);
        if let Some(url) = self.url {
            settings.url = Some(url.value);
        }
        if let Some(file) = self.url_file {
            settings.url_file = Some(file.value.0);
        }
    }
}
