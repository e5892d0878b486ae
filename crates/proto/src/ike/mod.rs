//! IKE version 1 (RFC 2409) and 2 (RFC 7296): what is proposed and chosen, before all is encrypted.

mod names;
mod payloads;

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};
use payloads::{bounded, payload, transforms_v1};

/// Payloads of a message that are looked at.
const MAX_PAYLOADS: usize = 64;
/// Proposals and transforms of a message that are looked at, together.
const MAX_TRANSFORMS: usize = 256;
/// Vendor identifiers and notifications that are kept of a message, each.
const MAX_LIST: usize = 32;
/// Bytes that are kept of a key exchange, a nonce, a vendor identifier.
const MAX_VALUE: usize = 1024;
const HEADER: usize = 28;
/// Says on port 4500 that this is no ESP (RFC 3948).
const NON_ESP: [u8; 4] = [0; 4];

/// Flags of version 1 and of version 2.
mod flag {
    pub const ENCRYPTED: u8 = 0x01;
    pub const INITIATOR: u8 = 0x08;
}

/// A proposal's transform of version 1: attributes as class and value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(pub Vec<(u16, u32)>);

impl Attributes {
    /// Name in events, name of the value, value; of those attributes that have one.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &'static str, u32)> + '_ {
        self.0.iter().filter_map(|&(class, value)| {
            let name = match class {
                1 => "alg_enc",
                2 => "alg_hash",
                3 => "alg_auth",
                4 => "alg_dh",
                11 => "sa_life_type",
                12 => "sa_life_duration",
                14 => "sa_key_length",
                _ => return None,
            };
            Some((name, names::attribute(class, value), value))
        })
    }
}

/// What one side gave for the key, in version 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyMaterial {
    /// Its part of the Diffie-Hellman exchange.
    pub key_exchange: Option<Vec<u8>>,
    /// Its nonce.
    pub nonce: Option<Vec<u8>>,
}

/// What only messages of version 1 have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IkeV1 {
    /// Domain of interpretation: 1 is IPsec.
    pub doi: Option<u32>,
    /// The payloads behind the first are not told.
    pub encrypted: bool,
    /// What the client proposes in this message.
    pub proposals: Vec<Attributes>,
    /// `[client, server]`, in messages that carry a key.
    pub keys: [KeyMaterial; 2],
    /// Vendor identifiers.
    pub vendor_ids: Vec<Vec<u8>>,
    /// What the server has chosen so far.
    pub chosen: Attributes,
}

/// What only messages of version 2 have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IkeV2 {
    /// The one who began the exchange of keys sent it.
    pub initiator: bool,
    /// Notifications that are errors.
    pub errors: u32,
    /// Notifications.
    pub notify: Vec<String>,
    /// What the responder has chosen so far: encryption, integrity, group; by name.
    pub chosen: [Option<&'static str>; 3],
    /// The same by number: encryption, pseudo-random function, integrity, group.
    pub chosen_ids: [Option<u16>; 4],
    /// Its own part of the Diffie-Hellman exchange, and its nonce.
    pub key: KeyMaterial,
}

/// What a message has besides its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IkeBody {
    /// Of version 1.
    V1(IkeV1),
    /// Of version 2.
    V2(IkeV2),
}

/// An IKE message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ike {
    /// The server of the flow sent it.
    pub response: bool,
    /// The initiator's identifier.
    pub init_spi: [u8; 8],
    /// The responder's identifier; zeros in the first message.
    pub resp_spi: [u8; 8],
    /// Major and minor version.
    pub version: (u8, u8),
    /// The exchange: 2 is main mode, 4 aggressive mode, 34 IKE_SA_INIT ...
    pub exchange_type: u8,
    /// Its number.
    pub message_id: u32,
    /// Its payloads in their order; of version 1 each kind once, with those within.
    pub payloads: Vec<String>,
    /// The rest.
    pub body: IkeBody,
}

/// IKE over UDP, on any port.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Ike,
    transport: IpProto::UDP,
    ports: &[500, 4500],
    probe,
    open: Some(|_| Box::<IkeParser>::default()),
};

