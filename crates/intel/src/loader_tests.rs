use std::fs::File;
use std::io::Write;

use wire::Nanos;

use super::*;
use crate::patterns::Progress;
use crate::set::Match;
use crate::table::Observable;

const NOW: Nanos = Nanos(1_700_000_000_000_000_000);

fn load(name: &str, text: &str) -> (Indicators, LoadReport) {
    let mut loader = Loader::new();
    loader.text(name, text).unwrap();
    loader.finish()
}

fn refused(name: &str, text: &str) -> String {
    Loader::new().text(name, text).unwrap_err().to_string()
}

fn all(set: &Indicators, seen: Observable<'_>) -> Option<String> {
    set.look_up(&seen, NOW).map(|found| found.indicator.into_owned())
}

fn tags(of: &Match<'_>) -> Vec<String> {
    of.tags().map(str::to_owned).collect()
}

#[test]
fn lines_are_counted_whatever_ends_them() {
    for end in ["\n", "\r\n"] {
        let text =
            ["# feed", "domain,family", "a.example,x", "bad domain!,y", "", "worse domain!,z"].join(end);
        let (_, report) = load("list.csv", &text);
        let lines: Vec<u32> = report.errors.iter().map(|e| e.line).collect();
        assert_eq!(lines, [4, 6], "{end:?}");
    }
}

#[test]
fn plain_lists_match_parents_and_name_their_line() {
    let (set, report) =
        load("list.txt", "# c2\n\nevil.example\r\n192.0.2.7\n  bad one \n2001:db8::5\nevil.example\n");
    assert_eq!((report.count(Kind::Domain), report.count(Kind::Ip)), (1, 2));
    assert_eq!((report.duplicates, report.skipped), (1, 1));
    assert_eq!(
        report.errors[0].to_string(),
        "list.txt:5: \"bad one\" is neither a domain, an address nor a URL"
    );
    let hit = set.domain("A.b.EVIL.example.", NOW).unwrap();
    assert_eq!((&*hit.indicator, hit.file, hit.line, hit.description), ("evil.example", "list.txt", 3, None));
    for stranger in ["notevil.example", "example", "", "evil.example.com"] {
        assert!(set.domain(stranger, NOW).is_none(), "{stranger}");
    }
    for (ip, listed) in
        [("192.0.2.7", true), ("::ffff:192.0.2.7", true), ("2001:db8::5", true), ("2001:db8::6", false)]
    {
        assert_eq!(set.ip(ip.parse().unwrap(), NOW).is_some(), listed, "{ip}");
    }
}

#[test]
fn csv_columns_are_found_by_name_or_place() {
    let description =
        |set: &Indicators, name| set.domain(name, NOW).and_then(|hit| hit.description.map(str::to_owned));
    let (set, _) = load("a.csv", "type,value,description\ndomain,evil.example,\"Cobalt, Strike\"\n");
    assert_eq!(description(&set, "evil.example").as_deref(), Some("Cobalt, Strike"));
    let (set, _) = load("feed", "evil.example;njRAT;x\nother.example;;\n");
    assert_eq!(description(&set, "x.evil.example").as_deref(), Some("njRAT"));
    assert_eq!(description(&set, "other.example"), None);
    assert_eq!(set.domain("other.example", NOW).unwrap().line, 2);
    let (set, _) = load("b.csv", "domain,family\n0--0.gq,android\n");
    assert!(set.domain("0--0.gq", NOW).is_some());
    let text = "domain,confidence,expires,tags,technique,comment\n\
                a.example,high,2026-01-01,\"rat, c2\",T1071.001,\"over\ntwo lines\"\nb.example,7,,,,\n";
    let (set, report) = load("c.csv", text);
    let hit = set.domain("a.example", NOW).unwrap();
    assert_eq!((hit.confidence, tags(&hit)), (Some(85), vec!["rat".into(), "c2".into()]));
    assert_eq!(hit.techniques().collect::<Vec<_>>(), ["T1071.001"]);
    assert!(set.domain("a.example", Nanos(1_767_225_600_000_000_000)).is_none(), "its time is over");
    let next = set.domain("b.example", NOW).unwrap();
    assert_eq!((next.confidence, next.line, report.skipped), (Some(7), 4, 0));
}

#[test]
fn an_open_quote_costs_its_own_line_only() {
    let (set, report) = load("a.csv", "domain,family\n\"a.example,x\nb.example,y\nc.example,z\n");
    assert_eq!(report.errors[0].to_string(), "a.csv:2: a quote that is never closed");
    assert_eq!((report.skipped, set.domain("b.example", NOW).unwrap().line), (1, 3));
    assert!(set.domain("c.example", NOW).is_some());
}

