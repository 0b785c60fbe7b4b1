//! Clients that nobody here wrote, against a real aggregator: what standards say, as others read them.
//!
//! Each needs a program from outside. Where that is not to be had the test says NOT RUN and passes, or fails under
//! `WARD_REQUIRE_ALL=1`. CONTRIBUTING.md names the programs; `.ci/run` gets them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod audit_log;
mod blackbox;
mod dashboards;
mod event_source;
mod identity;
mod outside;
mod relay;
mod ward;
mod watching;
