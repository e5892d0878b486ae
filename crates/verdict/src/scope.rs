//! How far an isolation goes when it is to go further.

use wire::Scope;

/// Peers that a host is kept from one by one; from one more on it is kept from everybody.
pub const MAX_PEERS: usize = 8;

/// What a running isolation must become so that it does what another asks for, too; `None` if it does already.
pub(crate) fn widened(running: &Scope, asked: &Scope) -> Option<Scope> {
    match (running, asked) {
        (Scope::Both, _) => None,
        (Scope::Outbound, Scope::Outbound) => None,
        (Scope::Peers(known), Scope::Peers(more)) => {
            let mut peers = known.clone();
            for peer in more {
                if !peers.contains(peer) {
                    peers.push(*peer);
                }
            }
            match peers.len() {
                same if same == known.len() => None,
                many if many > MAX_PEERS => Some(Scope::Both),
                _ => Some(Scope::Peers(peers)),
            }
        }
        // Outbound does not keep what a peer sends away, and peers are not everybody.
        _ => Some(Scope::Both),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isolations_only_ever_grow() {
        let peers = |hosts: &[u8]| Scope::Peers(hosts.iter().map(|&n| [192, 0, 2, n].into()).collect());
        assert_eq!(widened(&Scope::Both, &peers(&[1])), None);
        assert_eq!(widened(&Scope::Outbound, &Scope::Outbound), None);
        assert_eq!(widened(&Scope::Outbound, &peers(&[1])), Some(Scope::Both));
        assert_eq!(widened(&peers(&[1]), &Scope::Outbound), Some(Scope::Both));
        assert_eq!(widened(&peers(&[1]), &Scope::Both), Some(Scope::Both));
        assert_eq!(widened(&peers(&[1, 2]), &peers(&[2])), None);
        assert_eq!(widened(&peers(&[1, 2]), &peers(&[3])), Some(peers(&[1, 2, 3])));
        assert_eq!(widened(&peers(&[1, 2, 3, 4, 5, 6, 7, 8]), &peers(&[9])), Some(Scope::Both));
    }
}
