//! Indicators that were made harmless for people who read them: "hxxps://evil[dot]example".

use std::borrow::Cow;

/// What stands for a character, in brackets of any kind and in either case.
const WORDS: [(&str, &str); 7] =
    [(".", "."), ("dot", "."), (":", ":"), ("@", "@"), ("at", "@"), ("://", "://"), ("/", "/")];
/// Schemes with letters taken out.
const SCHEMES: [&str; 6] = ["hxxp", "htxp", "hxtp", "h**p", "h__p", "h--p"];

/// The text as it was before it was made harmless.
pub(crate) fn refang(text: &str) -> Cow<'_, str> {
    let plain = without_brackets(text);
    let plain = if plain.contains("\\.") { Cow::Owned(plain.replace("\\.", ".")) } else { plain };
    let Some((scheme, rest)) = plain.split_once("://") else { return plain };
    let scheme = scheme.to_ascii_lowercase();
    let scheme = match scheme.strip_suffix('s').filter(|bare| SCHEMES.contains(bare)) {
        Some(_) => "https",
        None if SCHEMES.contains(&scheme.as_str()) => "http",
        None if scheme == "fxp" => "ftp",
        None => return plain,
    };
    Cow::Owned(format!("{scheme}://{rest}"))
}

fn without_brackets(text: &str) -> Cow<'_, str> {
    let mut plain: Option<String> = None;
    let mut rest = text;
    let mut kept = 0;
    while let Some(at) = rest.find(['[', '(', '{']) {
        let (before, inside) = (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default());
        let word = inside.split_once([']', ')', '}']).and_then(|(word, behind)| {
            let word = word.trim();
            let (_, meant) = WORDS.iter().find(|(said, _)| word.eq_ignore_ascii_case(said))?;
            Some((*meant, behind))
        });
        let out = plain.get_or_insert_default();
        out.push_str(before);
        match word {
            Some((meant, behind)) => {
                // Blanks around it belong to it: "evil [dot] example".
                out.truncate(out.trim_end().len());
                out.push_str(meant);
                rest = behind.trim_start();
                kept += 1;
            }
            None => {
                out.push_str(rest.get(at..=at).unwrap_or_default());
                rest = inside;
            }
        }
    }
    match plain.filter(|_| kept > 0) {
        Some(mut plain) => {
            plain.push_str(rest);
            Cow::Owned(plain)
        }
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_harmless_is_read() {
        for (text, plain) in [
            ("evil[dot]example[dot]com", "evil.example.com"),
            ("evil[.]example", "evil.example"),
            ("evil(.)example{.}com", "evil.example.com"),
            ("evil (DOT) example [ . ] com", "evil.example.com"),
            ("hxxp://evil[.]example/a", "http://evil.example/a"),
            ("hXXps[://]evil[.]example[/]a", "https://evil.example/a"),
            ("hxxps[:]//evil.example", "https://evil.example"),
            ("h**p://evil\\.example", "http://evil.example"),
            ("fxp://evil.example", "ftp://evil.example"),
            ("a[at]evil[.]example", "a@evil.example"),
            ("a[@]evil.example", "a@evil.example"),
            ("192.0.2[.]1", "192.0.2.1"),
            ("2001[:]db8::1", "2001:db8::1"),
            ("[2001:db8::1]:80", "[2001:db8::1]:80"),
            ("http://[2001:db8::1]/(a)[b]", "http://[2001:db8::1]/(a)[b]"),
            ("[", "["),
            ("[.", "[."),
        ] {
            assert_eq!(refang(text), plain, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(text in "[\\[\\](){}.a-d@: ]{0,30}|\\PC{0,30}") {
            let once = refang(&text);
            proptest::prop_assert!(once.len() <= text.len() + 2);
        }
    }
}
