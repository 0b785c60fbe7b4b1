//! What every dashboard has to have, and that they are of one piece.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

fn boards() -> Vec<(String, Value)> {
    let read = |(path, text): (String, String)| (path, serde_json::from_str(&text).unwrap());
    files().into_iter().map(read).collect()
}

/// All panels of all dashboards, rows aside, each with where it is.
fn panels() -> Vec<(String, Value)> {
    let of = |(path, board): (String, Value)| {
        let panels = board["panels"].as_array().unwrap().clone();
        let named = move |panel: Value| (format!("{path}: {}", panel["title"]), panel);
        panels
            .into_iter()
            .filter(|panel| panel["type"] != "row")
            .map(named)
    };
    boards().into_iter().flat_map(of).collect()
}

fn each<'a>(value: &'a Value, see: &mut dyn FnMut(&'a str, &'a Value)) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            see(key, value);
            each(value, see);
        }),
        Value::Array(values) => values.iter().for_each(|value| each(value, see)),
        _ => {}
    }
}

#[test]
fn ids_are_unique_and_panels_do_not_overlap() {
    let uids: BTreeSet<_> = boards()
        .iter()
        .map(|(_, board)| board["uid"].to_string())
        .collect();
    assert_eq!(uids.len(), boards().len());
    for (path, board) in boards() {
        let panels = board["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{path}");
        let mut taken = BTreeSet::new();
        for panel in panels {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{path}: {}", panel["title"]);
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    assert!(taken.insert((x, y)), "{path}: {} lies on another", panel["title"]);
                }
            }
        }
    }
}

#[test]
fn every_panel_says_what_it_shows_in_which_unit_and_asks_a_source_that_is_provisioned() {
    let sources =
        fs::read_to_string(crate::root().join("grafana/provisioning/datasources/ward.yml")).unwrap();
    let provisioned = |uid: &Value| {
        sources
            .lines()
            .any(|line| line.trim() == format!("uid: {}", uid.as_str().unwrap()))
    };
    for (at, panel) in panels() {
        assert!(
            panel["description"]
                .as_str()
                .is_some_and(|text| text.ends_with('.')),
            "{at}"
        );
        let unit = panel["fieldConfig"]["defaults"]["unit"].as_str();
        assert!(unit.is_some_and(|unit| !unit.is_empty()), "{at}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{at}");
        for asked in targets.iter().chain([&panel]) {
            assert!(provisioned(&asked["datasource"]["uid"]), "{at}");
        }
    }
    for (path, board) in boards() {
        for variable in board["templating"]["list"].as_array().unwrap() {
            assert!(provisioned(&variable["datasource"]["uid"]), "{path}");
        }
    }
}

#[test]
fn colours_are_of_the_one_map_and_a_word_has_one_everywhere() {
    let map = [
        &colours::STATUSES[..],
        &colours::ALERT_STATES,
        &colours::WELL,
        &colours::ILL,
    ]
    .concat();
    let known: BTreeSet<_> = map
        .iter()
        .map(|meaning| meaning.2)
        .chain([colours::SKY_BLUE, "text"])
        .collect();
    for (path, board) in boards() {
        each(&board, &mut |key, value| {
            let colour = (key == "color" || key == "fixedColor")
                .then(|| value.as_str())
                .flatten();
            assert!(
                colour.is_none_or(|colour| known.contains(colour)),
                "{path}: {value}"
            );
            // Of mappings: the word beside the colour.
            if let (Some(word), Some(colour)) = (value["text"].as_str(), value["color"].as_str()) {
                let means = |(_, is, looks): &colours::Meaning| *is != word || *looks == colour;
                let in_map = word == "yes" || word == "no" || map.iter().all(means);
                assert!(in_map, "{path}: {word} is {colour}");
            }
        });
    }
}

#[test]
fn dashboards_lead_to_each_other_with_variables_and_time() {
    let boards = boards();
    for (path, board) in &boards {
        let link = &board["links"][0];
        assert_eq!(
            (&link["includeVars"], &link["keepTime"]),
            (&true.into(), &true.into()),
            "{path}"
        );
        assert_eq!(link["tags"], board["tags"], "{path}");
        let uids: Vec<_> = boards
            .iter()
            .map(|(_, board)| board["uid"].as_str().unwrap())
            .collect();
        each(board, &mut |key, value| {
            let to = (key == "url").then(|| value.as_str()).flatten();
            let Some(to) = to.and_then(|to| to.strip_prefix("/d/")) else {
                return;
            };
            let uid = to.split('/').next().unwrap();
            assert!(
                uids.contains(&uid) && to.ends_with("${__url_time_range}"),
                "{path}: {to}"
            );
        });
    }
}

#[test]
fn a_state_is_the_greatest_of_its_products() {
    assert_eq!(
        colours::coded("m", "a=\"b\"", "a", &colours::WELL, "is"),
        "max by (a) (0 * m{a=\"b\", is=\"no\"} or 1 * m{a=\"b\", is=\"yes\"})"
    );
    assert!(colours::services("").ends_with(" or 4 * ward_service_maintenance{})"));
}
