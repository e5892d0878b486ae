use std::path::Path;

use super::*;
use crate::config::Config;

fn policy(text: &str) -> Policy {
    let config = Config::parse(Path::new("x.toml"), text).unwrap();
    config.policy.policy(&["10.0.0.9/32".parse().unwrap()]).unwrap()
}

fn error(text: &str) -> String {
    Config::parse(Path::new("x.toml"), text).unwrap_err().0
}

#[test]
fn nothing_said_is_the_default_policy() {
    let mut default = Policy::default();
    default.protected.add("10.0.0.9/32".parse().unwrap(), "a remediation peer");
    assert_eq!(policy(""), default);
    assert!(policy("[policy]\nrule = []\n").rules.is_empty());
}

#[test]
fn infrastructure_is_what_is_said() {
    let all = policy("");
    assert_eq!((all.infrastructure.spare.len(), all.infrastructure.min_clients), (alert::Role::ALL.len(), 3));
    let policy = policy(
        "[policy]\nproven_reserve = 20\n[policy.infrastructure]\nspare = [\"dns\", \"domain_controller\"]\n\
         min_clients = 5\nnot = [\"10.0.0.53\"]\n[[policy.rule]]\nname = \"a\"\nthen = \"isolate\"\n\
         infrastructure = true\nwhen = { role = [\"nat\"] }\n",
    );
    let infrastructure = &policy.infrastructure;
    assert_eq!(infrastructure.spare, [alert::Role::Dns, alert::Role::DomainController]);
    assert_eq!((infrastructure.min_clients, infrastructure.exceptions().count()), (5, 1));
    assert_eq!((&policy.rules[0].when.role, policy.rules[0].infrastructure), (&vec![alert::Role::Nat], true));
    assert_eq!(policy.limits.reserve, 20);
    for (text, key) in [
        ("[policy.infrastructure]\nmin_clients = 1\n", "policy.infrastructure.min_clients: must be 2 to 64"),
        ("[policy.infrastructure]\nnot = [\"x\"]\n", "policy.infrastructure.not: "),
        ("[policy]\nproven_reserve = 101\n", "policy.proven_reserve: must be 0 to 100"),
        ("[[policy.rule]]\nname = \"a\"\nthen = \"isolate\"\nwhen = { role = [] }\n", "when.role"),
    ] {
        assert!(error(text).contains(key), "{}", error(text));
    }
}

#[test]
fn all_that_can_be_said_is_understood() {
    let policy = policy(
        r#"[policy]
mode = "observe"
lifetime = "2h"
protected = ["10.0.0.1", "10.1.0.0/16", "02:00:00:00:00:01"]
max_per_minute = 7
max_isolated = 8
watch = "12h"
relapse = ["3h", "6h"]
[[policy.group]]
name = "servers"
nets = ["10.2.0.0/16", "2001:db8::1"]
[[policy.rule]]
name = "servers"
when = { group = ["servers"], stage = ["actions on objectives"], sid = [7] }
then = "observe"
scope = "peers"
lifetime = "10m"
[[policy.rule]]
name = "again"
then = "isolate"
scope = "outbound"
[policy.rule.when]
source = ["rule", "detector"]
seen = ["rule_drop"]
min_severity = 2
max_severity = 1
min_confidence = 80
technique = ["T1071*"]
tactic = ["TA0011", "command_and_control"]
repeat = { count = 3, within = "10m" }
"#,
    );
    assert_eq!((policy.mode, policy.lifetime.as_secs()), (verdict::Mode::Observe, 7200));
    assert_eq!(policy.limits, Limits { per_minute: 7, at_once: 8, reserve: 50 });
    assert_eq!((policy.watch.as_secs(), policy.relapse.len()), (43_200, 2));
    let spared = |target: &str| policy.protected.why(&target.parse().unwrap()).is_some();
    assert!(["10.0.0.1", "10.1.2.3", "02:00:00:00:00:01", "10.0.0.9"].into_iter().all(spared));
    let [servers, again] = &policy.rules[..] else { panic!("{:?}", policy.rules) };
    assert_eq!((servers.then, servers.reach), (verdict::Then::Observe, verdict::Reach::Peers));
    assert_eq!(servers.lifetime, Some(Duration::from_secs(600)));
    assert!(servers.when.group[0].has("10.2.9.9".parse().unwrap()));
    assert_eq!(
        (&servers.when.stage[..], &servers.when.sid[..]),
        (&[Stage::ActionsOnObjectives][..], &[7][..])
    );
    let when = &again.when;
    assert_eq!((again.reach, again.lifetime), (verdict::Reach::Outbound, None));
    assert_eq!(when.source, [verdict::Source::Rule, verdict::Source::Detector]);
    assert_eq!((&when.seen[..], when.min_confidence), (&[Observation::RuleDrop][..], Some(80)));
    assert_eq!((when.min_severity, when.max_severity), (Some(Severity::Medium), Some(Severity::High)));
    assert_eq!(
        (when.technique[0].to_string().as_str(), when.tactic[1]),
        ("T1071*", Tactic::CommandAndControl)
    );
    assert_eq!(when.repeat, Some(Repeat { count: 3, within: Duration::from_secs(600) }));
}

