//! OpenVPN over UDP and TCP: told from others by the reset that begins a session; all else is TLS within, or encrypted.

use wire::IpProto;

use crate::registry::{AppProto, Guess, Opening, Protocol};

/// A client's reset, version 2 and 3 (opcode 7 and 10, key 0).
const CLIENT_RESET: [u8; 2] = [0x38, 0x50];
/// A server's (opcode 8, key 0).
const SERVER_RESET: u8 = 0x40;
/// Opcode and session identifier.
const HEAD: usize = 9;
/// Bytes of the HMAC that `tls-auth` puts behind it: none, MD5, SHA-1, SHA-256, SHA-512.
const HMACS: [usize; 5] = [0, 16, 20, 32, 64];
const PORTS: &[u16] = &[1194];

/// OpenVPN over UDP, on any port.
pub(crate) static DATAGRAM: Protocol =
    Protocol { app: AppProto::OpenVpn, transport: IpProto::UDP, ports: PORTS, probe: datagram, open: None };

/// OpenVPN over TCP, on any port: packets behind their length in two bytes.
pub(crate) static STREAM: Protocol =
    Protocol { app: AppProto::OpenVpn, transport: IpProto::TCP, ports: PORTS, probe: stream, open: None };

fn datagram(opening: &Opening<'_>) -> Guess {
    if reset(opening.fresh()) { Guess::Yes } else { Guess::No }
}

fn stream(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    let opcode = |&b: &u8| CLIENT_RESET.contains(&b) || b == SERVER_RESET;
    if seen.get(2).is_some_and(|b| !opcode(b)) || seen.first().is_some_and(|&b| b > 4) {
        return Guess::No;
    }
    let [high, low, rest @ ..] = seen else { return Guess::More };
    let len = usize::from(*high) << 8 | usize::from(*low);
    if len < HEAD + 5 {
        return Guess::No;
    }
    match rest.get(..len) {
        Some(packet) if reset(packet) => Guess::Yes,
        Some(_) => Guess::No,
        None => Guess::More,
    }
}

/// Whether a packet is a reset in all its parts.
fn reset(packet: &[u8]) -> bool {
    let Some((&opcode, rest)) = packet.split_first() else { return false };
    if rest.len() < 8 || rest[..8] == [0; 8] {
        return false;
    }
    let body = &rest[8..];
    // `tls-crypt` encrypts all behind the first packet's number, which is 1 (with flags above it in version 3), and a
    // time of this century.
    let crypt = |len: usize| body.len() >= len && body[2..4] == [0, 1] && (0x38..0x80).contains(&body[4]);
    match opcode {
        0x38 => HMACS.iter().any(|&hmac| plain(body, hmac, 0)) || (body.len() == 45 && crypt(45)),
        // `tls-crypt-v2`: the client's key follows, wrapped.
        0x50 => body.len() > 45 && crypt(45),
        // It confirms the client's first packet, number 0.
        SERVER_RESET => HMACS.iter().any(|&hmac| plain(body, hmac, 1)) || (body.len() == 57 && crypt(57)),
        _ => false,
    }
}

/// Behind an HMAC with number and time: how many packets are confirmed, which, whose, then the packet's own number: 0.
fn plain(body: &[u8], hmac: usize, confirmed: u8) -> bool {
    let guard = if hmac == 0 { 0 } else { hmac + 8 };
    let Some(body) = body.get(guard..) else { return false };
    let (len, confirms) = if confirmed == 0 { (5, true) } else { (17, body.get(1..5) == Some(&[0; 4])) };
    body.len() == len && body[0] == confirmed && confirms && body[len - 4..] == [0; 4]
}

#[cfg(test)]
#[path = "vpn_tests.rs"]
mod tests;
