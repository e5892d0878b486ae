//! Domain names by the public suffix list.

/// The registrable domain of a host name: "example.co.uk" of "www.example.co.uk".
pub(super) fn domain(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let found = psl::domain(bytes);
    out.extend_from_slice(found.as_ref().map_or(&[], |domain| domain.as_bytes()));
    found.is_some()
}

/// The public suffix of a host name: "co.uk" of "www.example.co.uk".
pub(super) fn tld(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let found = psl::suffix(bytes);
    out.extend_from_slice(found.as_ref().map_or(&[], |suffix| suffix.as_bytes()));
    found.is_some()
}
