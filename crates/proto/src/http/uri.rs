//! Request targets: the host in them, and the path that names a file.

/// "host:port" taken apart; lower case, without brackets and final dot.
pub(crate) fn host_port(value: &str) -> (Option<String>, Option<u16>) {
    let value = value.trim();
    let (host, port) = match value.strip_prefix('[').and_then(|v| v.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None => match value.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (value, None),
        },
    };
    let host = host.trim().trim_end_matches('.').to_ascii_lowercase();
    ((!host.is_empty()).then_some(host), port.and_then(|p| p.trim().parse().ok()))
}

/// The authority of an absolute target ("http://user@host:port/path" gives "host:port").
pub(crate) fn authority(target: &str) -> Option<&str> {
    if target.starts_with('/') {
        return None;
    }
    let (scheme, rest) = target.split_once("://")?;
    if scheme.is_empty()
        || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
    {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    Some(authority.rsplit('@').next().unwrap_or(authority))
}

/// The path of a target as a server would understand it: without query, percent-decoded, dots resolved.
pub(crate) fn path(target: &str) -> String {
    let rest = match (target.starts_with('/'), target.split_once("://")) {
        (false, Some((_, rest))) => rest.find('/').map_or("", |at| &rest[at..]),
        _ => target,
    };
    let raw = rest.split(['?', '#']).next().unwrap_or(rest);
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(raw).collect();
    let decoded = super::headers::text(&bytes);
    if !decoded.contains("/.") && !decoded.contains("//") {
        return decoded;
    }
    let mut segments: Vec<&str> = Vec::new();
    let trailing = decoded.ends_with('/') || decoded.ends_with("/.") || decoded.ends_with("/..");
    for segment in decoded.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            other => segments.push(other),
        }
    }
    let mut out = String::with_capacity(decoded.len());
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    if trailing || out.is_empty() {
        out.push('/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_apart() {
        assert_eq!(host_port("Example.COM.:8080"), (Some("example.com".into()), Some(8080)));
        assert_eq!(host_port("[2001:db8::1]:80"), (Some("2001:db8::1".into()), Some(80)));
        assert_eq!(host_port(" "), (None, None));
        assert_eq!(authority("http://user:pw@h:81/x"), Some("h:81"));
        assert_eq!(authority("/x?u=http://h/"), None);
        assert_eq!(authority("+ http://h/"), None);
    }

    #[test]
    fn paths_are_as_servers_see_them() {
        assert_eq!(path("/a/b?c=d"), "/a/b");
        assert_eq!(path("/../a/b/../c/./d.html"), "/a/c/d.html");
        assert_eq!(path("http://h/a%20b"), "/a b");
        assert_eq!(path("http://h"), "");
        assert_eq!(path("/a/b/.."), "/a/");
    }
}
