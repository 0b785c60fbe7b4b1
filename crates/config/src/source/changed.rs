//! Rules as they would be if a file were in force, to try them before it is.
//!
//! A file of rules is a change of those in force. A whole `ward.toml` is none: it says all there is to say, by itself.

use std::path::Path;

use toml::de::DeTable;
use ward_alerts::RuleSet;

use super::{Loading, Source, read};
use crate::{
    Errors, Mistake, Place,
    file::{self, Changes},
};

/// The rules that would be in force with `path`: a file of rules, over those of `base`, or a `ward.toml`, with `env` over it
/// as [`Source`] has it.
///
/// # Errors
///
/// All that is wrong in it.
pub fn changed_rules(path: &Path, base: &RuleSet, env: Vec<(String, String)>) -> Result<RuleSet, Errors> {
    let mut loading = Loading::default();
    let shown = path.to_string_lossy().into_owned();
    let text = match read(path) {
        Ok(bytes) => loading.utf8(&shown, bytes),
        Err(wrong) => {
            let mistake = Mistake::new(Place::File(shown.clone()), "", wrong.message);
            loading.mistakes.list.push(mistake);
            None
        }
    };
    let text = text.unwrap_or_default();
    if loading.mistakes.is_empty() && !is_of_rules(&text) {
        let source = Source {
            file: Some(path.to_owned()),
            env,
            flags: Vec::new(),
        };
        return Ok(source.load()?.settings.alerting.rules);
    }
    let mut changes = Changes::over(base.clone());
    let (mistakes, _) = file::read_rules(&shown, &text, &mut changes);
    loading.mistakes.and(mistakes);
    loading.keep(&shown, &text);
    match loading.mistakes.is_empty() {
        true => Ok(changes.in_force()),
        false => Err(Errors::new(loading.mistakes, loading.texts)),
    }
}

/// No key of a `ward.toml` is called so.
fn is_of_rules(text: &str) -> bool {
    let (tree, _) = DeTable::parse_recoverable(text);
    tree.get_ref().contains_key("rules")
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use ward_alerts::RuleSpec;
    use ward_model::RuleName;

    use super::*;

    fn tried(text: &str, base: &RuleSet) -> Result<RuleSet, Errors> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("tried.toml");
        fs::write(&path, text).unwrap();
        changed_rules(&path, base, Vec::new())
    }

    fn spec<'a>(rules: &'a RuleSet, name: &str) -> Option<&'a RuleSpec> {
        rules.get(&RuleName::new(name).unwrap()).map(|rule| rule.spec())
    }

    #[test]
    fn a_file_of_rules_is_over_those_in_force_and_a_whole_one_is_not() {
        let own = "[rules.Mine]\nexpr = 'signals.queue > 1.0'\nseverity = 'info'\nfor = '5s'\n[rules.CpuHigh]\nenabled = false";
        let base = tried(own, &RuleSet::shipped()).unwrap();
        assert!(spec(&base, "CpuHigh").is_none() && spec(&base, "Watchdog").is_some());

        let over = tried("[rules.Mine]\nfor = '7s'\n[rules.CpuHigh]\nfor = '1m'", &base).unwrap();
        let mine = spec(&over, "Mine").unwrap();
        assert_eq!(
            (mine.for_, mine.expr.as_str()),
            (Duration::from_secs(7), "signals.queue > 1.0")
        );
        assert_eq!(
            spec(&over, "CpuHigh").unwrap().for_,
            Duration::from_secs(60),
            "on again"
        );
        assert_eq!(over.iter().count(), base.iter().count() + 1);

        let whole = tried("[alerting.rules.CpuHigh]\nfor = '1m'", &base).unwrap();
        assert!(spec(&whole, "Mine").is_none());
        assert_eq!(whole.iter().count(), RuleSet::shipped().iter().count());
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let base = RuleSet::shipped();
        for (text, told) in [
            ("[rules.CpuHigh]\nexpr = 'signals.cpu_ratio >'", "tried.toml:2:"),
            ("[rules.CpuHihg]\nfor = '1m'", "did you mean `CpuHigh`?"),
            ("[rules", "tried.toml:1:"),
            ("[alerting.rules.CpuHigh]\nfro = '1m'", "did you mean `for`?"),
        ] {
            let errors = tried(text, &base).unwrap_err().to_string();
            assert!(errors.contains(told), "{text}: {errors}");
        }
        assert!(changed_rules(Path::new("/nowhere/x.toml"), &base, Vec::new()).is_err());
    }
}
