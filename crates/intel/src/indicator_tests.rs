use super::*;

fn domain(name: &str) -> Indicator {
    Indicator::text(Kind::Domain, name.into())
}

fn ip(text: &str) -> Indicator {
    Indicator { kind: Kind::Ip, key: octets(text.parse().unwrap()) }
}

fn url(text: &str) -> Indicator {
    Indicator::text(Kind::Url, text.into())
}

#[test]
fn kinds_follow_from_the_text() {
    let sum = "d41d8cd98f00b204e9800998ecf8427e";
    let colons = "DA:39:A3:EE:5E:6B:4B:0D:32:55:BF:EF:95:60:18:90:AF:D8:07:09";
    for (text, expected) in [
        (" Evil.Example. ", domain("evil.example")),
        ("*.evil.example", domain("evil.example")),
        ("evil[.]example", domain("evil.example")),
        ("bücher.example", domain("xn--bcher-kva.example")),
        ("_dmarc.evil.example", domain("_dmarc.evil.example")),
        ("domain:evil.example", domain("evil.example")),
        ("192.0.2.7", ip("192.0.2.7")),
        ("192[.]0[.]2[.]7", ip("192.0.2.7")),
        ("192.0.2.7:8080", ip("192.0.2.7")),
        ("192.0.2.7/32", ip("192.0.2.7")),
        ("[2001:db8::1]:80", ip("2001:db8::1")),
        ("2001:DB8::1", ip("2001:db8::1")),
        ("::ffff:192.0.2.7", ip("192.0.2.7")),
        ("192.0.2.7/24", Indicator { kind: Kind::Network, key: vec![24, 192, 0, 2, 0] }),
        ("::ffff:192.0.2.7/120", Indicator { kind: Kind::Network, key: vec![24, 192, 0, 2, 0] }),
        ("hxxp://Evil[.]example/A?b#c", url("evil.example/A?b")),
        ("http://evil.example", url("evil.example/")),
        ("https://u:p@evil.example:8443/x", url("evil.example:8443/x")),
        ("evil.example/gate.php", url("evil.example/gate.php")),
        ("http://[2001:db8::1]:81/x", url("2001:db8::1:81/x")),
        ("http://192.0.2.7:80/x", url("192.0.2.7/x")),
        ("Drop.Box@Evil.example", Indicator::text(Kind::Email, "drop.box@evil.example".into())),
        ("drop[@]evil[.]example", Indicator::text(Kind::Email, "drop@evil.example".into())),
    ] {
        assert_eq!(Indicator::parse(text), Ok(expected), "{text}");
    }
    for (text, kind) in [
        (sum.to_owned(), Kind::Md5),
        ("a".repeat(40), Kind::Sha1),
        ("B".repeat(64), Kind::Sha256),
        (colons.to_owned(), Kind::CertificateSha1),
        (format!("ja3:{sum}"), Kind::Ja3),
        (format!("hassh: {sum}"), Kind::Hassh),
        (format!("cert:{}", "a".repeat(64)), Kind::CertificateSha256),
        ("t13d1516h2_8daaf6152771_e5627efa2ab1".to_owned(), Kind::Ja4),
        ("user-agent:Evil Bot/1.0 (http://x)".to_owned(), Kind::UserAgent),
        ("2001:db8::/32".to_owned(), Kind::Network),
    ] {
        let kind_read = Indicator::parse(&text).map(|indicator| indicator.kind);
        assert_eq!(kind_read, Ok(kind), "{text}");
    }
}

#[test]
fn what_would_match_too_much_or_nothing_is_refused() {
    for text in [
        "",
        "com",
        "localhost",
        "0.0.0.0",
        "127.0.0.1",
        "255.255.255.255",
        "224.0.0.1",
        "0.0.0.0/0",
        "10.0.0.0/7",
        "10.0.0.0/33",
        "2000::/3",
        "300.1.1.1",
        "a..b",
        "a b.example",
        "-",
        "http://",
        "http://x:99999/",
        "evil.example:80:90/",
        "\u{1F600}",
        "ja3:abc",
        "ja4:t13d1516h2_8daaf6152771",
        "@evil.example",
        "a@b",
        &"a".repeat(33),
        &"a".repeat(3000),
        &format!("{}.example", "a".repeat(64)),
    ] {
        assert!(Indicator::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn networks_are_masked_whatever_their_length() {
    for bits in 0..=32 {
        let (key, len) = network_key([255; 4].into(), bits);
        let ones: u32 = key[1..len].iter().map(|b| b.count_ones()).sum();
        assert_eq!((len, ones), (5, bits.into()));
    }
    for bits in 0..=128 {
        let (key, len) = network_key([255; 16].into(), bits);
        let ones: u32 = key[1..len].iter().map(|b| b.count_ones()).sum();
        assert_eq!((len, ones), (17, bits.into()));
    }
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd(text in "\\PC*|[a-f0-9:.@/\\[\\]_]{0,80}", name in "[a-z_]{0,12}") {
        let _ = Indicator::parse(&text);
        if let Some(form) = Form::named(&name) {
            let _ = form.read(&text);
        }
        for form in [Form::Host, Form::Address, Form::Url, Form::Ja4, Form::Certificate, Form::Email] {
            let _ = form.read(&text);
        }
    }
}
