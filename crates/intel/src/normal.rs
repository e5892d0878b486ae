//! The target of a URL in its normal form (RFC 3986 6.2.2), so that the same resource is the same text.

use std::borrow::Cow;

/// Path and query: what need not be percent-encoded is not, hexadecimal digits are capitals, and the path has no "." and
/// ".." segments. What URLs cannot have (blanks, other characters
/// than ASCII, a "%" that encodes nothing) is percent-encoded.
pub(crate) fn target(text: &str) -> Cow<'_, str> {
    if is_normal(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let (path, query) = text.split_at_checked(text.find('?').unwrap_or(text.len())).unwrap_or((text, ""));
    let mut normal = without_dots(&characters(path));
    normal.push_str(&characters(query));
    Cow::Owned(normal)
}

/// Whether nothing in it could be written otherwise.
fn is_normal(bytes: &[u8]) -> bool {
    memchr::memchr(b'%', bytes).is_none()
        && memchr::memmem::find(bytes, b"/.").is_none()
        && bytes.iter().all(|byte| byte.is_ascii_graphic())
}

fn characters(text: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let hex = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let encoded = match (byte, behind) {
            (b'%', [high, low, after @ ..]) => hex(*high).zip(hex(*low)).map(|(h, l)| (h << 4 | l, after)),
            _ => None,
        };
        match encoded {
            Some((byte, after)) => {
                rest = after;
                if unreserved(byte) {
                    out.push(char::from(byte));
                } else {
                    out.push_str(&format!("%{byte:02X}"));
                }
            }
            None if byte.is_ascii_graphic() && byte != b'%' => out.push(char::from(byte)),
            None => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// RFC 3986 5.2.4.
fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_open = false;
    for segment in path.split('/').skip(usize::from(path.starts_with('/'))) {
        ends_open = matches!(segment, "." | "..");
        match segment {
            "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in &segments {
        if path.starts_with('/') || !out.is_empty() {
            out.push('/');
        }
        out.push_str(segment);
    }
    if ends_open {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_resource_is_the_same_text() {
        for (text, normal) in [
            ("/p/x.php", "/p/x.php"),
            ("/p/%78.php", "/p/x.php"),
            ("/p/../p/x.php", "/p/x.php"),
            ("/./p/./x.php", "/p/x.php"),
            ("/../../x", "/x"),
            ("/a/..", "/"),
            ("/a/b/.", "/a/b/"),
            ("/a%2fb?c=%2F%7e", "/a%2Fb?c=%2F~"),
            ("/a?b=/../c", "/a?b=/../c"),
            ("/a b", "/a%20b"),
            ("/\u{e9}", "/%C3%A9"),
            ("/%", "/%25"),
            ("/%zz%4", "/%25zz%254"),
            ("", ""),
            ("/.hidden", "/.hidden"),
            ("//x", "//x"),
        ] {
            assert_eq!(target(text), normal, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_normal_stays(text in "/[a-c./%0-9F?]{0,20}|\\PC{0,20}") {
            let once = target(&text).into_owned();
            // "%2525" is an encoded "%25": taken apart once, not again and again.
            proptest::prop_assert_eq!(target(&once).into_owned(), once.clone());
        }
    }
}
