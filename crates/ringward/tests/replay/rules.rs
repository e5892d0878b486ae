//! Rules, from a file to an alert.

use serde_json::{Value, json};

use crate::support::{Capture, Desk, at, events, of_type, ringward, shared_data, stderr};

pub fn case() -> Capture {
    let mut capture = Capture::default();
    capture.http(at("10.0.0.1:4000"), at("198.51.100.1:80"), "www.example", "/gate.php?id=7");
    capture.dns(at("10.0.0.2:4001"), at("10.0.0.53:53"), "c2.evil.example");
    capture.tls(at("10.0.0.3:4002"), at("198.51.100.3:443"), "bad.example");
    // The content lies across two segments.
    capture.connection(at("10.0.0.4:4003"), at("198.51.100.4:4444"), b"HELLO BEACON 1", b"OK", 8);
    capture.udp(at("10.0.0.5:4004"), at("198.51.100.5:9999"), b"\x01\x02\x03\x04");
    capture
}

pub fn alerts(desk: &Desk, rules: &str, more: &[&str]) -> Vec<Value> {
    std::fs::write(desk.path("our.rules"), rules).unwrap();
    case().write(&desk.path("case.pcap"));
    let args = [&["replay", "--force", "--rules", "our.rules"], more, &["case.pcap"]].concat();
    let output = ringward(desk.dir.path(), args);
    assert!(output.status.success(), "{}", stderr(&output));
    let events = events(&desk.path("out/eve.json"));
    of_type(&events, "alert").into_iter().cloned().collect()
}

pub fn sids(alerts: &[Value]) -> Vec<u64> {
    let mut sids: Vec<u64> = alerts.iter().map(|a| a["alert"]["signature_id"].as_u64().unwrap()).collect();
    sids.sort_unstable();
    sids
}

#[test]
fn transactions_streams_and_packets_are_matched() {
    let rules = r#"
alert http any any -> any any (msg:"uri"; flow:established,to_server; http.uri; content:"/gate.php"; startswith; pcre:"/id=\d$/"; sid:1; rev:3;)
alert http any any -> any any (msg:"other uri"; http.uri; content:"/gate.asp"; sid:2;)
alert dns any any -> any any (msg:"name"; dns.query; dotprefix; content:".evil.example"; nocase; endswith; sid:3;)
alert tls any any -> any any (msg:"sni"; tls.sni; content:"bad.example"; bsize:11; sid:4;)
alert tcp any any -> any 4444 (msg:"across segments"; flow:established,to_server; content:"BEACON"; content:"1"; distance:1; within:1; sid:5;)
alert udp any any -> any any (msg:"packet"; dsize:4; content:"|01 02|"; depth:2; byte_test:1,>,2,2; sid:6;)
alert tcp-pkt any any -> any 4444 (msg:"not in one packet"; content:"BEACON"; sid:7;)
alert tcp any any -> any any (msg:"not established"; flow:not_established; content:"BEACON"; sid:8;)
"#;
    let alerts = alerts(&Desk::new(""), rules, &[]);
    assert_eq!(sids(&alerts), [1, 3, 4, 5, 6]);
    let uri = alerts.iter().find(|a| a["alert"]["signature_id"] == 1).unwrap();
    assert_eq!((&uri["alert"]["gid"], &uri["alert"]["rev"]), (&json!(1), &json!(3)));
    assert_eq!((&uri["src_ip"], &uri["dest_ip"]), (&json!("10.0.0.1"), &json!("198.51.100.1")));
    assert_eq!(uri["http"]["url"], "/gate.php?id=7");
}

#[test]
fn state_order_thresholds_and_pass() {
    let rules = r#"
alert http any any -> any any (msg:"asks"; http.stat_code; content:"200"; flowbits:isset,seen; sid:11;)
alert http any any -> any any (msg:"sets"; http.method; content:"GET"; flowbits:set,seen; flowbits:noalert; sid:12;)
alert http any any -> any any (msg:"asks for another"; http.stat_code; content:"200"; flowbits:isset,other; sid:13;)
alert ip any any -> any any (msg:"limited"; ttl:>0; threshold:type limit, track by_rule, count 2, seconds 60; sid:14;)
alert dns any any -> any any (msg:"passed"; dns.query; content:"evil"; sid:15;)
pass dns any any -> any any (dns.query; content:"c2.evil"; sid:16;)
"#;
    assert_eq!(sids(&alerts(&Desk::new(""), rules, &[])), [11, 14, 14]);
}

