//! One service: the verdict, why, and what it rests on.

use ward_model::{CheckKind, Condition, DependencyKind, Evidence, Name, Now, SignalLevel, Status, Wall};

use super::{Head, services};
use crate::{
    output::{Times, span},
    status::{number, why},
    top::{
        detail::{Answer, Detail, Line},
        paint::{Canvas, Piece, Tone},
        view::View,
    },
};

/// The verdict about it, and how old the answer is.
pub(super) fn header(detail: &Detail, stale: bool, now: Now, times: &Times) -> Vec<Head> {
    let line = |text: String| Head::Line(vec![(text, Tone::Plain)]);
    let mut lines = vec![line(String::new())];
    let trouble = detail.trouble.as_ref().map(|trouble| format!("  {trouble}"));
    let Some((answer, at)) = &detail.answer else {
        lines.push(Head::Line(vec![(detail.name.to_string(), Tone::Bold)]));
        lines.push(line(trouble.unwrap_or_else(|| "  asking".into())));
        return lines;
    };
    let service = &answer.service;
    let condition = &service.condition;
    let mut verdict = vec![
        (detail.name.to_string(), Tone::Bold),
        plain(if stale { " was " } else { " is " }),
    ];
    verdict.push(word(condition.status));
    verdict.push(plain(&format!(
        " for {}, since {}",
        times.ago(condition.since),
        times.moment(condition.since)
    )));
    lines.push(Head::Line(verdict));
    if condition.status.is_bad() {
        lines.extend(why(condition).map(|why| line(format!("  {why}"))));
    }
    lines.push(line(format!("  {}", facts(answer, times))));
    if let Some(maintenance) = &service.maintenance {
        let until = maintenance
            .end
            .map_or_else(|| "it is ended".into(), |end| times.moment(end));
        lines.push(Head::Line(vec![(
            format!(
                "  maintenance until {until}, by {}: {}",
                maintenance.by, maintenance.why
            ),
            Tone::Bold,
        )]));
    }
    let (Wall(asked), Wall(present)) = (at.wall, now.wall);
    let age = format!("  as answered {} ago", span(present.saturating_sub(asked)));
    match trouble {
        Some(trouble) => lines.push(Head::Line(vec![(age, Tone::Bold), (trouble, Tone::Bold)])),
        None => lines.push(Head::Line(vec![(age, Tone::Dim)])),
    }
    lines
}

fn facts(answer: &Answer, times: &Times) -> String {
    let service = &answer.service;
    let causes: Vec<_> = service.causes.iter().map(Name::as_str).collect();
    let mut facts = Vec::new();
    if !causes.is_empty() {
        facts.push(format!("cause: {}", causes.join(", ")));
    }
    if service.own.status != service.condition.status {
        facts.push(format!("own: {}", service.own.status));
    }
    facts.push(format!("{:?}", service.criticality).to_lowercase());
    facts.push(format!(
        "instances: {}, {} wanted",
        services::instances(service, true),
        service.min_healthy
    ));
    facts.extend(service.up_since.map(|since| format!("up {}", times.ago(since))));
    facts.join("; ")
}

/// The lines in sight.
pub(super) fn draw(canvas: &mut Canvas<'_>, detail: &Detail, view: &View, times: &Times) {
    let Some((answer, _)) = &detail.answer else {
        return;
    };
    let seen = detail.lines.iter().skip(detail.top).take(canvas.height().into());
    for (line, row) in seen.zip(0..) {
        canvas.line(row, &pieces(*line, answer, view, times).unwrap_or_default());
    }
}

/// `None` never happens: lines are made of the answer they are about.
fn pieces(line: Line, answer: &Answer, view: &View, times: &Times) -> Option<Vec<Piece>> {
    let chains = &answer.explanation.chains;
    Some(match line {
        Line::Blank => Vec::new(),
        Line::Title(title) => vec![(title.to_owned(), Tone::Bold)],
        Line::Chain(chain) => self::chain(&chains.get(chain)?.links),
        Line::Evidence(chain, at) => evidence(chains.get(chain)?.links.last()?.evidence.get(at)?, times),
        Line::Need(at) => need(answer.service.dependencies.get(at)?, view),
        Line::Instance(at) => instance(answer.instances.get(at)?, times),
        Line::Check(at, check) => self::check(answer.instances.get(at)?.checks.get(check)?, times),
        Line::Signal(at, signal) => self::signal(answer.instances.get(at)?.signals.get(signal)?),
        Line::Disagreement(at) => vec![plain("  "), plain(answer.service.disagreements.get(at)?)],
    })
}

fn plain(text: &str) -> Piece {
    (text.to_owned(), Tone::Plain)
}

