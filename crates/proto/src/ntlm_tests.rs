use super::*;

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The third message of a login.
pub(crate) fn authenticate(domain: &str, user: &str, host: &str) -> Vec<u8> {
    let (mut head, mut payload) = (b"NTLMSSP\0\x03\0\0\0".to_vec(), Vec::new());
    for part in [vec![1; 24], vec![2; 40], utf16(domain), utf16(user), utf16(host), vec![3; 16]] {
        head.extend((part.len() as u16).to_le_bytes());
        head.extend((part.len() as u16).to_le_bytes());
        head.extend((72 + payload.len() as u32).to_le_bytes());
        payload.extend(part);
    }
    head.extend((NEGOTIATE_UNICODE | NEGOTIATE_VERSION).to_le_bytes());
    head.extend([10, 0, 0x61, 0x4a, 0, 0, 0, 15]);
    head.extend(payload);
    head
}

#[test]
fn who_logs_in_is_read_from_the_third_message() {
    let message = authenticate("DOMÄNE", "alice", "PC-7");
    let token = [b"\x60\x20junk", message.as_slice()].concat();
    let ntlm = find(&token).unwrap();
    assert_eq!((ntlm.domain.as_str(), ntlm.user.as_str(), ntlm.host.as_str()), ("DOMÄNE", "alice", "PC-7"));
    assert_eq!(ntlm.version.unwrap().to_string(), "10.0 build 19041 rev 15");
    assert_eq!((ntlm.step, ntlm.response_version), (Step::Authenticate, Some(2)));
}

#[test]
fn a_message_cut_anywhere_gives_what_is_there() {
    let message = authenticate("D", "bob", "H");
    for end in 0..message.len() {
        let _ = parse(&message[..end]);
    }
    assert_eq!(parse(b"NTLMSSP\0\x04\0\0\0"), None);
    assert_eq!(find(b"no such thing"), None);
}
