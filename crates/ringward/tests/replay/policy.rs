//! What the policy makes of alerts, over a capture.

use serde_json::{Value, json};

use crate::support::{Capture, Desk, at, dns_exchange, enforcing, events, of_type, ringward, stderr};

/// Replays lookups of a listed name, by address and seconds since the one before, with this policy. The isolation steps.
fn lookups(policy: &str, of: &[(&str, u64)]) -> Vec<Value> {
    let desk = Desk::new("bad.example\n");
    std::fs::write(desk.path("ringward.toml"), enforcing(policy)).unwrap();
    let mut capture = Capture::default();
    for (number, (host, pause)) in of.iter().enumerate() {
        capture.pause(*pause);
        capture.dns(at(&format!("{host}:{}", 20_000 + number)), at("192.0.2.53:53"), "bad.example");
    }
    let events = desk.replay(&capture, &["-c", "ringward.toml"]);
    of_type(&events, "isolation").into_iter().map(|e| e["isolation"].clone()).collect()
}

fn actions(steps: &[Value]) -> Vec<(&str, &str)> {
    steps.iter().map(|s| (s["host"].as_str().unwrap_or("-"), s["action"].as_str().unwrap())).collect()
}

#[test]
fn a_relapse_is_told_and_isolates_longer() {
    let steps = lookups("", &[("10.0.0.5", 0), ("10.0.0.5", 60), ("10.0.0.5", 3600), ("10.0.0.5", 14_500)]);
    let of = |step: &Value| (step["relapse"].clone(), step["until"].as_str().unwrap()[..16].to_owned());
    let told: Vec<_> = steps.iter().map(of).collect();
    // Seen at 22:13, at 23:14 and at 03:16; released at 23:13 and at 03:14.
    let want =
        [(json!(null), "2023-11-14T23:13"), (json!(1), "2023-11-15T03:14"), (json!(2), "2023-11-16T03:16")];
    assert_eq!(told, want.map(|(relapse, until)| (relapse, until.to_owned())));
    assert_eq!((&steps[0]["policy_rule"], &steps[0]["scope"]), (&json!("c2-indicators"), &json!("both")));
}

#[test]
fn rules_decide_in_order_and_say_which() {
    let policy = r#"
[[policy.group]]
name = "servers"
nets = ["10.0.1.0/24"]
[[policy.rule]]
name = "spare servers"
when = { group = ["servers"] }
then = "observe"
[[policy.rule]]
name = "persistent"
when = { technique = ["T1071*"], repeat = { count = 2, within = "1m" } }
then = "isolate"
scope = "peers"
lifetime = "10m"
"#;
    let steps = lookups(policy, &[("10.0.1.5", 0), ("10.0.0.5", 0), ("10.0.0.6", 30), ("10.0.0.5", 15)]);
    assert_eq!(actions(&steps), [("10.0.1.5", "withhold"), ("10.0.0.5", "isolate")]);
    assert_eq!(
        (&steps[0]["policy_rule"], &steps[1]["policy_rule"]),
        (&json!("spare servers"), &json!("persistent"))
    );
    assert_eq!((&steps[1]["scope"], &steps[1]["peers"]), (&json!("peers"), &json!(["192.0.2.53"])));
    let until = &steps[0]["until"].as_str().unwrap()[..16];
    assert_eq!(until, "2023-11-14T23:13", "it would have been isolated for so long");
}

#[test]
fn observe_mode_tells_what_would_have_been_done() {
    let steps =
        lookups("[policy]\nmode = \"observe\"\n", &[("10.0.0.5", 0), ("10.0.0.5", 60), ("10.0.0.6", 60)]);
    assert_eq!(actions(&steps), [("10.0.0.5", "withhold"), ("10.0.0.6", "withhold")]);
    for step in &steps {
        assert_eq!((&step["enforced"], &step["scope"]), (&json!(false), &json!("both")));
        assert_eq!(step["not_enforced_because"], "policy mode is \"observe\"");
        assert!(step["until"].is_string(), "{step}");
    }
}

