use super::*;

fn dataset(kind: &str, op: DatasetOp, entries: &[(&[u8], u16)]) -> Dataset {
    Dataset {
        name: "name".into(),
        op,
        kind: kind.into(),
        entries: entries.iter().map(|(bytes, reputation)| (bytes.to_vec(), *reputation)).collect(),
        reputation: None,
        limit: 3,
    }
}

#[test]
fn rules_share_a_set() {
    let mut store = DatasetStore::default();
    let mut check = |op| store.check(&dataset("string", op, &[(b"a", 0)])).unwrap();
    let (is, is_not) = (check(DatasetOp::IsSet), check(DatasetOp::IsNotSet));
    let (set, unset) = (check(DatasetOp::Set), check(DatasetOp::Unset));
    assert_eq!(
        (is.holds(b"a"), is.holds(b"b"), is_not.holds(b"a"), is_not.holds(b"b")),
        (true, false, false, true)
    );
    // What is there already is not put in again.
    assert_eq!(
        (set.holds(b"a"), set.holds(b"b"), set.holds(b"b"), is.holds(b"b")),
        (false, true, false, true)
    );
    // Loaded entries can be taken out and put in again.
    assert_eq!((unset.holds(b"a"), unset.holds(b"a"), is.holds(b"a")), (true, false, false));
    assert_eq!((set.holds(b"a"), is.holds(b"a")), (true, true));
    assert_eq!((unset.holds(b"b"), is.holds(b"b")), (true, false));
    assert!(store.memory() > 0);
}

#[test]
fn a_set_has_a_limit() {
    let mut store = DatasetStore::default();
    let set = store.check(&dataset("string", DatasetOp::Set, &[(b"a", 0)])).unwrap();
    assert_eq!((set.holds(b"b"), set.holds(b"c"), set.holds(b"d")), (true, true, false));
}

#[test]
fn later_rules_add_entries() {
    let mut store = DatasetStore::default();
    let first = store.check(&dataset("string", DatasetOp::IsSet, &[])).unwrap();
    let _ = store.check(&dataset("string", DatasetOp::IsSet, &[(b"a", 0)])).unwrap();
    assert!(first.holds(b"a"));
}

#[test]
fn kinds_have_their_own_entries() {
    for (kind, entry, same, other) in [
        ("md5", vec![1; 16], vec![1; 16], vec![1; 15]),
        ("sha256", vec![1; 32], vec![1; 32], vec![1; 16]),
        ("ipv4", vec![10, 0, 0, 1], vec![10, 0, 0, 1], vec![10, 0, 0, 2]),
        ("ip", vec![10, 0, 0, 1], vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1], vec![10, 0, 0]),
    ] {
        let mut store = DatasetStore::default();
        let entries = [(entry.as_slice(), 0)];
        let is = store.check(&dataset(kind, DatasetOp::IsSet, &entries)).unwrap();
        let is_not = store.check(&dataset(kind, DatasetOp::IsNotSet, &entries)).unwrap();
        assert_eq!((is.holds(&entry), is.holds(&same), is.holds(&other)), (true, true, false), "{kind}");
        assert!(is_not.holds(&other), "{kind}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let mut store = DatasetStore::default();
    assert!(store.check(&dataset("float", DatasetOp::IsSet, &[])).is_err());
    assert!(store.check(&dataset("md5", DatasetOp::IsSet, &[(b"a", 0)])).is_err());
    assert!(store.check(&dataset("string", DatasetOp::IsSet, &[])).is_ok());
    assert!(store.check(&dataset("md5", DatasetOp::IsSet, &[])).is_err());
}

#[test]
fn reputations_are_compared() {
    let mut store = DatasetStore::default();
    let mut rule = dataset("string", DatasetOp::IsSet, &[(b"bad", 80), (b"good", 5)]);
    rule.reputation = Some(NumberTest::Greater(50));
    let check = store.check(&rule).unwrap();
    assert_eq!((check.holds(b"bad"), check.holds(b"good"), check.holds(b"other")), (true, false, false));
}