#[test]
fn urls_match_with_their_query_or_any() {
    let (set, report) =
        load("u", "http://evil.example/gate.php\nhttps://evil.example:8080/x?id=1,2\n192.0.2.9/p\n");
    assert_eq!((report.count(Kind::Url), report.skipped), (3, 0));
    for (host, port, uri, hit) in [
        ("evil.example", None, "/gate.php", true),
        ("evil.example", Some(80), "/gate.php?a=b", true),
        ("evil.example", Some(8080), "/gate.php", false),
        ("evil.example", None, "/gate.php5", false),
        ("evil.example", None, "http://evil.example/gate.php", true),
        ("evil.example", Some(8080), "/x?id=1,2", true),
        ("evil.example", Some(8080), "/x?id=1", false),
        ("192.0.2.9", None, "/p#f", true),
    ] {
        assert_eq!(all(&set, Observable::Url { host, port, uri }).is_some(), hit, "{host} {port:?} {uri}");
    }
}

/// What feeds are like: each line and what of it is found. None of it is skipped.
#[test]
fn lists_are_read_as_feeds_have_them() {
    let csv_url = "2023-01-01,http://a.example/x?b=1,bad\n2023-01-02,http://192.0.2.7/q,worse\n";
    let zeek = "#fields\tindicator\tindicator_type\tmeta.source\tmeta.desc\n\
                a.example\tIntel::DOMAIN\tx\td\n192.0.2.0/25\tIntel::SUBNET\tx\td\n";
    for (text, domains, ips, urls) in [
        (
            "||a.example^\n! note\n||b.example^$third-party\n@@||fine.example^\n",
            &["a.example", "b.example"][..],
            &[][..],
            &[][..],
        ),
        ("[Adblock Plus 2.0]\n||a.example/x^\n", &[], &[], &[("a.example", "/x")]),
        ("address=/a.example/0.0.0.0\naddress=/b.example/::\n", &["a.example", "b.example"], &[], &[]),
        (
            "$TTL 60\n@ SOA a. b. 1 2 3 4 5\n NS localhost.\na.example CNAME .\n*.a.example CNAME .\n",
            &["a.example"],
            &[],
            &[],
        ),
        ("local-zone: \"a.example\" always_nxdomain\n", &["a.example"], &[], &[]),
        (
            "192.0.2.7 # Malicious Host US,,37.7,-122.4\n192.0.2.9 # Scanning Host CN,,1,2\n",
            &[],
            &["192.0.2.7", "192.0.2.9"],
            &[],
        ),
        ("192.0.2.7-192.0.2.9\n198.51.100.10 - 198.51.100.20\n", &[], &["192.0.2.8", "198.51.100.20"], &[]),
        ("192.0.2.0/24 ; SBL1\n", &[], &["192.0.2.200"], &[]),
        ("a.example\t# c\nb.example # d\nc.example\n", &["a.example", "b.example", "c.example"], &[], &[]),
        ("sep=;\nvalue;type;comment\na.example;domain;x\n", &["a.example"], &[], &[]),
        (csv_url, &[], &[], &[("a.example", "/x?b=1"), ("192.0.2.7", "/q")]),
        (zeek, &["a.example"], &["192.0.2.100"], &[]),
        (
            "hxxp://a[.]example/x\nb[dot]example\nc (dot) example\n",
            &["b.example", "c.example"],
            &[],
            &[("a.example", "/x")],
        ),
        ("a.example:443\n192.0.2.7:8080\n", &["a.example"], &["192.0.2.7"], &[]),
        (
            "http://a.example/p/%78.php\nhttp://b.example/q/../y\n",
            &[],
            &[],
            &[("a.example", "/p/x.php"), ("b.example", "/y"), ("a.example", "/z/../p/%78.php")],
        ),
        (
            "http://[2001:DB8:0::9]/x\nhttp://b\u{fc}cher.example/a b\n",
            &[],
            &[],
            &[("2001:db8::9", "/x"), ("xn--bcher-kva.example", "/a%20b")],
        ),
    ] {
        let (set, report) = load("feed", text);
        assert_eq!((report.skipped, report.loaded() > 0), (0, true), "{text}: {:?}", report.errors);
        for name in domains {
            assert!(set.domain(name, NOW).is_some(), "{name} in {text}");
        }
        for ip in ips {
            assert!(set.ip(ip.parse().unwrap(), NOW).is_some(), "{ip} in {text}");
        }
        for (host, uri) in urls {
            let url = Observable::Url { host, port: None, uri };
            assert!(all(&set, url).is_some(), "{host}{uri} in {text}");
        }
        assert!(
            set.domain("fine.example", NOW).is_none()
                && set.ip("192.0.2.201".parse().unwrap(), NOW).is_none_or(|_| text.contains("SBL"))
        );
    }
}

