//! What files, programs and mails are known by, whatever their names and addresses: hashes, fingerprints, names that
//! programs give themselves, addresses of people.

use std::borrow::Cow;

use alert::{Alert, Orientation};
use intel::{Kind, Match, Observable};
use proto::{FileInfo, Login, Smtp, Ssh, Tls, Transaction};
use sha2::{Digest, Sha256};

use crate::catalogue::{self, SignatureInfo};
use crate::finding::{Sides, alert};
use crate::indicator::IndicatorDetector;
use crate::{Context, Memo};

impl IndicatorDetector {
    /// One alert for each thing and flow.
    #[allow(clippy::too_many_arguments, reason = "what is seen, by whom, and where it goes")]
    fn report(
        &self,
        signature: &SignatureInfo,
        cx: &Context<'_>,
        sides: Sides,
        seen: &Observable<'_>,
        observed: &str,
        memo: &mut Memo,
        out: &mut Vec<Alert>,
    ) {
        if let Some(hit) = self.look(cx, seen, memo)
            && memo.first(hit.id)
        {
            self.tell(alert(signature, cx, sides, &hit, observed.to_owned(), None), &hit, out);
        }
    }

    /// A file that is over. Whoever asked for it has it now. Whoever sends it had it before: a host of ours that hands a
    /// listed file on is in trouble, a stranger who hands it to a host of ours is not, and does not put that host into
    /// trouble either. A mail may come from anybody: its file is told of, and nobody is cut off for having been sent it.
    pub(crate) fn file(&self, cx: &Context<'_>, file: &FileInfo, memo: &mut Memo, out: &mut Vec<Alert>) {
        let hashes = [
            (Kind::Sha256, file.sha256.as_ref().map(|hash| &hash[..])),
            (Kind::Sha1, file.sha1.as_ref().map(|hash| &hash[..])),
            (Kind::Md5, file.md5.as_ref().map(|hash| &hash[..])),
        ];
        let mut found: Option<Match<'_>> = None;
        // All of them: they may be parts of one pattern.
        for (kind, hash) in hashes {
            let hit = hash.and_then(|hash| self.look(cx, &Observable::Digest(kind, hash), memo));
            found = found.or(hit);
        }
        let Some(hit) = found.filter(|hit| memo.first(hit.id)) else { return };
        let (sender, receiver) = cx.tuple.ends(file.direction);
        // The data flow of a transfer may be opened by either side; who asked for it counts.
        let asked = receiver.ip == cx.asker;
        let other = if asked { sender.ip } else { receiver.ip };
        let of_asker = || {
            // Where neither end is known to be ours (IPv6 without `home.networks`), who asked has the file all the same.
            let may_be_ours = cx.home.has(cx.asker) || !cx.home.has(other);
            let is_victim = may_be_ours && cx.orientation > Orientation::Guessed;
            Sides { victim: is_victim.then_some(cx.asker), peer: other }
        };
        let stranger = Sides { victim: None, peer: cx.asker };
        let (signature, sides) = match (&file.carrier, asked) {
            (Some(Transaction::Smtp(_)), _) => (&catalogue::FILE_IN_MAIL, stranger),
            (Some(Transaction::Imap(_) | Transaction::Pop3(_)), true) => {
                (&catalogue::FILE_IN_MAIL, of_asker())
            }
            (_, true) => (&catalogue::FILE_RECEIVED, of_asker()),
            (_, false) if cx.home.has(cx.asker) => (&catalogue::FILE_SENT, of_asker()),
            (_, false) => (&catalogue::FILE_FROM_OUTSIDE, stranger),
        };
        let name = file.name.as_deref().unwrap_or("");
        let observed = if name.is_empty() { hit.indicator.to_string() } else { name.to_owned() };
        self.tell(alert(signature, cx, sides, &hit, observed, None), &hit, out);
    }

    /// The hello of a TLS, DTLS or QUIC client.
    pub(crate) fn hello(
        &self,
        cx: &Context<'_>,
        ja3: Option<&str>,
        ja4: Option<&str>,
        memo: &mut Memo,
        out: &mut Vec<Alert>,
    ) {
        let sides = Sides::client(cx);
        if let Some(ja3) = ja3 {
            self.report(&catalogue::JA3, cx, sides, &Observable::Hex(Kind::Ja3, ja3), ja3, memo, out);
        }
        if let Some(ja4) = ja4 {
            self.report(&catalogue::JA4, cx, sides, &Observable::Text(Kind::Ja4, ja4), ja4, memo, out);
        }
    }

    /// The certificate that a TLS server showed.
    pub(crate) fn certificate(&self, cx: &Context<'_>, tls: &Tls, memo: &mut Memo, out: &mut Vec<Alert>) {
        let Some(certificate) = &tls.certificate else { return };
        let (signature, sides) = (&catalogue::CERTIFICATE, Sides::client(cx));
        let observed = &certificate.subject;
        if self.indicators.has(Kind::CertificateSha1) {
            let seen = Observable::Hex(Kind::CertificateSha1, &certificate.fingerprint);
            self.report(signature, cx, sides, &seen, observed, memo, out);
        }
        if self.indicators.has(Kind::CertificateSha256) {
            let hash = Sha256::digest(&certificate.der);
            let seen = Observable::Digest(Kind::CertificateSha256, &hash);
            self.report(signature, cx, sides, &seen, observed, memo, out);
        }
    }

