//! What each service of docker-compose.yml keeps to, whatever it is for.
//!
//! Read from what compose makes of the file, so that it does not matter by which anchor a service has it.

use anyhow::{Context, ensure};
use serde_json::Value;

use super::stack::Stack;

/// Ends after its work.
const ONE_SHOT: &str = "setup";
/// Has nothing in its image that could check its health.
const UNCHECKED: &[&str] = &[ONE_SHOT, "otel-collector"];

/// Looks at all of them.
pub(super) fn hold(stack: &Stack) -> anyhow::Result<()> {
    let config: Value = serde_json::from_str(&stack.says(&["config", "--format", "json"])?)?;
    let troubles = troubles(&config)?;
    ensure!(troubles.is_empty(), "{}", troubles.join("; "));
    Ok(())
}

/// Services without one of the guards.
fn troubles(config: &Value) -> anyhow::Result<Vec<String>> {
    let services = config["services"].as_object().context("there are no services")?;
    let mut troubles = Vec::new();
    for (name, service) in services.iter().filter(|(name, _)| *name != "slack") {
        let missing = guards(name, service).into_iter().filter(|(_, is_kept)| !is_kept);
        troubles.extend(missing.map(|(guard, _)| format!("{name}: {guard}")));
    }
    let is_internal = config["networks"]["inner"]["internal"] == true;
    troubles.extend((!is_internal).then(|| "the network inner is not internal".to_owned()));
    Ok(troubles)
}

fn guards(name: &str, service: &Value) -> Vec<(&'static str, bool)> {
    let has = |key: &str, item: &str| {
        service[key]
            .as_array()
            .is_some_and(|all| all.iter().any(|one| one == item))
    };
    let user = service["user"].as_str().unwrap_or_default();
    let image = service["image"].as_str().unwrap_or_default();
    let tag = image.rsplit_once(':').map(|(_, tag)| tag);
    let restart = if name == ONE_SHOT { "no" } else { "unless-stopped" };
    let ports = service["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    let on = service["networks"].as_object();
    let is_known = match on {
        Some(on) => on.keys().all(|network| network == "public" || network == "inner"),
        None => service["network_mode"] == "none",
    };
    vec![
        ("its root can be written to", service["read_only"] == true),
        (
            "it has capabilities",
            has("cap_drop", "ALL") && service["cap_add"].is_null(),
        ),
        (
            "it may gain privileges",
            has("security_opt", "no-new-privileges:true") && service["privileged"].is_null(),
        ),
        (
            "it runs as root",
            !user.is_empty() && !user.starts_with("root") && !user.starts_with("0"),
        ),
        (
            "it builds what is built already",
            name == ONE_SHOT || service["build"].is_null(),
        ),
        ("its tag is not pinned", tag.is_some_and(|tag| tag != "latest")),
        ("it has no bound on memory", !service["mem_limit"].is_null()),
        ("it has no bound on processors", !service["cpus"].is_null()),
        ("it has no bound on processes", !service["pids_limit"].is_null()),
        (
            "it is not started again as it should be",
            service["restart"] == restart,
        ),
        (
            "nobody checks its health",
            UNCHECKED.contains(&name) || !service["healthcheck"]["test"].is_null(),
        ),
        (
            "it has a port beyond loopback",
            ports.iter().all(|port| port["host_ip"] == "127.0.0.1"),
        ),
        ("it is on another network", is_known),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_guard_that_is_missing_is_named() {
        let guarded = json!({
            "image": "redis:8.0", "user": "redis", "read_only": true, "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"], "mem_limit": "1", "cpus": 1, "pids_limit": 9,
            "restart": "unless-stopped", "healthcheck": {"test": ["CMD", "true"]}, "networks": {"inner": null},
            "ports": [{"host_ip": "127.0.0.1"}],
        });
        let of = |key: &str, value: Value| {
            let mut service = guarded.clone();
            service[key] = value;
            troubles(&json!({"services": {"a": service}, "networks": {"inner": {"internal": true}}})).unwrap()
        };
        assert_eq!(of("read_only", json!(true)), [""; 0]);
        for (key, value) in [
            ("read_only", json!(false)),
            ("cap_drop", json!(null)),
            ("cap_add", json!(["CHOWN"])),
            ("privileged", json!(true)),
            ("security_opt", json!([])),
            ("user", json!(null)),
            ("user", json!("0:0")),
            ("user", json!("root")),
            ("build", json!({"context": "."})),
            ("image", json!("redis")),
            ("image", json!("redis:latest")),
            ("mem_limit", json!(null)),
            ("cpus", json!(null)),
            ("pids_limit", json!(null)),
            ("restart", json!("always")),
            ("healthcheck", json!(null)),
            ("ports", json!([{"host_ip": "0.0.0.0"}])),
            ("ports", json!([{"published": "1"}])),
            ("networks", json!({"default": null})),
        ] {
            assert_eq!(of(key, value.clone()).len(), 1, "{key}: {value}");
        }
        let open = json!({"services": {}, "networks": {"inner": {}}});
        assert_eq!(troubles(&open).unwrap().len(), 1);
    }
}
