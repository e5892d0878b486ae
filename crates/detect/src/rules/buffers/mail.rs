//! Mails, and how they are handed over.

use proto::Smtp;
use rules::Buffer;

use super::text;
use crate::rules::view::Instances;

/// Buffers of a mail: its envelope, and headers unfolded and decoded.
pub(super) fn smtp<'a>(smtp: &'a Smtp, buffer: Buffer, out: &mut Instances<'a>) {
    match buffer {
        Buffer::SmtpHelo => return text(smtp.helo.as_ref(), out),
        Buffer::SmtpMailFrom => return text(smtp.mail_from.as_ref(), out),
        Buffer::SmtpRcptTo => return smtp.rcpt_to.iter().for_each(|path| text(Some(path), out)),
        _ => {}
    }
    let Some(email) = &smtp.email else { return };
    match buffer {
        Buffer::MimeFrom => text(email.from.as_ref(), out),
        Buffer::MimeTo => list(&email.to, out),
        Buffer::MimeCc => list(&email.cc, out),
        Buffer::MimeSubject => text(email.subject.as_ref(), out),
        Buffer::MimeDate => text(email.date.as_ref(), out),
        Buffer::MimeMessageId => text(email.message_id.as_ref(), out),
        Buffer::MimeXMailer => text(email.x_mailer.as_ref(), out),
        Buffer::MimeReceived => email.received.iter().for_each(|line| text(Some(line), out)),
        Buffer::MimeUrl => email.urls.iter().for_each(|url| text(Some(url), out)),
        _ => {}
    }
}

/// Addresses in one header.
fn list(addresses: &[String], out: &mut Instances<'_>) {
    if !addresses.is_empty() {
        out.build(|out| out.extend_from_slice(addresses.join(", ").as_bytes()));
    }
}

#[cfg(test)]
#[path = "mail_tests.rs"]
mod tests;
