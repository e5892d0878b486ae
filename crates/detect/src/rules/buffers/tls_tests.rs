use Direction::{ToClient, ToServer};
use proto::AppProto;
use wire::IpProto;

use super::*;
use crate::rules::buffers::testing::{Turns, counted, found, transactions};

/// A self-signed certificate, made for these tests: 2026-11-24 to 2036-11-21.
const CERTIFICATE: &str = "\
    3082019730820149a00302010202021122300506032b65703037310b3009060355040613024e4f3111300f060355040a0c085269 \
    6e67776172643115301306035504030c0c746573742e6578616d706c65301e170d3236313132343231313631395a170d33363131 \
    32313231313631395a3037310b3009060355040613024e4f3111300f060355040a0c0852696e6777617264311530130603550403 \
    0c0c746573742e6578616d706c65302a300506032b6570032100e7f6865a6c29120d91795484c5f4e31992c9e0c3e6ef1d36d988 \
    9565d7f9a0fca3793077301d0603551d0e04160414629a1102e8b1fc4f23ce6c716b6804e17117f2ea301f0603551d2304183016 \
    8014629a1102e8b1fc4f23ce6c716b6804e17117f2ea300f0603551d130101ff040530030101ff30240603551d11041d301b820c \
    746573742e6578616d706c658704c0000201860575726e3a78300506032b6570034100f773fa9d577eaa5f30e250d49395d44a4e \
    5252b850721071cb15db1c5fc7cb2b342246b5cc8a615ec564f29358c4a8d5916537e3d7b84753de7da947f23de807";

fn certificate() -> Vec<u8> {
    let digits: Vec<u8> = CERTIFICATE.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn with_len(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 0][..], &with_len(body)].concat()
}

fn record(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [&[kind, 3, 1][..], &with_len(bytes)].concat()
}

fn hello(version: [u8; 2], versions: &[u8]) -> Vec<u8> {
    let mut extensions = [&[0, 0][..], &with_len(&with_len(b"\0\0\x09A.eXample"))].concat();
    extensions.extend(b"\0\x10\0\x0e\0\x0c\x02h2\x08http/1.1");
    if !versions.is_empty() {
        extensions.extend([0, 43]);
        extensions.extend(with_len(&[&[versions.len() as u8], versions].concat()));
    }
    let mut body = version.to_vec();
    body.extend([1, 2, 3, 4]);
    body.extend([7; 28]);
    body.extend([0, 0, 2, 0xc0, 0x2f, 1, 0]);
    body.extend(with_len(&extensions));
    record(22, &message(1, &body))
}

fn server_hello() -> Vec<u8> {
    let mut body = vec![3, 3, 5, 6, 7, 8];
    body.extend([8; 28]);
    body.extend(b"\0\xc0\x2f\0\0\x09\0\x10\0\x05\0\x03\x02h2");
    message(2, &body)
}

fn shown() -> Vec<u8> {
    let one = [&[0][..], &with_len(&certificate())].concat();
    message(11, &[&[0][..], &with_len(&[&one[..], &[0, 0, 2, 9, 9]].concat())].concat())
}

/// TLS 1.2 in which both sides show the same certificate and another that is none.
fn mutual() -> Turns {
    let flight = [server_hello(), shown(), message(12, b"key"), message(14, b"")].concat();
    let answer = [shown(), message(16, b"key")].concat();
    vec![
        (ToServer, hello([3, 3], &[])),
        (ToClient, record(22, &flight)),
        (ToServer, [record(22, &answer), record(20, &[1])].concat()),
        (ToClient, record(20, &[1])),
    ]
}

fn tls(turns: &Turns) -> Vec<proto::Transaction> {
    transactions(AppProto::Tls, IpProto::TCP, 443, turns)
}

#[test]
fn both_sides_have_their_own() {
    let all = tls(&mutual());
    let digest = found(&all, ToClient, Buffer::TlsCertFingerprint).concat();
    assert!(digest.len() == 59 && digest.bytes().all(|b| b == b':' || b.is_ascii_hexdigit()));
    assert_eq!(digest, digest.to_ascii_lowercase());
    let name = "C=NO, O=Ringward, CN=test.example";
    for direction in [ToServer, ToClient] {
        for (buffer, text) in [
            (Buffer::TlsCertSubject, vec![name]),
            (Buffer::TlsCertIssuer, vec![name]),
            (Buffer::TlsCertSerial, vec!["11:22"]),
            (Buffer::TlsCertFingerprint, vec![&digest]),
            (Buffer::TlsSubjectAltName, vec!["test.example", "192.0.2.1", "urn:x"]),
        ] {
            assert_eq!(found(&all, direction, buffer), text, "{buffer:?}");
        }
        let der = certificate().escape_ascii().to_string();
        assert_eq!(found(&all, direction, Buffer::TlsCerts), [der, r"\t\t".to_owned()]);
        for (field, number) in [
            (Field::TlsCertChainLength, 2),
            (Field::TlsCertExpired, 0),
            (Field::TlsCertValid, 1),
            (Field::TlsCertNotBefore, 1_795_554_979),
            (Field::TlsVersion, 0x303),
        ] {
            assert_eq!(counted(&all, direction, field), [number], "{field:?}");
        }
    }
    assert_eq!(found(&all, ToServer, Buffer::TlsAlpn), ["h2", "http/1.1"]);
    assert_eq!(found(&all, ToClient, Buffer::TlsAlpn), ["h2"]);
    assert_eq!(found(&all, ToServer, Buffer::TlsSni), ["A.eXample"]);
    assert_eq!(found(&all, ToClient, Buffer::TlsSni), [""; 0]);
    assert_eq!(found(&all, ToServer, Buffer::TlsRandomTime), [r"\x01\x02\x03\x04"]);
    assert_eq!(found(&all, ToClient, Buffer::TlsRandomTime), [r"\x05\x06\x07\x08"]);
    assert_eq!(found(&all, ToClient, Buffer::TlsRandomBytes), [r"\x08".repeat(28)]);
    assert_eq!(found(&all, ToClient, Buffer::TlsRandom)[0].len(), 32 * 4);
    assert_eq!(counted(&all, ToServer, Field::SslState), [1, 4]);
    assert_eq!(counted(&all, ToClient, Field::SslState), [2, 8]);
}

#[test]
fn fingerprints_belong_to_the_side_that_left_them() {
    let all = tls(&mutual());
    assert_eq!(found(&all, ToServer, Buffer::Ja3String), ["771,49199,0-16,,"]);
    assert_eq!(found(&all, ToClient, Buffer::Ja3sString), ["771,49199,16"]);
    for (direction, buffer) in
        [(ToServer, Buffer::Ja3Hash), (ToServer, Buffer::Ja4Hash), (ToClient, Buffer::Ja3sHash)]
    {
        assert_eq!(found(&all, direction, buffer).len(), 1, "{buffer:?}");
        assert!(found(&all, direction.reverse(), buffer).is_empty(), "{buffer:?}");
    }
}

#[test]
fn a_clients_version_is_the_one_that_it_likes_best() {
    for (legacy, offered, version) in [
        ([3, 1], &[][..], 0x301),
        ([3, 3], &[0x3a, 0x3a, 3, 4, 3, 3], 0x304),
        ([3, 3], &[3, 2, 3, 4], 0x302),
        ([3, 3], &[0xfa, 0xfa], 0x303),
    ] {
        let all = tls(&vec![(ToServer, hello(legacy, offered))]);
        assert_eq!(counted(&all, ToServer, Field::TlsVersion), [version]);
        assert_eq!(counted(&all, ToClient, Field::TlsVersion), [0; 0]);
    }
}
