use super::*;

fn normal(target: &str) -> String {
    let mut to = Vec::new();
    write_normalized(target.as_bytes(), false, &mut to);
    String::from_utf8_lossy(&to).into_owned()
}

#[test]
fn targets_are_decoded_once() {
    assert_eq!(normal("/a%20b?c=%41+d"), "/a b?c=A+d");
    assert_eq!(normal("/%2541?%2541"), "/%41?%41");
    assert_eq!(normal("/%zz%4?%zz%4%"), "/%zz%4?%zz%4%");
    assert_eq!(normal("/%u0041%uff21%u12?%U0042"), "/AA%u12?B");
    assert_eq!(normal("/a%00b"), "/a\0b");
    assert_eq!(normal("/%2e%2e%2fx%5Cy"), "/x/y");
}

#[test]
fn paths_have_no_detours() {
    assert_eq!(normal("/a//b\\c/./d/../e"), "/a/b/c/e");
    assert_eq!(normal("/../../x"), "/x");
    assert_eq!(normal("/a/.."), "/");
    assert_eq!(normal("/a/."), "/a/");
    assert_eq!(normal("a/../b"), "b");
    assert_eq!(normal("/a?b=//c/../d\\e"), "/a?b=//c/../d\\e");
    assert_eq!(normal("/.hidden/..x"), "/.hidden/..x");
}

#[test]
fn absolute_targets_lose_their_host() {
    assert_eq!(normal("http://user:pw@h.example:80/a%41?b#c%41"), "/aA?b#c%41");
    assert_eq!(normal("http://h.example"), "");
    assert_eq!(normal("http:///a"), "/a");
    assert_eq!(normal("*"), "*");
    assert_eq!(normal(""), "");
}

#[test]
fn what_is_normal_is_found_to_be() {
    for target in ["/", "/a/b?c=d", "/a.b"] {
        assert!(is_normal(target.as_bytes()) && normal(target) == target, "{target}");
    }
    for target in ["/a//b", "/%41", "/./", "a", "http://h/", "/a\\"] {
        assert!(!is_normal(target.as_bytes()), "{target}");
    }
}
