use std::sync::Arc;

use rules::{Loader, Settings};

use super::*;
use crate::rules::Matcher;

fn set_of(text: &str) -> RuleSet {
    let mut loader = Loader::new(Settings::default());
    loader.text("t", text.as_bytes());
    let (set, refused) = compile(loader.finish().0);
    assert!(refused.is_empty(), "{refused:?}");
    set
}

#[test]
fn events_are_found_as_their_parsers_write_them() {
    let set = set_of(
        "alert dns any any -> any any (app-layer-event:dns.z_flag_set; sid:1;)\n\
         alert http any any -> any any (app-layer-event:http.range_invalid; sid:2;)\n",
    );
    let matcher = Matcher::new(Arc::new(set), crate::rules::HostBits::default());
    assert!(matcher.wants_event("z_flag_set"));
    assert!(matcher.wants_event("RANGE_INVALID"));
    assert!(!matcher.wants_event("invalid_opcode"));
}

#[test]
fn rules_on_files_are_told_from_those_on_what_carries_them() {
    let set = set_of(
        "alert smb any any -> any any (file.data; content:\"x\"; sid:1;)\n\
         alert smb any any -> any any (filesize:>3; sid:2;)\n\
         alert smb any any -> any any (smb.share; content:\"x\"; sid:3;)\n",
    );
    let of = |sid| set.rules.iter().find(|rule| rule.sid == sid).is_some_and(|rule| rule.files);
    assert_eq!([1, 2, 3].map(of), [true, true, false]);
}
