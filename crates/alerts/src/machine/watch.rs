//! What a rule looks at, so that it is judged only when that has changed.
//!
//! Mostly read off the words of its text, and not off its syntax tree: a word too many costs a judgement, and none is missed.

use std::time::Duration;

use ward_model::{Name, Wall};

use crate::rule::{Rule, RuleSpec};

/// Words that are no facts.
const NO_FACTS: [&str; 7] = ["signals", "dependencies", "has", "size", "in", "true", "false"];
/// A rule that looks at how long something lasts is judged again whenever that has grown by a sixty-fourth: two percent late at
/// most, for some hundred judgements of a state that lasts for days.
const PATIENCE: i64 = 64;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    /// Something beside signals, dependencies and the constants.
    pub(super) facts: bool,
    /// Suspects among what is needed.
    pub(super) dependencies: bool,
    /// How long something lasts.
    pub(super) time: bool,
    /// What there is none of while Unknown.
    pub(super) status: bool,
    /// What there is none of while its own status is Unknown, whatever it needs is.
    pub(super) own: bool,
    /// Its annotations want to know of the suspects.
    pub(super) tells_dependencies: bool,
}

impl Watch {
    pub(super) fn new(rule: &Rule) -> Self {
        let spec = rule.spec();
        let mut watch = Self::default();
        for word in words(&spec.expr) {
            watch.facts |= !NO_FACTS.contains(&word);
            watch.dependencies |= word == "dependencies";
            watch.time |= word == "since_seconds";
            watch.status |= spec.about_system && word == "services";
        }
        watch.status |= rule.mentions_status();
        watch.own = rule.mentions_own();
        let mut told = spec.annotations.values();
        watch.tells_dependencies = watch.dependencies || told.any(|text| text.contains("dependencies"));
        watch
    }
}

/// When a rule about how long something lasts is to be judged again.
pub(super) fn again(since: Wall, now: Wall) -> Wall {
    let age = now.0.saturating_sub(since.0).max(0);
    Wall(now.0.saturating_add((age / PATIENCE).max(1_000)))
}

/// Whether a rule is about a service, or about the system.
pub(super) fn is_about(spec: &RuleSpec, service: Option<&Name>) -> bool {
    let Some(service) = service else {
        return spec.about_system;
    };
    let fits = |pattern: &String| match pattern.strip_suffix('*') {
        Some(beginning) => service.as_str().starts_with(beginning),
        None => service.as_str() == pattern,
    };
    !spec.about_system && (spec.services.is_empty() || spec.services.iter().any(fits))
}

/// For how long something that holds a pending alert may do so, from when its condition began.
pub(super) fn longest_hold(spec: &RuleSpec) -> Duration {
    spec.for_.saturating_mul(2)
}

/// Identifiers that are not fields of others. Those in quotes and comments are among them: see the module.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = text;
    let mut field = false;
    std::iter::from_fn(move || {
        loop {
            let c = rest.chars().next()?;
            let end = match is_word(c) {
                true => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                false => c.len_utf8(),
            };
            let (word, behind) = rest.split_at(end);
            rest = behind;
            let is_name = is_word(c) && !c.is_ascii_digit();
            if is_name && !std::mem::take(&mut field) {
                return Some(word);
            }
            field = c == '.' || (field && c.is_whitespace());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_no_fields() {
        let found: Vec<_> =
            words("signals.status > 0.5e1 && has(instances . lost) || own in 'quoted' + reason").collect();
        assert_eq!(
            found,
            ["signals", "has", "instances", "own", "in", "quoted", "reason"]
        );
    }

    #[test]
    fn it_is_judged_again_in_proportion_to_what_it_looks_at() {
        assert_eq!(again(Wall(0), Wall(10_000)), Wall(11_000));
        assert_eq!(again(Wall(0), Wall(640_000)), Wall(650_000));
        assert_eq!(again(Wall(9), Wall(0)), Wall(1_000));
    }
}
