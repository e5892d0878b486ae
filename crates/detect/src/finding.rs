//! From a match to an alert.

use std::net::IpAddr;
use std::sync::Arc;

use alert::{Alert, Basis, CheckIn, IndicatorHit, Orientation, Parties, Proof, RINGWARD_GID, Severity};
use intel::Match;
use wire::is_bogon;

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
    /// The client asked, and so gave itself away: it is the victim if it is one of ours, and if that it asked is no guess.
    /// Somebody from outside is nobody's victim.
    pub fn client(cx: &Context<'_>) -> Self {
        let (client, server) = (cx.tuple.client.ip, cx.tuple.server.ip);
        match (cx.home.has(client), cx.orientation) {
            (false, _) => Sides { victim: None, peer: client },
            (true, Orientation::Guessed) => Sides { victim: None, peer: server },
            (true, _) => Sides { victim: Some(client), peer: server },
        }
    }

    /// The same for what gives a listed address away. One that is ours, or that nobody can have on the Internet, is told
    /// of, and nobody is cut off for it: whole networks talk to such addresses all day.
    pub fn client_to(cx: &Context<'_>, listed: IpAddr) -> Self {
        let sides = Sides::client(cx);
        if cx.home.has(listed) || is_bogon(listed) { Sides { victim: None, ..sides } } else { sides }
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
        proof: Proof { orientation: cx.orientation, ..Proof::default() },
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
}
