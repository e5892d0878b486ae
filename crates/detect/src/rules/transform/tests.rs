use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use proptest::prelude::*;

use super::*;

fn applied(transforms: &[Transform], bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut spare) = (b"old".to_vec(), b"old".to_vec());
    Transforms::new(transforms).unwrap().apply(bytes, &mut out, &mut spare);
    out
}

#[test]
fn each_transform_does_its_work() {
    let base64 = |bytes, offset, mode| Transform::FromBase64 { bytes, offset, mode };
    let slice = |offset, bytes, truncate| Transform::Subslice { offset, bytes, truncate };
    for (transform, bytes, expected) in [
        (Transform::DotPrefix, "example.com", ".example.com"),
        (Transform::DotPrefix, "", "."),
        (Transform::Domain, "www.example.co.uk", "example.co.uk"),
        (Transform::Domain, "co.uk", "co.uk"),
        (Transform::Tld, "www.example.co.uk", "co.uk"),
        (Transform::StripWhitespace, " a\tb\r\nc\x0bd\x0c", "abcd"),
        (Transform::CompressWhitespace, "a  b\t\n c ", "a b\tc "),
        (Transform::StripPseudoHeaders, ":method: GET\r\nA: b\r\n:path: /\r\n", "A: b\r\n"),
        (Transform::HeaderLowercase, "Host: ExA\r\nX-A: B: C\r\nBad", "host: ExA\r\nx-a: B: C\r\nbad"),
        (Transform::HeaderLowercase, ":Method: GET\r\n", ":method: GET\r\n"),
        (Transform::ToLowercase, "aBC", "abc"),
        (Transform::ToUppercase, "aBC", "ABC"),
        (Transform::UrlDecode, "a%41+%4g%%34%", "aA %4g%4%"),
        (Transform::Xor(vec![1, 2]), "aaa", "`c`"),
        (Transform::PcreXform("id=(\\w+)".into()), "x?id=7&y", "7"),
        (Transform::PcreXform("id=(\\w+)".into()), "none", "none"),
        (Transform::PcreXform("^(a+)+$".into()), &("a".repeat(60) + "b"), &("a".repeat(60) + "b")),
        (base64(None, 0, 0), "SGVs bG8=", "Hel"),
        (base64(None, 0, 1), "SGVs bG8=", "Hello"),
        (base64(None, 0, 2), "SGVsbG8=", "Hello"),
        (base64(None, 0, 2), "SGVsbG8", "SGVsbG8"),
        (base64(Some(4), 2, 0), "xxSGVsbG8=", "Hel"),
        (base64(None, 99, 0), "SGVs", "SGVs"),
        (slice(1, Some(2), false), "abcd", "bc"),
        (slice(-3, Some(2), false), "abcd", "bc"),
        (slice(1, Some(-1), false), "abcd", "bc"),
        (slice(2, None, false), "abcd", "cd"),
        (slice(2, Some(9), false), "abcd", ""),
        (slice(2, Some(9), true), "abcd", "cd"),
        (slice(-9, None, true), "abcd", "abcd"),
        (slice(-9, None, false), "abcd", ""),
    ] {
        let out = applied(std::slice::from_ref(&transform), bytes.as_bytes());
        assert_eq!(String::from_utf8_lossy(&out), expected, "{transform:?} of {bytes:?}");
    }
}

#[test]
fn digests_are_raw() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hex(&applied(&[Transform::Md5], b"")), "d41d8cd98f00b204e9800998ecf8427e");
    assert_eq!(hex(&applied(&[Transform::Sha1], b"")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    assert_eq!(
        hex(&applied(&[Transform::Sha256], b"")),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
}

#[test]
fn compressed_bytes_are_bounded() {
    let zeros = vec![0; 100_000];
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(&zeros).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(&zeros).unwrap();
    let zlib = zlib.finish().unwrap();
    assert_eq!(applied(&[Transform::Gunzip { max: 0 }], &gzip).len(), 1024);
    assert_eq!(applied(&[Transform::Gunzip { max: 5000 }], &gzip).len(), 5000);
    assert_eq!(applied(&[Transform::ZlibDeflate { max: u32::MAX }], &zlib).len(), 100_000);
    // Cut off: what there is of it.
    assert!(!applied(&[Transform::Gunzip { max: 0 }], &gzip[..gzip.len() / 2]).is_empty());
    assert_eq!(applied(&[Transform::Gunzip { max: 0 }], b"nothing"), b"nothing");
}

#[test]
fn transforms_are_chained() {
    let chain = [Transform::StripWhitespace, Transform::ToLowercase, Transform::DotPrefix];
    assert_eq!(applied(&chain, b" Exa mple.com"), b".example.com");
    assert!(Transforms::new(&[]).unwrap().is_empty());
    assert_eq!(applied(&[], b"a"), b"a");
}

#[test]
fn what_cannot_be_done_is_refused() {
    for transform in [
        Transform::PcreXform("(".into()),
        Transform::PcreXform("a".into()),
        Transform::PcreXform("(a)(b)".into()),
        Transform::Xor(vec![]),
        Transform::FromBase64 { bytes: None, offset: 0, mode: 3 },
    ] {
        assert!(Transforms::new(std::slice::from_ref(&transform)).is_err(), "{transform:?}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(bytes: Vec<u8>, offset: i32, count: Option<i32>, truncate: bool, max: u16, mode in 0_u8..3) {
        for transform in [
            Transform::Domain, Transform::Tld, Transform::HeaderLowercase, Transform::StripPseudoHeaders,
            Transform::UrlDecode, Transform::Gunzip { max: max.into() }, Transform::ZlibDeflate { max: max.into() },
            Transform::Subslice { offset, bytes: count, truncate },
            Transform::FromBase64 { bytes: count.map(|count| count as u32), offset: offset as u32 % 9, mode },
        ] {
            applied(&[transform], &bytes);
        }
    }
}