#[test]
fn what_is_far_too_wide_is_told() {
    let (set, report) = load("wide", "co.uk\ngithub.io\n203.0.113.50/24\nfine.example\n");
    assert!(report.errors[0].to_string().contains("public suffix"), "{:?}", report.errors);
    assert_eq!((report.skipped, report.loaded(), report.doubts_found), (1, 3, 2));
    assert!(set.domain("evil.co.uk", NOW).is_none() && set.domain("me.github.io", NOW).is_some());
    let told: Vec<String> = report.doubts.iter().map(ToString::to_string).collect();
    assert!(
        told[0].contains("github.io is a public suffix") && told[1].contains("bits behind its prefix"),
        "{told:?}"
    );
}

#[test]
fn of_a_stix_object_the_latest_version_counts_and_not_before_its_time() {
    let of = |id: u32, name: &str, modified: &str, more: &str| {
        format!(
            r#"{{"type":"indicator","id":"indicator--{id}","pattern":"[domain-name:value = '{name}']","modified":"{modified}"{more}}}"#
        )
    };
    let objects = [
        of(1, "a.example", "2023-01-02T00:00:00Z", ""),
        of(1, "a.example", "2023-01-03T00:00:00Z", r#","revoked":true"#),
        of(2, "b.example", "2023-01-03T00:00:00.5Z", ""),
        of(2, "c.example", "2023-01-03T00:00:00.4Z", ""),
        of(3, "d.example", "2023-01-01T00:00:00Z", r#","valid_from":"2100-01-01T00:00:00Z""#),
        of(4, "e.example", "2023-01-01T00:00:00Z", r#","valid_from":"1970-01-01T00:00:00Z""#),
    ];
    let (set, report) =
        load("s", &format!(r#"{{"type":"bundle","id":"b","objects":[{}]}}"#, objects.join(",")));
    let found = ["a", "b", "c", "d", "e"].map(|name| set.domain(&format!("{name}.example"), NOW).is_some());
    assert_eq!((found, report.skipped), ([false, true, false, false, true], 0));
}

#[test]
fn the_most_specific_domain_wins() {
    let (set, _) = load("d.csv", "evil.example,zone\nc2.evil.example,server\n");
    let description = |name| set.domain(name, NOW).and_then(|hit| hit.description);
    assert_eq!(description("x.c2.evil.example"), Some("server"));
    assert_eq!(description("www.evil.example"), Some("zone"));
}

#[test]
fn gzip_is_read_as_it_is_and_told_when_it_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.csv.gz");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let text: String = (0..10_000).map(|n| format!("evil{n}.example,x\n")).collect();
    gz.write_all(format!("domain,family\n{text}").as_bytes()).unwrap();
    let bytes = gz.finish().unwrap();
    std::fs::write(&path, &bytes).unwrap();
    let mut loader = Loader::new();
    loader.file(&path).unwrap();
    assert!(loader.finish().0.domain("evil9999.example", NOW).is_some());
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let told = Loader::new().file(&path).unwrap_err().to_string();
    assert!(told.starts_with(&path.display().to_string()) && told.contains(":"), "{told}");
    assert!(Loader::new().file(&dir.path().join("none")).is_err());
}

#[test]
fn hosts_files_name_whom_they_keep_from_being_found() {
    let text = "127.0.0.1 localhost\n::1 ip6-localhost ip6-loopback\n0.0.0.0 0.0.0.0\n\
                0.0.0.0 evil.example www.bad.example # both\n0.0.0.0\tworse.example\nevil\n";
    let (set, report) = load("hosts", text);
    assert_eq!((report.count(Kind::Domain), report.loaded(), report.skipped), (3, 3, 1));
    assert_eq!(set.domain("x.www.bad.example", NOW).unwrap().line, 4);
    assert!(set.domain("worse.example", NOW).is_some() && set.domain("localhost", NOW).is_none());
}

#[test]
fn the_lists_of_abuse_ch() {
    let sha256 = "a".repeat(64);
    let (md5, sha1) = ("b".repeat(32), "c".repeat(40));
    let urlhaus = "################\n# abuse.ch URLhaus #\n#\n\
        # id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n\
        \"3\",\"2024-01-01 10:00:00\",\"http://192.0.2.3:8080/bin.sh\",\"online\",\"2024-01-02\",\"malware_download\",\"elf,mozi\",\"https://urlhaus.example/3/\",\"x\"\n";
    let (set, _) = load("urlhaus.csv", urlhaus);
    let url = Observable::Url { host: "192.0.2.3", port: Some(8080), uri: "/bin.sh" };
    let hit = set.look_up(&url, NOW).unwrap();
    assert_eq!(
        (hit.description, tags(&hit), hit.line),
        (Some("malware_download"), vec!["elf".into(), "mozi".into()], 5)
    );
    let threatfox = format!(
        "# \"first_seen_utc\",\"ioc_id\",\"ioc_value\",\"ioc_type\",\"threat_type\",\"fk_malware\",\"malware_alias\",\"malware_printable\",\"last_seen_utc\",\"confidence_level\",\"is_compromised\",\"reference\",\"tags\",\"anonymous\",\"reporter\"\n\
        \"2024-01-01 10:00:00\", \"1\", \"192.0.2.4:443\", \"ip:port\", \"botnet_cc\", \"win.x\", \"None\", \"Cobalt Strike\", \"\", \"75\", \"False\", \"None\", \"CobaltStrike,cs\", \"0\", \"y\"\n\
        \"2024-01-01 10:00:00\", \"2\", \"c2.example\", \"domain\", \"botnet_cc\", \"win.x\", \"None\", \"Unknown malware\", \"\", \"50\", \"False\", \"None\", \"None\", \"0\", \"y\"\n\
        \"2024-01-01 10:00:00\", \"3\", \"{sha256}\", \"sha256_hash\", \"payload\", \"win.x\", \"None\", \"X\", \"\", \"100\", \"False\", \"None\", \"None\", \"0\", \"y\"\n\
        \"2024-01-01 10:00:00\", \"4\", \"{sha256}\", \"sha3_384_hash\", \"payload\", \"win.x\", \"None\", \"X\", \"\", \"100\", \"False\", \"None\", \"None\", \"0\", \"y\"\n"
    );
    let (set, report) = load("threatfox", &threatfox);
    let hit = set.ip("192.0.2.4".parse().unwrap(), NOW).unwrap();
    assert_eq!((hit.description, hit.confidence), (Some("Cobalt Strike"), Some(75)));
    assert_eq!((set.domain("c2.example", NOW).unwrap().confidence, report.loaded()), (Some(50), 3));
    assert_eq!(
        report.errors[0].to_string(),
        "threatfox:5: indicators of type \"sha3_384_hash\" are not supported"
    );
    let (set, _) =
        load("sslbl", &format!("# Listingdate,SHA1,Listingreason\n2024-01-01 10:00:00,{sha1},Dridex C&C\n"));
    let hit = set.look_up(&Observable::Hex(Kind::CertificateSha1, &sha1), NOW).unwrap();
    assert_eq!(hit.description, Some("Dridex C&C"));
    assert!(set.look_up(&Observable::Hex(Kind::Sha1, &sha1), NOW).is_none());
    let (set, _) = load(
        "ja3",
        &format!(
            "# ja3_md5,Firstseen,Lastseen,Listingreason\n{md5},2017-07-14 18:08:15,2019-07-27 20:42:54,Adware\n"
        ),
    );
    assert_eq!(set.look_up(&Observable::Hex(Kind::Ja3, &md5), NOW).unwrap().description, Some("Adware"));
    let (set, _) = load(
        "feodo",
        "# Feodo\n\"first_seen_utc\",\"dst_ip\",\"dst_port\",\"c2_status\",\"last_online\",\"malware\"\n\
         \"2024-01-01 10:00:00\",\"192.0.2.5\",\"443\",\"online\",\"2024-01-02\",\"Emotet\"\n",
    );
    assert_eq!(set.ip("192.0.2.5".parse().unwrap(), NOW).unwrap().description, Some("Emotet"));
    let (set, report) = load(
        "bazaar",
        &format!(
            "# \"first_seen_utc\",\"sha256_hash\",\"md5_hash\",\"sha1_hash\",\"reporter\",\"file_name\",\"file_type_guess\",\"mime_type\",\"signature\",\"clamav\",\"vtpercent\",\"imphash\",\"ssdeep\",\"tlsh\"\n\
             \"2024-01-01 10:00:00\", \"{sha256}\", \"{md5}\", \"{sha1}\", \"r\", \"a.exe\", \"exe\", \"x\", \"AgentTesla\", \"n/a\", \"n/a\", \"n/a\", \"3:x\", \"n/a\"\n"
        ),
    );
    assert_eq!((report.loaded(), report.skipped), (3, 0));
    for (kind, text) in [(Kind::Md5, &md5), (Kind::Sha1, &sha1), (Kind::Sha256, &sha256)] {
        assert_eq!(set.look_up(&Observable::Hex(kind, text), NOW).unwrap().description, Some("AgentTesla"));
    }
    // Without their header, as somebody may have cut it off.
    let (set, _) = load("cut.csv", urlhaus.lines().last().unwrap());
    assert!(set.look_up(&url, NOW).is_some());
}

#[test]
fn datasets_and_reputations_of_suricata() {
    // "evil.example", "http://bad.example/x" and what is no indicator at all, in base64.
    let (set, report) =
        load("strings.lst", "ZXZpbC5leGFtcGxl\naHR0cDovL2JhZC5leGFtcGxlL3g=\nbm90aGluZyBhdCBhbGw=\n");
    assert!(set.domain("evil.example", NOW).is_some());
    assert_eq!((report.loaded(), report.skipped, report.errors[0].line), (2, 1, 3));
    let (set, _) = load("rep.lst", &format!("{},3\n{},12\n", "a".repeat(64), "b".repeat(64)));
    let hit = set.look_up(&Observable::Digest(Kind::Sha256, &[0xaa; 32]), NOW).unwrap();
    assert_eq!((hit.description, hit.confidence), (None, None));
    let (set, report) =
        load("ip.rep", "192.0.2.1,1,127\n192.0.2.2,2,64\n198.51.100.0/24,3,10\n192.0.2.3,1,0\n");
    let hit = |ip: &str| set.ip(ip.parse().unwrap(), NOW).map(|hit| (hit.confidence, tags(&hit)));
    assert_eq!(hit("192.0.2.1"), Some((Some(100), vec!["category:1".into()])));
    assert_eq!(hit("192.0.2.2"), Some((Some(50), vec!["category:2".into()])));
    assert_eq!(hit("198.51.100.77"), Some((Some(7), vec!["category:3".into()])));
    assert_eq!((hit("192.0.2.3"), report.ignored), (None, 1));
}

#[test]
fn what_a_list_is_of_can_be_said() {
    let mut loader = Loader::new();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agents");
    std::fs::write(&path, "# agents\nEvil; Bot, 1.0 #2\nRXZpbCBCb3QvMi4w\n").unwrap();
    let feed = Feed {
        form: Form::UserAgent,
        confidence: Some(30),
        tags: vec!["ours".into()],
        techniques: vec!["T1041".into()],
        expires: Some(1_800_000_000),
        ..Feed::new(path)
    };
    loader.feed(&feed).unwrap();
    let (set, _) = loader.finish();
    let hit = set.look_up(&Observable::Text(Kind::UserAgent, "evil; bot, 1.0 #2"), NOW).unwrap();
    assert_eq!(
        (hit.confidence, tags(&hit), hit.techniques().next()),
        (Some(30), vec!["ours".into()], Some("T1041"))
    );
    assert!(set.look_up(&Observable::Text(Kind::UserAgent, "EVIL BOT/2.0"), NOW).is_some(), "from base64");
    assert!(
        set.look_up(&Observable::Text(Kind::UserAgent, "EVIL BOT/2.0"), Nanos(1_800_000_000_000_000_000))
            .is_none()
    );
}

const EVENT: &str = r#"{"Event": {
  "info": "Campaign",
  "Tag": [{"name": "tlp:white"}, {"name": "misp-galaxy:mitre-attack-pattern=\"Web Protocols - T1071.001\""}],
  "Attribute": [
    {"type": "domain", "value": "evil.example", "to_ids": true, "comment": "C2",
     "Tag": [{"name": "misp:confidence-level=\"fairly-confident\""}]},
    {"type": "url", "value": "http:\/\/bad.example\/x", "to_ids": "1"},
    {"type": "ip-dst|port", "value": "192.0.2.8|443", "to_ids": true},
    {"type": "domain", "value": "benign.example", "to_ids": false},
    {"type": "yara", "value": "rule x {}", "to_ids": true},
    {"type": "md5", "value": "no hash", "to_ids": true},
    {"type": "domain", "to_ids": true},
    {"type": "domain", "value": "deleted.example", "to_ids": true, "deleted": true}
  ],
  "Object": [{"name": "file", "Attribute": [
    {"type": "sha256", "value": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "to_ids": true}]}]
}}"#;

fn is_the_event(set: &Indicators, report: &LoadReport) {
    assert_eq!((report.loaded(), report.ignored, report.skipped), (4, 3, 2));
    let hit = set.domain("evil.example", NOW).unwrap();
    assert_eq!((hit.line, hit.description, hit.confidence), (5, Some("C2"), Some(50)));
    assert_eq!((tags(&hit).len(), hit.techniques().next()), (3, Some("T1071.001")));
    let hit = set.ip("192.0.2.8".parse().unwrap(), NOW).unwrap();
    assert_eq!((hit.line, hit.description), (8, Some("Campaign")));
    assert!(
        set.look_up(&Observable::Digest(Kind::Sha256, &[0xaa; 32]), NOW).is_some_and(|hit| hit.line == 16)
    );
    assert_eq!(report.errors.iter().map(|e| e.line).collect::<Vec<_>>(), [11, 12]);
}

#[test]
fn misp_events() {
    let (set, report) = load("event.json", EVENT);
    is_the_event(&set, &report);
    let (_, report) = load("answer.json", &format!("{{\"response\": [{EVENT}, {EVENT}]}}"));
    assert_eq!((report.loaded(), report.duplicates), (4, 4));
    let attributes =
        r#"{"response": {"Attribute": [{"type": "domain", "value": "evil.example", "to_ids": true}]}}"#;
    assert_eq!(load("attributes.json", attributes).1.loaded(), 1);
    for cut in [EVENT.len() / 2, EVENT.len() - 2] {
        let told = refused("event.json", &EVENT[..cut]);
        assert!(told.starts_with("event.json:") && told.contains("EOF"), "{told}");
    }
}

#[test]
fn misp_feeds_are_folders() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        File::create(dir.path().join(name)).unwrap().write_all(text.as_bytes()).unwrap();
    };
    let feed = || {
        let mut loader = Loader::new();
        loader.file(dir.path()).map(|()| loader.finish())
    };
    assert!(feed().unwrap_err().to_string().contains("manifest.json"), "no feed");
    write("manifest.json", "{\"5c-1\": {\"Orgc\": {\"name\": \"x\"}, \"info\": \"Campaign\"}}");
    write("hashes.csv", "nothing of ours");
    assert!(feed().unwrap_err().to_string().contains("5c-1.json"), "not whole");
    write("5c-1.json", EVENT);
    let (set, report) = feed().unwrap();
    is_the_event(&set, &report);
    assert!(set.domain("evil.example", NOW).unwrap().file.ends_with("5c-1.json"));
    write("manifest.json", "{\n\"../../etc/x\": {}}");
    assert!(feed().unwrap_err().to_string().contains("manifest.json:2: an event whose name is no UUID"));
    write("manifest.json", "{\"5c-1\": {");
    assert!(feed().unwrap_err().to_string().contains("manifest.json:1: "));
    let told = refused("manifest.json", "{\"5c-1\": {\"Orgc\": {}}}");
    assert!(told.contains("name its folder"), "{told}");
}

