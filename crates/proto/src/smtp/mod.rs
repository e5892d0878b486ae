//! SMTP (RFC 5321) with its extensions for pipelining, chunks (RFC 3030), authentication (RFC 4954) and TLS (RFC 3207).

mod parser;

use wire::IpProto;

use self::parser::SmtpParser;
use crate::lines::{begins, find, greeting, may_begin};
use crate::mime::Email;
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// Bytes of a command or of a line of a reply (RFC 5321 section 4.5.3.1 allows 512); what is longer is cut.
pub const MAX_LINE: usize = 4096;
/// Commands that may wait for their reply; older ones are no longer waited for.
pub const MAX_PENDING: usize = 128;
/// Recipients kept of one mail.
pub const MAX_RECIPIENTS: usize = 128;

/// A mail, or what was said on a connection without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Smtp {
    /// How the client called itself.
    pub helo: Option<String>,
    /// The reverse path as sent.
    pub mail_from: Option<String>,
    /// The forward paths as sent, whether the server wanted them or not.
    pub rcpt_to: Vec<String>,
    /// The mail, if its contents were sent.
    pub email: Option<Email>,
}

/// SMTP, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Smtp,
    transport: IpProto::TCP,
    ports: &[25, 587, 465, 2525],
    probe,
    open: Some(|_| Box::<SmtpParser>::default()),
};

/// A greeting that names SMTP, or any where SMTP is usual; a client that says hello or goes straight to the mail.
fn probe(opening: &Opening<'_>) -> Guess {
    let usual = opening.on_port(PROTOCOL.ports);
    let (client, server) = (opening.client(), opening.server());
    let hello =
        [&b"EHLO "[..], b"HELO ", b"LHLO ", b"EHLO\r\n", b"HELO\r\n", b"EHLO\n", b"HELO\n", b"MAIL FROM:"];
    if hello.iter().any(|h| begins(client, h)) {
        return Guess::Yes;
    }
    let greets = server.starts_with(b"220");
    if let Some(greeting) = greeting(server).filter(|_| greets)
        && (usual || find(greeting, b"SMTP").is_some())
    {
        return Guess::Yes;
    }
    if usual {
        let refuses = [&b"554"[..], b"421"].iter().any(|c| server.starts_with(c)) && server.contains(&b'\n');
        let commands = [&b"AUTH "[..], b"STARTTLS", b"QUIT", b"RSET", b"NOOP", b"HELP", b"VRFY", b"EXPN"];
        if refuses || commands.iter().any(|c| begins(client, c)) {
            return Guess::Yes;
        }
        if commands.iter().any(|c| may_begin(client, c)) {
            return Guess::More;
        }
    }
    if greets || may_begin(server, b"220") || hello.iter().any(|h| may_begin(client, h)) {
        return Guess::More;
    }
    Guess::No
}

#[cfg(test)]
#[path = "smtp_tests.rs"]
mod tests;
