//! Alerts and acknowledgements: from the model for servers, to the model for clients; and what requests about them say.
//!
//! A client is lenient with what a newer server says. A state that it has no word for is read as firing: what is not
//! understood is shown, not hidden. Rules are not converted here: how one is written is known by `ward-alerts`, which
//! reads no wire and would bring its expressions to everybody who reports.

use std::collections::BTreeMap;

use ward_model::{Acknowledgement, Alert, AlertKey, AlertState, Name, RuleName, Severity, Suppression, Wall};

use crate::{
    Invalid,
    declaration::{optional_name, text_of},
    state::{names, texts, wall},
    status::{lenient, strict},
    text, v1,
};

/// What a service is called where the system may stand in its place.
const SYSTEM: &str = "system";

/// The name in a request about a service or, as `system`, about the system (`None`).
///
/// # Errors
///
/// It is neither.
pub fn service_or_system(field: &str, text: &str) -> Result<Option<Name>, Invalid> {
    match text {
        SYSTEM => Ok(None),
        text => Name::service(text).map(Some).map_err(Invalid::name(field)),
    }
}

/// The `least_severity` of a request about alerts: everything when unspecified.
///
/// # Errors
///
/// The number is no value of `Severity`.
pub fn least_urgent(number: i32) -> Result<Severity, Invalid> {
    strict::<v1::Severity, _>("least_severity", number).map(|severity| severity.unwrap_or(Severity::None))
}

/// The `states` of a request about alerts: firing when there are none.
///
/// # Errors
///
/// One of them is no value of `AlertState`.
pub fn alert_states(numbers: &[i32]) -> Result<Vec<AlertState>, Invalid> {
    if numbers.is_empty() {
        return Ok(vec![AlertState::Firing]);
    }
    let state = |(index, &number)| {
        let field = format!("states[{index}]");
        strict::<v1::AlertState, _>(&field, number)?.ok_or_else(|| Invalid::missing(&field))
    };
    numbers.iter().enumerate().map(state).collect()
}

/// The names of rules in the list called `field`.
///
/// # Errors
///
/// One of them is none.
pub fn rule_names(field: &str, texts: &[String]) -> Result<Vec<RuleName>, Invalid> {
    let name = |(index, text): (usize, &String)| rule_name(&format!("{field}[{index}]"), text);
    texts.iter().enumerate().map(name).collect()
}

fn rule_name(field: &str, text: &str) -> Result<RuleName, Invalid> {
    RuleName::new(text).map_err(|invalid| Invalid::new(field, invalid.to_string()))
}

fn rule_texts(names: &[RuleName]) -> Vec<String> {
    names.iter().map(|name| name.as_str().to_owned()).collect()
}

/// Labels or annotations, which are shown.
fn cleaned(texts: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let clean = |(name, value)| (text::clean(name), text::clean(value));
    texts.into_iter().map(clean).collect()
}

impl From<&AlertKey> for v1::AlertKey {
    fn from(key: &AlertKey) -> Self {
        Self {
            service: text_of(key.service.as_ref()),
            rule: key.rule.as_str().to_owned(),
        }
    }
}

impl TryFrom<v1::AlertKey> for AlertKey {
    type Error = Invalid;

    fn try_from(wire: v1::AlertKey) -> Result<Self, Invalid> {
        Ok(Self {
            service: optional_name("service", &wire.service)?,
            rule: rule_name("rule", &wire.rule)?,
        })
    }
}

impl From<&Suppression> for v1::Suppression {
    fn from(suppression: &Suppression) -> Self {
        use v1::suppression::Because;
        Self {
            because: Some(match suppression {
                Suppression::Cause(key) => Because::Cause(key.into()),
                Suppression::Maintenance(services) => Because::Maintenance(v1::MaintenanceSuppression {
                    services: texts(services),
                }),
            }),
        }
    }
}

/// A reason that this side does not know is none: that it is withheld says the state.
impl TryFrom<v1::Suppression> for Option<Suppression> {
    type Error = Invalid;

    fn try_from(wire: v1::Suppression) -> Result<Self, Invalid> {
        use v1::suppression::Because;
        Ok(match wire.because {
            None => None,
            Some(Because::Cause(key)) => {
                let key = AlertKey::try_from(key).map_err(|invalid| invalid.within("cause"))?;
                Some(Suppression::Cause(key))
            }
            Some(Because::Maintenance(maintenance)) => {
                let services = names("maintenance.services", &maintenance.services)?;
                Some(Suppression::Maintenance(services))
            }
        })
    }
}

impl From<&Acknowledgement> for v1::Acknowledgement {
    fn from(acknowledgement: &Acknowledgement) -> Self {
        Self {
            service: text_of(acknowledgement.service.as_ref()),
            rules: rule_texts(&acknowledgement.rules),
            by: acknowledgement.by.clone(),
            why: acknowledgement.why.clone(),
            start_unix_ms: acknowledgement.start.0,
            end_unix_ms: acknowledgement.end.0,
        }
    }
}