const BUNDLE: &str = r#"{"type": "bundle", "id": "bundle--1", "objects": [
  {"type": "indicator", "id": "indicator--1", "name": "Beacon", "pattern_type": "stix", "confidence": 80,
   "pattern": "[domain-name:value = 'evil.example' OR ipv4-addr:value IN ('192.0.2.1', '192.0.2.2')]",
   "valid_until": "2026-01-01T00:00:00Z", "indicator_types": ["malicious-activity"]},
  {"type": "indicator", "id": "indicator--2", "pattern_type": "stix",
   "pattern": "[domain-name:value = 'both.example' AND ipv4-addr:value = '192.0.2.3']"},
  {"type": "indicator", "id": "indicator--3", "pattern_type": "yara", "pattern": "rule x {}"},
  {"type": "indicator", "id": "indicator--4", "pattern_type": "stix", "pattern": "[file:name = 'x']"},
  {"type": "indicator", "id": "indicator--5", "pattern_type": "stix", "revoked": true,
   "pattern": "[domain-name:value = 'revoked.example']"},
  {"type": "malware", "id": "malware--1", "name": "Demo RAT"},
  {"type": "attack-pattern", "id": "attack-pattern--1", "name": "DNS",
   "external_references": [{"source_name": "mitre-attack", "external_id": "T1071.004"}]},
  {"type": "relationship", "source_ref": "indicator--2", "target_ref": "malware--1"},
  {"type": "relationship", "source_ref": "indicator--2", "target_ref": "attack-pattern--1"}
]}"#;

