//! Headers: their values, parameters (RFC 2231) and encoded words (RFC 2047).

use encoding_rs::Encoding;
use memchr::memchr;

use super::decode::{hex, whole};
use super::{Email, MAX_ADDRESSES, MAX_RECEIVED, MailHeader};
use crate::lines::text;

/// Parameters that are read of one header.
const MAX_PARAMETERS: usize = 32;
/// Pieces of one parameter (RFC 2231 section 3).
const MAX_CONTINUATIONS: usize = 64;

/// An unfolded header.
pub(super) struct Header<'a> {
    name: String,
    value: &'a [u8],
}

impl<'a> Header<'a> {
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let colon = memchr(b':', line)?;
        let name = std::str::from_utf8(line[..colon].trim_ascii()).ok()?.to_ascii_lowercase();
        (!name.is_empty()).then(|| Header { name, value: line[colon + 1..].trim_ascii() })
    }

    /// Puts what it says into the message's own; how often a limit was met.
    pub fn into_email(self, email: &mut Email) -> u32 {
        let value = || words(self.value);
        let raw = &mut email.raw;
        let mut keep = |header, decoded: &str| {
            let known = raw.iter().any(|(of, _)| *of == header);
            if !known && decoded.as_bytes() != self.value {
                raw.push((header, self.value.to_vec()));
            }
        };
        let mut once = |header, field: &mut Option<String>| {
            if field.is_none() {
                keep(header, field.insert(value()));
            }
            0
        };
        match self.name.as_str() {
            "from" if email.from.is_some() => addresses(&value(), &mut email.senders),
            "sender" | "reply-to" | "resent-from" | "resent-sender" | "return-path" => {
                addresses(&value(), &mut email.senders)
            }
            "from" => once(MailHeader::From, &mut email.from),
            "subject" => once(MailHeader::Subject, &mut email.subject),
            "date" => once(MailHeader::Date, &mut email.date),
            "message-id" => once(MailHeader::MessageId, &mut email.message_id),
            "x-mailer" => once(MailHeader::XMailer, &mut email.x_mailer),
            // Of several the first is that which rules see.
            "to" => self.addresses(MailHeader::To, &mut email.to, raw),
            "cc" => self.addresses(MailHeader::Cc, &mut email.cc, raw),
            "received" if email.received.len() < MAX_RECEIVED => {
                let received = value();
                keep(MailHeader::Received(email.received.len()), &received);
                email.received.push(received);
                0
            }
            "received" => 1,
            _ => 0,
        }
    }

    fn addresses(
        &self,
        header: MailHeader,
        into: &mut Vec<String>,
        raw: &mut Vec<(MailHeader, Vec<u8>)>,
    ) -> u32 {
        if into.is_empty() {
            raw.push((header, self.value.to_vec()));
        }
        addresses(&words(self.value), into)
    }
}

/// Takes a list apart at the commas that are not in quotes.
fn addresses(list: &str, into: &mut Vec<String>) -> u32 {
    let mut quoted = false;
    let parts = list.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        if into.len() >= MAX_ADDRESSES {
            return 1;
        }
        into.push(part.to_owned());
    }
    0
}

/// What the headers of an entity say of its contents.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    kind: String,
    encoding: String,
    boundary: Option<String>,
    /// Of Content-Disposition, then of Content-Type.
    names: [Option<String>; 2],
}

impl Parameters {
    pub fn take(&mut self, header: &Header<'_>) {
        match header.name.as_str() {
            "content-type" => {
                let (kind, parameters) = parameters(header.value);
                self.kind = kind.to_ascii_lowercase();
                self.boundary = parameters.iter().find(|(n, _)| n == "boundary").map(|(_, v)| text(v));
                self.names[1] = parameter(&parameters, "name");
            }
            "content-disposition" => {
                self.names[0] = parameter(&parameters(header.value).1, "filename");
            }
            "content-transfer-encoding" => self.encoding = text(header.value).to_ascii_lowercase(),
            _ => {}
        }
    }

    /// Whether its type begins with this. A message without a type is text.
    pub fn is(&self, kind: &str) -> bool {
        let own = if self.kind.is_empty() { "text/plain" } else { &self.kind };
        own.starts_with(kind)
    }

    pub fn encoding(&self) -> &str {
        &self.encoding
    }

    pub fn boundary(&self) -> Option<&str> {
        self.boundary.as_deref()
    }

    pub fn filename(&self) -> Option<String> {
        self.names.iter().flatten().find(|name| !name.is_empty()).cloned()
    }
}

type Parameter = (String, Vec<u8>);

