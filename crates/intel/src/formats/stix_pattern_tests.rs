use super::*;
use crate::table::render;

/// The alternatives as text: parts joined with " & ", alternatives with " | ".
fn read_as(pattern: &str) -> Result<String, String> {
    let reading = read(pattern)?;
    let part = |part: &Indicator| render(part.kind, &part.key).into_owned();
    let all = |parts: &Vec<Indicator>| parts.iter().map(part).collect::<Vec<_>>().join(" & ");
    Ok(reading.alternatives.iter().map(all).collect::<Vec<_>>().join(" | "))
}

#[test]
fn comparisons_become_alternatives() {
    let md5 = "d41d8cd98f00b204e9800998ecf8427e";
    let sha = "a".repeat(64);
    for (pattern, expected) in [
        ("[domain-name:value = 'Evil.example']".to_owned(), "evil.example".to_owned()),
        ("[ipv4-addr:value='192.0.2.1' OR ipv4-addr:value = '192.0.2.0/24']".into(), "192.0.2.1 | 192.0.2.0/24".into()),
        ("[domain-name:value IN ('a.example', 'b.example')]".into(), "a.example | b.example".into()),
        (format!("[file:hashes.'SHA-256' = '{sha}']"), sha.clone()),
        (format!("[file:hashes.MD5 = '{md5}' AND file:hashes.'SHA-256' = '{sha}']"), format!("{md5} & {sha}")),
        (
            "[domain-name:value = 'a.example'] AND ([url:value = 'http://b.example/x'] OR [ipv6-addr:value = '2001:db8::1'])".into(),
            "a.example & b.example/x | a.example & 2001:db8::1".into(),
        ),
        // AND binds more tightly than OR.
        (
            "[domain-name:value = 'a.example' OR domain-name:value = 'b.example' AND url:value = 'c.example/']".into(),
            "a.example | b.example & c.example/".into(),
        ),
        (
            "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.9']".into(),
            "192.0.2.9".into(),
        ),
        ("[email-message:from_ref.value = 'a@b.example']".into(), "a@b.example".into()),
        ("[email-message:to_refs[*].value = 'a@b.example']".into(), "a@b.example".into()),
        (
            "[network-traffic:extensions.'http-request-ext'.request_header.'User-Agent' = 'It\\'s Me']".into(),
            "it's me".into(),
        ),
        (format!("[x-tls:ja3_hash = '{md5}']"), md5.into()),
        (format!("[x509-certificate:hashes.'SHA-256' = '{sha}']"), sha.clone()),
        // Said twice is once.
        ("[domain-name:value = 'a.example' AND domain-name:value = 'a.example']".into(), "a.example".into()),
    ] {
        assert_eq!(read_as(&pattern), Ok(expected), "{pattern}");
    }
}

#[test]
fn what_cannot_be_matched_is_refused_by_name() {
    for (pattern, why) in [
        ("", "ends too early"),
        ("domain-name:value = 'a.example'", "not expected"),
        ("[domain-name:value = 'a.example'", "] is missing"),
        ("[domain-name:value = 'a.exam", "within a text"),
        ("[domain-name:value]", "value is missing"),
        ("[domain-name:value = 'a.example'] FOLLOWEDBY [url:value = 'b.example/']", "FOLLOWEDBY"),
        ("[domain-name:value = 'a.example'] WITHIN 5 SECONDS", "WITHIN"),
        ("[network-traffic:dst_ref.type = 'ipv4-addr']", "nothing but types"),
        ("[domain-name:value IN ('a.example', ]", "no value"),
        ("[{]", "begins nothing"),
        (&format!("{}[", "(".repeat(100)), "parentheses"),
    ] {
        let told = read(pattern).unwrap_err();
        assert!(told.contains(why), "{pattern}: {told}");
    }
    // An alternative that can be matched is, the other is told of; one that needs both is not.
    for (pattern, alternatives) in [
        ("[file:name = 'x.exe' OR domain-name:value = 'a.example']", 1),
        ("[file:name = 'x.exe' AND domain-name:value = 'a.example']", 0),
        ("[domain-name:value != 'a.example']", 0),
        ("[domain-name:value LIKE '%.example']", 0),
        ("[domain-name:value NOT = 'a.example']", 0),
        ("[domain-name:value = 'com']", 0),
        ("[file:hashes.'SHA-512' = 'ff']", 0),
    ] {
        let reading = read(pattern).unwrap();
        assert_eq!((reading.alternatives.len(), reading.refused.len()), (alternatives, 1), "{pattern}");
    }
}

#[test]
fn alternatives_are_bounded() {
    let values = vec!["'a.example'"; 300].join(",");
    let list = format!("domain-name:value IN ({values})");
    assert!(read(&format!("[{list}] AND [{list}]")).unwrap_err().contains("alternatives"));
    let long = (0..200).map(|n| format!("domain-name:value = 'a{n}.example'")).collect::<Vec<_>>();
    assert!(read(&format!("[{}]", long.join(" AND "))).unwrap_err().contains("AND"));
}

proptest::proptest! {
    #[test]
    fn no_pattern_is_too_odd(text in "\\PC*|[\\[\\]()'=,a:.!NORADI \\\\]{0,60}") {
        let _ = read(&text);
    }

    #[test]
    fn joined_comparisons_are_all_there(names in proptest::collection::btree_set("[a-z]{1,8}", 1..20), or: bool) {
        let parts: Vec<String> = names.iter().map(|n| format!("domain-name:value = '{n}.example'")).collect();
        let reading = read(&format!("[{}]", parts.join(if or { " OR " } else { " AND " }))).unwrap();
        assert_eq!(reading.alternatives.len(), if or { names.len() } else { 1 });
        assert_eq!(reading.alternatives.iter().map(Vec::len).sum::<usize>(), names.len());
    }
}