#[test]
fn stix_bundles() {
    let (set, report) = load("bundle.json", BUNDLE);
    assert_eq!((report.loaded(), report.count(Kind::Pattern), report.ignored), (4, 1, 1));
    assert_eq!(report.errors.iter().map(|e| e.line).collect::<Vec<_>>(), [7, 8]);
    let hit = set.domain("www.evil.example", NOW).unwrap();
    assert_eq!((hit.line, hit.description, hit.confidence), (2, Some("Beacon"), Some(80)));
    assert_eq!(tags(&hit), ["malicious-activity"]);
    assert!(set.domain("evil.example", Nanos(1_800_000_000_000_000_000)).is_none());
    assert_eq!(all(&set, Observable::Ip("192.0.2.2".parse().unwrap())).as_deref(), Some("192.0.2.2"));
    assert!(set.domain("both.example", NOW).is_none() && set.domain("revoked.example", NOW).is_none());
    for cut in [BUNDLE.len() / 2, BUNDLE.len() - 1] {
        let told = refused("bundle.json", &BUNDLE[..cut]);
        assert!(told.starts_with("bundle.json:") && told.contains("not whole"), "{told}");
    }
}

#[test]
fn parts_of_a_pattern_must_all_be_seen() {
    let (set, _) = load("bundle.json", BUNDLE);
    let name = Observable::Domain("www.both.example");
    let ip = |text: &str| Observable::Ip(text.parse().unwrap());
    for (first, second) in [(name, ip("192.0.2.3")), (ip("192.0.2.3"), name)] {
        let mut progress = Progress::default();
        assert!(set.advance(&first, NOW, &mut progress).is_none());
        assert!(set.advance(&first, NOW, &mut progress).is_none(), "twice the same is not both");
        assert!(set.advance(&ip("192.0.2.4"), NOW, &mut progress).is_none());
        let hit = set.advance(&second, NOW, &mut progress).unwrap();
        assert_eq!(&*hit.indicator, "domain:both.example AND ip:192.0.2.3");
        assert_eq!((hit.description, hit.techniques().next()), (Some("Demo RAT"), Some("T1071.004")));
        set.hit(&hit, NOW);
    }
    assert_eq!((set.hit_count(), set.hits()[0].kind), (2, "pattern"));
    let (again, _) = load("bundle.json", BUNDLE);
    again.inherit(&set);
    assert_eq!(again.hit_count(), 2);
}

