use proptest::prelude::*;

use super::*;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

fn told(uri: &str) -> (String, String, String) {
    let found = decode(uri).unwrap_or_default();
    let value = |d: Option<alert::Disclosure>| d.map(|d| d.value).unwrap_or_default();
    (value(found.host_name), value(found.user_name), value(found.operating_system))
}

fn check(uri: &str, host: &str, user: &str, os: &str) {
    assert_eq!(told(uri), (host.to_owned(), user.to_owned(), os.to_owned()), "{uri}");
}

const PC: &str = "DESKTOP-8F2K1QX";

#[test]
fn plain_and_percent_encoded_queries() {
    check("/gate.php?host=DESKTOP-8F2K1QX&user=alice&os=Windows%2010", PC, "alice", "Windows 10");
    check("/g?hostname=finance-7&username=bob&osver=Windows+11+Pro", "finance-7", "bob", "Windows 11 Pro");
    check("/c?h=WORK7&u=carol&o=win10", "WORK7", "carol", "win10");
    check("/c?id=LAPTOP-QQ1234&un=d.smith&ver=Windows%25207", "LAPTOP-QQ1234", "d.smith", "Windows 7");
    check(
        "/x?computername=SRV01&login=svc_backup&platform=Linux%205.15.0-91-generic",
        "SRV01",
        "svc_backup",
        "Linux 5.15.0-91-generic",
    );
    check("/p?user=CORP%5Cjdoe&os=Windows%208.1", "CORP", "jdoe", "Windows 8.1");
    check("/p?pc=ACCT-PC&os=10.0.19045", "ACCT-PC", "", "10.0.19045");
    check("/a?machine=bobs-mbp.local&user=bob&system=macOS%2014.2", "bobs-mbp.local", "bob", "macOS 14.2");
    check("/a;host=PC-0071;user=eve", "PC-0071", "eve", "");
    check("http://evil.example/a?user=mallory", "", "mallory", "");
}

#[test]
fn paths() {
    check("/checkin/DESKTOP-8F2K1QX/alice/Windows%2010", PC, "alice", "Windows 10");
    check("/api/v1/DESKTOP-8F2K1QX/alice/Ubuntu%2022.04/beacon", PC, "alice", "Ubuntu 22.04");
    check("/b/host=DESKTOP-8F2K1QX/user=alice/os=win7", PC, "alice", "win7");
    check("/agent/alice@DESKTOP-8F2K1QX/ping", PC, "alice", "");
    check(
        &format!("/img/{}.gif", URL_SAFE_NO_PAD.encode("DESKTOP-8F2K1QX|alice|Windows 10")),
        PC,
        "alice",
        "Windows 10",
    );
}

