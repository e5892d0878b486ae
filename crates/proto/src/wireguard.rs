//! WireGuard: told from others by its handshake; all else that it says is encrypted.

use wire::IpProto;

use crate::registry::{AppProto, Guess, Opening, Protocol};

/// WireGuard, on any port.
pub(crate) static PROTOCOL: Protocol =
    Protocol { app: AppProto::WireGuard, transport: IpProto::UDP, ports: &[51820], probe, open: None };

/// Messages are a type, three zeros, and of a fixed length: 148 for an initiation, 92 for a response, 64 for a cookie.
/// Data (type 4, filled up to sixteen bytes) are believed on the usual port only.
fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    let usual = opening.on_port(&[51820]);
    let yes = match (seen, seen.len()) {
        // The last sixteen bytes prove a cookie, which only a server under load asks for.
        ([1, 0, 0, 0, ..], 148) => usual || seen[132..].iter().all(|&b| b == 0),
        ([2, 0, 0, 0, ..], 92) => usual || seen[76..].iter().all(|&b| b == 0),
        ([3, 0, 0, 0, ..], 64) => usual,
        // A counter of eight bytes that does not run over.
        ([4, 0, 0, 0, ..], 32..) => usual && seen.len().is_multiple_of(16) && seen[12..16] == [0; 4],
        _ => false,
    };
    if yes { Guess::Yes } else { Guess::No }
}
