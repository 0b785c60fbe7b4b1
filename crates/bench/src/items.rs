//! What is measured, in the order of the table.

mod expiry;
mod memory;
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
        id: "B8",
        what: "memory of an instance",
        run: memory::run,
    },
];
