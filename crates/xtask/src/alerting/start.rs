//! What `deploy/alertmanager/start` makes of the environment, without a container: for each combination of what can be set
//! something that Alertmanager takes, nobody told who was not named, and no secret where others read.
//!
//! `true` stands for Alertmanager. What the configuration does then is for the tests of alerts in `crates/e2e`.

use std::{
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context, ensure};

use crate::{root, succeed};

const START: &str = "deploy/alertmanager/start";

type Variables<'a> = Vec<(&'a str, &'a str)>;

/// Where mail goes; then Slack and the dead man's switch, which may be there or not.
const MAIL: &[&[(&str, &str)]] = &[
    &[],
    &[
        ("WARD_SMTP_SMARTHOST", "smtp.example.org:587"),
        ("WARD_PAGER_TO", "pager@example.org"),
        ("WARD_TEAM_TO", "team@example.org"),
    ],
    &[
        ("WARD_SMTP_SMARTHOST", "smtp.example.org:587"),
        ("WARD_SMTP_FROM", "it's \\1 & co|x@example.org"),
        ("WARD_SMTP_REQUIRE_TLS", "false"),
        ("WARD_SMTP_USERNAME", "o'hara"),
        ("WARD_SMTP_PASSWORD", "secret-of-mail"),
        ("WARD_PAGER_TO", "pager@example.org"),
        ("WARD_TEAM_TO", "team@example.org"),
    ],
];
const SLACK: (&str, &str) = (
    "WARD_SLACK_WEBHOOK_URL",
    "http://slack.example.org/secret-of-slack",
);
const DEADMAN: (&str, &str) = ("WARD_DEADMAN_URL", "http://dead.example.org/secret-of-dead-man");

fn combinations() -> Vec<Variables<'static>> {
    let more: [&[_]; 4] = [&[], &[SLACK], &[DEADMAN], &[SLACK, DEADMAN]];
    let all = MAIL
        .iter()
        .flat_map(|mail| more.map(|more| [mail, more].concat()));
    all.collect()
}

/// Alertmanager takes what comes of each.
pub(super) fn check(amtool: &Path) -> anyhow::Result<()> {
    for variables in combinations() {
        let folder = tempfile::tempdir().context("make a folder")?;
        let output = start(folder.path(), Path::new("true"), &variables)?;
        ensure!(
            output.status.success(),
            "{START} ended with {} for {variables:?}",
            output.status
        );
        let made = folder.path().join("alertmanager.yml");
        succeed(Command::new(amtool).arg("check-config").arg(&made))
            .with_context(|| format!("what {START} makes of {variables:?}"))?;
    }
    Ok(())
}

/// Writes into that folder, then becomes that program.
fn start(folder: &Path, program: &Path, variables: &Variables<'_>) -> anyhow::Result<Output> {
    Command::new("sh")
        .arg(START)
        .current_dir(root())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("ALERTMANAGER", program)
        .env("WARD_ALERTMANAGER_DIR", folder)
        .envs(variables.iter().copied())
        .output()
        .context("cannot start sh")
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn made(variables: &Variables<'_>) -> (tempfile::TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let output = start(folder.path(), Path::new("true"), variables).unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = fs::read_to_string(folder.path().join("alertmanager.yml")).unwrap();
        (folder, text)
    }

    fn value<'a>(text: &'a str, key: &str) -> &'a str {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key));
        let line = line.unwrap_or_else(|| panic!("no {key} in {text}"));
        line.split("  ").next().unwrap().trim()
    }

    #[test]
    fn who_is_not_named_is_not_told() {
        for variables in combinations() {
            let (_folder, text) = made(&variables);
            let has = |name| variables.iter().any(|(variable, _)| *variable == name);
            for (name, key) in [
                ("WARD_SLACK_WEBHOOK_URL", "slack_configs:"),
                ("WARD_SLACK_WEBHOOK_URL", "slack_api_url_file:"),
                ("WARD_DEADMAN_URL", "webhook_configs:"),
                ("WARD_SMTP_USERNAME", "smtp_auth_username:"),
                ("WARD_SMTP_USERNAME", "smtp_auth_password_file:"),
            ] {
                assert_eq!(text.contains(key), has(name), "{key} of {variables:?}");
            }
            assert_eq!(text.contains("maildev"), !has("WARD_SMTP_SMARTHOST"));
            assert_eq!(text.contains("'team@ward.localhost'"), !has("WARD_TEAM_TO"));
        }
    }

    #[test]
    fn what_is_set_stands_there_as_it_was_written() {
        let all = combinations().pop().unwrap();
        let (_folder, text) = made(&all);
        assert_eq!(value(&text, "smtp_smarthost:"), "'smtp.example.org:587'");
        assert_eq!(value(&text, "smtp_from:"), r"'it''s \1 & co|x@example.org'");
        assert_eq!(value(&text, "smtp_auth_username:"), "'o''hara'");
        assert_eq!(value(&text, "smtp_require_tls:"), "false");
        // With a mail server of one's own, TLS unless told.
        let (_folder, text) = made(&MAIL[1].to_vec());
        assert_eq!(value(&text, "smtp_require_tls:"), "true");
    }

    #[test]
    fn secrets_are_in_files_of_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let shows = folder.path().join("shows");
        fs::write(&shows, "#!/bin/sh\nenv\n").unwrap();
        fs::set_permissions(&shows, fs::Permissions::from_mode(0o700)).unwrap();
        let output = start(folder.path(), &shows, &combinations().pop().unwrap()).unwrap();
        let environment = String::from_utf8(output.stdout).unwrap();
        assert!(environment.contains("smtp.example.org"), "{environment}");
        assert!(!environment.contains("secret-of-"), "{environment}");

        let mut secrets = Vec::new();
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{entry:?}");
            let text = fs::read_to_string(entry.path()).unwrap();
            if text.contains("secret-of-") {
                secrets.push((entry.file_name().into_string().unwrap(), text));
            }
        }
        secrets.sort();
        let wanted = [
            ("deadman-url", DEADMAN.1),
            ("slack-url", SLACK.1),
            ("smtp-password", "secret-of-mail"),
        ];
        assert_eq!(secrets, wanted.map(|(name, text)| (name.into(), text.into())));
    }

    #[test]
    fn what_is_half_set_or_wrong_is_refused_and_named() {
        let host = ("WARD_SMTP_SMARTHOST", "smtp.example.org:587");
        for (variables, wanted) in [
            (vec![host], "SMTP_PAGER_TO"),
            (vec![host, ("WARD_PAGER_TO", "a@example.org")], "SMTP_TEAM_TO"),
            (vec![("WARD_SMTP_REQUIRE_TLS", "maybe")], "write true or false"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let output = start(folder.path(), Path::new("true"), &variables).unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(64), "{said}");
            assert!(said.contains(wanted), "{said}");
        }
    }
}