#[test]
fn what_is_allowed_wins() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("allow");
    std::fs::write(
        &path,
        "good.example\n10.0.0.0/8\n0.0.0.0/1\nmail@evil.example\nja3:d41d8cd98f00b204e9800998ecf8427e\n",
    )
    .unwrap();
    let mut loader = Loader::new();
    loader.allow(&path).unwrap();
    let list = "evil.example\nexample\nx.good.example\nhttp://www.good.example/x\nhttp://evil.example/y\n10.1.2.3\n\
                200.0.2.1\n9.0.0.0/8\nmail@evil.example\nother@evil.example\nja3:d41d8cd98f00b204e9800998ecf8427e\n";
    loader.text("list", list).unwrap();
    let (set, report) = loader.finish();
    assert_eq!((report.allowed, report.skipped), (4, 1));
    assert!(set.domain("x.good.example", NOW).is_none() && set.domain("evil.example", NOW).is_some());
    let url = |host| {
        all(&set, Observable::Url { host, port: None, uri: if host == "evil.example" { "/y" } else { "/x" } })
    };
    assert_eq!((url("www.good.example"), url("evil.example").is_some()), (None, true));
    let ip = |text: &str| all(&set, Observable::Ip(text.parse().unwrap()));
    assert_eq!((ip("9.1.1.1"), ip("10.1.2.3"), ip("200.0.2.1").is_some()), (None, None, true));
    assert_eq!(all(&set, Observable::Text(Kind::Email, "MAIL@evil.example")), None);
    assert!(all(&set, Observable::Text(Kind::Email, "OTHER@evil.example")).is_some());
}

