//! Silences as Alertmanager's API v2 writes them, and what has to be done to have those that are wanted. Pure.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ward_model::{Acknowledgement, Alert, RuleName, Wall};

use crate::{desk::Settings, digest::digest, time::rfc3339};

/// Ends of a silence that are this near to each other are the same.
const SAME: i64 = 1_000;
/// The label that all our alerts have.
pub(super) const SOURCE: (&str, &str) = ("source", "ward");

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Matcher {
    name: String,
    value: String,
    is_regex: bool,
    /// Alertmanagers before 0.22 do not say it.
    #[serde(default = "yes")]
    is_equal: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Posted {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    matchers: Vec<Matcher>,
    starts_at: String,
    ends_at: String,
    created_by: String,
    pub(super) comment: String,
}

/// A silence as it is listed.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    id: String,
    status: Status,
    matchers: Vec<Matcher>,
    starts_at: String,
    ends_at: String,
    comment: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Status {
    state: String,
}

/// What is to be done to an Alertmanager.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Post(Posted),
    Expire(String),
}

/// How our silences begin their mark: no two installations that send to one Alertmanager share it, and no other labels or
/// address make it another.
pub(super) fn mark(settings: &Settings) -> String {
    format!("[ward {}/", &digest([&*settings.id])[..8])
}

/// The silences that are to be there, by their marks. `covered` is what is known of the alerts that one covers.
pub(super) fn wanted(
    in_force: &[Acknowledgement],
    settings: &Settings,
    now: Wall,
    covered: impl Fn(&Acknowledgement) -> Vec<Arc<Alert>>,
) -> BTreeMap<String, Posted> {
    let lasting = in_force
        .iter()
        .filter(|said| said.end > now && !said.rules.is_empty());
    lasting
        .map(|said| {
            let start = said.start.0.to_string();
            let hash = digest([service(said), &start]);
            let mark = format!("{}{}]", mark(settings), &hash[..16]);
            // One that begins in the future of a clock that was set back silences nothing before.
            let silence = Posted {
                starts_at: rfc3339(said.start.min(now)),
                ..silence(said, &mark, &settings.labels, &covered(said))
            };
            (mark, silence)
        })
        .collect()
}

/// Of those about the system the label is absent, which is the same as empty.
fn service(said: &Acknowledgement) -> &str {
    said.service.as_ref().map_or("", |service| service.as_str())
}

fn silence(
    said: &Acknowledgement,
    mark: &str,
    labels: &BTreeMap<String, String>,
    covered: &[Arc<Alert>],
) -> Posted {
    let rules: Vec<&str> = said.rules.iter().map(RuleName::as_str).collect();
    let mut matchers = vec![
        matcher("alertname", &format!("^({})$", rules.join("|")), true),
        matcher("service", service(said), false),
        matcher(SOURCE.0, SOURCE.1, false),
    ];
    // Others may send alerts about services of the same names there. What a rule says itself, or an older configuration
    // said, is not what tells ours from theirs.
    let shared = |(name, value): &(&String, &String)| {
        let says = |alert: &Arc<Alert>| alert.labels.get(*name) == Some(*value);
        covered.iter().all(says)
    };
    let shared = labels.iter().filter(shared);
    matchers.extend(shared.map(|(name, value)| matcher(name, value, false)));
    Posted {
        id: None,
        matchers,
        starts_at: rfc3339(said.start),
        ends_at: rfc3339(said.end),
        created_by: if said.by.is_empty() {
            "ward".into()
        } else {
            said.by.clone()
        },
        comment: format!("{} {mark}", said.why).trim_start().to_owned(),
    }
}

fn matcher(name: &str, value: &str, is_regex: bool) -> Matcher {
    Matcher {
        name: name.to_owned(),
        value: value.to_owned(),
        is_regex,
        is_equal: true,
    }
}

