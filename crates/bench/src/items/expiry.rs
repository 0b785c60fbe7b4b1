//! B4, the part without sockets: many instances fall silent at once among ten times as many that do not.
//!
//! Guards against a lying observer are off, or the conviction would be spread over minutes on purpose. Measured is the one
//! tick that convicts: to the verdict, all changes encoded as watchers get them left out.

use std::time::Duration;

use anyhow::ensure;
use ward_engine::{Event, Tick};
use ward_model::Now;

use crate::{
    fleet::Fleet,
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subjects},
    machine,
    progress::Progress,
};

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let sizes: &[usize] = if effort.quick {
        &[1_000]
    } else {
        &[10_000, 100_000]
    };
    sizes.iter().map(|&size| row(size, effort, progress)).collect()
}

fn row(lost: usize, effort: Effort, progress: &Progress) -> anyhow::Result<Row> {
    let mut subjects = Subjects {
        ward: Some(Box::new(|| convict(lost))),
        ..Subjects::default()
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    Ok(taken.row(Question {
        item: "B4",
        what: &format!("{lost} of {} lost in one tick, to the verdict", lost * 11),
        unit: "ms",
        measure: 0,
        peer: None,
        goal: Goal::Under(if lost > 10_000 { 18.0 } else { 20.0 }),
    }))
}

/// CPU time of the tick that convicts, in milliseconds.
fn convict(lost: usize) -> anyhow::Result<Vec<f64>> {
    let mut fleet = Fleet::unguarded(1_000, lost * 11)?;
    let mut now = fleet.now;
    let mut worst = Duration::ZERO;
    let mut convicted = 0;
    for _ in 0..3_000 {
        now = Now {
            mono: now.mono + Duration::from_millis(10),
            wall: now.wall,
        };
        for &slot in &fleet.slots[lost..] {
            fleet.slab.touch(slot, now.mono + Duration::from_secs(15));
        }
        let begun = machine::cpu_of_thread();
        let outcome = fleet.engine.apply(Event::Tick(Tick::default()), now);
        worst = worst.max(machine::cpu_of_thread() - begun);
        drop(outcome);
        convicted = fleet.engine.figures().convictions;
        if convicted as usize >= lost {
            break;
        }
    }
    ensure!(convicted as usize == lost, "{convicted} of {lost} were convicted");
    Ok(vec![worst.as_secs_f64() * 1_000.0])
}