#[test]
fn errors_name_the_line_in_the_rule_that_is_wrong() {
    let rule =
        |more: &str| format!("[[policy.rule]]\nname = \"a\"\nthen = \"alert\"\n\n[[policy.rule]]\n{more}");
    for (more, told) in [
        (
            "name = \"a\"\nthen = \"alert\"",
            "x.toml:6: policy.rule.name: \"a\": each rule needs a name of its own",
        ),
        (
            "name = \"b\"\nthen = \"alert\"\nwhen = { sid = [1], technique = [\"C2\"] }",
            "x.toml:8: policy.rule.when.technique: \"C2\" is no technique like",
        ),
        (
            "name = \"b\"\nthen = \"alert\"\n[policy.rule.when]\nstage = [\"C2\"]",
            "x.toml:9: policy.rule.when.stage: \"C2\" is no stage; there are Reconnaissance,",
        ),
        (
            "name = \"b\"\nthen = \"alert\"\nwhen.tactic = [\"C2\"]",
            "x.toml:8: policy.rule.when.tactic: \"C2\" is no tactic; there are",
        ),
        (
            "name = \"b\"\nthen = \"alert\"\nwhen = { group = [\"servers\"] }",
            "x.toml:8: policy.rule.when.group: there is no [[policy.group]] \"servers\"",
        ),
        (
            "name = \"b\"\nthen = \"alert\"\nwhen = { sid = [] }",
            "x.toml:8: policy.rule.when.sid: an empty list applies to nothing",
        ),
        (
            "name = \"b\"\nthen = \"alert\"\nwhen = { min_severity = 5 }",
            "x.toml:8: policy.rule.when.min_severity: must be 1 (high) to 4",
        ),
        (
            "name = \"b\"\nthen = \"alert\"\nwhen = { min_confidence = 101 }",
            "x.toml:8: policy.rule.when.min_confidence: must be 0 to 100",
        ),
        (
            "name = \"b\"\nthen = \"alert\"\nwhen = { repeat = { count = 1, within = \"1m\" } }",
            "x.toml:8: policy.rule.when.repeat.count: must be 2 to 100",
        ),
        (
            "name = \"b\"\nthen = \"alert\"\nwhen = { repeat = { count = 2, within = \"soon\" } }",
            "x.toml:8: policy.rule.when.repeat.within: invalid duration \"soon\"",
        ),
        (
            "name = \"b\"\nthen = \"alert\"\nlifetime = \"x\"",
            "x.toml:8: policy.rule.lifetime: invalid duration \"x\"",
        ),
        ("name = \"b\"\nthen = \"kill\"", "x.toml:7: unknown variant `kill`"),
        (
            "name = \"b\"\nthen = \"alert\"\nwhen = { seen = [\"smoke\"] }",
            "x.toml:8: unknown variant `smoke`",
        ),
        ("name = \"b\"", "x.toml:5: missing field `then`"),
    ] {
        let err = error(&rule(more));
        assert!(err.starts_with(told), "{err}");
    }
    for (text, told) in [
        ("[policy]\nisolate_on = [\"dns\"]", "x.toml:2: unknown field `isolate_on`"),
        ("[policy]\nprotected = [\"10.0.0.1\", \"me\"]", "x.toml:2: policy.protected: \"me\" is neither"),
        ("[policy]\nmax_per_minute = 0", "x.toml:2: policy.max_per_minute: must be 1 to"),
        ("[policy]\n\nmax_isolated = 2000000", "x.toml:3: policy.max_isolated: must be 1 to"),
        ("[policy]\nwatch = \"x\"", "x.toml:2: policy.watch: invalid duration \"x\""),
        ("[policy]\nrelapse = [\"4h\", \"1h\"]", "x.toml:2: policy.relapse: must be in ascending order"),
        ("[policy]\nrelapse = [\"4\", \"x\"]", "x.toml:2: policy.relapse: invalid duration \"x\""),
        ("[[policy.group]]\nname = \"a\"\nnets = [\"10\"]", "x.toml:3: policy.group.nets: \"10\" is neither"),
        (
            "[[policy.group]]\nname = \"a\"\nnets = []\n[[policy.group]]\nnets = []\nname = \"a\"",
            "x.toml:6: policy.group.name: \"a\": each group needs a name of its own",
        ),
    ] {
        let err = error(text);
        assert!(err.starts_with(told), "{err}");
    }
}
