//! Files of rules: which are read, and how what is wrong in them is told.

use super::*;

const OWN: &str = "expr = \"true\"\nseverity = \"info\"\n";

impl Home {
    fn has(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The rules in force that are not shipped.
    fn own(&self) -> Vec<String> {
        let loaded = self.source().load().unwrap_or_else(|errors| panic!("{errors}"));
        let rules = loaded.settings.alerting.rules;
        let names = rules.iter().map(|rule| rule.spec().name.to_string());
        names.filter(|name| name.starts_with("Own")).collect()
    }
}

fn own(name: &str) -> String {
    format!("[rules.{name}]\n{OWN}")
}

#[test]
fn files_are_found_from_the_folder_of_the_file_on() {
    let home = Home::with(b"[alerting]\nrule_files = [\"rules/*.toml\", \"rules/b.toml\", \"one\"]\n");
    home.has("rules/a.toml", &own("OwnA"));
    home.has("rules/b.toml", &own("OwnB"));
    home.has("rules/c.txt", "not TOML");
    home.has("rules/.hidden.toml", "not TOML");
    home.has("rules/folder.toml/x", "not TOML");
    home.has("one", &own("Own1"));
    assert_eq!(home.own(), ["Own1", "OwnA", "OwnB"], "each is read once");
    let loaded = home.source().load().unwrap();
    let origin = loaded.origins.of("alerting.rules.OwnB.severity").to_string();
    assert!(origin.ends_with("rules/b.toml:3"), "{origin}");
    assert_eq!(loaded.warnings, [""; 0]);
}

#[test]
fn what_files_of_rules_say_is_in_force_and_in_the_hash() {
    let home = Home::with(b"[alerting]\nrunbooks = \"https://r/\"\nrule_files = [\"rules.toml\"]\n[alerting.rules.CpuHigh]\nenabled = false\n");
    home.has(
        "rules.toml",
        &format!("{}[rules.MemoryHigh]\nfor = \"7m\"\n", own("Own")),
    );
    let loaded = home.source().load().unwrap();
    let shown = loaded.settings.show(&loaded.origins);
    let shown = shown.replace(&format!("{}/", home.0.path().display()), "");
    for line in [
        "for = \"7m\" # rules.toml:5",
        "annotations.runbook_url = \"https://r/Own\" # default",
        "[alerting.rules.CpuHigh]\nenabled = false # ward.toml:5",
        "expr = \"signals.memory_ratio > 0.9\" # default",
    ] {
        assert!(shown.contains(line), "{line} is missing in {shown}");
    }
    let again = Home::with(loaded.settings.to_toml().as_bytes())
        .source()
        .load()
        .unwrap();
    assert_eq!(
        again.hash, loaded.hash,
        "what is shown says the same without the other file"
    );
    home.has(
        "rules.toml",
        &format!("{}[rules.MemoryHigh]\nfor = \"8m\"\n", own("Own")),
    );
    assert_ne!(home.source().load().unwrap().hash, loaded.hash);
}

#[test]
fn mistakes_are_told_of_all_files_in_their_order() {
    let home = Home::with(
        b"[alerting]\nrule_files = [\"rules/*.toml\", \"gone.toml\", \"nowhere/*\", \"rules\", \"rules/../rules/b.toml\"]\ncolour = 1\n[alerting.rules.OwnA]\nexpr = \"tru\"\nseverity = \"info\"\n",
    );
    home.has(
        "rules/a.toml",
        &format!(
            "# first\n{}[[alerting.rules.OwnB]]\n[OwnC]\n[rules.OwnD]\n{OWN}",
            own("OwnA")
        ),
    );
    home.has(
        "rules/b.toml",
        "[rules.OwnD]\nexpr = '''\n\n  statuss == 'healthy' '''\nseverity = \"info\"\n",
    );
    home.has("rules/c.toml", "[rules.OwnE\nexpr = 3\n");
    fs::write(home.0.path().join("rules/d.toml"), b"a = \"\xff\"\n").unwrap();
    insta::assert_snapshot!(home.refused(&home.source()));
}

#[test]
fn a_pattern_without_files_is_worth_a_warning() {
    let home = Home::with(b"[alerting]\nrule_files = [\"rules/*.toml\"]\n");
    home.has("rules/a.txt", "");
    let warnings = home.source().load().unwrap().warnings;
    assert_eq!(
        warnings,
        ["[alerting] rule_files: there is no file \"rules/*.toml\" yet"]
    );
}

#[test]
fn files_of_rules_are_bounded() {
    let home = Home::with(b"[alerting]\nrule_files = [\"/dev/zero\"]\n");
    assert!(
        home.refused(&home.source())
            .contains("names /dev/zero: this is a pipe or a device")
    );
    let home = Home::with(b"[alerting]\nrule_files = [\"*.rules\"]\n");
    let comment = "#".repeat(5 << 20);
    home.has("a.rules", &comment);
    assert!(home.source().load().is_ok());
    home.has("b.rules", &comment);
    let refused = home.refused(&home.source());
    assert!(
        refused.contains("names b.rules: files of rules have more than 8 MiB together"),
        "{refused}"
    );
    let home = Home::with(b"[alerting]\nrule_files = [\"*.rules\"]\n");
    (0..257).for_each(|n| home.has(&format!("{n}.rules"), ""));
    assert!(
        home.refused(&home.source())
            .contains("there are more than 256 files")
    );
    let home = Home::with(b"[alerting]\nrule_files = [\"a\", \"b\"]\n");
    home.has(
        "a",
        &(0..200).map(|n| own(&format!("OwnA{n}"))).collect::<String>(),
    );
    home.has(
        "b",
        &(0..57).map(|n| own(&format!("OwnB{n}"))).collect::<String>(),
    );
    let refused = home.refused(&home.source());
    assert!(
        refused.contains("is one rule more than the 256 that there may be"),
        "{refused}"
    );
}

/// Of each file as many as of one.
#[test]
fn mistakes_of_many_files_are_told_within_bounds() {
    let home = Home::with(b"[alerting]\nrule_files = [\"*.rules\"]\n");
    for file in 0..20 {
        home.has(
            &format!("{file:02}.rules"),
            &(0..300).map(|n| format!("key{n} = 1\n")).collect::<String>(),
        );
    }
    let errors = home.source().load().unwrap_err();
    assert_eq!((errors.count(), errors.mistakes().len()), (6_000, 100));
    assert!(
        errors.mistakes()[99]
            .place
            .to_string()
            .ends_with("00.rules:100:1")
    );
}
