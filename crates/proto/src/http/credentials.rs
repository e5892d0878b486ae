//! Logins in clear text: Basic and Digest (RFC 7617, RFC 7616), forms with a user's name and a password.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::body::starts_with_ignoring_case;
use super::headers::{Headers, parameter, text};
use crate::login::{Login, Outcome, Secret};
use crate::parser::Sink;
use crate::registry::AppProto;

/// Characters kept of a name or a secret.
const MAX_FIELD: usize = 256;

/// Clients forget the padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Names of form fields that hold a user's name.
const USER_FIELDS: &[&str] = &[
    "user",
    "username",
    "user_name",
    "userid",
    "user_id",
    "uid",
    "uname",
    "usr",
    "login",
    "loginid",
    "login_id",
    "log",
    "email",
    "mail",
    "account",
    "name",
    "j_username",
    "user_login",
    "session[username]",
];
/// Names of form fields that hold a password.
const SECRET_FIELDS: &[&str] = &[
    "pass",
    "password",
    "passwd",
    "pwd",
    "psw",
    "passw",
    "passwort",
    "pw",
    "j_password",
    "user_pass",
    "user_password",
    "userpass",
    "login_password",
    "session[password]",
];

fn bounded(text: String) -> String {
    match text.char_indices().nth(MAX_FIELD) {
        Some((at, _)) => text[..at].to_owned(),
        None => text,
    }
}

fn login(
    service: AppProto,
    method: &'static str,
    user: Option<String>,
    secret: Option<String>,
) -> Box<Login> {
    let (user, secret) = (user.map(bounded), secret.map(|s| Secret::new(bounded(s))));
    Box::new(Login { service, method, user, secret, outcome: Outcome::Unknown })
}

/// The login in an Authorization or Proxy-Authorization header.
pub(crate) fn of_headers(service: AppProto, headers: &Headers, sink: &mut dyn Sink) -> Option<Box<Login>> {
    let value = headers.get("authorization").or_else(|| headers.get("proxy-authorization"))?;
    if starts_with_ignoring_case(value, b"basic ") {
        let Ok(plain) = LENIENT.decode(value[6..].trim_ascii()) else {
            sink.anomaly("REQUEST_AUTH_UNRECOGNIZED");
            return None;
        };
        let colon = memchr::memchr(b':', &plain).unwrap_or(plain.len());
        let secret = plain.get(colon + 1..).map(text);
        return Some(login(service, "basic", Some(text(&plain[..colon])), secret));
    }
    if starts_with_ignoring_case(value, b"digest ") {
        // Parameters are separated by commas here; quoted ones may hold semicolons, not commas in practice.
        let separated: Vec<u8> = value[6..].iter().map(|&b| if b == b',' { b';' } else { b }).collect();
        let user = parameter(&[b";", separated.as_slice()].concat(), "username")?;
        return Some(login(service, "digest", Some(text(&user)), None));
    }
    if !starts_with_ignoring_case(value, b"bearer ") {
        sink.anomaly("REQUEST_AUTH_UNRECOGNIZED");
    }
    None
}

/// The login in a form: fields of an urlencoded body.
pub(crate) fn of_form(service: AppProto, form: &[u8]) -> Option<Box<Login>> {
    let (mut user, mut secret) = (None, None);
    for field in form.split(|&b| b == b'&') {
        let Some(equals) = memchr::memchr(b'=', field) else { continue };
        let name = decoded(&field[..equals]).to_ascii_lowercase();
        let is = |names: &[&str]| names.contains(&name.as_str());
        if secret.is_none() && is(SECRET_FIELDS) {
            secret = Some(decoded(&field[equals + 1..]));
        } else if user.is_none() && is(USER_FIELDS) {
            user = Some(decoded(&field[equals + 1..]));
        }
    }
    // A name alone is a search or a newsletter.
    secret.as_ref()?;
    Some(login(service, "form", user, secret))
}

fn decoded(field: &[u8]) -> String {
    let spaced: Vec<u8> = field.iter().map(|&b| if b == b'+' { b' ' } else { b }).collect();
    text(&percent_encoding::percent_decode(&spaced).collect::<Vec<u8>>())
}

/// What a status code says of a login.
pub(crate) fn outcome(method: &str, status: u16) -> Outcome {
    match (method, status) {
        (_, 401 | 403 | 407) => Outcome::Refused,
        // A form that was refused often comes again with 200.
        ("form", 200..=299) => Outcome::Unknown,
        (_, 200..=399) => Outcome::Accepted,
        ("form", 400..=499) => Outcome::Refused,
        _ => Outcome::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Sink for Nobody {
        fn inspect(&mut self, _: &crate::Transaction) {}

        fn log(&mut self, _: crate::Transaction) {}
    }

    fn header(value: &str) -> Option<(String, Option<String>)> {
        let mut headers = Headers::default();
        headers.push(b"Authorization", value.as_bytes());
        let login = of_headers(AppProto::Http, &headers, &mut Nobody)?;
        Some((login.user?, login.secret.map(|s| s.reveal().to_owned())))
    }

    #[test]
    fn names_are_found_in_headers() {
        assert_eq!(header("Basic dTpwOnE="), Some(("u".into(), Some("p:q".into()))));
        assert_eq!(header("basic dTpwOnE"), Some(("u".into(), Some("p:q".into()))));
        let digest = "Digest realm=\"r\", username=\"jo\", uri=\"/\"";
        assert_eq!(header(digest), Some(("jo".into(), None)));
        assert_eq!(header("Negotiate abc"), None);
    }

    #[test]
    fn names_are_found_in_forms() {
        let of = |form: &str| of_form(AppProto::Http, form.as_bytes()).map(|l| (l.user, l.secret));
        let secret = |s: &str| Some(Secret::new(s));
        assert_eq!(of("x=1&User=a%40b&Password=p+w"), Some((Some("a@b".into()), secret("p w"))));
        assert_eq!(of("user=a&q=1"), None);
        assert_eq!(of("pwd="), Some((None, secret(""))));
    }

    #[test]
    fn status_codes_tell_the_outcome() {
        assert_eq!(outcome("basic", 200), Outcome::Accepted);
        assert_eq!(outcome("basic", 401), Outcome::Refused);
        assert_eq!(outcome("form", 302), Outcome::Accepted);
        assert_eq!(outcome("form", 200), Outcome::Unknown);
        assert_eq!(outcome("basic", 500), Outcome::Unknown);
    }
}
