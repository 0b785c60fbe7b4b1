//! Two sets of rules over the same recording: what fires only with one of them, and what fires at other times.

use std::collections::BTreeMap;

use ward_model::{AlertKey, Wall};

use super::{Life, Replay};

/// What a change of rules changes of what fires.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Fires only with the rules before.
    pub only_before: Vec<Life>,
    /// Fires only with the rules after.
    pub only_after: Vec<Life>,
    /// Fires with both, at another time or as urgent as it was not before: before and after.
    pub changed: Vec<(Life, Life)>,
    /// Fires with both alike.
    pub same: usize,
}

/// Compares two replays of the same recording. Two firings of the same alert are the same one if some of their time is; of
/// several, the earliest.
pub fn compare(before: &Replay, after: &Replay) -> Difference {
    let mut difference = Difference::default();
    let mut others: BTreeMap<&AlertKey, Vec<&Life>> = BTreeMap::new();
    for life in fired(after) {
        others.entry(&life.key).or_default().push(life);
    }
    for life in fired(before) {
        let candidates = others.get_mut(&life.key);
        let found = candidates.and_then(|others| {
            let at = others.iter().position(|other| overlap(life, other))?;
            Some(others.remove(at))
        });
        match found {
            None => difference.only_before.push(life.clone()),
            Some(other) if is_alike(life, other) => difference.same += 1,
            Some(other) => difference.changed.push((life.clone(), other.clone())),
        }
    }
    let left = others.into_values().flatten().cloned();
    difference.only_after.extend(left);
    difference
        .only_after
        .sort_by(|a, b| (a.fired, &a.key).cmp(&(b.fired, &b.key)));
    difference
}

fn fired(replay: &Replay) -> impl Iterator<Item = &Life> {
    replay.lives.iter().filter(|life| life.fired.is_some())
}

fn is_alike(one: &Life, other: &Life) -> bool {
    (one.fired, one.ended, one.severity) == (other.fired, other.ended, other.severity)
}

fn overlap(one: &Life, other: &Life) -> bool {
    let end = |life: &Life| life.ended.unwrap_or(Wall(i64::MAX));
    one.fired <= Some(end(other)) && other.fired <= Some(end(one))
}
