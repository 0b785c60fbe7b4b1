//! The rules that are in force unless they are changed or switched off by name.

use crate::rule::RuleSpec;

/// All of them, as they are written.
pub fn shipped() -> Vec<RuleSpec> {
    Vec::new()
}