/// The value before the first semicolon, and the parameters behind it.
fn parameters(value: &[u8]) -> (String, Vec<Parameter>) {
    let end = memchr(b';', value).unwrap_or(value.len());
    let main = text(value[..end].trim_ascii());
    let mut rest = &value[end..];
    let mut out = Vec::new();
    while out.len() < MAX_PARAMETERS {
        rest = rest.trim_ascii_start();
        rest = match rest.strip_prefix(b";") {
            Some(behind) => behind.trim_ascii_start(),
            None if rest.is_empty() => break,
            None => rest,
        };
        let stop = rest.iter().position(|b| matches!(b, b'=' | b';')).unwrap_or(rest.len());
        let name = text(rest[..stop].trim_ascii()).to_ascii_lowercase();
        if rest.get(stop) != Some(&b'=') {
            rest = &rest[stop..];
            if rest.is_empty() {
                break;
            }
            continue;
        }
        rest = rest[stop + 1..].trim_ascii_start();
        let mut value = Vec::new();
        if let Some(quoted) = rest.strip_prefix(b"\"") {
            let mut escaped = false;
            let mut used = quoted.len();
            for (at, &byte) in quoted.iter().enumerate() {
                match byte {
                    b'"' if !escaped => {
                        used = at + 1;
                        break;
                    }
                    b'\\' if !escaped => {
                        escaped = true;
                        continue;
                    }
                    _ => value.push(byte),
                }
                escaped = false;
            }
            rest = &quoted[used..];
            let next = memchr(b';', rest).unwrap_or(rest.len());
            rest = &rest[next..];
        } else {
            let stop = memchr(b';', rest).unwrap_or(rest.len());
            value.extend_from_slice(rest[..stop].trim_ascii());
            rest = &rest[stop..];
        }
        if !name.is_empty() {
            out.push((name, value));
        }
    }
    (main, out)
}

/// A parameter in any of its forms: `name*=charset'language'value`, `name*0=`, `name*0*=`, `name=`.
fn parameter(parameters: &[Parameter], name: &str) -> Option<String> {
    let get = |wanted: &str| parameters.iter().find(|(n, _)| n == wanted).map(|(_, v)| v.as_slice());
    if let Some(value) = get(&format!("{name}*")) {
        let (charset, value) = extended(value);
        return Some(decode(charset, &percent(value)));
    }
    let mut joined = Vec::new();
    let mut charset: &[u8] = b"utf-8";
    for number in 0..MAX_CONTINUATIONS {
        if let Some(value) = get(&format!("{name}*{number}*")) {
            let value = if number == 0 {
                let (named, value) = extended(value);
                charset = named;
                value
            } else {
                value
            };
            joined.extend(percent(value));
        } else if let Some(value) = get(&format!("{name}*{number}")) {
            joined.extend_from_slice(value);
        } else {
            break;
        }
    }
    if !joined.is_empty() {
        return Some(decode(charset, &joined));
    }
    get(name).map(words)
}

/// Charset and value of `charset'language'value`.
fn extended(value: &[u8]) -> (&[u8], &[u8]) {
    let mut parts = value.splitn(3, |&b| b == b'\'');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(charset), Some(_), Some(value)) => (charset, value),
        _ => (b"utf-8", value),
    }
}

fn percent(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if let (b'%', [high, low, after @ ..]) = (byte, behind)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high << 4 | low);
            rest = after;
        } else {
            out.push(byte);
        }
    }
    out
}

/// Text in a charset; what has no name that is known is taken as it is.
fn decode(charset: &[u8], bytes: &[u8]) -> String {
    match Encoding::for_label(charset) {
        Some(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        None => text(bytes),
    }
}

/// A value with its encoded words decoded; spaces between two of them do not count.
pub(super) fn words(value: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = value;
    let mut behind_word = false;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"=?") {
        let (before, from) = rest.split_at(at);
        let Some((decoded, used)) = word(from) else {
            out.push_str(&text(before));
            out.push_str("=?");
            rest = &from[2..];
            behind_word = false;
            continue;
        };
        if !(behind_word && before.trim_ascii().is_empty()) {
            out.push_str(&text(before));
        }
        out.push_str(&decoded);
        rest = &from[used..];
        behind_word = true;
    }
    out.push_str(&text(rest));
    out
}

/// The encoded word at the beginning, and how long it is.
fn word(from: &[u8]) -> Option<(String, usize)> {
    let inner = &from[2..];
    let charset_end = memchr(b'?', inner)?;
    let encoding = inner.get(charset_end + 1)?;
    let content = inner.get(charset_end + 2..)?.strip_prefix(b"?")?;
    let end = content.windows(2).position(|pair| pair == b"?=")?;
    let charset = inner[..charset_end].split(|&b| b == b'*').next().unwrap_or(b"");
    let bytes = match encoding {
        b'b' | b'B' => whole("base64", &content[..end]),
        b'q' | b'Q' => {
            let spaced: Vec<u8> = content[..end].iter().map(|&b| if b == b'_' { b' ' } else { b }).collect();
            whole("quoted-printable", &spaced)
        }
        _ => return None,
    };
    Some((decode(charset, &bytes), 2 + charset_end + 3 + end + 2))
}
