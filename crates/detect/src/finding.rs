//! From a match to an alert.

use std::net::IpAddr;
use std::sync::Arc;

use alert::{Alert, Basis, CheckIn, IndicatorHit, Parties, Proof, RINGWARD_GID, Severity};
use intel::Match;

use crate::catalogue::SignatureInfo;
use crate::{Context, c2};

/// From this confidence on (percent) an indicator's alerts are as severe as their signature says.
const SURE: u8 = 70;
/// Below this they are [`Severity::Low`] at most; between the two, [`Severity::Medium`].
const DOUBTFUL: u8 = 40;

/// Who is who in an alert.
#[derive(Clone, Copy)]
pub(crate) struct Sides {
    pub victim: Option<IpAddr>,
    pub peer: IpAddr,
}

impl Sides {
    /// Who asked, and whom.
    pub fn client(cx: &Context<'_>) -> Self {
        Sides { victim: Some(cx.tuple.client.ip), peer: cx.tuple.server.ip }
    }

    /// The client itself gives itself away: it is the victim if it is one of ours. A scanner from outside is nobody's
    /// victim.
    pub fn own_client(cx: &Context<'_>) -> Self {
        let (client, server) = (cx.tuple.client.ip, cx.tuple.server.ip);
        let (victim, peer) = if is_ours(client) { (Some(client), server) } else { (None, client) };
        Sides { victim, peer }
    }
}

/// Whether an address is one that nobody has on the Internet: private (RFC 1918, RFC 6598, RFC 4193) or of a link.
pub(crate) fn is_ours(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = matches!(v4.octets(), [100, 64..=127, ..]);
            v4.is_private() || v4.is_link_local() || v4.is_loopback() || shared
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_loopback(),
    }
}

/// A signature's severity, milder if the list is not sure of its indicator.
fn severity(of: Severity, confidence: Option<u8>) -> Severity {
    match confidence {
        Some(..DOUBTFUL) => of.max(Severity::Low),
        Some(..SURE) => of.max(Severity::Medium),
        _ => of,
    }
}

pub(crate) fn alert(
    signature: &SignatureInfo,
    cx: &Context<'_>,
    sides: Sides,
    hit: &Match<'_>,
    observed: String,
    checkin: Option<CheckIn>,
) -> Alert {
    let mut techniques = signature.techniques.to_vec();
    if let Some(checkin) = &checkin {
        techniques.extend(c2::techniques(checkin));
    }
    Alert {
        time: cx.time,
        arrival: cx.arrival,
        raised: None,
        gid: RINGWARD_GID,
        sid: signature.sid,
        rev: signature.rev,
        signature: signature.signature.into(),
        category: signature.category.into(),
        severity: severity(signature.severity, hit.confidence),
        observation: signature.observation,
        direction: cx.direction,
        victim: sides.victim,
        basis: sides.victim.map(|_| Basis::Detector),
        proof: Proof::default(),
        parties: Parties::default(),
        peer: Some(sides.peer),
        hit: Some(IndicatorHit {
            kind: hit.kind.name(),
            indicator: Arc::from(&*hit.indicator),
            observed,
            description: hit.description.map(Arc::from),
            source: format!("{}:{}", hit.file, hit.line),
            confidence: hit.confidence,
            tags: hit.tags().map(str::to_owned).collect(),
            techniques: hit.techniques().map(str::to_owned).collect(),
        }),
        rule: None,
        techniques,
        checkin,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubts_make_alerts_milder() {
        for (confidence, expected) in [
            (None, Severity::High),
            (Some(100), Severity::High),
            (Some(70), Severity::High),
            (Some(69), Severity::Medium),
            (Some(40), Severity::Medium),
            (Some(39), Severity::Low),
            (Some(0), Severity::Low),
        ] {
            assert_eq!(severity(Severity::High, confidence), expected, "{confidence:?}");
        }
        assert_eq!(severity(Severity::Informational, Some(50)), Severity::Informational);
    }

    #[test]
    fn addresses_of_the_internet_are_not_ours() {
        for (ip, ours) in [
            ("10.1.2.3", true),
            ("172.31.0.1", true),
            ("172.32.0.1", false),
            ("192.168.0.1", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("198.51.100.1", false),
            ("fd00::1", true),
            ("fe80::1", true),
            ("2001:db8::1", false),
            ("::ffff:10.0.0.1", true),
        ] {
            assert_eq!(is_ours(ip.parse().unwrap()), ours, "{ip}");
        }
    }
}