/// The message behind the marker of port 4500, if that is there: an initiator's identifier may begin like it.
fn unmarked(bytes: &[u8]) -> &[u8] {
    let Some(inner) = bytes.strip_prefix(&NON_ESP) else { return bytes };
    let version = |of: &[u8]| matches!(of.get(17), Some(0x10 | 0x20));
    let whole = inner.get(24..28) == Some(&u32::try_from(inner.len()).unwrap_or(0).to_be_bytes());
    if (whole && version(inner)) || !version(bytes) { inner } else { bytes }
}

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = unmarked(opening.fresh());
    let Some(head) = seen.first_chunk::<HEADER>() else { return Guess::No };
    let len = u32::from_be_bytes([head[24], head[25], head[26], head[27]]) as usize;
    let exact = len == seen.len();
    let [next, version, exchange, flags] = [head[16], head[17], head[18], head[19]];
    let usual = opening.on_port(&[500, 4500]);
    let known = match version {
        0x10 => next <= 22 && (matches!(exchange, 1..=6 | 32..=34)) && (usual || flags & !7 == 0),
        0x20 => {
            (next == 0 || (33..=53).contains(&next))
                && (34..=44).contains(&exchange)
                && (usual || flags & !0x38 == 0)
        }
        _ => false,
    };
    let sound = if usual { len >= HEADER } else { exact && head[..8] != [0; 8] };
    if known && sound { Guess::Yes } else { Guess::No }
}

/// See [`crate::Parser`].
#[derive(Debug, Default)]
pub struct IkeParser {
    keys: [KeyMaterial; 2],
    chosen_v1: Attributes,
    chosen_v2: [Option<&'static str>; 3],
    chosen_ids: [Option<u16>; 4],
    doi: Option<u32>,
    limits_hit: u32,
}

impl IkeParser {
    fn message(&mut self, direction: Direction, bytes: &[u8], sink: &mut dyn Sink) -> Option<()> {
        let mut at = Cursor(bytes);
        let (init_spi, resp_spi) = (*at.array()?, *at.array()?);
        let (next, version, exchange_type, flags) = (at.u8()?, at.u8()?, at.u8()?, at.u8()?);
        let (message_id, len) = (at.u32()?, at.u32()? as usize);
        let Some(body) = len.checked_sub(HEADER) else {
            sink.anomaly("malformed_data");
            return None;
        };
        let payloads = Cursor(&at.0[..body.min(at.0.len())]);
        let (payloads, body) = match version >> 4 {
            1 => self.version_1(direction, next, payloads, flags, sink),
            2 => self.version_2(next, payloads, flags, sink),
            _ => {
                sink.anomaly("malformed_data");
                return None;
            }
        };
        let version = (version >> 4, version & 0x0f);
        let response = direction == Direction::ToClient;
        let ike = Ike { response, init_spi, resp_spi, version, exchange_type, message_id, payloads, body };
        complete(ike.into(), sink);
        Some(())
    }

    fn version_1(
        &mut self,
        direction: Direction,
        first: u8,
        mut at: Cursor<'_>,
        flags: u8,
        sink: &mut dyn Sink,
    ) -> (Vec<String>, IkeBody) {
        let mut payloads: Vec<String> = Vec::new();
        let mut see = |kind: u8| {
            let name = names::payload_v1(kind);
            if !payloads.iter().any(|p| p == name) {
                payloads.push(name.to_owned());
            }
        };
        let mut v1 = IkeV1 { encrypted: flags & flag::ENCRYPTED != 0, ..IkeV1::default() };
        let (mut next, mut keyed) = (first, false);
        if v1.encrypted {
            see(first);
            next = 0;
        }
        for _ in 0..MAX_PAYLOADS {
            if next == 0 {
                break;
            }
            let kind = next;
            see(kind);
            let Some((following, content)) = payload(&mut at) else {
                sink.anomaly("malformed_data");
                break;
            };
            next = following;
            let kept = bounded(content);
            match kind {
                1 => {
                    let mut sa = Cursor(content);
                    self.doi = sa.u32();
                    sa.take(4);
                    let transforms = transforms_v1(sa, &mut see, &mut self.limits_hit);
                    for &(class, value) in transforms.iter().flat_map(|t| &t.0) {
                        // Hashes count as PRF and as integrity there.
                        let kinds: &[(u8, u32)] = match class {
                            1 => &[(1, if value <= 6 { 2 } else { 12 })],
                            2 if value <= 2 => &[(2, 1), (3, 1)],
                            4 => &[(4, value)],
                            _ => &[],
                        };
                        for &(kind, id) in kinds {
                            if let Some(event) =
                                u16::try_from(id).ok().and_then(|id| names::weakness(kind, id))
                            {
                                sink.anomaly(event);
                            }
                        }
                    }
                    match direction {
                        Direction::ToServer => v1.proposals = transforms,
                        Direction::ToClient => {
                            self.chosen_v1 = transforms.into_iter().next().unwrap_or_default()
                        }
                    }
                }
                4 => {
                    keyed = true;
                    self.keys[direction.index()].key_exchange = Some(kept.to_vec());
                }
                10 => {
                    keyed = true;
                    self.keys[direction.index()].nonce = Some(kept.to_vec());
                }
                13 if v1.vendor_ids.len() < MAX_LIST => v1.vendor_ids.push(kept.to_vec()),
                _ => {}
            }
        }
        if keyed {
            v1.keys.clone_from(&self.keys);
        }
        v1.doi = self.doi;
        v1.chosen = self.chosen_v1.clone();
        (payloads, IkeBody::V1(v1))
    }

