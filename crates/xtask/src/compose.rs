//! `cargo xtask compose-test`: docker-compose.yml as it is, from nothing to an outage and back, and taken down again.
//!
//! What people are promised of it is asked of the running stack, as people would: `ward` in its container, the APIs of
//! Prometheus, Jaeger and maildev. An override adds a receiver in the shape of Slack's; ports are free ones, and the project is
//! one of its own, so that a stack that runs beside it is not touched. A service whose image cannot be had is left out and
//! named, if the story does without it. A client of Docker's API was not taken: what is tested is what people type.

mod asking;
mod guards;
#[cfg(test)]
mod setup;
mod stack;
mod story;
#[cfg(test)]
mod tests;

use std::process::ExitCode;

use crate::{ledger::Ledger, requirement::DOCKER};
use stack::Stack;

const CHORE: &str = "compose-test";

/// How to go about it.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Take the image of the last time
    #[arg(long)]
    no_build: bool,
    /// Leave the stack up, to have a look
    #[arg(long)]
    keep: bool,
}

/// Brings the stack up, tells the story, and takes the stack down.
pub(crate) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut ledger = Ledger::open(CHORE);
    let Some(program) = DOCKER.find() else {
        ledger.not_run(CHORE, &DOCKER.to_string(), false);
        return Ok(ledger.close(""));
    };
    let mut stack = Stack::new(program);
    if let Err(error) = stack.engine_answers() {
        ledger.not_run(CHORE, &format!("{error:#}"), false);
        return Ok(ledger.close(""));
    }
    ledger.run("every service is guarded", || guards::hold(&stack));
    ledger.run("images", || stack.images(options.no_build));
    if ledger.passed() {
        ledger.run("up", || stack.first_up());
    }
    if ledger.passed() {
        for (name, step) in story::STEPS {
            ledger.run(name, || step(&stack));
        }
    }
    if !ledger.passed() {
        stack.show();
    }
    for (service, image) in stack.left_out() {
        ledger.not_run(
            CHORE,
            &format!("service {service}: its image {image} cannot be had"),
            false,
        );
    }
    let remark = if options.keep {
        format!("; the stack is up, take it down with: {}", stack.way_down())
    } else {
        ledger.run("down", || stack.remove());
        String::new()
    };
    Ok(ledger.close(&remark))
}
