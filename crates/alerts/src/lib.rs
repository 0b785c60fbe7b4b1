//! Alerts, as pure functions: rules over what is known, and the machine that makes alerts of them.
//!
//! It delivers nothing, reads no clock and no file: what is known and what time it is are arguments, so that a recorded week
//! is replayed in seconds, by the same machine that runs. It knows no Alertmanager. Rules are CEL, and not a language of
//! our own: people know it, and it always ends.

mod expression;
mod facts;
mod machine;
mod near;
mod replay;
mod rule;
mod shipped;
mod template;
pub mod written;

pub use expression::{Subject, Truth, WrongExpression};
pub use facts::{Facts, Recorded, ServiceFacts, SystemFacts};
pub use machine::{Machine, Seen};
pub use near::nearest;
pub use replay::{Difference, Life, Replay, Window, Withheld, compare, replay};
pub use rule::{Part, Rule, RuleMistake, RuleSet, RuleSpec, Unknown};
pub use shipped::shipped;
