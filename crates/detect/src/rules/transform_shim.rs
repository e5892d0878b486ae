use rules::Transform;
pub fn transform(chain: &[Transform], bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    for t in chain {
        if matches!(t, Transform::DotPrefix) {
            out.push(b'.');
        }
    }
    out.extend_from_slice(bytes);
    for t in chain {
        match t {
            Transform::ToLowercase => out.make_ascii_lowercase(),
            Transform::StripWhitespace => out.retain(|b| !b.is_ascii_whitespace()),
            _ => {}
        }
    }
}
