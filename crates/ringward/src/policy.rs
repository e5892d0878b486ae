//! `ringward policy check`: the policy as it is in force.

mod reach;

use std::time::Duration;

use serde_json::{Value, json};
use verdict::{Policy, Rule, When};

use crate::config::Config;
use crate::{Failure, PolicyCheckArgs, console, setup, surroundings};

/// Checks a configuration and prints its policy, with the addresses that are protected on this machine.
pub fn check(args: &PolicyCheckArgs) -> Result<(), Failure> {
    let config = Config::load(&args.config)?;
    let mut policy = setup::policy(&config)?;
    let reach = reach::Loaded::read(&config)?;
    let warnings = reach::warnings(&policy, &reach);
    surroundings::protect(&mut policy.protected).iter().for_each(|line| errln!("{line}"));
    if args.json {
        let mut told = as_json(&policy);
        told["warnings"] = warnings.into();
        console::json(&told)?;
    } else {
        as_text(&policy).lines().for_each(|line| outln!("{line}"));
        warnings.iter().for_each(|line| outln!("warning: {line}"));
    }
    Ok(())
}

fn as_text(policy: &Policy) -> String {
    let mut lines = vec![
        format!("mode {}, lifetime {}", mode(policy), spoken(policy.lifetime)),
        format!(
            "brake: at most {} isolations a minute, {} hosts at once; {}% of both for proven victims alone",
            policy.limits.per_minute, policy.limits.at_once, policy.limits.reserve
        ),
        infrastructure(policy),
        match policy.relapse.as_slice() {
            [] => format!("watched for {}; a relapse isolates as long as before", spoken(policy.watch)),
            steps => {
                let steps: Vec<String> = steps.iter().map(|&step| spoken(step)).collect();
                format!(
                    "watched for {}; a relapse isolates longer: {}",
                    spoken(policy.watch),
                    steps.join(", ")
                )
            }
        },
        "rules, the first that applies decides:".into(),
    ];
    for (number, rule) in policy.rules.iter().enumerate() {
        let when: Vec<String> =
            conditions(&rule.when).into_iter().map(|(key, value)| told(key, &value)).collect();
        let when = if when.is_empty() { "any alert".to_owned() } else { when.join("; ") };
        let then = match rule.then {
            verdict::Then::Alert => "alert".to_owned(),
            then => format!("{} {} for {}", then.name(), rule.reach.name(), spoken(lifetime(policy, rule))),
        };
        let then = if rule.infrastructure { format!("{then}, infrastructure too") } else { then };
        lines.push(format!("  {} {}: {when} -> {then}", number + 1, rule.name));
    }
    lines.push("  otherwise -> alert".into());
    lines.push("never isolated, nor any network that has one of them in it:".into());
    lines.extend(policy.protected.iter().map(|(who, why)| format!("  {who:<40} {why}")));
    lines.push("  multicast, broadcast, loopback and unspecified addresses\n".into());
    lines.join("\n")
}

fn mode(policy: &Policy) -> &'static str {
    match policy.mode {
        verdict::Mode::Observe => "observe (alerts isolate nobody; mode = \"enforce\" does)",
        verdict::Mode::Enforce => "enforce",
    }
}

fn infrastructure(policy: &Policy) -> String {
    let infrastructure = &policy.infrastructure;
    if infrastructure.spare.is_empty() {
        return "infrastructure: nobody is spared because of what it does for others".into();
    }
    let roles: Vec<&str> = infrastructure.spare.iter().map(|role| role.name()).collect();
    let not: Vec<String> = infrastructure.exceptions().map(|net| net.to_string()).collect();
    let but = if not.is_empty() { String::new() } else { format!(", but not {}", not.join(", ")) };
    format!(
        "infrastructure: spared from {} clients on as {}{but}",
        infrastructure.min_clients,
        roles.join(", ")
    )
}

fn told(key: &str, value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{key} {}", values.iter().map(plain).collect::<Vec<_>>().join(" or "))
        }
        Value::Object(of) => {
            format!("{key} {} within {}", of["count"], of["within"].as_str().unwrap_or_default())
        }
        other => format!("{key} {other}"),
    }
}

fn as_json(policy: &Policy) -> Value {
    let rule = |rule: &Rule| {
        json!({
            "name": &*rule.name,
            "when": conditions(&rule.when).into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<serde_json::Map<_, _>>(),
            "then": rule.then.name(),
            "scope": rule.reach.name(),
            "lifetime_s": lifetime(policy, rule).as_secs(),
            "infrastructure": rule.infrastructure,
        })
    };
    let protected = policy.protected.iter().map(|(who, why)| json!({"who": who, "why": why}));
    json!({
        "mode": policy.mode.name(),
        "lifetime_s": policy.lifetime.as_secs(),
        "watch_s": policy.watch.as_secs(),
        "relapse_s": policy.relapse.iter().map(Duration::as_secs).collect::<Vec<_>>(),
        "max_per_minute": policy.limits.per_minute,
        "max_isolated": policy.limits.at_once,
        "proven_reserve": policy.limits.reserve,
        "infrastructure": {
            "spare": policy.infrastructure.spare.iter().map(|role| role.name()).collect::<Vec<_>>(),
            "min_clients": policy.infrastructure.min_clients,
            "not": policy.infrastructure.exceptions().map(|net| net.to_string()).collect::<Vec<_>>(),
        },
        "rules": policy.rules.iter().map(rule).collect::<Vec<_>>(),
        "protected": protected.collect::<Vec<_>>(),
    })
}

fn lifetime(policy: &Policy, rule: &Rule) -> Duration {
    rule.lifetime.unwrap_or(policy.lifetime)
}

/// What is said, by the keys of the configuration.
fn conditions(when: &When) -> Vec<(&'static str, Value)> {
    let mut said = Vec::new();
    let mut list = |key, values: Vec<Value>| {
        if !values.is_empty() {
            said.push((key, Value::from(values)));
        }
    };
    list("source", when.source.iter().map(|of| of.name().into()).collect());
    list("seen", when.seen.iter().map(|of| of.name().into()).collect());
    list("technique", when.technique.iter().map(|of| of.to_string().into()).collect());
    list("tactic", when.tactic.iter().map(|of| of.name().into()).collect());
    list("stage", when.stage.iter().map(|of| of.name().into()).collect());
    list("group", when.group.iter().map(|of| of.name.to_string().into()).collect());
    list("role", when.role.iter().map(|of| of.name().into()).collect());
    list("sid", when.sid.iter().map(|&sid| sid.into()).collect());
    let numbers = [
        ("min_severity", when.min_severity.map(|severity| severity as u8)),
        ("max_severity", when.max_severity.map(|severity| severity as u8)),
        ("min_confidence", when.min_confidence),
        ("min_victim_confidence", when.min_victim_confidence),
    ];
    said.extend(numbers.into_iter().filter_map(|(key, number)| Some((key, number?.into()))));
    said.extend(when.repeat.map(|of| ("repeat", json!({"count": of.count, "within": spoken(of.within)}))));
    said
}

/// As the configuration has it.
fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "m")];
    let unit = units.into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{seconds}s"), |(unit, name)| format!("{}{name}", seconds / unit))
}
