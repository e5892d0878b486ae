//! Mails, and how they are handed over.

use proto::{MailHeader, Smtp};
use rules::Buffer;

use super::text;
use crate::rules::view::Instances;

/// Buffers of a mail: its envelope, and headers unfolded but else as sent (encoded words stay what they are).
pub(super) fn smtp<'a>(smtp: &'a Smtp, buffer: Buffer, out: &mut Instances<'a>) {
    match buffer {
        Buffer::SmtpHelo => return text(smtp.helo.as_ref(), out),
        Buffer::SmtpMailFrom => return text(smtp.mail_from.as_ref(), out),
        Buffer::SmtpRcptTo => return smtp.rcpt_to.iter().for_each(|path| text(Some(path), out)),
        _ => {}
    }
    let Some(email) = &smtp.email else { return };
    let header = |name, read: Option<&'a String>, out: &mut Instances<'a>| match email.as_sent(name) {
        Some(sent) => out.borrow(sent),
        None => text(read, out),
    };
    match buffer {
        Buffer::MimeFrom => header(MailHeader::From, email.from.as_ref(), out),
        Buffer::MimeTo => header(MailHeader::To, None, out),
        Buffer::MimeCc => header(MailHeader::Cc, None, out),
        Buffer::MimeSubject => header(MailHeader::Subject, email.subject.as_ref(), out),
        Buffer::MimeDate => header(MailHeader::Date, email.date.as_ref(), out),
        Buffer::MimeMessageId => header(MailHeader::MessageId, email.message_id.as_ref(), out),
        Buffer::MimeXMailer => header(MailHeader::XMailer, email.x_mailer.as_ref(), out),
        Buffer::MimeReceived => {
            for (at, line) in email.received.iter().enumerate() {
                header(MailHeader::Received(at), Some(line), out);
            }
        }
        Buffer::MimeUrl => email.urls.iter().for_each(|url| text(Some(url), out)),
        _ => {}
    }
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