#[test]
fn a_listed_parent_does_not_reach_what_is_allowed_below_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("allow");
    std::fs::write(&path, "good.evil.example\n").unwrap();
    let mut loader = Loader::new();
    loader.allow(&path).unwrap();
    loader.text("list", "evil.example\n").unwrap();
    let (set, _) = loader.finish();
    assert!(
        set.domain("x.good.evil.example", NOW).is_none() && set.domain("bad.evil.example", NOW).is_some()
    );
}

#[test]
fn what_is_no_list_is_refused() {
    for (text, why) in [
        ("", "list:1: the file is empty"),
        ("<html><body>403</body></html>", "list:1: HTML"),
        ("{\"a\": 1}", "list:1: JSON, but neither"),
        ("[1, 2", "list:1: "),
        ("Dear all,\nplease find attached\nno indicators\n", "list:1: none of 3 entries is an indicator: "),
        ("\u{1}\u{2}\u{3}\u{4}", "list:1: binary data"),
    ] {
        let told = refused("list", text);
        assert!(told.starts_with(why), "{text}: {told}");
    }
    // Comments alone are a list of nothing.
    assert_eq!(load("list", "# nothing today\n").1.loaded(), 0);
}

#[test]
fn there_are_no_more_than_there_may_be() {
    let mut loader = Loader::with_limit(2);
    let told = loader
        .text("list", "a.example\nb.example\na.example\nc.example\nd.example\n")
        .unwrap_err()
        .to_string();
    assert_eq!(told, "list:4: more than 2 indicators (intel.max_indicators)");
}

