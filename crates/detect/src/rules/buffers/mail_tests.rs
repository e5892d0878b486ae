use Direction::{ToClient, ToServer};
use proto::AppProto;
use wire::{Direction, IpProto};

use super::*;
use crate::rules::buffers::testing::{found, transactions};

#[test]
fn a_mail_has_its_envelope_and_its_headers() {
    let mail = b"Received: from b\r\nReceived: from a\r\nFrom: A <a@a>\r\nTo: b@b,\r\n <c@c>\r\nCc: d@d\r\n\
Subject: =?utf-8?q?h=65llo?=\r\nDate: today\r\nMessage-ID: <1>\r\nX-Mailer: x\r\n\r\nsee http://a.example/x\r\n.\r\n";
    let turns = vec![
        (ToClient, b"220 srv SMTP\r\n".to_vec()),
        (ToServer, b"EHLO me\r\n".to_vec()),
        (ToClient, b"250 ok\r\n".to_vec()),
        (ToServer, b"MAIL FROM:<a@a>\r\n".to_vec()),
        (ToClient, b"250 ok\r\n".to_vec()),
        (ToServer, b"RCPT TO:<b@b>\r\nRCPT TO:<c@c>\r\n".to_vec()),
        (ToClient, b"250 ok\r\n250 ok\r\n".to_vec()),
        (ToServer, b"DATA\r\n".to_vec()),
        (ToClient, b"354 go\r\n".to_vec()),
        (ToServer, mail.to_vec()),
        (ToClient, b"250 ok\r\n".to_vec()),
    ];
    let all = transactions(AppProto::Smtp, IpProto::TCP, 25, &turns);
    for (buffer, texts) in [
        (Buffer::SmtpHelo, &["me"][..]),
        (Buffer::SmtpMailFrom, &["<a@a>"]),
        (Buffer::SmtpRcptTo, &["<b@b>", "<c@c>"]),
        (Buffer::MimeFrom, &["A <a@a>"]),
        (Buffer::MimeTo, &["b@b, <c@c>"]),
        (Buffer::MimeCc, &["d@d"]),
        (Buffer::MimeSubject, &["=?utf-8?q?h=65llo?="]),
        (Buffer::MimeDate, &["today"]),
        (Buffer::MimeMessageId, &["<1>"]),
        (Buffer::MimeXMailer, &["x"]),
        (Buffer::MimeReceived, &["from b", "from a"]),
        (Buffer::MimeUrl, &["a.example/x"]),
    ] {
        assert_eq!(found(&all, ToServer, buffer), texts, "{buffer:?}");
        assert_eq!(found(&all, ToClient, buffer), [""; 0], "{buffer:?}");
    }
}