    fn version_2(
        &mut self,
        first: u8,
        mut at: Cursor<'_>,
        flags: u8,
        sink: &mut dyn Sink,
    ) -> (Vec<String>, IkeBody) {
        let mut v2 = IkeV2 { initiator: flags & flag::INITIATOR != 0, ..IkeV2::default() };
        let mut payloads = vec![names::payload_v2(first)];
        let mut next = first;
        for _ in 0..MAX_PAYLOADS {
            if next == 0 {
                break;
            }
            let Some((following, content)) = payload(&mut at) else {
                sink.anomaly("malformed_data");
                break;
            };
            let kind = std::mem::replace(&mut next, following);
            payloads.push(names::payload_v2(following));
            match kind {
                33 => self.proposals_v2(Cursor(content), !v2.initiator, sink),
                // The group stands before the key.
                34 => v2.key.key_exchange = content.get(4..).map(|key| bounded(key).to_vec()),
                40 => v2.key.nonce = Some(bounded(content).to_vec()),
                41 => {
                    if let [_, _, high, low, ..] = *content {
                        let number = u16::from_be_bytes([high, low]);
                        v2.errors += u32::from(number < 16384);
                        if v2.notify.len() < MAX_LIST {
                            v2.notify.push(names::notify(number));
                        }
                    }
                }
                // What follows is encrypted; its first payload's kind was told.
                46 | 53 => break,
                _ => {}
            }
        }
        v2.chosen = self.chosen_v2;
        v2.chosen_ids = self.chosen_ids;
        (payloads, IkeBody::V2(v2))
    }

    /// Proposals with their transforms; `choice` says that they are the responder's.
    fn proposals_v2(&mut self, mut at: Cursor<'_>, choice: bool, sink: &mut dyn Sink) {
        let mut budget = MAX_TRANSFORMS;
        while let Some((_, proposal)) = payload(&mut at) {
            let mut proposal = Cursor(proposal);
            let head = proposal.array::<4>().copied();
            let Some([_, _, spi, _]) = head else { break };
            proposal.take(spi.into());
            let (mut auth, mut dh) = (false, false);
            while let Some((_, transform)) = payload(&mut proposal) {
                if budget == 0 {
                    self.limits_hit += 1;
                    return;
                }
                budget -= 1;
                let [kind, _, high, low, ..] = *transform else { break };
                let id = u16::from_be_bytes([high, low]);
                auth |= kind == 3 || (kind == 1 && matches!(id, 14..=20 | 28));
                dh |= kind == 4;
                if let Some(event) = names::weakness(kind, id) {
                    sink.anomaly(event);
                }
                if choice && let Some(chosen) = self.chosen_ids.get_mut(usize::from(kind).wrapping_sub(1)) {
                    *chosen = Some(id);
                }
                let place = match kind {
                    1 => 0,
                    3 => 1,
                    4 => 2,
                    _ => continue,
                };
                if choice {
                    self.chosen_v2[place] = names::transform(kind, id);
                }
            }
            if !auth {
                sink.anomaly("weak_crypto_no_auth");
            }
            if !dh {
                sink.anomaly("weak_crypto_no_dh");
            }
        }
    }
}

impl Parser for IkeParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        // What is too short is a keepalive; what has no version is ESP on the same port.
        let bytes = unmarked(chunk.bytes);
        let version = bytes.get(17).map(|v| v >> 4);
        if bytes.len() >= HEADER && matches!(version, Some(1 | 2)) && probe_flow(bytes) {
            self.message(chunk.direction, bytes, sink);
        }
        Step::More
    }

    fn gap(&mut self, _direction: Direction, _missing: u64, _sink: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, _sink: &mut dyn Sink) {}

    fn limits_hit(&self) -> u32 {
        self.limits_hit
    }
}

/// Whether a datagram of an IKE flow is a message and no ESP: its length is told.
fn probe_flow(bytes: &[u8]) -> bool {
    let len = u32::from_be_bytes([bytes[24], bytes[25], bytes[26], bytes[27]]) as usize;
    len >= HEADER && len <= bytes.len().saturating_add(MAX_VALUE * 64)
}

#[cfg(test)]
mod tests;