#[test]
fn hits_are_counted_and_inherited_by_what_stays() {
    let (old, _) = load("list", "a.example\nb.example\n192.0.2.1\n");
    for (name, second) in [("x.a.example", 5), ("a.example", 9), ("b.example", 7)] {
        let now = Nanos(second * 1_000_000_000);
        old.hit(&old.domain(name, now).unwrap(), now);
    }
    let (new, _) = load("other", "192.0.2.1\n\nc.example\na.example\n");
    let now = Nanos(6_000_000_000);
    new.hit(&new.domain("a.example", now).unwrap(), now);
    assert_eq!(old.domain("a.example", now).unwrap().id, new.domain("a.example", now).unwrap().id);
    new.inherit(&old);
    let hits = new.hits();
    assert_eq!((hits.len(), new.hit_count()), (1, 3));
    assert_eq!(
        (&*hits[0].indicator, hits[0].count, hits[0].last, &*hits[0].source),
        ("a.example", 3, 9, "other:4")
    );
}

proptest::proptest! {
    #[test]
    fn no_list_is_too_odd(text in "\\PC*|[a-z.,;/:#\" \n0-9\\[\\]{}]{0,200}", name in "x|x.csv") {
        let mut loader = Loader::new();
        let loaded = loader.text(&name, &text);
        let (set, report) = loader.finish();
        proptest::prop_assert_eq!(set.len() as u64, report.loaded());
        let _ = (loaded, set.domain(&text, NOW));
        let _ = all(&set, Observable::Url { host: &text, port: Some(1), uri: &text });
    }

    #[test]
    fn domains_that_are_listed_are_found_whatever_is_before_them(
        names in proptest::collection::btree_set("[a-z]{1,5}(\\.[a-z0-9]{1,4}){0,3}\\.example", 1..60),
        prefix in "([a-z]{1,3}\\.){0,3}",
    ) {
        let text: String = names.iter().map(|name| format!("{name}\n")).collect();
        let (set, report) = load("list", &text);
        assert_eq!(report.loaded(), names.len() as u64);
        for name in &names {
            let seen = format!("{prefix}{}", name.to_uppercase());
            let lower = seen.to_lowercase();
            let best = names.iter().filter(|n| lower == **n || lower.ends_with(&format!(".{n}"))).max_by_key(|n| n.len());
            let found = set.domain(&seen, NOW).map(|hit| hit.indicator.into_owned());
            assert_eq!(found.as_ref(), best, "{}", seen);
        }
    }

    #[test]
    fn no_document_is_too_odd(cut in 0..BUNDLE.len(), with in "\\PC{0,3}", event: bool) {
        let text = if event { EVENT } else { BUNDLE };
        let cut = cut.min(text.len());
        let end = (cut..text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(text.len());
        let odd = format!("{}{with}{}", &text[..end], &text[(end + 1).min(text.len())..]);
        let mut loader = Loader::new();
        let _ = loader.text("list", &odd);
        let (set, report) = loader.finish();
        assert_eq!(set.len() as u64, report.loaded());
    }
}
