//! B3: a beat's last step, in memory: one random instance of many is good for another while.
//!
//! The limit is a store into a bare array of as many deadlines, at the same random places; beside it stands a hash map
//! of the standard library by number, which is what one writes without thinking. Handles are given out at hello so that
//! no name is looked up here.

use std::{
    collections::HashMap,
    hint::black_box,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::Context;
use ward_engine::{Slab, Slot};
use ward_model::Mono;

use crate::{
    fleet::Fleet,
    goal::Goal,
    item::{Effort, Question, Rounds, Row, Subjects},
    machine,
    progress::Progress,
};

const SIZES: [usize; 3] = [10_000, 100_000, 1_000_000];
/// Stores of one sample: long enough that reading the clock is nothing.
const STORES: usize = 4_000_000;
const STORES_QUICK: usize = 200_000;

pub(crate) fn run(effort: Effort, progress: &Progress) -> anyhow::Result<Vec<Row>> {
    let sizes = if effort.quick { &SIZES[..1] } else { &SIZES[..] };
    sizes.iter().map(|&size| row(size, effort, progress)).collect()
}

fn row(size: usize, effort: Effort, progress: &Progress) -> anyhow::Result<Row> {
    let fleet = Fleet::of_services(size.min(1_000), size)?;
    let stores = if effort.quick { STORES_QUICK } else { STORES };
    let array: Vec<AtomicU64> = (0..size).map(|_| AtomicU64::new(0)).collect();
    let places: Vec<usize> = (0..stores).map(|_| rand::random_range(0..size)).collect();
    let slots: Vec<Slot> = places.iter().map(|&place| fleet.slots[place]).collect();
    let slab: Arc<Slab> = fleet.slab.clone();
    let mut map: HashMap<u64, u64> = (0..size as u64).map(|place| (place, 0)).collect();
    let mut subjects = Subjects {
        limit: Some(Box::new(|| {
            let begun = machine::cpu_of_thread();
            for (now, &place) in places.iter().enumerate() {
                array[black_box(place)].store(now as u64, Relaxed);
            }
            Ok(vec![nanos_each(begun, stores)])
        })),
        ward: Some(Box::new(|| {
            let begun = machine::cpu_of_thread();
            for (now, &slot) in slots.iter().enumerate() {
                slab.touch(black_box(slot), Mono(now as u64));
            }
            Ok(vec![nanos_each(begun, stores)])
        })),
        peers: vec![(
            "HashMap",
            Box::new(|| {
                let begun = machine::cpu_of_thread();
                for (now, &place) in places.iter().enumerate() {
                    let deadline = map.get_mut(&(black_box(place) as u64));
                    *deadline.context("a place that is not there")? = now as u64;
                }
                Ok(vec![nanos_each(begun, stores)])
            }),
        )],
    };
    let taken = Rounds::take(&mut subjects, effort.rounds, effort, progress)?;
    Ok(taken.row(Question {
        item: "B3",
        what: &format!("touch one of {size} instances"),
        unit: "ns",
        measure: 0,
        peer: Some(0),
        goal: Goal::AtMost(3.0),
    }))
}

fn nanos_each(begun: Duration, stores: usize) -> f64 {
    (machine::cpu_of_thread() - begun).as_nanos() as f64 / stores as f64
}