fn word(status: Status) -> Piece {
    (status.to_string(), Tone::Status(status))
}

/// The status, padded so that what follows stands in a column.
fn padded(status: Status) -> Piece {
    (format!("{status:<9}"), Tone::Status(status))
}

fn reason(condition: &Condition) -> String {
    match condition.message.as_str() {
        "" => condition.reason.to_string(),
        message => format!("{}: {message}", condition.reason),
    }
}

/// From the service to its root cause, on one line.
fn chain(links: &[ward_model::CausalLink]) -> Vec<Piece> {
    let mut pieces = vec![plain("  ")];
    for link in links {
        match link.via {
            Some(DependencyKind::Soft) => pieces.push(plain(" ~> ")),
            Some(DependencyKind::Hard) => pieces.push(plain(" -> ")),
            None => {}
        }
        pieces.push((link.service.to_string(), Tone::Bold));
    }
    if let Some(last) = links.last() {
        pieces.push(plain(" "));
        pieces.push(word(last.condition.status));
        pieces.push(plain(&format!(": {}", reason(&last.condition))));
    }
    pieces
}

fn evidence(evidence: &Evidence, times: &Times) -> Vec<Piece> {
    let service = &evidence.service;
    let whose = match &evidence.instance {
        Some(instance) => format!("    {service}/{instance}"),
        None => format!("    {service}"),
    };
    let what = match (&evidence.name, evidence.value) {
        (Some(name), Some(value)) => {
            let level = evidence
                .threshold
                .map(|level| format!(" (level {})", number(level)));
            format!(" signal {name} = {}{}", number(value), level.unwrap_or_default())
        }
        (Some(name), None) => format!(" check {name}"),
        (None, _) => String::new(),
    };
    let condition = &evidence.condition;
    vec![
        plain(&whose),
        plain(&what),
        plain(" "),
        word(condition.status),
        plain(&format!(
            " for {}: {}",
            times.ago(condition.since),
            reason(condition)
        )),
    ]
}

fn need(dependency: &ward_model::Dependency, view: &View) -> Vec<Piece> {
    let kind = match dependency.kind {
        DependencyKind::Hard => "hard",
        DependencyKind::Soft => "soft",
    };
    let group = dependency
        .any_of
        .as_ref()
        .map(|group| format!(", any of {group}"));
    let known = view.model().services.get(&dependency.service);
    let status = known.map(|service| service.condition.status);
    vec![
        plain("  "),
        plain(&format!("{:<20} ", dependency.service.as_str())),
        // One that this watch leaves out by name or severity.
        status.map_or_else(|| plain("not shown"), padded),
        plain(&format!("  {kind}{}", group.unwrap_or_default())),
    ]
}

fn instance(instance: &ward_model::InstanceState, times: &Times) -> Vec<Piece> {
    let was = instance.last_status.map(|last| format!(" (was {last})"));
    let flapping = if instance.flapping { "; flapping" } else { "" };
    let version = match instance.version.as_str() {
        "" => String::new(),
        version => format!("  version {version}"),
    };
    vec![
        (format!("  {:<14} ", instance.id.instance.as_str()), Tone::Bold),
        padded(instance.condition.status),
        plain(&format!(
            "{}  {:<7}  up {}{version}  {}{flapping}",
            was.unwrap_or_default(),
            instance.freshness,
            times.ago(instance.started),
            reason(&instance.condition)
        )),
    ]
}

fn check(check: &ward_model::CheckState, times: &Times) -> Vec<Piece> {
    let kind = match check.kind {
        CheckKind::Required => "",
        CheckKind::Advisory => " advisory",
    };
    let subject = check.subject.as_ref().map(|subject| format!(" about {subject}"));
    let flapping = if check.flapping { "; flapping" } else { "" };
    vec![
        plain(&format!("    {:<22} ", format!("check {}", check.name))),
        padded(check.condition.status),
        plain(&format!(
            "  for {}{kind}{}  {}{flapping}",
            times.ago(check.condition.since),
            subject.unwrap_or_default(),
            reason(&check.condition)
        )),
    ]
}

fn signal(signal: &ward_model::SignalState) -> Vec<Piece> {
    let level = |word: &str, level: Option<SignalLevel>| {
        level.map_or_else(String::new, |level| {
            format!("  {word} from {}", number(level.raise))
        })
    };
    vec![
        plain(&format!("    {:<22} ", format!("signal {}", signal.name))),
        padded(signal.status),
        (format!("  = {}", number(signal.value)), Tone::Bold),
        plain(&level("degraded", signal.degraded)),
        plain(&level("unhealthy", signal.unhealthy)),
    ]
}
