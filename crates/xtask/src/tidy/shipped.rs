//! What is shipped lets nobody in without proof. Here and not beside the stack's other guards, as those need a container engine.

use super::{Finding, files::Files, source::numbered};

/// What a stack is made of, beside the crates.
const SHIPPED: &[&str] = &[
    "docker-compose.yml",
    "Dockerfile",
    ".env.example",
    "deploy/",
    "prometheus/",
    "grafana/",
];
/// By which somebody would be let in, or believed, without proof.
const OPEN: &[&str] = &[
    "--insecure",
    "WARD_INSECURE",
    "insecure = true",
    "insecure_skip_verify: true",
];

/// No shipped file says one of them.
pub(super) fn lets_nobody_in(files: &Files) -> Vec<Finding> {
    let shipped = files
        .all()
        .filter(|file| SHIPPED.iter().any(|place| file.path.starts_with(place)));
    let mut findings = Vec::new();
    for file in shipped {
        for (number, line) in numbered(&file.text) {
            let said = OPEN.iter().filter(|word| line.contains(*word));
            findings.extend(said.map(|word| Finding::new(&file.path, number, format!("says {word}"))));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lets_everybody_in_is_found() {
        let found = lets_nobody_in(&Files::sample(&[
            ("deploy/deep/a.yml", "x:\n  command: [aggregator, --insecure]\n"),
            ("docker-compose.yml", "WARD_INSECURE: 1\n"),
            ("deploy/b.yaml", "tls: { insecure: true }\n"),
            ("README.md", "do not say --insecure\n"),
        ]));
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "deploy/deep/a.yml:2: says --insecure",
                "docker-compose.yml:1: says WARD_INSECURE"
            ]
        );
    }
}