    /// Both sides of an SSH connection.
    pub(crate) fn ssh(&self, cx: &Context<'_>, ssh: &Ssh, memo: &mut Memo, out: &mut Vec<Alert>) {
        for (side, signature, sides) in [
            (&ssh.client, &catalogue::HASSH, Sides::client(cx)),
            (&ssh.server, &catalogue::HASSH_SERVER, Sides::client(cx)),
        ] {
            let Some(side) = side else { continue };
            if let Some(hassh) = &side.hassh {
                let seen = Observable::Hex(Kind::Hassh, &hassh.hash);
                self.report(signature, cx, sides, &seen, &side.software_version, memo, out);
            }
        }
    }

    /// What a client calls itself.
    pub(crate) fn user_agent(
        &self,
        cx: &Context<'_>,
        agent: Option<&str>,
        memo: &mut Memo,
        out: &mut Vec<Alert>,
    ) {
        let Some(agent) = agent else { return };
        let seen = Observable::Text(Kind::UserAgent, agent.trim());
        self.report(&catalogue::USER_AGENT, cx, Sides::client(cx), &seen, agent, memo, out);
    }

    /// A mail: senders and recipients, of its envelope and of itself. Who is written to by a listed address is no victim;
    /// a host of ours that writes to one may be.
    pub(crate) fn mail(&self, cx: &Context<'_>, smtp: &Smtp, memo: &mut Memo, out: &mut Vec<Alert>) {
        if !self.indicators.has(Kind::Email) {
            return;
        }
        let email = smtp.email.as_ref();
        let from = smtp
            .mail_from
            .iter()
            .chain(email.into_iter().flat_map(|mail| mail.from.iter().chain(&mail.senders)));
        let to = smtp.rcpt_to.iter().chain(email.into_iter().flat_map(|mail| mail.to.iter().chain(&mail.cc)));
        let stranger = Sides { victim: None, peer: cx.tuple.client.ip };
        let (from, to): (Vec<_>, Vec<_>) =
            (from.map(|text| unquoted(text)).collect(), to.map(|text| unquoted(text)).collect());
        for address in from.iter().flat_map(|text| addresses(text)) {
            let seen = Observable::Text(Kind::Email, address);
            self.report(&catalogue::MAIL_FROM, cx, stranger, &seen, address, memo, out);
        }
        for address in to.iter().flat_map(|text| addresses(text)) {
            let seen = Observable::Text(Kind::Email, address);
            self.report(&catalogue::MAIL_TO, cx, Sides::client(cx), &seen, address, memo, out);
        }
    }

    /// A login whose name is an e-mail address: malware brings the account along that it writes to.
    pub(crate) fn login(&self, cx: &Context<'_>, login: &Login, memo: &mut Memo, out: &mut Vec<Alert>) {
        for address in login.user.iter().flat_map(|user| addresses(user)) {
            let seen = Observable::Text(Kind::Email, address);
            self.report(&catalogue::MAIL_LOGIN, cx, Sides::client(cx), &seen, address, memo, out);
        }
    }
}

/// A text in which `"evil"@x` is written `evil@x` (RFC 5321 4.1.2: quotes around what needs none mean nothing).
fn unquoted(text: &str) -> Cow<'_, str> {
    let Some(end) = text.find("\"@") else { return text.into() };
    let before = text.get(..end).unwrap_or_default();
    let Some(begin) = before.rfind('"') else { return text.into() };
    let local = before.get(begin + 1..).unwrap_or_default();
    if local.is_empty() || local.contains(|c: char| c.is_whitespace() || "<>,;:()@".contains(c)) {
        return text.into();
    }
    let (head, tail) = (text.get(..begin).unwrap_or_default(), text.get(end + 1..).unwrap_or_default());
    format!("{head}{local}{tail}").into()
}

/// The addresses in a path ("<a@b.example> SIZE=1") or a header ("A B <a@b.example>, c@d.example").
fn addresses(text: &str) -> impl Iterator<Item = &str> {
    let bounds = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')' | ':');
    text.split(bounds).filter(|word| word.len() > 2 && word.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::{addresses, unquoted};

    #[test]
    fn quotes_that_mean_nothing_are_left_out() {
        assert_eq!(unquoted("<\"evil\"@x.example>"), "<evil@x.example>");
        for text in ["<\"a b\"@x.example>", "\"@", "\"\"@x", "a@b"] {
            assert_eq!(unquoted(text), text);
        }
    }

    #[test]
    fn addresses_are_found_in_paths_and_headers() {
        let found = |text| addresses(text).collect::<Vec<_>>();
        assert_eq!(found("<a@b.example> SIZE=100"), ["a@b.example"]);
        assert_eq!(found("\"B, A\" <a@b.example>, mailto:c@d.example"), ["a@b.example", "c@d.example"]);
        assert_eq!(found("<>"), [""; 0]);
    }
}
