//! What is measured, in the order of the table.

mod audit;
mod beats;
mod connections;
mod expiry;
mod fanout;
mod lag;
mod lifecycle;
mod lone;
mod memory;
mod path;
mod restart;
mod rollup;
mod sdk_call;
mod soak;
mod touch;

use crate::{
    item::{Effort, Row},
    progress::Progress,
};

/// One item of the suite.
#[derive(Clone, Copy)]
pub(crate) struct Item {
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(Effort, &Progress) -> anyhow::Result<Vec<Row>>,
}

/// All of them.
pub(crate) const ALL: &[Item] = &[
    Item {
        id: "B1",
        what: "heartbeats, many instances a stream",
        run: beats::run,
    },
    Item {
        id: "B2",
        what: "lone heartbeats, one connection each",
        run: lone::run,
    },
    Item {
        id: "B3",
        what: "touch of one instance in memory",
        run: touch::run,
    },
    Item {
        id: "B4",
        what: "expiry, in memory",
        run: expiry::run,
    },
    Item {
        id: "B4",
        what: "expiry, at a watcher",
        run: lag::run,
    },
    Item {
        id: "B5",
        what: "a flip, from its report to one watcher",
        run: path::run,
    },
    Item {
        id: "B6",
        what: "one change to many watchers",
        run: fanout::run,
    },
    Item {
        id: "B7",
        what: "roll-up of services in layers",
        run: rollup::run,
    },
    Item {
        id: "B8",
        what: "memory of an instance",
        run: memory::run,
    },
    Item {
        id: "B8",
        what: "memory of connections and streams",
        run: connections::run,
    },
    Item {
        id: "B11",
        what: "the audit log: append, verify",
        run: audit::run,
    },
    Item {
        id: "B11a",
        what: "the audit log: open and prove among ten million",
        run: audit::large,
    },
    Item {
        id: "B12",
        what: "a whole fleet, for ten minutes",
        run: soak::run,
    },
    Item {
        id: "B13",
        what: "the sdk's calls with the aggregator dead",
        run: sdk_call::run,
    },
    Item {
        id: "B14",
        what: "start and drain",
        run: lifecycle::run,
    },
    Item {
        id: "B14a",
        what: "start with a million known instances",
        run: restart::run,
    },
];