#[test]
fn blobs() {
    for inner in [
        "host=DESKTOP-8F2K1QX&user=alice&os=Windows 10",
        "host=DESKTOP-8F2K1QX;user=alice;os=Windows 10",
        "DESKTOP-8F2K1QX|alice|Windows 10",
        "DESKTOP-8F2K1QX,alice,Windows 10",
        "hostname:DESKTOP-8F2K1QX;username:alice;os:Windows 10",
        r#"{"host":"DESKTOP-8F2K1QX","user":"alice","os":"Windows 10"}"#,
        "host=DESKTOP-8F2K1QX&user=alice&os=Windows%2010",
        "id=77\nhost=DESKTOP-8F2K1QX\nuser=alice\nos=Windows 10\n",
    ] {
        let standard = STANDARD.encode(inner);
        let hex: String = inner.bytes().map(|b| format!("{b:02x}")).collect();
        let wide = STANDARD.encode(inner.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
        let escaped = standard.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        for blob in
            [standard.clone(), URL_SAFE_NO_PAD.encode(inner), escaped, hex, STANDARD.encode(&standard), wide]
        {
            check(&format!("/gate.php?d={blob}"), PC, "alice", "Windows 10");
            check(&format!("/gate.php?{blob}"), PC, "alice", "Windows 10");
        }
        check(&format!("/news/{}", URL_SAFE_NO_PAD.encode(inner)), PC, "alice", "Windows 10");
    }
    check(
        &format!(
            "/c?h={}&u={}&o={}",
            STANDARD.encode("WORK7-A1"),
            STANDARD.encode("carol"),
            STANDARD.encode("Windows 10")
        ),
        "WORK7-A1",
        "carol",
        "Windows 10",
    );
}

#[test]
fn places_and_encodings_are_told() {
    let found = decode(&format!("/g?d={}", STANDARD.encode("host=PC-11&user=alice"))).unwrap();
    let user = found.user_name.unwrap();
    assert_eq!((user.found_in.as_str(), user.encodings.as_slice()), ("query d, field user", &["base64"][..]));
    let found = decode("/g?user=al%20ice&host=PC-11").unwrap();
    assert_eq!(found.user_name.unwrap().encodings, ["percent"]);
    assert_eq!(found.host_name.unwrap().found_in, "query host");
}

#[test]
fn ordinary_requests_tell_nothing() {
    for uri in [
        "/",
        "/index.html",
        "/search?q=windows+10&user=",
        "/index.php?id=5&h=300&w=200",
        "/a/b/c.js?v=1.2.3",
        "/img/logo-win.png",
        "/?utm_source=news&utm_medium=mail",
        "/login?next=/home",
        "/api/v2/items/42",
        "/download/windows/setup.exe",
        "/w/index.php?title=Linux",
        "/ads?host=www.site.example",
        "/r?u=https%3A%2F%2Fexample.com%2F",
        "/t?sid=dGhpc2lzYXRva2Vu",
        "/t?x=5f4dcc3b5aa765d61d8327deb882cf99",
        "/forum/thread-1234-page-2.html",
        "/v?ver=10",
        "/maps?ll=52.1,13.4&z=10",
        "/s?c=1&m=2&d=3",
        "/?p=123",
        "/forum/index.php?name=Forums&file=viewtopic&t=2",
        "/control/stream_48_1@s61694?cmd=rtt-test&v=2.2.27",
        "/broken/end-crlf%5C011crlfcrlf",
        "/sign?host=market.example.net&sdk=android_1.3.3",
        "/fonts/open-sans.woff2",
        "/j?callback=jQuery1234567890_1700000000",
        "/rss?format=xml&n=20",
        "/date/2026-11-23",
        "/users/42/avatar.png",
        "/cart?item=PC-case&qty=1",
        "/news/2024/windows-11-release",
        "/forum/user/settings/host/info",
        "/support/windows-10/faq-12",
    ] {
        assert_eq!(decode(uri), None, "{uri}");
    }
}

#[test]
fn paths_and_short_values_tell_too() {
    for (uri, host, user, os) in [
        ("/api/v1/register/FIN-WS-042/jdoe/Windows%2010%20x64", "FIN-WS-042", "jdoe", "Windows 10 x64"),
        ("/b/RklOLVdTLTA0Mg==/amRvZQ==/V2luZG93cyAxMA==", "FIN-WS-042", "jdoe", "Windows 10"),
        ("/beacon/host/srv-web-01/user/www-data/os/Debian%2012", "srv-web-01", "www-data", "Debian 12"),
        ("/?h=REVTS1RPUC1BQkMxMjM&u=YWxpY2U&o=V2luMTA", "DESKTOP-ABC123", "alice", "Win10"),
        ("/b.php?x=V0lOLTE6Ym9iOldpbmRvd3MgMTA%3D", "WIN-1", "bob", "Windows 10"),
        (
            "/i?computername=lab-pc-9&domain=LAB&loggedonuser=kim&os=Windows%207",
            "lab-pc-9",
            "kim",
            "Windows 7",
        ),
    ] {
        let told = decode(uri).unwrap_or_else(|| panic!("{uri}"));
        let value = |d: Option<alert::Disclosure>| d.map(|d| d.value).unwrap_or_default();
        let found = (value(told.host_name), value(told.user_name), value(told.operating_system));
        assert_eq!(found, (host.into(), user.into(), os.into()), "{uri}");
    }
}

proptest! {
    #[test]
    fn any_uri_is_survived(uri in "\\PC{0,300}", path in "[a-zA-Z0-9+/=%&;|:{}\",.@\\\\-]{0,200}") {
        let _ = decode(&uri);
        let _ = decode(&format!("/{path}?{path}"));
    }

    /// Whoever encodes a check-in in one of the usual ways is read.
    #[test]
    fn what_is_encoded_is_decoded(
        host in "(DESKTOP|LAPTOP)-[A-Z0-9]{7}",
        user in "[a-z]{3,8}(\\.[a-z]{3,8})?",
        os in prop::sample::select(vec!["Windows 10", "Windows 11 Pro", "Ubuntu 22.04", "macOS 14.2"]),
        keys in prop::sample::select(vec![("host", "user", "os"), ("computer", "username", "platform"), ("h", "u", "o")]),
        layout in 0..6_usize,
    ) {
        prop_assume!(!["api", "gate", "check", "login", "index", "panel", "bot", "ping", "beacon", "reg", "task", "get", "post", "data", "info", "home", "img", "css", "news", "hello", "agent", "admin", "true", "false", "null", "none", "www", "new", "start", "stat", "user", "host"].contains(&user.as_str()));
        // A name of eight letters that is a text in base64, too, cannot be told from one: "aeaagicg".
        let read = STANDARD.decode(&user).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        prop_assume!(read.is_none());
        let spaced = os.replace(' ', "%20");
        let pairs = format!("{}={host}&{}={user}&{}={os}", keys.0, keys.1, keys.2);
        let uri = match layout {
            0 => format!("/g?{}={host}&{}={user}&{}={spaced}", keys.0, keys.1, keys.2),
            1 => format!("/g?x={}", STANDARD.encode(pairs)),
            2 => format!("/g?{}", URL_SAFE_NO_PAD.encode(pairs)),
            3 => format!("/in/{host}/{user}/{spaced}"),
            4 => format!("/g?x={}", URL_SAFE_NO_PAD.encode(format!("{host}|{user}|{os}"))),
            _ => format!("/{}/x", URL_SAFE_NO_PAD.encode(format!("{host}|{user}|{os}"))),
        };
        prop_assert_eq!(told(&uri), (host, user, os.to_owned()), "{}", uri);
    }
}
