//! Lines of lists that were made for blockers of names: Adblock filters, dnsmasq, Unbound, response policy zones.

/// What a line of such a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// A domain, an address or the beginning of a URL.
    Listed(&'a str),
    /// An exception, a rule about parts of pages, what a zone says of itself.
    Nothing,
}

/// Adblock's marks of filters that hide parts of pages.
const COSMETIC: [&str; 4] = ["##", "#@#", "#?#", "#$#"];

/// A comment where a line begins so.
pub(super) fn is_comment(text: &str) -> bool {
    text.starts_with('!')
        || text.starts_with("[Adblock")
        || text.starts_with("$TTL")
        || text.starts_with("$ORIGIN")
}

/// What a line says if it is of that kind.
pub(super) fn read(text: &str) -> Option<Entry<'_>> {
    adblock(text).or_else(|| resolver(text)).or_else(|| zone(text))
}

/// `||evil.example^$third-party`, `|http://evil.example/a|`.
fn adblock(text: &str) -> Option<Entry<'_>> {
    if text.starts_with("@@") || COSMETIC.iter().any(|mark| text.contains(mark)) && !text.contains("://") {
        return Some(Entry::Nothing);
    }
    let rest = match text.strip_prefix("||") {
        Some(rest) => rest,
        None => text.strip_prefix('|').filter(|rest| rest.contains("://"))?,
    };
    let end = rest.find(['^', '$', '|']).unwrap_or(rest.len());
    rest.get(..end).map(Entry::Listed)
}

/// dnsmasq's `address=/evil.example/0.0.0.0`, Unbound's `local-zone: "evil.example" always_nxdomain`.
fn resolver(text: &str) -> Option<Entry<'_>> {
    if let Some((key, value)) = text.split_once("=/")
        && matches!(key, "address" | "server" | "local")
    {
        return value.split('/').next().map(Entry::Listed);
    }
    let (key, value) = text.split_once(':')?;
    match key {
        "local-zone" => value.trim().trim_start_matches('"').split(['"', ' ']).next().map(Entry::Listed),
        "local-data" | "server" => Some(Entry::Nothing),
        _ => None,
    }
}

/// `evil.example CNAME .` of a response policy zone; `*.evil.example` beside it is the same.
fn zone(text: &str) -> Option<Entry<'_>> {
    let mut words = text.split_whitespace();
    let name = words.next()?;
    // What begins with a blank goes on about the zone itself.
    if name == "NS" || name == "SOA" {
        return Some(Entry::Nothing);
    }
    let mut words = words
        .skip_while(|word| word.eq_ignore_ascii_case("IN") || word.bytes().all(|byte| byte.is_ascii_digit()));
    let kind = words.next()?;
    if kind.eq_ignore_ascii_case("SOA") || kind.eq_ignore_ascii_case("NS") {
        return Some(Entry::Nothing);
    }
    if !kind.eq_ignore_ascii_case("CNAME") {
        return None;
    }
    // "rpz-passthru." lets a name pass, and triggers on addresses are written backwards.
    let target = words.next()?;
    if target.eq_ignore_ascii_case("rpz-passthru.") || name.contains(".rpz-") {
        return Some(Entry::Nothing);
    }
    Some(Entry::Listed(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_for_blockers_are_read() {
        let listed = |text| Some(Entry::Listed(text));
        for (text, entry) in [
            ("||evil.example^", listed("evil.example")),
            ("||evil.example^$third-party,important", listed("evil.example")),
            ("||evil.example/a.js", listed("evil.example/a.js")),
            ("|http://evil.example/a|", listed("http://evil.example/a")),
            ("@@||fine.example^", Some(Entry::Nothing)),
            ("example.com##.banner", Some(Entry::Nothing)),
            ("address=/evil.example/0.0.0.0", listed("evil.example")),
            ("server=/evil.example/", listed("evil.example")),
            ("local-zone: \"evil.example\" always_nxdomain", listed("evil.example")),
            ("evil.example CNAME .", listed("evil.example")),
            ("*.evil.example 300 IN CNAME *.", listed("*.evil.example")),
            ("fine.example CNAME rpz-passthru.", Some(Entry::Nothing)),
            ("32.1.2.0.192.rpz-ip CNAME .", Some(Entry::Nothing)),
            ("@ SOA localhost. root.localhost. 1 2 3 4 5", Some(Entry::Nothing)),
            ("evil.example", None),
            ("http://evil.example/##x", None),
            ("0.0.0.0 evil.example", None),
            ("ja3: x", None),
        ] {
            assert_eq!(read(text), entry, "{text}");
        }
    }
}
