//! One service, opened: what the aggregator answered about it, and the lines that makes.
//!
//! A line is remembered as what it is about and becomes text when it is drawn: a service may have a thousand instances
//! of 64 checks and signals, and two dozen lines are seen.

use ward_model::{EntityKey, Explanation, InstanceState, Name, Now, ServiceState};

/// What the aggregator answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) service: ServiceState,
    /// The worst first.
    pub(super) instances: Vec<InstanceState>,
    pub(super) explanation: Explanation,
}

/// What a line is about, by its place in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Blank,
    Title(&'static str),
    Chain(usize),
    Evidence(usize, usize),
    Need(usize),
    Instance(usize),
    Check(usize, usize),
    Signal(usize, usize),
    Disagreement(usize),
}

/// A service that is open.
#[derive(Debug)]
pub(super) struct Detail {
    pub(super) name: Name,
    pub(super) answer: Option<(Answer, Now)>,
    /// Why the last question was not answered.
    pub(super) trouble: Option<String>,
    pub(super) lines: Vec<Line>,
    /// First line shown.
    pub(super) top: usize,
}

impl Detail {
    /// Not asked about yet.
    pub(super) fn new(name: Name) -> Self {
        Self {
            name,
            answer: None,
            trouble: None,
            lines: Vec::new(),
            top: 0,
        }
    }

    /// Takes an answer; without one, what was answered before stays, with its age.
    pub(super) fn take(&mut self, answered: Result<Answer, String>, now: Now) {
        match answered {
            Ok(answer) => {
                self.lines = lines(&answer);
                self.trouble = None;
                self.answer = Some((answer, now));
            }
            Err(trouble) => self.trouble = Some(trouble),
        }
    }

    /// Its answer may be another when this changes: itself, what it needs, and what its causes lead through.
    pub(super) fn concerns(&self, key: &EntityKey) -> bool {
        let Some(name) = key.service() else {
            return false;
        };
        let needs = |(answer, _): &(Answer, Now)| {
            let dependencies = answer.service.dependencies.iter();
            let links = answer.explanation.chains.iter().flat_map(|chain| &chain.links);
            dependencies
                .map(|dependency| &dependency.service)
                .any(|needed| needed == name)
                || links.map(|link| &link.service).any(|linked| linked == name)
        };
        self.name == *name || self.answer.as_ref().is_some_and(needs)
    }

    /// Keeps the end of the lines at the end of `rows`.
    pub(super) fn fit(&mut self, rows: usize) {
        self.top = self.top.min(self.lines.len().saturating_sub(rows));
    }
}

/// Why first: who opens a service wants to know that.
fn lines(answer: &Answer) -> Vec<Line> {
    let mut lines = Vec::new();
    let title = |lines: &mut Vec<Line>, title, any: bool| {
        if any {
            lines.extend([Line::Blank, Line::Title(title)]);
        }
    };
    title(&mut lines, "WHY", !answer.explanation.chains.is_empty());
    for (chain, causal) in answer.explanation.chains.iter().enumerate() {
        lines.push(Line::Chain(chain));
        let evidence = causal.links.last().map_or(0, |last| last.evidence.len());
        lines.extend((0..evidence).map(|evidence| Line::Evidence(chain, evidence)));
    }
    let (needs, disagreements) = (&answer.service.dependencies, &answer.service.disagreements);
    title(&mut lines, "INSTANCES", !answer.instances.is_empty());
    for (at, instance) in answer.instances.iter().enumerate() {
        lines.push(Line::Instance(at));
        lines.extend((0..instance.checks.len()).map(|check| Line::Check(at, check)));
        lines.extend((0..instance.signals.len()).map(|signal| Line::Signal(at, signal)));
    }
    title(&mut lines, "NEEDS", !needs.is_empty());
    lines.extend((0..needs.len()).map(Line::Need));
    title(&mut lines, "DISAGREEMENTS", !disagreements.is_empty());
    lines.extend((0..disagreements.len()).map(Line::Disagreement));
    // Of the first part: the header stands apart already.
    lines.drain(..usize::from(!lines.is_empty()));
    lines
}
