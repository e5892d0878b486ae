//! MQTT control packets: 3.1, 3.1.1, 5.

use crate::cursor::Cursor;
use crate::login::Secret;

/// Text is kept up to so many bytes.
const MAX_TEXT: usize = 1024;
/// Of what is published so many bytes are kept.
const MAX_PAYLOAD: usize = 16 * 1024;
/// Topics, return codes and properties of a packet that are kept.
const MAX_ITEMS: usize = 64;

/// A property's value (MQTT 5, 2.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyValue {
    /// A number.
    Number(u32),
    /// Text, or bytes taken for text.
    Text(String),
}

/// Properties by name; of user properties the user's own names.
pub type Properties = Vec<(String, PropertyValue)>;

/// A CONNECT packet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    /// "MQTT" or "MQIsdp".
    pub protocol: String,
    /// 3 is 3.1, 4 is 3.1.1, 5 is 5.
    pub version: u8,
    /// The flags as they are sent.
    pub flags: u8,
    /// The client's name for itself.
    pub client_id: String,
    /// Who logs in.
    pub user: Option<String>,
    /// With what.
    pub password: Option<Secret>,
    /// Topic, message and properties that are published when the client is gone.
    pub will: Option<(String, Vec<u8>, Properties)>,
    /// MQTT 5.
    pub properties: Properties,
}

/// What a packet says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing but its type: PINGREQ, PINGRESP, DISCONNECT before MQTT 5.
    Empty,
    /// CONNECT.
    Connect(Box<Connect>),
    /// CONNACK.
    ConnAck {
        /// The server knew the client.
        session_present: bool,
        /// 0: welcome.
        code: u8,
        /// MQTT 5.
        properties: Properties,
    },
    /// PUBLISH.
    Publish {
        /// Where.
        topic: String,
        /// Above QoS 0.
        id: Option<u16>,
        /// What, or its beginning.
        payload: Vec<u8>,
        /// Bytes that were not kept.
        skipped: usize,
        /// MQTT 5.
        properties: Properties,
    },
    /// PUBACK, PUBREC, PUBREL, PUBCOMP.
    Ack {
        /// What is acknowledged.
        id: u16,
        /// MQTT 5.
        reason: Option<u8>,
    },
    /// SUBSCRIBE.
    Subscribe {
        /// Joins it with its SUBACK.
        id: u16,
        /// Topic filters and the QoS wanted.
        topics: Vec<(String, u8)>,
    },
    /// UNSUBSCRIBE.
    Unsubscribe {
        /// Joins it with its UNSUBACK.
        id: u16,
        /// Topic filters.
        topics: Vec<String>,
    },
    /// SUBACK, UNSUBACK.
    Codes {
        /// What is acknowledged.
        id: u16,
        /// The QoS granted, or why not.
        codes: Vec<u8>,
    },
    /// DISCONNECT and AUTH of MQTT 5.
    Reason {
        /// Why.
        reason: u8,
        /// MQTT 5.
        properties: Properties,
    },
    /// Larger than what is kept, and of no use in part.
    Skipped(usize),
}

/// A control packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// 1 CONNECT to 15 AUTH.
    pub kind: u8,
    /// Sent again.
    pub dup: bool,
    /// Quality of service.
    pub qos: u8,
    /// To be kept by the server.
    pub retain: bool,
    /// The rest.
    pub body: Body,
}

impl Packet {
    /// The type's name in EVE.
    #[must_use]
    pub fn name(&self) -> &'static str {
        const NAMES: [&str; 16] = [
            "unassigned",
            "connect",
            "connack",
            "publish",
            "puback",
            "pubrec",
            "pubrel",
            "pubcomp",
            "subscribe",
            "suback",
            "unsubscribe",
            "unsuback",
            "pingreq",
            "pingresp",
            "disconnect",
            "auth",
        ];
        NAMES[usize::from(self.kind & 15)]
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT)]).into_owned()
}

fn text(at: &mut Cursor<'_>) -> Option<String> {
    at.prefixed16().map(lossy)
}

