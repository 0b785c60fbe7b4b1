//! What the files of the stack say to each other, as far as that can be seen without an engine.

use std::{collections::BTreeSet, fs, process::Command};

use crate::root;

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// The names behind each `prefix`.
fn names<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let behind = text.split(prefix).skip(1);
    behind
        .map(|rest| {
            rest.split(|c: char| !c.is_ascii_uppercase() && c != '_')
                .next()
                .unwrap_or_default()
        })
        .collect()
}

#[test]
fn what_can_be_set_is_explained() {
    let compose = read("docker-compose.yml");
    // Two are for who builds images.
    let mut read_by_compose = names(&compose, "${");
    read_by_compose.retain(|name| !["WARD_IMAGE", "WARD_PROFILE"].contains(name));
    let example = read(".env.example");
    let explained: BTreeSet<_> = example
        .lines()
        .filter_map(|line| line.strip_prefix('#')?.split_once('='))
        .map(|(name, _)| name)
        .filter(|name| !name.contains(' '))
        .collect();
    assert_eq!(read_by_compose, explained);
}

/// What `alertmanager.awk` makes of a file, told so.
fn settings(told: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alertmanager.yml");
    let text = "\
global:
  smtp_smarthost: maildev:1025
  smtp_from: ward@localhost
  smtp_require_tls: false
receivers:
  - name: people
    slack_configs:
      - api_url_file: /identity/slack.url
        send_resolved: true
    email_configs:
      - to: oncall@localhost
";
    fs::write(&file, text).unwrap();
    let mut awk = Command::new("awk");
    awk.arg("-f")
        .arg(root().join("deploy/compose/alertmanager.awk"))
        .arg(&file);
    let output = awk
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs(told.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn without_an_address_nothing_goes_to_slack_and_mail_stays() {
    let settings = settings(&[("SMTP_USERNAME", "ward")]);
    assert!(
        !settings.contains("slack") && !settings.contains("send_resolved"),
        "{settings}"
    );
    assert!(
        settings.contains("smtp_smarthost: maildev:1025\n") && settings.ends_with("- to: oncall@localhost\n")
    );
    assert!(!settings.contains("username"), "{settings}");
}

#[test]
fn a_mail_server_and_slack_are_told() {
    let settings = settings(&[
        ("SLACK_WEBHOOK_URL", "https://hooks.slack.com/x"),
        ("SMTP_SMARTHOST", "smtp.example.org:587"),
        ("SMTP_USERNAME", "o'ward & \\1"),
        ("SMTP_TO", "a@example.org"),
    ]);
    for line in [
        "  smtp_smarthost: 'smtp.example.org:587'\n",
        "  smtp_auth_username: 'o''ward & \\1'\n",
        "  smtp_auth_password_file: /identity/smtp.password\n",
        "  smtp_from: ward@localhost\n",
        "  smtp_require_tls: true\n",
        "    slack_configs:\n      - api_url_file: /identity/slack.url\n        send_resolved: true\n",
        "      - to: 'a@example.org'\n",
    ] {
        assert!(settings.contains(line), "{line} in {settings}");
    }
}
