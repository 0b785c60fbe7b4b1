//! B8, the part without sockets: what an instance adds to the engine.

use crate::{
    fleet::Fleet,
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subjects},
    machine,
    progress::Progress,
};

const INSTANCES: usize = 200_000;

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let mut subjects = Subjects {
        ward: Some(Box::new(|| {
            let before = machine::memory_of(std::process::id())?;
            let fleet = Fleet::of_services(1_000, INSTANCES)?;
            let after = machine::memory_of(std::process::id())?;
            drop(fleet);
            Ok(vec![after.saturating_sub(before) as f64 / INSTANCES as f64])
        })),
        ..Subjects::default()
    };
    let taken = Rounds::take(&mut subjects, 1, effort, progress)?;
    Ok(vec![taken.row(Question {
        item: "B8",
        what: "an instance in the engine",
        unit: "B",
        measure: 0,
        peer: None,
        goal: Goal::Under(256.0),
    })])
}
