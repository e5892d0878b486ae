//! What is not ASCII, in every encoding that a victim's machine may use.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use encoding_rs::{
    BIG5, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1251, WINDOWS_1252,
};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use super::*;

/// Encodings, and a host, a user and a system in their language.
const LANGUAGES: [(&Encoding, &str, &str, &str, &str); 10] = [
    (UTF_8, "", "财务部-PC01", "测试员", "Windows 10 专业版"),
    (GBK, "gbk", "财务部-PC01", "测试员", "Windows 10 专业版"),
    (GB18030, "gb18030", "财务部-PC01", "王㐀明", "Windows 10 专业版"),
    (BIG5, "big5", "財務部-PC01", "王小明", "Windows 10 專業版"),
    (SHIFT_JIS, "shift_jis", "経理部-PC01", "田中太郎", "Windows 10 日本語版"),
    (EUC_KR, "euc-kr", "재무팀-PC01", "홍길동", "Windows 10 한국어"),
    (WINDOWS_1251, "windows-1251", "БУХГАЛТЕРИЯ-PC", "Администратор", "Windows 10 Корпоративная"),
    (WINDOWS_1252, "windows-1252", "BÜRO-PC", "Jürgen Müller", "Windows 10 Français"),
    (UTF_16LE, "utf-16le", "财务部-PC01", "测试员", "Windows 10 专业版"),
    (UTF_16BE, "utf-16be", "財務部-PC01", "王小明", "Windows 10 專業版"),
];

fn encode(encoding: &'static Encoding, text: &str) -> Vec<u8> {
    match encoding.name() {
        "UTF-16LE" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "UTF-16BE" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        _ => encoding.encode(text).0.into_owned(),
    }
}

fn values(found: Option<CheckIn>) -> (String, String, String) {
    let found = found.unwrap_or_default();
    let value = |d: Option<alert::Disclosure>| d.map(|d| d.value).unwrap_or_default();
    (value(found.host_name), value(found.user_name), value(found.operating_system))
}

fn percent(bytes: &[u8]) -> String {
    percent_encode(bytes, NON_ALPHANUMERIC).to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn values_are_read_in_their_encoding_wherever_they_are() {
    for (encoding, name, host, user, os) in LANGUAGES {
        let want = (host.to_owned(), user.to_owned(), os.to_owned());
        let of = |text: &str| encode(encoding, text);
        let each = |how: &dyn Fn(&[u8]) -> String, layout: &str| {
            layout
                .replace("HOST", &how(&of(host)))
                .replace("USER", &how(&of(user)))
                .replace("SYSTEM", &how(&of(os)))
        };
        let base64: &dyn Fn(&[u8]) -> String = &|b| percent(STANDARD.encode(b).as_bytes());
        let url_safe: &dyn Fn(&[u8]) -> String = &|b| URL_SAFE_NO_PAD.encode(b);
        for how in [&percent as &dyn Fn(&[u8]) -> String, base64, url_safe, &|b: &[u8]| hex(b)] {
            let pairs = each(how, "host=HOST&user=USER&os=SYSTEM");
            assert_eq!(values(decode(&format!("/gate.php?{pairs}"))), want, "{name}: {pairs}");
            let body = Request { uri: "/gate.php", body: pairs.as_bytes(), ..Request::default() };
            assert_eq!(values(decode_request(&body)), want, "{name}, body: {pairs}");
            let cookie = pairs.replace('&', "; ");
            let headers = [(&b"Cookie"[..], cookie.as_bytes())];
            let request = Request { uri: "/", headers: &headers, ..Request::default() };
            assert_eq!(values(decode_request(&request)), want, "{name}, cookie: {cookie}");
        }
        // All of it in one blob, in a query, a path, a cookie.
        let whole = of(&format!("host={host}&user={user}&os={os}"));
        for blob in [STANDARD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole), hex(&whole)] {
            let twice = STANDARD.encode(&blob);
            for blob in [percent(blob.as_bytes()), twice] {
                assert_eq!(values(decode(&format!("/g?d={blob}"))), want, "{name}: {blob}");
                assert_eq!(values(decode(&format!("/g?{blob}"))), want, "{name}: {blob}");
            }
        }
        let path = format!("/news/{}", URL_SAFE_NO_PAD.encode(&whole));
        assert_eq!(values(decode(&path)), want, "{name}: {path}");
        let found = decode(&format!("/g?d={}", URL_SAFE_NO_PAD.encode(&whole))).unwrap();
        let told = found.user_name.unwrap().encodings;
        let wanted: Vec<&str> = ["base64", name].into_iter().filter(|n| !n.is_empty()).collect();
        assert_eq!(told, wanted);
    }
}

#[test]
fn raw_bytes_are_read_as_they_are() {
    for (encoding, name, host, user, os) in LANGUAGES {
        let want = (host.to_owned(), user.to_owned(), os.to_owned());
        let form = encode(encoding, &format!("host={host}&user={user}&os={os}"));
        let request = Request { uri: "/g", body: &form, ..Request::default() };
        assert_eq!(values(decode_request(&request)), want, "{name}");
        for layout in [
            "ping|7F2A|HOST|USER|SYSTEM|x",
            "info\tHOST\tUSER\tSYSTEM",
            r#"{"host":"HOST","user":"USER","os":"SYSTEM"}"#,
        ] {
            let text = layout.replace("HOST", host).replace("USER", user).replace("SYSTEM", os);
            assert_eq!(values(decode_opening(&encode(encoding, &text))), want, "{name}: {text}");
        }
    }
    // As events show it: what is not UTF-8 is escaped.
    let found =
        decode("/g?host=\\xB2\\xC6\\xCE\\xF1\\xB2\\xBF-PC01&user=\\xB2\\xE2\\xCA\\xD4\\xD4\\xB1").unwrap();
    let host = found.host_name.unwrap();
    assert_eq!((host.value.as_str(), host.encodings.as_slice()), ("财务部-PC01", &["gbk"][..]));
    assert_eq!(found.user_name.unwrap().value, "测试员");
    assert_eq!(decode("/g?host=%u8D22%u52A1-PC&user=bob").unwrap().host_name.unwrap().value, "财务-PC");
}

#[test]
fn a_short_value_alone_is_read_too() {
    for (encoding, host) in
        [(GBK, "财务部-PC01"), (BIG5, "財務部-PC01"), (SHIFT_JIS, "経理部-PC01"), (WINDOWS_1251, "СЕРВЕР-PC")]
    {
        let uri = format!("/g?host={}", percent(&encode(encoding, host)));
        assert_eq!(values(decode(&uri)).0, host, "{uri}");
    }
}

#[test]
fn noise_is_no_text() {
    // Random bytes, hashes, pictures.
    let mut state = 0x9e37_79b9_u32;
    let mut noise = |length: usize| -> Vec<u8> {
        (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect()
    };
    let mut found = Vec::new();
    for length in (8..72).cycle().take(400) {
        let bytes = noise(length);
        for uri in [
            format!("/p?sid={}", URL_SAFE_NO_PAD.encode(&bytes)),
            format!("/p/{}", hex(&bytes)),
            format!("/p?x={}", percent(&bytes)),
        ] {
            found.extend(decode(&uri).map(|f| (uri, f)));
        }
        let request = Request { uri: "/", body: &bytes, ..Request::default() };
        found.extend(decode_request(&request).map(|f| (String::from("body"), f)));
        found.extend(decode_opening(&bytes).map(|f| (String::from("opening"), f)));
    }
    assert!(found.is_empty(), "{} of noise: {:?}", found.len(), &found[..found.len().min(5)]);
}
