//! The `vars` of a Suricata configuration: the little of YAML that they are written in.

/// What stands there.
#[derive(Debug, Default)]
pub(crate) struct Vars {
    /// `address-groups`
    pub addresses: Vec<(String, String)>,
    /// `port-groups`
    pub ports: Vec<(String, String)>,
}

/// Reads the groups; other parts of the configuration are passed over. An error names its line.
pub(crate) fn parse(text: &str) -> Result<Vars, (u32, String)> {
    let mut vars = Vars::default();
    let (mut within, mut group, mut group_indent) = (false, None, 0);
    for (number, line) in (1..).zip(text.lines()) {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let content = without_comment(line.trim());
        if content.is_empty() || content == "---" || content.starts_with('%') {
            continue;
        }
        if indent == 0 {
            within = content == "vars:";
            group = None;
            continue;
        }
        if !within {
            continue;
        }
        let (name, value) =
            content.split_once(':').ok_or_else(|| (number, "expected \"name: value\"".to_owned()))?;
        let (name, value) = (name.trim(), value.trim());
        if group.is_none() || indent <= group_indent {
            group_indent = indent;
            group = Some(match name {
                "address-groups" => true,
                "port-groups" => false,
                _ => return Err((number, format!("{name} is neither address-groups nor port-groups"))),
            });
            if !value.is_empty() {
                return Err((number, format!("{name} has to be a group of names and values")));
            }
            continue;
        }
        let value = scalar(value)
            .ok_or_else(|| (number, format!("the value of {name} is not a text on one line")))?;
        let list = if group == Some(true) { &mut vars.addresses } else { &mut vars.ports };
        list.push((name.to_owned(), value.to_owned()));
    }
    Ok(vars)
}

/// The line up to its comment. Values have no hash in them.
fn without_comment(line: &str) -> &str {
    if line.starts_with('#') {
        return "";
    }
    line.find(" #").map_or(line, |at| line.get(..at).unwrap_or(line)).trim_end()
}

fn scalar(value: &str) -> Option<&str> {
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote) {
            return rest.strip_suffix(quote).filter(|v| !v.contains(['\\', quote]));
        }
    }
    let plain = !value.is_empty() && !value.starts_with(['|', '>', '&', '*', '{', '@', '`']);
    plain.then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_and_the_rest_is_not() {
        let text = "%YAML 1.1\n---\nother:\n  address-groups:\n    X: 1\nvars:\n  # c\n  address-groups:\n    HOME_NET: \"[10.0.0.0/8]\" # mine\n\n    E: \"!$HOME_NET\"\n  port-groups:\n    P: 80\n    Q: '!80'\nlast: 1\n";
        let vars = parse(text).unwrap();
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(vars.addresses, [pair("HOME_NET", "[10.0.0.0/8]"), pair("E", "!$HOME_NET")]);
        assert_eq!(vars.ports, [pair("P", "80"), pair("Q", "!80")]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, line) in [
            ("vars:\n  address-groups:\n    A: \"x\n", 3),
            ("vars:\n  groups:\n    A: 1\n", 2),
            ("vars:\n  port-groups:\n    - 80\n", 3),
            ("vars:\n  port-groups:\n    A: |\n", 3),
        ] {
            assert_eq!(parse(text).unwrap_err().0, line, "{text}");
        }
    }
}
