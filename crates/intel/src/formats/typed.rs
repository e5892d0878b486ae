//! Values with a type beside them, as MISP and ThreatFox have them.

use crate::indicator::Form;

/// What a type and its value come to: composite types ("filename|md5") have their parts in the value. `None`: nothing
/// that is seen on the wire.
pub(crate) fn typed<'a>(kind: &str, value: &'a str) -> Option<Vec<(Form, &'a str)>> {
    let kind = kind.trim().to_ascii_lowercase();
    // Zeek's intelligence framework.
    let kind = kind.strip_prefix("intel::").unwrap_or(&kind);
    let (first, second) = value.split_once('|').map_or((value, None), |(a, b)| (a, Some(b)));
    match kind {
        "domain|ip" => {
            let ip = second.map(|ip| (Form::Address, ip));
            Some(std::iter::once((Form::Host, first)).chain(ip).collect())
        }
        "hostname|port" | "domain|port" => Some(vec![(Form::Host, first)]),
        "ip-dst|port" | "ip-src|port" => Some(vec![(Form::Address, first)]),
        // A name may have a bar in it, a hash may not.
        "malware-sample" | "filename|md5" | "filename|sha1" | "filename|sha256" => {
            value.rsplit_once('|').map(|(_, hash)| vec![(Form::FileHash, hash)])
        }
        // Of a program, not of what it says of itself.
        "software" | "user_name" | "file_name" | "pubkey_hash" => None,
        "cert_hash" => Some(vec![(Form::Certificate, value)]),
        // MISP has it for a path alone, too.
        "uri" if !value.contains("://") => None,
        _ => Form::named(kind).map(|form| vec![(form, value)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composite_types_are_taken_apart() {
        assert_eq!(
            typed("domain|ip", "a.b|1.2.3.4"),
            Some(vec![(Form::Host, "a.b"), (Form::Address, "1.2.3.4")])
        );
        assert_eq!(typed("filename|md5", "a|b.exe|ff"), Some(vec![(Form::FileHash, "ff")]));
        assert_eq!(typed("ip-dst|port", "1.2.3.4|80"), Some(vec![(Form::Address, "1.2.3.4")]));
        assert_eq!(typed("ip:port", "1.2.3.4:80"), Some(vec![(Form::Address, "1.2.3.4:80")]));
        assert_eq!(typed("ja3-fingerprint-md5", "x"), Some(vec![(Form::Ja3, "x")]));
        assert_eq!([typed("yara", "x"), typed("uri", "/x"), typed("sha3_384_hash", "x")], [None, None, None]);
    }
}
