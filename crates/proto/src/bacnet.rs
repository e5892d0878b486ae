//! BACnet/IP (ASHRAE 135, annex J): services that devices of a building ask of each other.

use wire::{Direction, IpProto};

use crate::cursor::Cursor;
use crate::parser::{Chunk, Parser, Sink, Step, complete};
use crate::registry::{AppProto, Guess, Opening, Protocol};

/// A BACnet/IP message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bacnet {
    /// Who sent it.
    pub direction: Direction,
    /// The virtual link's function: 0x0a unicast, 0x0b broadcast, 0x05 register as a foreign device ...
    pub link_function: u8,
    /// The kind of PDU: 0 confirmed request ... 7 abort; none in messages of the link and the network.
    pub kind: Option<u8>,
    /// What is asked.
    pub service: Option<u8>,
    /// Joins request and answer.
    pub invoke_id: Option<u8>,
    /// The object that it is about: type and instance.
    pub object: Option<(u16, u32)>,
    /// The property of the object.
    pub property: Option<u32>,
}

impl Bacnet {
    /// The link's function by name.
    #[must_use]
    pub fn link_function_name(&self) -> &'static str {
        match self.link_function {
            0x00 => "bvlc_result",
            0x01 => "write_broadcast_distribution_table",
            0x02 => "read_broadcast_distribution_table",
            0x03 => "read_broadcast_distribution_table_ack",
            0x04 => "forwarded_npdu",
            0x05 => "register_foreign_device",
            0x06 => "read_foreign_device_table",
            0x07 => "read_foreign_device_table_ack",
            0x08 => "delete_foreign_device_table_entry",
            0x09 => "distribute_broadcast_to_network",
            0x0a => "original_unicast_npdu",
            0x0b => "original_broadcast_npdu",
            _ => "secure_bvll",
        }
    }

    /// The PDU's kind by name.
    #[must_use]
    pub fn kind_name(&self) -> Option<&'static str> {
        const NAMES: [&str; 8] = [
            "confirmed_request",
            "unconfirmed_request",
            "simple_ack",
            "complex_ack",
            "segment_ack",
            "error",
            "reject",
            "abort",
        ];
        NAMES.get(usize::from(self.kind?)).copied()
    }

    /// The service by name.
    #[must_use]
    pub fn service_name(&self) -> Option<&'static str> {
        let service = self.service?;
        Some(match (self.kind?, service) {
            (1, 0) => "i_am",
            (1, 1) => "i_have",
            (1, 2) => "unconfirmed_cov_notification",
            (1, 3) => "unconfirmed_event_notification",
            (1, 6) => "time_synchronization",
            (1, 7) => "who_has",
            (1, 8) => "who_is",
            (1, 9) => "utc_time_synchronization",
            (0 | 2 | 3 | 5, 5) => "subscribe_cov",
            (0 | 2 | 3 | 5, 6) => "atomic_read_file",
            (0 | 2 | 3 | 5, 7) => "atomic_write_file",
            (0 | 2 | 3 | 5, 10) => "create_object",
            (0 | 2 | 3 | 5, 11) => "delete_object",
            (0 | 2 | 3 | 5, 12) => "read_property",
            (0 | 2 | 3 | 5, 14) => "read_property_multiple",
            (0 | 2 | 3 | 5, 15) => "write_property",
            (0 | 2 | 3 | 5, 16) => "write_property_multiple",
            (0 | 2 | 3 | 5, 17) => "device_communication_control",
            (0 | 2 | 3 | 5, 20) => "reinitialize_device",
            (0 | 2 | 3 | 5, 26) => "read_range",
            _ => "other",
        })
    }
}

/// BACnet/IP, on any port: the length must be the datagram's.
pub(crate) static PROTOCOL: Protocol = Protocol {
    app: AppProto::Bacnet,
    transport: IpProto::UDP,
    ports: &[47_808],
    probe,
    open: Some(|_| Box::new(BacnetParser)),
};

fn probe(opening: &Opening<'_>) -> Guess {
    let seen = opening.fresh();
    let fits = match seen {
        [0x81, function @ 0..=0x0c, high, low, rest @ ..]
            if usize::from(*high) << 8 | usize::from(*low) == seen.len() =>
        {
            match function {
                0x09..=0x0b => rest.first() == Some(&1),
                0x04 => rest.get(6) == Some(&1),
                _ => opening.on_port(PROTOCOL.ports),
            }
        }
        _ => false,
    };
    if fits { Guess::Yes } else { Guess::No }
}

