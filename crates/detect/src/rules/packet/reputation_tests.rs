use super::*;
use proptest::prelude::*;

const CATEGORIES: &str = "# known\n1,BadHosts,Known bad hosts, and worse\n\n2,Google,x\n";

fn filled(list: &str) -> Reputation {
    let mut reputation = Reputation::default();
    reputation.add_categories("categories.txt", CATEGORIES);
    reputation.add_list("x.list", list);
    reputation
}

#[test]
fn the_smallest_network_counts_in_each_category() {
    let reputation = filled(
        "10.0.0.0/8,1,10\n10.1.0.0/16,1,20\n10.1.2.3,1,30\n10.1.2.3,2,99\n::/0,1,1\n2001:db8::1,1,127\n0.0.0.0/0,2,5\n",
    );
    for (category, ip, score) in [
        ("BadHosts", "10.1.2.3", Some(30)),
        ("BadHosts", "10.1.2.4", Some(20)),
        ("BadHosts", "10.2.2.4", Some(10)),
        ("BadHosts", "11.0.0.1", None),
        ("Google", "10.1.2.3", Some(99)),
        ("Google", "11.0.0.1", Some(5)),
        ("BadHosts", "2001:db8::1", Some(127)),
        ("BadHosts", "2001:db8::2", Some(1)),
        ("Google", "2001:db8::2", None),
        ("badhosts", "10.1.2.3", None),
    ] {
        assert_eq!(reputation.score(category, ip.parse().unwrap()), score, "{category} {ip}");
    }
    assert_eq!((reputation.len(), reputation.faults().1), (7, 0));
    assert!(reputation.has_category("Google") && !reputation.has_category("google"));
}

#[test]
fn lines_that_cannot_be_used_are_named() {
    let list = "1.2.3.4\n1.2.3,1,2\n1.2.3.4/33,1,2\n1.2.3.4,60,2\n1.2.3.4,3,2\n1.2.3.4,1,128\n::1/129,1,1\n1.1.1.1,2,0";
    let reputation = filled(list);
    let (faults, all) = reputation.faults();
    let why: Vec<_> = faults.iter().map(|fault| (fault.line, fault.why)).collect();
    let expected = [
        (1, LineFault::Fields),
        (2, LineFault::Address),
        (3, LineFault::Address),
        (4, LineFault::Category),
        (5, LineFault::UnknownCategory),
        (6, LineFault::Score),
        (7, LineFault::Address),
    ];
    assert_eq!((why.as_slice(), all), (&expected[..], 7));
    assert_eq!(faults[0].to_string(), "x.list:1: fields are missing");
    assert_eq!(reputation.score("Google", "1.1.1.1".parse().unwrap()), Some(0));
    let mut twice = filled("");
    twice.add_categories("more", "2,Other,\n3,Google,\n3,New,\n");
    assert_eq!((twice.faults().1, twice.has_category("New")), (2, true));
}

#[test]
fn files_are_read() {
    let dir = std::env::temp_dir().join(format!("ringward-reputation-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (categories, list) = (dir.join("categories.txt"), dir.join("a.list"));
    std::fs::write(&categories, CATEGORIES).unwrap();
    std::fs::write(&list, "192.0.2.0/24,2,7\n").unwrap();
    let reputation = Reputation::read(&categories, &[list]).unwrap();
    assert_eq!(reputation.score("Google", "192.0.2.9".parse().unwrap()), Some(7));
    let (path, error) = Reputation::read(&dir.join("none"), &[]).unwrap_err();
    assert_eq!((path, error.kind()), (dir.join("none"), io::ErrorKind::NotFound));
    std::fs::remove_dir_all(&dir).unwrap();
}

proptest! {
    #[test]
    fn any_text_is_taken_or_refused(text in ".*", lines in "([0-9.:/]{0,12},[0-9]{0,3},[0-9]{0,4}\n){0,8}") {
        let mut reputation = filled(&text);
        reputation.add_categories("any", &text);
        reputation.add_list("lines", &lines);
        let _ = reputation.score("BadHosts", "1.2.3.4".parse().unwrap());
    }

    #[test]
    fn a_network_takes_its_addresses(ip in any::<u32>(), other in any::<u32>(), bits in 0_u8..=32) {
        let of = |ip: u32| IpAddr::from(ip.to_be_bytes());
        let reputation = filled(&format!("{}/{bits},1,9\n", of(ip)));
        let same = u64::from(ip ^ other) >> (32 - bits) == 0;
        prop_assert_eq!(reputation.score("BadHosts", of(other)).is_some(), same);
    }
}
