//! Dashboards are what `cargo xtask dashboards` makes, and there are no others: one that was changed by hand would be lost, or
//! would keep colours and links of its own.

use super::{Finding, files::Files};
use crate::dashboards;

/// Where Grafana's files are.
const FOLDER: &str = "grafana/dashboards/";

/// See the module.
pub(super) fn as_made(files: &Files) -> Vec<Finding> {
    let made = dashboards::files();
    let stray = files.all().filter(|file| file.path.starts_with(FOLDER));
    let stray = stray.filter(|file| made.iter().all(|(path, _)| *path != file.path));
    let stray = stray.map(|file| {
        Finding::new(
            &file.path,
            0,
            "is made by nothing in crates/xtask/src/dashboards/",
        )
    });
    let other = made.iter().filter_map(|(path, text)| match files.get(path) {
        Some(file) if file.text == *text => None,
        _ => Some(Finding::new(
            path,
            0,
            "is not as it would be made; run `cargo xtask dashboards`",
        )),
    });
    stray.chain(other).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_changed_or_strange_is_found() {
        let made = dashboards::files();
        let sample: Vec<_> = made
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        assert_eq!(as_made(&Files::sample(&sample)), []);
        let strange = "grafana/dashboards/mine.json";
        let mut found = as_made(&Files::sample(&[(strange, "{}"), (&made[0].0, "{}")]));
        found.sort();
        let paths: Vec<_> = found.iter().map(|finding| finding.path.as_str()).collect();
        let mut expected: Vec<_> = made
            .iter()
            .map(|(path, _)| path.as_str())
            .chain([strange])
            .collect();
        expected.sort_unstable();
        assert_eq!(paths, expected);
    }
}
