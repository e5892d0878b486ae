//! First messages of remote-access trojans, as their clients send them.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::GBK;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;

use super::*;

fn told(bytes: &[u8]) -> (String, String, String) {
    let found = decode_opening(bytes).unwrap_or_default();
    let value = |d: Option<alert::Disclosure>| d.map(|d| d.value).unwrap_or_default();
    (value(found.host_name), value(found.user_name), value(found.operating_system))
}

fn check(bytes: impl AsRef<[u8]>, host: &str, user: &str, os: &str) {
    let text = String::from_utf8_lossy(bytes.as_ref()).into_owned();
    assert_eq!(told(bytes.as_ref()), (host.to_owned(), user.to_owned(), os.to_owned()), "{text:?}");
}

/// Gh0st: a magic word, the whole length, the length inside, zlib.
fn gh0st(plain: &[u8]) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(plain).unwrap();
    let packed = zlib.finish().unwrap();
    let mut out = b"Gh0st".to_vec();
    out.extend(u32::try_from(packed.len() + 13).unwrap().to_le_bytes());
    out.extend(u32::try_from(plain.len()).unwrap().to_le_bytes());
    out.extend(packed);
    out
}

/// Its log-in: a token, OSVERSIONINFOEX, the processor's speed, an address, the host's name in 50 bytes.
fn gh0st_login(host: &[u8]) -> Vec<u8> {
    let mut plain = vec![0x66, 0, 0, 0];
    for word in [0x9c_u32, 6, 1, 7601, 2] {
        plain.extend(word.to_le_bytes());
    }
    let mut pack = b"Service Pack 1".to_vec();
    pack.resize(136, 0);
    plain.extend(pack);
    plain.extend(2400_u32.to_le_bytes());
    plain.extend([10, 0, 0, 5]);
    let mut name = host.to_vec();
    name.resize(50, 0);
    plain.extend(name);
    plain.extend([1, 0, 0, 0]);
    plain
}

#[test]
fn separators_of_every_family() {
    let b64 = |text: &str| STANDARD.encode(text);
    check("ping|8A3F|USER-PC|admin|Windows 7 Ultimate", "USER-PC", "admin", "Windows 7 Ultimate");
    let njrat = format!(
        "ll|'|'|{}|'|'|USER-PC|'|'|admin|'|'|19-11-22|'|'||'|'|Win 7 Ultimate SP1 x64|'|'|No|'|'|0.7d|'|'|..|'|'|{}|'|'|",
        b64("HacKed_D83A6FA0"),
        b64("Program Manager")
    );
    check(&njrat, "USER-PC", "admin", "Win 7 Ultimate SP1 x64");
    check(format!("{}\0{njrat}", njrat.len()), "USER-PC", "admin", "Win 7 Ultimate SP1 x64");
    check(
        "INFO<Xwormmm>53EF6A8B21C04D77<Xwormmm>alice<Xwormmm>Windows 10 Pro 64bit<Xwormmm>XWorm V2.1<Xwormmm>11/22/2024",
        "",
        "alice",
        "Windows 10 Pro 64bit",
    );
    check("lv|Hassan|USER-PC|Hassan|bob|Hassan|Windows 8.1|Hassan|no", "USER-PC", "bob", "Windows 8.1");
    check("online*FIN-WS-042*jdoe*Windows 10 x64*1.2", "FIN-WS-042", "jdoe", "Windows 10 x64");
    check("LOGIN#DESKTOP-8F2K1QX#carol#Windows 11 Home#v2", "DESKTOP-8F2K1QX", "carol", "Windows 11 Home");
    check("reg\tLAPTOP-QQ12345\td.smith\tWindows 10", "LAPTOP-QQ12345", "d.smith", "Windows 10");
    check("hello\0WIN-7Q2KLM1\0bob\0Windows Server 2019\0\x01", "WIN-7Q2KLM1", "bob", "Windows Server 2019");
    check("DESKTOP-8F2K1QX\nalice\nWindows 10\n", "DESKTOP-8F2K1QX", "alice", "Windows 10");
    check("host=DESKTOP-8F2K1QX\nuser=alice\nos=Windows 10\n", "DESKTOP-8F2K1QX", "alice", "Windows 10");
    check("info|LAB1|bob|Windows 10|x64|1.0", "LAB1", "bob", "Windows 10");
    check(
        format!(
            "Information*-]NK[-*{}*-]NK[-*{}*-]NK[-*{}",
            b64("Guest"),
            b64("USER-PC / admin"),
            b64("Microsoft Windows 7 Ultimate 64")
        ),
        "USER-PC",
        "admin",
        "Microsoft Windows 7 Ultimate 64",
    );
    check(
        "addnew|cmd|RemoteHost|cmd|USER-PC/admin|cmd|US|cmd|Windows 7 Professional (64 bit)|cmd|",
        "USER-PC",
        "admin",
        "Windows 7 Professional (64 bit)",
    );
}