/// What has to be done to make of what is listed what is wanted. Ends come first, so that what they withheld is heard.
/// Nothing is ended by who has no name of his own.
pub(super) fn plan(wanted: &BTreeMap<String, Posted>, listed: &[Listed], settings: &Settings) -> Vec<Step> {
    let ours = &mark(settings);
    let mut ends = Vec::new();
    let mut missing = wanted.clone();
    let mut posts = Vec::new();
    let in_force = listed.iter().filter(|silence| silence.status.state != "expired");
    let mut in_force: Vec<&Listed> = in_force.collect();
    // Of twins all keep the same one: Alertmanagers that tell each other list what each was sent, in any order, and whoever
    // tells one of them looks for itself.
    in_force.sort_by_key(|silence| (moment(&silence.starts_at), &silence.id));
    for silence in in_force {
        let Some(mark) = marked(&silence.comment, ours) else {
            continue;
        };
        match missing.remove(mark) {
            Some(posted) if is_same(&posted, silence) => {}
            Some(posted) => posts.push(Step::Post(Posted {
                id: Some(silence.id.clone()),
                // With another start it would be another silence.
                starts_at: silence.starts_at.clone(),
                ..posted
            })),
            // Nobody acknowledges it any more, or it is there twice.
            None => ends.push(Step::Expire(silence.id.clone())),
        }
    }
    if settings.id.is_empty() {
        ends.clear();
    }
    ends.extend(posts);
    ends.extend(missing.into_values().map(Step::Post));
    ends
}

/// The mark at the end of a comment, if it is one of ours.
fn marked<'a>(comment: &'a str, ours: &str) -> Option<&'a str> {
    let mark = &comment[comment.rfind(ours)?..];
    (mark.len() == ours.len() + 17 && mark.ends_with(']')).then_some(mark)
}