/// A variable byte integer (MQTT 5, 1.5.5): value and its own length; `None` if it is cut off, or longer than four bytes.
pub(super) fn varint(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

fn properties(at: &mut Cursor<'_>) -> Option<Properties> {
    let (len, used) = varint(at.0)?;
    at.take(used)?;
    let mut from = Cursor(at.take(len)?);
    let mut out = Properties::new();
    while !from.is_empty() {
        let number = |value: u32| PropertyValue::Number(value);
        let (name, kind) = match from.u8()? {
            1 => ("payload_format_indicator", 'b'),
            2 => ("message_expiry_interval", 'w'),
            3 => ("content_type", 's'),
            8 => ("response_topic", 's'),
            9 => ("correlation_data", 's'),
            11 => ("subscription_identifier", 'v'),
            17 => ("session_expiry_interval", 'w'),
            18 => ("assigned_client_identifier", 's'),
            19 => ("server_keep_alive", 'h'),
            21 => ("authentication_method", 's'),
            22 => ("authentication_data", 's'),
            23 => ("request_problem_information", 'b'),
            24 => ("will_delay_interval", 'w'),
            25 => ("request_response_information", 'b'),
            26 => ("response_information", 's'),
            28 => ("server_reference", 's'),
            31 => ("reason_string", 's'),
            33 => ("receive_maximum", 'h'),
            34 => ("topic_alias_maximum", 'h'),
            35 => ("topic_alias", 'h'),
            36 => ("maximum_qos", 'b'),
            37 => ("retain_available", 'b'),
            38 => ("", 'u'),
            39 => ("maximum_packet_size", 'w'),
            40 => ("wildcard_subscription_available", 'b'),
            41 => ("subscription_identifier_available", 'b'),
            42 => ("shared_subscription_available", 'b'),
            _ => return None,
        };
        let (name, value) = match kind {
            'b' => (name.to_owned(), number(from.u8()?.into())),
            'h' => (name.to_owned(), number(from.u16()?.into())),
            'w' => (name.to_owned(), number(from.u32()?)),
            'v' => {
                let (value, used) = varint(from.0)?;
                from.take(used)?;
                (name.to_owned(), number(u32::try_from(value).ok()?))
            }
            's' => (name.to_owned(), PropertyValue::Text(text(&mut from)?)),
            _ => (text(&mut from)?, PropertyValue::Text(text(&mut from)?)),
        };
        if out.len() < MAX_ITEMS {
            out.push((name, value));
        }
    }
    Some(out)
}

/// Properties where the version has some; they may be left out at the end.
fn maybe(at: &mut Cursor<'_>, version: u8) -> Option<Properties> {
    if version == 5 && !at.is_empty() { properties(at) } else { Some(Properties::new()) }
}

fn connect(at: &mut Cursor<'_>) -> Option<Body> {
    let (protocol, version, flags) = (text(at)?, at.u8()?, at.u8()?);
    at.u16()?;
    let properties = maybe(at, version)?;
    let client_id = text(at)?;
    let mut will = None;
    if flags & 0x04 != 0 {
        let properties = maybe(at, version)?;
        let topic = text(at)?;
        let message = at.prefixed16()?;
        will = Some((topic, message[..message.len().min(MAX_PAYLOAD)].to_vec(), properties));
    }
    let user = if flags & 0x80 != 0 { Some(text(at)?) } else { None };
    let password = if flags & 0x40 != 0 { Some(Secret::new(text(at)?)) } else { None };
    Some(Body::Connect(Box::new(Connect {
        protocol,
        version,
        flags,
        client_id,
        user,
        password,
        will,
        properties,
    })))
}

/// The version that a CONNECT names; `len` is the packet's length as a whole, of which `bytes` are at hand.
pub(super) fn parse(bytes: &[u8], len: usize, version: u8) -> Option<Packet> {
    let first = *bytes.first()?;
    let (_, used) = varint(bytes.get(1..)?)?;
    let at = &mut Cursor(bytes.get(1 + used..)?);
    let (kind, qos) = (first >> 4, first >> 1 & 3);
    let cut = len > bytes.len();
    let body = match kind {
        1 if !cut => connect(at)?,
        2 => {
            let (flags, code) = (at.u8()?, at.u8()?);
            Body::ConnAck { session_present: flags & 1 != 0, code, properties: maybe(at, version)? }
        }
        3 => {
            let topic = text(at)?;
            let id = if qos > 0 { Some(at.u16()?) } else { None };
            let properties = maybe(at, version)?;
            let kept = at.0.len().min(MAX_PAYLOAD);
            let skipped = at.0.len() - kept + (len - bytes.len());
            Body::Publish { topic, id, payload: at.take(kept)?.to_vec(), skipped, properties }
        }
        4..=7 => {
            let id = at.u16()?;
            // The reason may be left out if it is 0.
            let reason = if version == 5 { Some(at.u8().unwrap_or(0)) } else { None };
            Body::Ack { id, reason }
        }
        8 | 10 if !cut => {
            let id = at.u16()?;
            maybe(at, version)?;
            let (mut topics, mut names) = (Vec::new(), Vec::new());
            while !at.is_empty() && topics.len() + names.len() < MAX_ITEMS {
                let topic = text(at)?;
                match kind {
                    8 => topics.push((topic, at.u8()? & 3)),
                    _ => names.push(topic),
                }
            }
            if kind == 8 { Body::Subscribe { id, topics } } else { Body::Unsubscribe { id, topics: names } }
        }
        9 | 11 => {
            let id = at.u16()?;
            maybe(at, version)?;
            Body::Codes { id, codes: at.0[..at.0.len().min(MAX_ITEMS)].to_vec() }
        }
        12 | 13 => Body::Empty,
        14 if version != 5 => Body::Empty,
        14 | 15 => {
            let reason = at.u8().unwrap_or(0);
            let properties = maybe(at, 5)?;
            Body::Reason { reason, properties }
        }
        1 | 8 | 10 => Body::Skipped(len - bytes.len()),
        _ => return None,
    };
    Some(Packet { kind, dup: first & 8 != 0, qos, retain: first & 1 != 0, body })
}
