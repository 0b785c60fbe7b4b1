//! One thing that is measured: subjects that do the same work, taken in turns.
//!
//! Turns are limit, Ward, peers, and back again, so that what drifts (heat, neighbours) meets all of them alike. A turn
//! of a subject yields one or more measures, such as the median and the 99th percentile of one and the same run; each row
//! of the table is about one of them.

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    estimate::{Estimate, median},
    goal::{Goal, Verdict},
    machine::{self, Weather},
    progress::Progress,
};

/// Does the work once and says what it cost, a figure for each measure.
pub(crate) type Subject<'a> = Box<dyn FnMut() -> anyhow::Result<Vec<f64>> + 'a>;

/// How carefully to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Rounds of an ordinary item.
    pub(crate) rounds: usize,
    /// Rounds where the goal is close to the limit.
    pub(crate) close_rounds: usize,
    /// How long one sample of a server takes, what is warm before it left out.
    pub(crate) sample: Duration,
    /// See that everything runs, as small and short as it can be; the figures prove nothing.
    pub(crate) quick: bool,
    /// Wait until nobody else wants the machine, and take what was disturbed again.
    pub(crate) patient: bool,
}

impl Effort {
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        close_rounds: 15,
        sample: Duration::from_millis(800),
        quick: false,
        patient: true,
    };
    pub(crate) const GLANCE: Self = Self {
        rounds: 1,
        close_rounds: 1,
        patient: false,
        ..Self::FULL
    };
    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        close_rounds: 1,
        sample: Duration::from_millis(150),
        quick: true,
        patient: false,
    };
}

/// What is compared. Any of it may be missing.
#[derive(Default)]
pub(crate) struct Subjects<'a> {
    pub(crate) limit: Option<Subject<'a>>,
    pub(crate) ward: Option<Subject<'a>>,
    pub(crate) peers: Vec<(&'static str, Subject<'a>)>,
}

impl fmt::Debug for Subjects<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subjects").finish_non_exhaustive()
    }
}

/// A line of the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) item: Cow<'static, str>,
    pub(crate) what: String,
    pub(crate) unit: Cow<'static, str>,
    /// Medians over all rounds.
    pub(crate) limit: Option<f64>,
    pub(crate) ward: Option<f64>,
    pub(crate) peer: Option<f64>,
    pub(crate) peer_name: Option<Cow<'static, str>>,
    /// The median of what the goal is about, where that is a ratio: Ward to the limit, or the peer to Ward.
    pub(crate) ratio: Option<f64>,
    pub(crate) goal: String,
    pub(crate) met: Verdict,
    /// What the goal was held to: a ratio, a difference or a number.
    pub(crate) judged: Option<Estimate>,
    pub(crate) rounds: usize,
    /// Samples that were taken again, or taken although the machine was not calm.
    pub(crate) disturbed: usize,
    pub(crate) weather: Weather,
}

/// What all subjects yielded: for each measure a figure a round.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    limit: Vec<Vec<f64>>,
    ward: Vec<Vec<f64>>,
    peers: Vec<(&'static str, Vec<Vec<f64>>)>,
    rounds: usize,
    disturbed: usize,
    weather: Weather,
}

/// What a row is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) item: &'static str,
    pub(crate) what: &'a str,
    pub(crate) unit: &'static str,
    /// Which of the figures of a turn.
    pub(crate) measure: usize,
    /// Against which peer, by its place among them.
    pub(crate) peer: Option<usize>,
    pub(crate) goal: Goal,
}

impl Rounds {
    /// Takes `rounds` rounds, each there and back through the subjects.
    pub(crate) fn take(
        subjects: &mut Subjects<'_>,
        rounds: usize,
        effort: Effort,
        progress: &Progress,
    ) -> anyhow::Result<Self> {
        let names: Vec<_> = subjects.peers.iter().map(|(name, _)| *name).collect();
        let mut all: Vec<&mut Subject<'_>> = Vec::new();
        let (has_limit, has_ward) = (subjects.limit.is_some(), subjects.ward.is_some());
        all.extend(subjects.limit.iter_mut());
        all.extend(subjects.ward.iter_mut());
        all.extend(subjects.peers.iter_mut().map(|(_, peer)| peer));
        let before = machine::Weather::begin();
        let mut taken = vec![Vec::new(); all.len()];
        let mut disturbed = 0;
        for _ in 0..rounds {
            let mut both = vec![Vec::new(); all.len()];
            for turn in (0..all.len()).chain((0..all.len()).rev()) {
                both[turn].push(one(all[turn], effort, &mut disturbed)?);
                progress.tick();
            }
            for (taken, both) in taken.iter_mut().zip(both) {
                taken.push(middle(&both));
            }
        }
        let mut taken = taken.into_iter().map(by_measure);
        Ok(Self {
            limit: has_limit.then(|| taken.next()).flatten().unwrap_or_default(),
            ward: has_ward.then(|| taken.next()).flatten().unwrap_or_default(),
            peers: names.into_iter().zip(taken).collect(),
            rounds,
            disturbed,
            weather: before.end(),
        })
    }

