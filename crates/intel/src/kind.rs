//! What kinds of indicators there are.

/// A kind of indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A domain: itself and everything below it.
    Domain,
    /// An address.
    Ip,
    /// A network of addresses (CIDR).
    Network,
    /// A URL.
    Url,
    /// MD5 of a file.
    Md5,
    /// SHA-1 of a file.
    Sha1,
    /// SHA-256 of a file.
    Sha256,
    /// JA3 of a TLS or QUIC client.
    Ja3,
    /// JA4 of a TLS or QUIC client.
    Ja4,
    /// SHA-1 of a TLS server's certificate.
    CertificateSha1,
    /// SHA-256 of a TLS server's certificate.
    CertificateSha256,
    /// HASSH of an SSH client, or HASSHServer of a server.
    Hassh,
    /// A client's name for itself in HTTP.
    UserAgent,
    /// An e-mail address.
    Email,
    /// Several of these that must all be seen (AND in a STIX pattern).
    Pattern,
}

/// Number of kinds.
pub(crate) const KINDS: usize = Kind::ALL.len();

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 15] = [
        Kind::Domain,
        Kind::Ip,
        Kind::Network,
        Kind::Url,
        Kind::Md5,
        Kind::Sha1,
        Kind::Sha256,
        Kind::Ja3,
        Kind::Ja4,
        Kind::CertificateSha1,
        Kind::CertificateSha256,
        Kind::Hassh,
        Kind::UserAgent,
        Kind::Email,
        Kind::Pattern,
    ];

    /// The name in alerts: `ioc_type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Domain => "domain",
            Kind::Ip => "ip",
            Kind::Network => "network",
            Kind::Url => "url",
            Kind::Md5 => "md5",
            Kind::Sha1 => "sha1",
            Kind::Sha256 => "sha256",
            Kind::Ja3 => "ja3",
            Kind::Ja4 => "ja4",
            Kind::CertificateSha1 | Kind::CertificateSha256 => "certificate",
            Kind::Hassh => "hassh",
            Kind::UserAgent => "user_agent",
            Kind::Email => "email",
            Kind::Pattern => "pattern",
        }
    }

    /// What many of them are called, for a summary.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Domain => "domains",
            Kind::Ip => "addresses",
            Kind::Network => "networks",
            Kind::Url => "URLs",
            Kind::Md5 | Kind::Sha1 | Kind::Sha256 => "file hashes",
            Kind::Ja3 | Kind::Ja4 => "TLS client fingerprints",
            Kind::CertificateSha1 | Kind::CertificateSha256 => "certificates",
            Kind::Hassh => "SSH fingerprints",
            Kind::UserAgent => "user agents",
            Kind::Email => "e-mail addresses",
            Kind::Pattern => "patterns",
        }
    }

    /// Bytes of a kind that is a hash.
    #[must_use]
    pub fn digest_len(self) -> Option<usize> {
        match self {
            Kind::Md5 | Kind::Ja3 | Kind::Hassh => Some(16),
            Kind::Sha1 | Kind::CertificateSha1 => Some(20),
            Kind::Sha256 | Kind::CertificateSha256 => Some(32),
            _ => None,
        }
    }

    pub(crate) fn from_byte(byte: u8) -> Option<Kind> {
        Kind::ALL.get(usize::from(byte)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_its_place_among_all() {
        for (place, kind) in (0..).zip(Kind::ALL) {
            assert_eq!((kind as u8, Kind::from_byte(place)), (place, Some(kind)));
        }
        assert_eq!(Kind::from_byte(Kind::ALL.len() as u8), None);
    }
}
