//! A record of a CSV file (RFC 4180), taken apart.

/// A quoted field goes on behind the end of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unclosed;

/// The fields of a record. Blanks around fields are no part of them, also before a quote.
pub(crate) fn split(record: &str, separator: char) -> Result<Vec<String>, Unclosed> {
    let blank = |c: char| c != separator && (c == ' ' || c == '\t');
    let mut fields = Vec::new();
    let mut rest = record;
    loop {
        let text = rest.trim_start_matches(blank);
        let (field, behind) = match text.strip_prefix('"') {
            Some(quoted) => {
                let (field, behind) = quoted_field(quoted)?;
                (field, behind.trim_start_matches(blank))
            }
            None => {
                let end = text.find(separator).unwrap_or(text.len());
                let (field, behind) = text.split_at_checked(end).unwrap_or((text, ""));
                (field.trim().to_owned(), behind)
            }
        };
        fields.push(field);
        // What stands between a closing quote and the separator is nothing that a field can be.
        match behind.split_once(separator) {
            Some((_, next)) => rest = next,
            None => return Ok(fields),
        }
    }
}

/// A field behind its opening quote, and what comes behind the closing one.
fn quoted_field(text: &str) -> Result<(String, &str), Unclosed> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (part, behind) = rest.split_once('"').ok_or(Unclosed)?;
        field.push_str(part);
        match behind.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field.trim().to_owned(), behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_taken_apart() {
        let fields = |text| split(text, ',').map(|fields| fields.join("|"));
        assert_eq!(fields("a,b , c"), Ok("a|b|c".into()));
        assert_eq!(fields("\"a,1\", \"b \"\"x\"\"\" ,c"), Ok("a,1|b \"x\"|c".into()));
        assert_eq!(fields(",,"), Ok("||".into()));
        assert_eq!(fields("\"a\"junk,b\"c"), Ok("a|b\"c".into()));
        assert_eq!(fields("a,\"b\nc"), Err(Unclosed));
        assert_eq!(fields("a,\"b\nc\",d"), Ok("a|b\nc|d".into()));
        assert_eq!(split("a\t\"b\tc\"\t", '\t').map(|f| f.join("|")), Ok("a|b\tc|".into()));
    }

    proptest::proptest! {
        #[test]
        fn what_is_quoted_comes_back(fields in proptest::collection::vec("[a-c,\"\n;]{0,6}", 1..6)) {
            let quoted: Vec<String> = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
            let trimmed: Vec<String> = fields.iter().map(|f| f.trim().to_owned()).collect();
            assert_eq!(split(&quoted.join(","), ','), Ok(trimmed));
        }

        #[test]
        fn no_record_is_too_odd(text in "\\PC*|[a,\" ;\t]{0,40}") {
            for separator in [',', ';', '\t'] {
                let _ = split(&text, separator);
            }
        }
    }
}