    /// Subjects that ran once each: what takes minutes is not taken there and back, nor again.
    pub(crate) fn once(limit: Vec<f64>, ward: Vec<f64>, weather: Weather) -> Self {
        Self {
            limit: by_measure(vec![limit]),
            ward: by_measure(vec![ward]),
            rounds: 1,
            weather,
            ..Self::default()
        }
    }

    /// Answers one question about them.
    pub(crate) fn row(&self, question: Question<'_>) -> Row {
        let Question {
            item,
            what,
            unit,
            measure,
            peer,
            goal,
        } = question;
        let figures = |of: &[Vec<f64>]| of.get(measure).cloned().unwrap_or_default();
        let peer = peer.and_then(|place| self.peers.get(place));
        let (limit, ward) = (figures(&self.limit), figures(&self.ward));
        let peer_figures = peer
            .map(|(_, figures_of)| figures(figures_of))
            .unwrap_or_default();
        let judged = match goal {
            Goal::AtMost(_) => Estimate::ratio(&ward, &limit),
            Goal::More(_) => Estimate::difference(&ward, &limit),
            Goal::AtLeast(_) => Estimate::ratio(&peer_figures, &ward),
            Goal::Under(_) | Goal::Over(_) => Estimate::of(ward.iter().copied()),
            Goal::None if peer.is_some() => Estimate::ratio(&peer_figures, &ward),
            Goal::None => Estimate::ratio(&ward, &limit),
        };
        let some = |samples: &[f64]| (!samples.is_empty()).then(|| median(samples));
        Row {
            item: item.into(),
            what: what.to_owned(),
            unit: unit.into(),
            limit: some(&limit),
            ward: some(&ward),
            peer: some(&peer_figures),
            peer_name: peer.map(|(name, _)| Cow::Borrowed(*name)),
            ratio: judged.filter(|_| goal.is_ratio()).map(|judged| judged.median),
            goal: goal.text(unit),
            met: goal.judge(judged),
            judged,
            rounds: self.rounds,
            disturbed: self.disturbed,
            weather: self.weather,
        }
    }
}

/// The median of each measure.
fn middle(samples: &[Vec<f64>]) -> Vec<f64> {
    by_measure(samples.to_vec())
        .iter()
        .map(|samples| median(samples))
        .collect()
}

/// From a list of samples to a list of measures.
fn by_measure(samples: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let measures = samples.iter().map(Vec::len).max().unwrap_or(0);
    (0..measures)
        .map(|measure| {
            samples
                .iter()
                .filter_map(|sample| sample.get(measure).copied())
                .collect()
        })
        .collect()
}

/// One sample; one that others disturbed is taken again, twice at most.
fn one(subject: &mut Subject<'_>, effort: Effort, disturbed: &mut usize) -> anyhow::Result<Vec<f64>> {
    for _ in 0..2 {
        let calm = !effort.patient || machine::wait_for_calm();
        let sample = subject()?;
        if calm && !(effort.patient && machine::was_disturbed()) {
            return Ok(sample);
        }
        *disturbed += 1;
    }
    subject()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_there_and_back_and_each_measure_has_its_row() {
        let order = std::cell::RefCell::new(String::new());
        let subject = |name: char, figures: [f64; 2]| -> Subject<'_> {
            let order = &order;
            Box::new(move || {
                order.borrow_mut().push(name);
                Ok(figures.to_vec())
            })
        };
        let mut subjects = Subjects {
            limit: Some(subject('l', [1.0, 10.0])),
            ward: Some(subject('w', [2.0, 11.0])),
            peers: vec![("a", subject('a', [8.0, 0.0])), ("b", subject('b', [16.0, 0.0]))],
        };
        let taken = Rounds::take(&mut subjects, 1, Effort::QUICK, &Progress::hidden()).unwrap();
        drop(subjects);
        assert_eq!(order.into_inner(), "lwabbawl");
        let question = Question {
            item: "B0",
            what: "a test",
            unit: "us",
            measure: 0,
            peer: None,
            goal: Goal::AtMost(2.0),
        };
        assert_eq!(taken.row(question).met, Verdict::Met);
        let second = Question {
            measure: 1,
            goal: Goal::More(1.0),
            ..question
        };
        assert_eq!(
            (taken.row(second).met, taken.row(second).ratio),
            (Verdict::Met, None)
        );
        let peer = Question {
            peer: Some(1),
            goal: Goal::AtLeast(9.0),
            ..question
        };
        assert_eq!(
            (taken.row(peer).met, taken.row(peer).ratio),
            (Verdict::Missed, Some(8.0))
        );
    }
}