#[test]
fn a_policy_can_isolate_the_target_of_a_rule_that_drops() {
    let rules = r#"
drop http any any -> any any (msg:"implant"; http.uri; content:"/gate.php"; target:src_ip; metadata:mitre_tactic_id TA0011, mitre_technique_id T1071, mitre_technique_name Application_Layer_Protocol, created_at 2026_01_01; reference:url,example.org/x; classtype:trojan-activity; sid:21;)
alert tls any any -> any any (msg:"only told"; tls.sni; content:"bad.example"; target:src_ip; priority:1; sid:22;)
"#;
    let desk = Desk::new("");
    let isolated = |events: &[Value]| -> Vec<Value> {
        of_type(events, "isolation").into_iter().map(|e| e["isolation"]["host"].clone()).collect()
    };
    alerts(&desk, rules, &[]);
    assert_eq!(isolated(&events(&desk.path("out/eve.json"))), [json!(null); 0], "not by default");
    let policy = "[policy]\nmode = \"enforce\"\n[[policy.rule]]\nname = \"drops\"\nwhen = { seen = [\"rule_drop\"], technique = [\"T1071\"] }\nthen = \"isolate\"\n";
    std::fs::write(desk.path("ringward.toml"), policy).unwrap();
    let alerts = alerts(&desk, rules, &["-c", "ringward.toml"]);
    let drop = &alerts.iter().find(|a| a["alert"]["signature_id"] == 21).unwrap()["alert"];
    assert_eq!(drop["metadata"]["mitre_technique_id"], json!(["T1071"]));
    assert_eq!((&drop["target"]["ip"], &drop["source"]["ip"]), (&json!("10.0.0.1"), &json!("198.51.100.1")));
    assert_eq!((&drop["severity"], &drop["references"][0]), (&json!(1), &json!("https://example.org/x")));
    let events = events(&desk.path("out/eve.json"));
    assert_eq!(isolated(&events), [json!("10.0.0.1")]);
    let incident =
        desk.list("out/incidents").into_iter().find(|path| path.extension().is_some_and(|e| e == "json"));
    let incident: Value = serde_json::from_slice(&std::fs::read(incident.unwrap()).unwrap()).unwrap();
    let technique = json!({
        "id": "T1071", "name": "Application Layer Protocol", "tactic_id": "TA0011", "tactic": "Command and Control",
        "stage": "Command and Control", "source": "author"
    });
    assert_eq!(incident["techniques"], json!([technique]));
}

#[test]
fn what_is_not_loaded_is_named_and_the_rest_is() {
    let desk = Desk::new("");
    let rules = "alert tcp any any -> any any (msg:\"x\"; nonsense:1; sid:31;)\nalert dns any any -> any any (dns.query; content:\"evil\"; sid:32;)\n";
    assert_eq!(sids(&alerts(&desk, rules, &[])), [32]);
    let output = ringward(desk.dir.path(), ["rules", "check", "--json", "our.rules"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["loaded"], 1);
    let refused = &told["unsupported"][0];
    assert_eq!(
        (&refused["line"], &refused["sid"], &refused["keyword"]),
        (&json!(1), &json!(31), &json!("nonsense"))
    );
}

#[test]
fn what_rules_cost_is_counted_on_request() {
    let desk = Desk::new("");
    let rules = "alert http any any -> any any (http.uri; content:\"gate\"; pcre:\"/nothing/\"; sid:51;)\nalert dns any any -> any any (dns.query; content:\"evil\"; sid:52;)\n";
    alerts(&desk, rules, &["--profile-rules"]);
    let text = std::fs::read(desk.path("out/rules-profile.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&text).unwrap();
    let of = |sid: u64| {
        let row = rows.iter().find(|row| row["sid"] == sid).unwrap();
        (row["checks"].as_u64().unwrap(), row["matches"].as_u64().unwrap())
    };
    assert_eq!((of(51), of(52)), ((1, 0), (1, 1)));
}

#[test]
fn reputations_are_looked_up() {
    let desk = Desk::new("");
    std::fs::write(desk.path("categories"), "1,BadHosts,Known bad\n").unwrap();
    std::fs::write(desk.path("hosts"), "198.51.100.4,1,90\n").unwrap();
    std::fs::write(
        desk.path("c.toml"),
        "[rules]\nreputation_categories = \"categories\"\nreputation = [\"hosts\"]\n",
    )
    .unwrap();
    let rule = "alert tcp any any -> any any (flow:to_server; flags:S; iprep:dst,BadHosts,>,50; sid:61;)\n";
    assert_eq!(sids(&alerts(&desk, rule, &["-c", "c.toml"])), [61]);
}

#[test]
fn workers_do_not_show() {
    let rules = r#"
alert ip any any -> any any (msg:"all"; ttl:>0; threshold:type threshold, track by_rule, count 3, seconds 60; sid:41;)
alert http any any -> any any (msg:"body"; file.data; content:"ok"; sid:42;)
"#;
    let of = |workers| {
        let desk = Desk::new("");
        let alerts = alerts(&desk, rules, &["--workers", workers]);
        (alerts.len(), std::fs::read(desk.path("out/eve.json")).unwrap())
    };
    let one = of("1");
    assert!(one.0 > 3);
    assert!(one == of("3"), "three workers give other events than one");
}

/// The peer's alerts of one built exchange per rule; `scripts/rule-parity` compares all of them and says why they differ.
#[test]
fn alerts_are_those_of_the_recorded_peer() {
    let Some(data) = shared_data() else { return };
    let desk = Desk::new("");
    let args: Vec<String> = ["replay", "--reset", "--rules"]
        .map(String::from)
        .into_iter()
        .chain([
            data.join("rules/et-open.rules.gz").display().to_string(),
            data.join("rule-exercise/r010.pcap").display().to_string(),
        ])
        .collect();
    let output = ringward(desk.dir.path(), args);
    assert!(output.status.success(), "{}", stderr(&output));
    let events = events(&desk.path("out/eve.json"));
    let ours: std::collections::BTreeSet<u64> =
        of_type(&events, "alert").iter().map(|a| a["alert"]["signature_id"].as_u64().unwrap()).collect();
    let mut text = String::new();
    let file = std::fs::File::open(data.join("golden/rule-exercise.tsv.gz")).unwrap();
    std::io::Read::read_to_string(&mut flate2::read::MultiGzDecoder::new(file), &mut text).unwrap();
    let theirs: std::collections::BTreeSet<u64> = text
        .lines()
        .filter(|line| line.starts_with("r010.pcap\t"))
        .filter_map(|line| line.split('\t').nth(1)?.parse().ok())
        .collect();
    let both = ours.intersection(&theirs).count();
    assert!(theirs.len() > 300 && both * 100 >= theirs.len() * 99, "{both} of {}", theirs.len());
    assert!(both * 100 >= ours.len() * 99, "{both} of ours: {}", ours.len());
}
