use super::*;
use crate::text_testing::Log;
use wire::Direction::ToServer;

fn read(message: &[u8], step: usize) -> (Email, Log) {
    let mut log = Log::default();
    let mut mime = Mime::new(ToServer, 3);
    let carrier: Carrier<'_> =
        &|email| crate::smtp::Smtp { email: Some(email.clone()), ..Default::default() }.into();
    for piece in message.chunks(step) {
        mime.bytes(piece, carrier, &mut log);
    }
    (mime.end(true, carrier, &mut log), log)
}

const MESSAGE: &[u8] = b"Received: from a\r\n by b\r\nFrom: \"Smith, Al\" <al@a.example>\r\n\
To: b@b.example,\r\n \"C, D\" <c@c.example>\r\nSubject: =?iso-8859-1?Q?caf=E9?= =?utf-8?B?IGF1IGxhaXQ=?=\r\n\
Content-Type: multipart/mixed; boundary=\"out er\"\r\n\r\npreamble http://no.example/\r\n--out er\r\n\
Content-Type: multipart/alternative; boundary=inner\r\n\r\n--inner\r\n\r\nsee http://evil.example/a?b, or\r\n\
--inner\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
<a href=3D\"HTTPS://two.example=\r\n/x\">\r\n--inner--\r\n--out er\r\n\
Content-Disposition: attachment; filename=\"a b.txt\"\r\nContent-Transfer-Encoding: base64\r\n\r\n\
aGVsbG8g\r\nd29ybGQ=\r\n--out er\r\nContent-Type: text/plain;\r\n name*0*=utf-8''caf%C3%A9;\r\n name*1=.txt\r\n\r\n\
one\r\ntwo\r\n--out er--\r\nepilogue\r\n";

#[test]
fn a_message_is_read_the_same_in_any_pieces() {
    for step in [1, 2, 3, 7, 10_000] {
        let (email, log) = read(MESSAGE, step);
        assert_eq!(email.from.as_deref(), Some("\"Smith, Al\" <al@a.example>"));
        assert_eq!(email.to, ["b@b.example", "\"C, D\" <c@c.example>"]);
        assert_eq!(email.subject.as_deref(), Some("café au lait"));
        assert_eq!(email.received, ["from a by b"]);
        assert_eq!(email.urls, ["evil.example/a?b", "two.example/x"]);
        assert_eq!(email.attachments, ["a b.txt", "café.txt"]);
        let files = [
            "open 3 a b.txt",
            "data 3 hello world",
            "close 3",
            "open 4 café.txt",
            "data 4 one\r\ntwo",
            "close 4",
        ];
        assert_eq!(log.files, files, "pieces of {step}");
        assert!(email.complete && log.anomalies.is_empty());
    }
}

#[test]
fn infinite_nesting_is_bounded() {
    let mut message = Vec::new();
    for level in 0..1000 {
        message.extend_from_slice(
            format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n").as_bytes(),
        );
    }
    let (_, log) = read(&message, 100);
    assert_eq!(log.anomalies, ["MIME_TOO_DEEP"]);
}

#[test]
fn long_lines_names_and_lists_are_cut() {
    let mut message = b"To: ".to_vec();
    message.extend_from_slice(&b"a@b.example, ".repeat(200));
    message.extend_from_slice(b"\r\nContent-Disposition: x; filename=");
    message.extend_from_slice(&[b'n'; 400]);
    message.extend_from_slice(b"\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    message.extend_from_slice(&[b'A'; 30_000]);
    let (email, log) = read(&message, 977);
    assert_eq!((email.to.len(), email.attachments[0].len()), (MAX_ADDRESSES, MAX_FILENAME));
    assert_eq!(log.anomalies, ["MIME_LONG_LINE", "MIME_LONG_FILENAME", "MIME_LONG_ENC_LINE"]);
    assert_eq!(log.files[1].len(), "data 3 ".len() + 22_500);
}

proptest::proptest! {
    #[test]
    fn any_bytes_in_any_pieces(cut in 0usize..MESSAGE.len(), flip in 0usize..MESSAGE.len(), with in 0u8..=255, step in 1usize..50) {
        let mut message = MESSAGE[..cut].to_vec();
        if let Some(byte) = message.get_mut(flip) {
            *byte = with;
        }
        let (whole, in_pieces) = (read(&message, 10_000), read(&message, step));
        proptest::prop_assert_eq!(whole.0, in_pieces.0);
        proptest::prop_assert_eq!(whole.1.files, in_pieces.1.files);
    }
}