impl TryFrom<v1::Acknowledgement> for Acknowledgement {
    type Error = Invalid;

    fn try_from(wire: v1::Acknowledgement) -> Result<Self, Invalid> {
        Ok(Self {
            service: optional_name("service", &wire.service)?,
            rules: rule_names("rules", &wire.rules)?,
            by: text::clean(wire.by),
            why: text::clean(wire.why),
            start: Wall(wire.start_unix_ms),
            end: Wall(wire.end_unix_ms),
        })
    }
}

impl From<&Alert> for v1::Alert {
    fn from(alert: &Alert) -> Self {
        let unix_ms = |wall: Option<Wall>| wall.map_or(0, |wall| wall.0);
        Self {
            key: Some((&alert.key).into()),
            severity: v1::Severity::from(alert.severity).into(),
            state: v1::AlertState::from(alert.state).into(),
            labels: alert.labels.clone().into_iter().collect(),
            annotations: alert.annotations.clone().into_iter().collect(),
            since_unix_ms: alert.since.0,
            fired_unix_ms: unix_ms(alert.fired),
            resolved_unix_ms: unix_ms(alert.resolved),
            suppression: alert.suppression.as_ref().map(Into::into),
            acknowledged: alert.acknowledged.as_ref().map(Into::into),
            causes: texts(&alert.causes),
            unknown_since_unix_ms: unix_ms(alert.unknown_since),
        }
    }
}

impl TryFrom<v1::Alert> for Alert {
    type Error = Invalid;

    fn try_from(wire: v1::Alert) -> Result<Self, Invalid> {
        let key = wire.key.ok_or_else(|| Invalid::missing("key"))?;
        let suppression = wire.suppression.map(Option::<Suppression>::try_from).transpose();
        let acknowledged = wire.acknowledged.map(Acknowledgement::try_from).transpose();
        Ok(Self {
            key: key.try_into().map_err(|invalid: Invalid| invalid.within("key"))?,
            severity: lenient::<v1::Severity, Severity>(wire.severity).unwrap_or_default(),
            state: lenient::<v1::AlertState, _>(wire.state).unwrap_or(AlertState::Firing),
            labels: cleaned(wire.labels),
            annotations: cleaned(wire.annotations),
            since: Wall(wire.since_unix_ms),
            fired: wall(wire.fired_unix_ms),
            resolved: wall(wire.resolved_unix_ms),
            suppression: suppression
                .map_err(|invalid| invalid.within("suppression"))?
                .flatten(),
            acknowledged: acknowledged.map_err(|invalid| invalid.within("acknowledged"))?,
            causes: names("causes", &wire.causes)?,
            traceparent: None,
            unknown_since: wall(wire.unknown_since_unix_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_is_asked_for_by_its_name_and_never_by_none() {
        assert_eq!(service_or_system("name", "system"), Ok(None));
        assert_eq!(
            service_or_system("name", "bank"),
            Ok(Some(Name::new("bank").unwrap()))
        );
        for wrong in ["", "liveness", "Bank"] {
            assert_eq!(service_or_system("name", wrong).unwrap_err().field, "name");
        }
    }

    #[test]
    fn requests_that_say_nothing_are_about_what_fires() {
        assert_eq!(alert_states(&[]), Ok(vec![AlertState::Firing]));
        assert_eq!(
            alert_states(&[1, 4]),
            Ok(vec![AlertState::Pending, AlertState::Resolved])
        );
        assert_eq!(alert_states(&[3, 0]).unwrap_err().field, "states[1]");
        assert!(alert_states(&[99]).is_err());
        assert_eq!(least_urgent(0), Ok(Severity::None));
        assert!(least_urgent(99).is_err());
        assert_eq!(
            rule_names("rules", &["A".into(), "b-c".into()])
                .unwrap_err()
                .field,
            "rules[1]"
        );
    }

    #[test]
    fn what_a_newer_server_says_of_an_alert_is_shown_and_not_hidden() {
        let wire = v1::Alert {
            key: Some(v1::AlertKey {
                service: "bank".into(),
                rule: "ServiceUnhealthy".into(),
            }),
            severity: 99,
            state: 99,
            annotations: [("summary".to_owned(), "\u{1b}[2Jgone".to_owned())].into(),
            suppression: Some(v1::Suppression { because: None }),
            ..v1::Alert::default()
        };
        let alert = Alert::try_from(wire).unwrap();
        assert_eq!(
            (alert.state, alert.severity),
            (AlertState::Firing, Severity::Warning)
        );
        assert_eq!(alert.suppression, None);
        assert_eq!(alert.annotations["summary"], " [2Jgone");
        assert!(Alert::try_from(v1::Alert::default()).is_err(), "without a key");
    }
}