fn parse(direction: Direction, bytes: &[u8]) -> Option<Bacnet> {
    let mut at = Cursor(bytes);
    at.u8().filter(|kind| *kind == 0x81)?;
    let link_function = at.u8()?;
    at.u16().filter(|len| usize::from(*len) == bytes.len())?;
    let mut out = Bacnet {
        direction,
        link_function,
        kind: None,
        service: None,
        invoke_id: None,
        object: None,
        property: None,
    };
    match link_function {
        0x04 => drop(at.take(6)?),
        0x09..=0x0b => {}
        _ => return Some(out),
    }
    at.u8().filter(|version| *version == 1)?;
    let control = at.u8()?;
    for end in [0x20, 0x08] {
        if control & end != 0 {
            at.u16()?;
            at.prefixed8()?;
        }
    }
    if control & 0x20 != 0 {
        at.u8()?;
    }
    // A message of the network layer.
    if control & 0x80 != 0 {
        return Some(out);
    }
    let first = at.u8()?;
    let kind = first >> 4;
    out.kind = Some(kind);
    match kind {
        0 => {
            at.u8()?;
            out.invoke_id = at.u8();
            if first & 0x08 != 0 {
                at.u16()?;
            }
            out.service = at.u8();
        }
        1 => out.service = at.u8(),
        2..=7 => {
            out.invoke_id = at.u8();
            if kind == 3 && first & 0x08 != 0 {
                at.u16()?;
            }
            out.service = if matches!(kind, 2 | 3 | 5) { at.u8() } else { None };
        }
        _ => return None,
    }
    // An object as the first parameter: with the context's tag 0 or the application's tag 12.
    if let Some(&[0x0c | 0xc4, a, b, c, d]) = at.0.first_chunk() {
        let id = u32::from_be_bytes([a, b, c, d]);
        out.object = Some(((id >> 22) as u16, id & 0x3f_ffff));
        out.property = match at.0.get(5..) {
            Some([0x19, property, ..]) => Some((*property).into()),
            Some([0x1a, high, low, ..]) => Some(u32::from(*high) << 8 | u32::from(*low)),
            _ => None,
        };
    }
    Some(out)
}

/// See [`crate::Parser`].
#[derive(Debug)]
pub struct BacnetParser;

impl Parser for BacnetParser {
    fn data(&mut self, chunk: Chunk<'_>, sink: &mut dyn Sink) -> Step {
        match parse(chunk.direction, chunk.bytes) {
            Some(bacnet) => complete(bacnet.into(), sink),
            None => sink.anomaly("malformed_data"),
        }
        Step::More
    }

    fn gap(&mut self, _: Direction, _: u64, _: &mut dyn Sink) -> Step {
        Step::More
    }

    fn close(&mut self, _: &mut dyn Sink) {}
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::text_testing::ToServer;

    #[test]
    fn a_property_that_is_written_is_told() {
        let write =
            [0x81, 0x0a, 0, 23, 1, 4, 0, 5, 9, 15, 0x0c, 0, 0x80, 0, 7, 0x19, 85, 0x3e, 0x44, 0, 0, 0, 0x3f];
        let found = parse(ToServer, &write).unwrap();
        assert_eq!(
            (found.kind_name(), found.service_name()),
            (Some("confirmed_request"), Some("write_property"))
        );
        assert_eq!((found.invoke_id, found.object, found.property), (Some(9), Some((2, 7)), Some(85)));
    }

    #[test]
    fn a_device_that_announces_itself_is_told() {
        let i_am =
            [0x81, 0x0b, 0, 20, 1, 0x20, 0xff, 0xff, 0, 0xff, 0x10, 0, 0xc4, 2, 0, 0, 5, 0x22, 1, 0xe0];
        let found = parse(ToServer, &i_am).unwrap();
        assert_eq!((found.service_name(), found.object), (Some("i_am"), Some((8, 5))));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 4..100)) {
            (bytes[0], bytes[1], bytes[2], bytes[3]) = (0x81, bytes[1] % 13, 0, bytes.len() as u8);
            parse(ToServer, &bytes);
        }
    }
}