/// Milliseconds; what cannot be read is before all others.
fn moment(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

fn is_same(posted: &Posted, listed: &Listed) -> bool {
    let near = match (moment(&posted.ends_at), moment(&listed.ends_at)) {
        (Some(wanted), Some(there)) => wanted.abs_diff(there) <= SAME.unsigned_abs(),
        _ => false,
    };
    let sorted = |matchers: &[Matcher]| {
        let mut matchers = matchers.to_vec();
        matchers.sort_by(|a, b| a.name.cmp(&b.name));
        matchers
    };
    near && sorted(&posted.matchers) == sorted(&listed.matchers) && posted.comment == listed.comment
}

#[cfg(test)]
mod tests {
    use ward_model::{Name, Severity};

    use super::*;
    use crate::{Auth, Kind, Receiver};

    fn settings(id: &str) -> Settings {
        Settings {
            receiver: Arc::new(Receiver {
                name: "am".into(),
                kind: Kind::Alertmanager,
                url: String::new(),
                auth: Auth::None,
                ca: None,
                identity: None,
                timeout: std::time::Duration::ZERO,
                least: Severity::None,
            }),
            labels: Arc::default(),
            external_url: None,
            id: id.into(),
        }
    }

    fn said(service: Option<&str>) -> Acknowledgement {
        Acknowledgement {
            service: service.map(|name| Name::new(name).unwrap()),
            rules: vec![RuleName::new("Ill").unwrap()],
            by: String::new(),
            why: "because [of] \u{e9}".into(),
            start: Wall(1_700_000_000_000),
            end: Wall(1_700_000_600_000),
        }
    }

    fn all(said: &[Acknowledgement], settings: &Settings) -> BTreeMap<String, Posted> {
        wanted(said, settings, Wall(1_700_000_100_000), |_| Vec::new())
    }

    fn listed(id: &str, silence: &Posted, state: &str) -> Listed {
        Listed {
            id: id.into(),
            status: Status { state: state.into() },
            matchers: silence.matchers.iter().rev().cloned().collect(),
            starts_at: "2023-11-14T22:13:20.000Z".into(),
            ends_at: silence.ends_at.clone(),
            comment: silence.comment.clone(),
        }
    }

    #[test]
    fn the_system_is_whoever_has_no_service() {
        let wanted = all(&[said(None)], &settings("u"));
        let silence = wanted.values().next().unwrap();
        assert_eq!(silence.matchers[1], matcher("service", "", false));
        assert_eq!(silence.created_by, "ward");
    }

    #[test]
    fn only_what_differs_is_touched_and_ends_come_first() {
        let (ours, theirs) = (settings("a"), settings("b"));
        let wanted = all(&[said(Some("bank")), said(Some("shop"))], &ours);
        let kept: Vec<&Posted> = wanted.values().collect();
        let foreign = all(&[said(Some("bank"))], &theirs);
        let mut longer = listed("longer", kept[1], "active");
        longer.ends_at = "2024-01-01T00:00:00Z".into();
        let mut by_hand = listed("by hand", kept[0], "active");
        by_hand.comment = "by hand".into();
        let there = [
            longer,
            listed("same", kept[0], "active"),
            listed("twin", kept[0], "pending"),
            listed("over", kept[0], "expired"),
            listed("theirs", foreign.values().next().unwrap(), "active"),
            by_hand,
        ];
        let steps = plan(&wanted, &there, &ours);
        let [Step::Expire(twin), Step::Post(again)] = &steps[..] else {
            panic!("{steps:?}");
        };
        assert_eq!((twin.as_str(), again.id.as_deref()), ("twin", Some("longer")));
        assert_eq!(again.ends_at, kept[1].ends_at);
        let steps = plan(&BTreeMap::new(), &there, &ours);
        let ends: Vec<&Step> = steps.iter().collect();
        assert_eq!(ends.len(), 3, "{ends:?}");
        assert!(
            plan(&wanted, &[], &ours)
                .iter()
                .all(|step| matches!(step, Step::Post(_)))
        );
    }

    #[test]
    fn all_who_look_keep_the_same_of_twins_in_whatever_order_they_are_listed() {
        let ours = settings("a");
        let wanted = all(&[said(Some("bank"))], &ours);
        let silence = wanted.values().next().unwrap();
        let at = |id: &str, starts_at: &str| Listed {
            starts_at: starts_at.into(),
            ..listed(id, silence, "active")
        };
        // By when they begin as moments, and by their ids where that is the same.
        let first = at("m", "2023-11-14T23:13:20.000+01:00");
        let there = [
            first,
            at("z", "2023-11-14T22:13:20Z"),
            at("a", "2023-11-14T22:13:20.001Z"),
        ];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let listed = order.map(|index: usize| there[index].clone());
            let ends = ["z", "a"].map(|id| Step::Expire(id.into()));
            assert_eq!(plan(&wanted, &listed, &ours), ends, "{order:?}");
        }
    }

    #[test]
    fn other_labels_make_no_other_silence_and_the_nameless_end_none() {
        let before = settings("a");
        let mut after = settings("a");
        after.labels = Arc::new([("cluster".to_owned(), "eu-1".to_owned())].into());
        after.external_url = Some("http://elsewhere".into());
        let was = all(&[said(Some("bank"))], &before);
        let there = [listed("was", was.values().next().unwrap(), "active")];
        let steps = plan(&all(&[said(Some("bank"))], &after), &there, &after);
        let [Step::Post(same)] = &steps[..] else {
            panic!("{steps:?}");
        };
        assert_eq!(same.id.as_deref(), Some("was"));
        assert_eq!(
            plan(&BTreeMap::new(), &there, &after),
            [Step::Expire("was".into())]
        );
        let nameless = settings("");
        let mine = all(&[said(Some("bank"))], &nameless);
        let there = [listed("mine", mine.values().next().unwrap(), "active")];
        assert_eq!(plan(&BTreeMap::new(), &there, &nameless), []);
    }

    #[test]
    fn one_begins_at_once_also_by_a_clock_that_was_set_back() {
        let before = Wall(1_600_000_000_000);
        let wanted = wanted(&[said(None)], &settings("a"), before, |_| Vec::new());
        assert_eq!(wanted.values().next().unwrap().starts_at, rfc3339(before));
    }

    #[test]
    fn one_that_is_over_is_wanted_no_more() {
        let wanted = wanted(&[said(None)], &settings("u"), Wall(1_700_000_600_000), |_| {
            Vec::new()
        });
        assert!(wanted.is_empty());
    }
}
