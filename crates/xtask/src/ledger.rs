//! What was run, how it ended and how long it took; at the end a summary and an exit code.
//!
//! A failed step does not keep the next ones from running: one call tells everything that is wrong.

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::requirement::Requirement;

/// How a step ended.
enum Outcome {
    Passed(Duration),
    Failed(String),
    NotRun { why: String, required: bool },
}

/// The steps of one call.
pub(crate) struct Ledger {
    chore: &'static str,
    require_all: bool,
    started: Instant,
    steps: Vec<(&'static str, Outcome)>,
}

impl Ledger {
    /// An empty one, named in the summary. Whether everything is required is read from the environment.
    pub(crate) fn open(chore: &'static str) -> Self {
        let require_all = requires_all(|name| std::env::var(name).ok());
        Self {
            chore,
            require_all,
            started: now(),
            steps: Vec::new(),
        }
    }

    /// Runs a step.
    pub(crate) fn run(&mut self, name: &'static str, step: impl FnOnce() -> anyhow::Result<()>) {
        let started = now();
        let outcome = match step() {
            Ok(()) => Outcome::Passed(started.elapsed()),
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        self.steps.push((name, outcome));
    }

    /// Runs a step with the program that it needs, or notes that it is not there.
    pub(crate) fn run_with(
        &mut self,
        name: &'static str,
        requirement: &'static Requirement,
        step: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) {
        match requirement.find() {
            Some(program) => self.run(name, || step(&program)),
            None => self.not_run(name, &requirement.to_string(), true),
        }
    }

    /// Notes that a step could not be run; if it was `required`, that is a failure where everything is.
    pub(crate) fn not_run(&mut self, name: &'static str, why: &str, required: bool) {
        self.steps.push((
            name,
            Outcome::NotRun {
                why: why.to_owned(),
                required,
            },
        ));
    }

    /// Prints the summary; what was not run comes last, so that it is seen.
    pub(crate) fn close(self, remark: &str) -> ExitCode {
        println!(
            "\nxtask {}: {}{remark}",
            self.chore,
            seconds(self.started.elapsed())
        );
        for (name, outcome) in &self.steps {
            if let Outcome::Passed(took) = outcome {
                println!("  passed   {name}  {}", seconds(*took));
            }
        }
        for (name, outcome) in &self.steps {
            match outcome {
                Outcome::Failed(why) => println!("  FAILED   {name}: {why}"),
                Outcome::NotRun { why, .. } => println!("  NOT RUN  {name}: {why}"),
                Outcome::Passed(_) => {}
            }
        }
        let passed = self.passed();
        println!(
            "xtask {}: {}",
            self.chore,
            if passed { "passed" } else { "FAILED" }
        );
        if passed {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Whether nothing failed so far: for steps that are of no use behind one that did.
    pub(crate) fn passed(&self) -> bool {
        self.steps.iter().all(|(_, outcome)| match outcome {
            Outcome::Passed(_) => true,
            Outcome::Failed(_) => false,
            Outcome::NotRun { required, .. } => !(self.require_all && *required),
        })
    }
}

fn requires_all(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name, wanted: &[&str]| variable(name).is_some_and(|value| wanted.contains(&value.as_str()));
    set("WARD_REQUIRE_ALL", &["1", "true"]) || set("CI", &["1", "true"])
}

#[expect(
    clippy::disallowed_methods,
    reason = "the workshop tells how long a step took; nothing is decided by it"
)]
fn now() -> Instant {
    Instant::now()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    const ABSENT: Requirement = Requirement {
        program: "no-such-program",
        variable: "NO_SUCH_VARIABLE",
        runs: None,
        what: "",
        get: "",
    };

    fn ledger(require_all: bool) -> Ledger {
        Ledger {
            chore: "test",
            require_all,
            started: now(),
            steps: Vec::new(),
        }
    }

    #[test]
    fn one_failure_fails_all_and_the_rest_still_runs() {
        let mut ledger = ledger(false);
        let mut ran = false;
        ledger.run("first", || bail!("broken"));
        ledger.run("second", || {
            ran = true;
            Ok(())
        });
        assert!(ran);
        assert!(!ledger.passed());
    }

    #[test]
    fn what_is_not_run_fails_only_where_all_is_required() {
        for (require_all, required, passes) in [
            (false, true, true),
            (true, true, false),
            (true, false, true),
            (false, false, true),
        ] {
            let mut ledger = ledger(require_all);
            ledger.not_run("step", "no network", required);
            assert_eq!(ledger.passed(), passes, "{require_all} {required}");
        }
    }

    #[test]
    fn a_step_does_not_run_without_its_program() {
        let mut ledger = ledger(true);
        ledger.run_with("step", &ABSENT, |_| panic!("ran without its program"));
        assert!(!ledger.passed());
    }

    #[test]
    fn all_is_required_by_ones_own_variable_or_in_continuous_integration() {
        let with = |name: &'static str, value: &'static str| {
            requires_all(move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert!(with("WARD_REQUIRE_ALL", "1") && with("CI", "true"));
        assert!(!with("WARD_REQUIRE_ALL", "0") && !with("CI", "") && !with("OTHER", "1"));
    }
}
