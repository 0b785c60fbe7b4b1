//! What every parser that outsiders reach must do with any input: not panic, say in bounds and without control characters
//! what is wrong, and mean by what it took what was said.
//!
//! A target is a function of bytes that panics if one of these does not hold. `fuzz/` runs each under libFuzzer; the tests
//! here run each over the inputs that are kept in `fuzz/corpus/`, so that what was found once is tried with every change,
//! with no more than cargo. Parsers that outsiders do not reach (flags, the environment) are left to their own tests.
//! Bodies in `fuzz/` itself were not taken: no ordinary build would compile them, and they would rot.

mod identities;
mod logs;
mod reports;
mod settings;
mod watches;

/// A target.
pub type Target = fn(&[u8]);

/// All of them, by the names they have in `fuzz/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("certificate_names", identities::certificate_names),
    ("config", settings::config),
    ("json_report", reports::json_report),
    ("log_proof", logs::log_proof),
    ("report", reports::report),
    ("report_once", reports::report_once),
    ("token", identities::token),
    ("watch_query", watches::query),
    ("watch_request", watches::request),
];

/// Runs the target of this name.
///
/// # Panics
///
/// There is none, or what it asserts does not hold.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = target.expect("the name of a target");
    target(input);
}

/// Nobody is told more than this about one field.
const TOLD_BYTES: usize = 1_024;

/// What is told fits on a line of a terminal or a log, whatever was sent.
fn is_harmless(told: &str) {
    assert!(told.len() <= TOLD_BYTES, "{} bytes are told", told.len());
    assert!(
        !told.chars().any(char::is_control),
        "control characters are told: {told:?}"
    );
}
