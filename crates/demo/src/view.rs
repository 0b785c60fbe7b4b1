//! What the demo shows in its terminal: where to look and what to try, then each verdict as it falls.
//!
//! Short lines; the whole picture is what `ward watch` and `ward explain` are for.

use std::{
    fmt::Display,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anstyle::{AnsiColor, Style};
use ward_chassis::Clock;
use ward_model::{Entity, InstanceState, Mono, Name, Status, SystemState};
use ward_sdk::watch::{Changed, Event};

use crate::{control::Request, customers::Sales, plan, seat::Fell};

/// Where a client looks for an aggregator that is not named.
const DEFAULT_GRPC: &str = "127.0.0.1:7700";

/// Writes to the terminal, or to wherever standard output goes.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) clock: Clock,
    pub(crate) sales: Sales,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) logs: PathBuf,
    pub(crate) targets: PathBuf,
    /// The shop has been healthy once.
    pub(crate) open: bool,
    /// The last verdict shown.
    pub(crate) last: Option<SystemState>,
}

/// One line. Nobody may be reading any more; the demo goes on.
pub(crate) fn say(line: impl Display) {
    writeln!(anstream::stdout().lock(), "{line}").ok();
}

impl View {
    /// Shows what a watch tells; the first time that all are healthy, where to look.
    pub(crate) fn hear(&mut self, event: Event, all_healthy: bool) {
        match event {
            Event::Update(update) => {
                for changed in update.changes {
                    if let Some(name) = began_to_flap(&changed) {
                        self.line(format_args!(
                            "{name} changed often: flapping, it is held at its worst for up to 100 s"
                        ));
                    }
                    if let Entity::System(system) = changed.entity {
                        self.verdict(system);
                    }
                }
            }
            Event::Lost { error } => self.line(format_args!("the watch on the aggregator broke: {error}")),
            Event::Restored { .. } => self.line("the watch on the aggregator is back"),
            Event::Bookmark { .. } | Event::Audit(_) => {}
        }
        let healthy = self
            .last
            .as_ref()
            .is_some_and(|system| system.condition.status == Status::Healthy);
        if !self.open && healthy && all_healthy {
            self.open = true;
            self.welcome();
        }
    }

    fn verdict(&mut self, system: SystemState) {
        if self.open && self.is_news(&system) {
            self.line(describe(&system, &self.sales));
        }
        self.last = Some(system);
    }

    fn is_news(&self, system: &SystemState) -> bool {
        let told = |system: &SystemState| (system.condition.status, system.causes.clone());
        self.last.as_ref().map(told) != Some(told(system))
    }

    /// Says why the shop is not open yet.
    pub(crate) fn explain_delay(&self) {
        let verdict = match &self.last {
            Some(system) => describe(system, &self.sales),
            None => "the aggregator has said nothing".into(),
        };
        self.line(format_args!(
            "not open yet: {verdict}; logs are in {}",
            self.logs.display()
        ));
    }

    /// Says that a member ended, unless it was told to crash.
    pub(crate) fn fell(&self, fell: &Fell) {
        if !fell.told {
            let Fell {
                member, how, pause, ..
            } = fell;
            self.line(format_args!(
                "{} ended ({how}), starts again in {pause:?}",
                member.name
            ));
        }
    }

    /// Says what was done by hand.
    pub(crate) fn done(&self, request: &Request) {
        match request {
            Request::Break { name, how } => self.line(format_args!("{name} is broken now: {how}")),
            Request::Mend { name } => self.line(format_args!("{name} is mended")),
        }
    }

    fn line(&self, text: impl Display) {
        let seconds = self.clock.mono().since(Mono::default()).as_secs_f64();
        say(format_args!("{seconds:7.1} s  {text}"));
    }