#[test]
fn a_storm_brakes_whoever_works_on_it() {
    const HOSTS: u32 = 100_000;
    let desk = Desk::new("bad.example\n");
    // Neither evidence nor reports of a hundred thousand hosts.
    let toml = "[output]\nevents = [\"isolation\"]\nmax_reports = 0\n[evidence]\nmax_total_mib = 0\n\
        [bypass]\nmax_flows = 1024\n";
    std::fs::write(desk.path("ringward.toml"), enforcing(toml)).unwrap();
    let mut capture = Capture::default();
    let (query, answer) = dns_exchange("bad.example");
    for n in 0..HOSTS {
        let victim = std::net::Ipv4Addr::from(0x0a00_0100 + n);
        capture.udp((victim, 4000).into(), at("192.0.2.53:53"), &query);
        capture.udp(at("192.0.2.53:53"), (victim, 4000).into(), &answer);
    }
    // Calm again, for a minute and more.
    capture.pause(120);
    capture.udp(at("10.99.0.1:4000"), at("192.0.2.53:53"), &query);
    capture.udp(at("192.0.2.53:53"), at("10.99.0.1:4000"), &answer);
    capture.write(&desk.path("case.pcap"));
    let replay = |out: &str, workers: &str| {
        let args = [
            "replay",
            "--iocs",
            "iocs.csv",
            "-c",
            "ringward.toml",
            "--workers",
            workers,
            "--out",
            out,
            "case.pcap",
        ];
        let output = ringward(desk.dir.path(), args);
        assert!(output.status.success(), "{}", stderr(&output));
        std::fs::read(desk.path(out).join("eve.json")).unwrap()
    };
    assert!(replay("one", "1") == replay("three", "3"), "the number of workers shows");
    let steps: Vec<Value> =
        events(&desk.path("one/eve.json")).into_iter().map(|e| e["isolation"].clone()).collect();
    let of = |action: &str| steps.iter().filter(|s| s["action"] == action).collect::<Vec<_>>();
    // Every look-up was answered, so every victim is proven.
    assert_eq!((of("isolate").len(), of("withhold").len()), (31, HOSTS as usize - 30));
    assert_eq!((of("brake").len(), of("brake_release").len()), (1, 1));
    assert_eq!(of("brake_release")[0]["withheld"], HOSTS - 30);
    let told = of("brake")[0]["reason"].as_str().unwrap();
    assert!(told.contains("more than 30 isolations within a minute (policy.max_per_minute)"), "{told}");
    assert!(
        of("withhold").iter().all(|s| s["not_enforced_because"].as_str().unwrap().starts_with("brake: "))
    );
    assert_eq!(of("isolate")[30]["host"], "10.99.0.1");
}

#[test]
fn a_check_tells_the_rules_in_force() {
    let desk = Desk::new("");
    let policy = "[policy]\nlifetime = \"90m\"\nprotected = [\"192.0.2.7\"]\n[[policy.rule]]\nname = \"sure\"\n\
        when = { min_confidence = 80, stage = [\"command-and-control\"] }\nthen = \"isolate\"\nscope = \"outbound\"\n";
    std::fs::write(desk.path("ringward.toml"), policy).unwrap();
    let check = |more: &[&str]| {
        let output = ringward(desk.dir.path(), [&["policy", "check", "-c", "ringward.toml"], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = check(&[]);
    let rule = "  1 sure: stage Command and Control; min_confidence 80 -> isolate outbound for 90m\n  otherwise -> alert\n";
    assert!(text.contains(rule), "{text}");
    let json: Value = serde_json::from_str(&check(&["--json"])).unwrap();
    assert_eq!(json["rules"][0]["when"], json!({"stage": ["Command and Control"], "min_confidence": 80}));
    assert_eq!((&json["lifetime_s"], &json["max_per_minute"]), (&json!(5400), &json!(30)));
    let protected = json["protected"].as_array().unwrap();
    assert!(protected.contains(&json!({"who": "192.0.2.7", "why": "configured"})), "{json}");
    assert!(protected.contains(&json!({"who": "127.0.0.1", "why": "the sensor's own address"})), "{json}");
    std::fs::write(
        desk.path("ringward.toml"),
        format!("{policy}[[policy.rule]]\nname = \"sure\"\nthen = \"alert\"\n"),
    )
    .unwrap();
    let output = ringward(desk.dir.path(), ["policy", "check", "-c", "ringward.toml"]);
    assert_eq!(output.status.code(), Some(2));
    let told = "ringward: ringward.toml:10: policy.rule.name: \"sure\": each rule needs a name of its own\n";
    assert_eq!(stderr(&output), told);
}