#[test]
fn lengths_and_layers_come_off() {
    let text = "DESKTOP-8F2K1QX|alice|Windows 10";
    let length = u32::try_from(text.len()).unwrap();
    for prefix in
        [length.to_le_bytes().to_vec(), length.to_be_bytes().to_vec(), (length as u16).to_be_bytes().to_vec()]
    {
        let message = [prefix.as_slice(), text.as_bytes()].concat();
        check(&message, "DESKTOP-8F2K1QX", "alice", "Windows 10");
        assert!(is_whole(&message) && !is_whole(&message[..message.len() - 1]));
    }
    check(STANDARD.encode(text), "DESKTOP-8F2K1QX", "alice", "Windows 10");
    let json =
        r#"{"type":"hello","data":{"hostname":"DESKTOP-8F2K1QX","username":"alice","os":"Windows 10"}}"#;
    check(json, "DESKTOP-8F2K1QX", "alice", "Windows 10");
    check(format!("{json}\n{{\"type\":\"ping\"}}\n"), "DESKTOP-8F2K1QX", "alice", "Windows 10");
    assert!(is_whole(json.as_bytes()) && !is_whole(&json.as_bytes()[..40]));
    check(gh0st(text.as_bytes()), "DESKTOP-8F2K1QX", "alice", "Windows 10");
    check(gh0st(&gh0st_login(b"USER-PC")), "USER-PC", "", "Windows NT 6.1.7601");
    check(gh0st(&gh0st_login(&GBK.encode("财务部-PC").0)), "财务部-PC", "", "Windows NT 6.1.7601");
    let whole = gh0st(&gh0st_login(b"USER-PC"));
    assert!(is_whole(&whole) && !is_whole(&whole[..whole.len() - 1]));
    let found = decode_opening(&whole).unwrap().host_name.unwrap();
    assert_eq!(found.encodings, ["zlib"]);
    assert!(found.found_in.starts_with("TCP payload, field "), "{}", found.found_in);
}

#[test]
fn ordinary_streams_tell_nothing() {
    for text in [
        "",
        "PING\r\n",
        "SELECT * FROM users WHERE os = 'x';",
        "220 mail.example ESMTP ready\r\n",
        "GET / HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64)\r\n\r\n",
        "a|b|c|d",
        "one\ntwo\nthree\n",
        "USER anonymous\r\nPASS x@example.org\r\n",
        "{\"jsonrpc\":\"2.0\",\"method\":\"eth_submitLogin\",\"id\":1}\n",
        "tick;2024-11-22;EURUSD;1.0471;1.0473\n",
        "\x00\x00\x00\x10\x01\x02\x03\x04",
        "WA\x01\x05\0\0\x0fAndroid-2.12.84\0\0\x02\u{e9}\x07privacy\x01",
    ] {
        assert_eq!(decode_opening(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn a_bomb_is_bounded() {
    let bomb = gh0st(&vec![b'|'; 64 << 20]);
    let _ = decode_opening(&bomb);
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes: Vec<u8>, text in "[a-zA-Z0-9+/=%&;|:{}\"',.@\\\\\\n\\t<>#*-]{0,300}") {
        let _ = decode_opening(&bytes);
        let _ = is_whole(&bytes);
        let _ = decode_opening(text.as_bytes());
        let _ = is_whole(text.as_bytes());
        let request = Request { uri: &text, headers: &[(b"Cookie", &bytes), (b"User-Agent", text.as_bytes())], body: &bytes };
        let _ = decode_request(&request);
        let request = Request { body: text.as_bytes(), ..Request::default() };
        let _ = decode_request(&request);
    }

    /// Whatever separates the fields, and whatever stands before and behind them.
    #[test]
    fn what_is_listed_is_read(
        host in "(DESKTOP|LAPTOP)-[A-Z0-9]{7}",
        user in "(alice|bob|carol|d\\.smith|svc_backup|admin)",
        os in prop::sample::select(vec!["Windows 10", "Windows 11 Pro", "Win 7 Ultimate SP1 x64"]),
        separator in prop::sample::select(vec!["|", "\t", "*", "#", "\0", "\n", "|'|'|", "<Xwormmm>", "||", "~", "^"]),
        before in prop::sample::select(vec!["ping", "INFO", "7", "0"]),
    ) {
        let message = [before, &host, &user, os, "1.0"].join(separator);
        prop_assert_eq!(told(message.as_bytes()), (host, user, os.to_owned()), "{:?}", message);
    }
}