    fn welcome(&self) {
        let seconds = self.clock.mono().since(Mono::default()).as_secs_f64();
        let (grpc, http, targets) = (self.grpc, self.http, self.targets.display());
        let ward = own_command();
        let server = match grpc.to_string() == DEFAULT_GRPC {
            true => String::new(),
            false => format!(" --server {grpc}"),
        };
        say(format_args!(
            "the shop is open: all {} processes are healthy, after {seconds:.1} s\n\
             \n\
             look at   grpc     {grpc}\n\
             \x20         health   http://{http}/health\n\
             \x20         metrics  http://{http}/metrics\n\
             \x20         targets  {targets}, of the shop's own metrics, for a Prometheus (file_sd)\n\
             \n\
             try, in another terminal:\n\
             \x20 {ward} watch{server}\n\
             \x20 {ward} demo break bank --how hang{server}\n\
             \x20 {ward} explain storefront{server}\n\
             \x20 {ward} demo mend bank{server}\n\
             \n\
             there are: {}\n\
             ways to break one: errors, slow, hang, crash, freeze\n\
             Ctrl-C ends all of it\n",
            plan::SHOP.len(),
            plan::names(),
        ));
    }
}

/// The service of an instance that is found flapping from now on. Without a word, one just mended that stays unhealthy
/// looks like a fault of Ward.
fn began_to_flap(changed: &Changed) -> Option<&Name> {
    let Entity::Instance(now) = &changed.entity else {
        return None;
    };
    let before = matches!(&changed.before, Some(Entity::Instance(before)) if flaps(before));
    (flaps(now) && !before).then_some(&now.id.service)
}

fn flaps(instance: &InstanceState) -> bool {
    instance.flapping || instance.checks.iter().any(|check| check.flapping)
}

fn describe(system: &SystemState, sales: &Sales) -> String {
    let status = system.condition.status;
    let style = style_of(status);
    let mut text = format!("system is {style}{status}{style:#}");
    if !system.causes.is_empty() {
        let causes: Vec<_> = system.causes.iter().map(|cause| cause.as_str()).collect();
        text += &format!(" because of {}", causes.join(", "));
    }
    let sold = sales.figures();
    text + &format!(
        "; {} of the last {} purchases went through",
        sold.total - sold.failed,
        sold.total
    )
}

fn style_of(status: Status) -> Style {
    let colour = match status {
        Status::Healthy => AnsiColor::Green,
        Status::Unknown => AnsiColor::Cyan,
        Status::Degraded => AnsiColor::Yellow,
        Status::Unhealthy => AnsiColor::Red,
    };
    colour.on_default().bold()
}

/// How to call this program from where it was called: `ward` where that is on the path, else its file.
fn own_command() -> String {
    let Ok(binary) = std::env::current_exe() else {
        return "ward".into();
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).any(|directory| binary.parent() == Some(&directory));
    if on_path {
        return "ward".into();
    }
    let here = std::env::current_dir().unwrap_or_default();
    let nearby = binary.strip_prefix(&here).map(Path::to_owned);
    nearby.unwrap_or(binary).display().to_string()
}

#[cfg(test)]
mod tests {
    use ward_model::{Condition, Freshness, Incarnation, InstanceId, Wall};

    use super::*;

    #[test]
    fn flapping_is_told_where_it_begins() {
        let bank = |flapping| {
            Entity::Instance(InstanceState {
                id: InstanceId {
                    service: Name::service("bank").unwrap(),
                    instance: Name::new("0").unwrap(),
                },
                incarnation: Incarnation::new("1").unwrap(),
                version: String::new(),
                labels: Default::default(),
                interval_ms: 1_000,
                condition: Condition::default(),
                last_status: None,
                freshness: Freshness::default(),
                flapping,
                checks: Vec::new(),
                signals: Vec::new(),
                started: Wall(1),
            })
        };
        let told = |before: Option<bool>, now| {
            let changed = Changed {
                before: before.map(bank),
                entity: bank(now),
            };
            began_to_flap(&changed).map(ToString::to_string)
        };
        assert_eq!(told(Some(false), true).as_deref(), Some("bank"));
        assert_eq!(told(None, true).as_deref(), Some("bank"));
        assert_eq!(told(Some(true), true), None);
        assert_eq!(told(Some(true), false), None);
    }
}
