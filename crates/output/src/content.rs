//! What an alert was raised on, as far as its line shows it: payload, packet, bodies.
//!
//! The worker copies it when it raises an alert, and nothing for packets that raise none. Every copy is bounded by
//! [`AlertOptions::payload_buffer`], but for the packet, which is bounded by its own length.

use wire::LinkType;

/// What lines of alerts show beside the finding: the options of Suricata's `eve-log`, under its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlertOptions {
    /// `payload`: the payload in base64.
    pub payload: bool,
    /// `payload_printable`: the payload with dots for what is not printable.
    pub payload_printable: bool,
    /// `payload_length`: how long the payload is.
    pub payload_length: bool,
    /// Bytes of payload, and of each body, that are copied at most.
    pub payload_buffer: u32,
    /// `packet` and `packet_info`: the frame in base64.
    pub packet: bool,
    /// `http.http_request_body` and `http.http_response_body`: bodies in base64.
    pub http_body: bool,
    /// The same with `_printable`.
    pub http_body_printable: bool,
    /// What the flow and the transaction say, and the metadata of the rule's author.
    pub metadata: bool,
}

impl Default for AlertOptions {
    fn default() -> Self {
        AlertOptions::DEFAULT
    }
}

impl AlertOptions {
    /// As the configuration that Suricata comes with: metadata, nothing else.
    pub const DEFAULT: AlertOptions = AlertOptions {
        payload: false,
        payload_printable: false,
        payload_length: false,
        payload_buffer: 4096,
        packet: false,
        http_body: false,
        http_body_printable: false,
        metadata: true,
    };

    /// Whether any form of the payload is shown.
    #[must_use]
    pub fn wants_payload(&self) -> bool {
        self.payload || self.payload_printable || self.payload_length
    }

    /// Whether any form of HTTP bodies is shown: they are metadata.
    #[must_use]
    pub fn wants_bodies(&self) -> bool {
        self.metadata && (self.http_body || self.http_body_printable)
    }

    /// As much of a stream as is shown: its end, which the alert was raised on.
    #[must_use]
    pub fn of_stream<'a>(&self, stream: &'a [u8]) -> &'a [u8] {
        &stream[stream.len().saturating_sub(self.payload_buffer as usize)..]
    }

    /// As much of a packet's payload or of a body as is shown: its beginning.
    #[must_use]
    pub fn beginning<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[..bytes.len().min(self.payload_buffer as usize)]
    }
}

/// What events show of the frames that they came about with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Of alerts.
    pub alert: AlertOptions,
    /// `ether`: the hardware addresses, of every event that has some.
    pub ethernet: bool,
}

impl Shown {
    /// The hardware addresses of a frame, if they are shown.
    #[must_use]
    pub fn ether(&self, link: LinkType, frame: &[u8]) -> Option<Ether> {
        if self.ethernet { Ether::of_frame(link, frame) } else { None }
    }

    /// A frame, if it is shown and there is one.
    #[must_use]
    pub fn packet(&self, link: LinkType, frame: &[u8]) -> Option<(LinkType, Vec<u8>)> {
        (self.alert.packet && !frame.is_empty()).then(|| (link, frame.to_vec()))
    }
}

/// The payload of an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Its bytes, as many as are shown.
    pub bytes: Vec<u8>,
    /// How many there were: of the packet, or of the stream as far as it is kept.
    pub length: u64,
    /// Whether it is from the reassembled stream rather than from one packet.
    pub stream: bool,
}

/// The bodies of the HTTP exchange that an alert is about, `[request, response]`, their codings undone.
pub type Bodies = [Vec<u8>; 2];

/// See the module's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// The payload, if it is shown and there is one.
    pub payload: Option<Payload>,
    /// The frame at hand, if it is shown and there is one: an alert at the end of a flow has none.
    pub packet: Option<(LinkType, Vec<u8>)>,
    /// Bodies, if they are shown.
    pub bodies: Bodies,
}

impl Content {
    /// On the heap, unless there is nothing.
    #[must_use]
    pub fn boxed(self) -> Option<Box<Content>> {
        (self != Content::default()).then(|| Box::new(self))
    }
}

/// An Ethernet address.
pub type MacAddress = [u8; 6];

/// Hardware addresses of each end that are kept of a flow.
pub const MAX_MACS: usize = 8;

/// The hardware addresses of a flow's ends, in the order in which they were seen: more than one where routers share a path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Macs {
    /// Of each end, `[client, server]`; at most [`MAX_MACS`].
    pub ends: [Vec<MacAddress>; 2],
}

/// The hardware addresses of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ether {
    /// Of each end of the flow, `[client, server]`; of a frame of no flow, `[source, destination]`.
    pub ends: [MacAddress; 2],
}

impl Ether {
    /// `[source, destination]` of a frame.
    #[must_use]
    pub fn of_frame(link: LinkType, frame: &[u8]) -> Option<Self> {
        let (destination, rest) = frame.split_first_chunk::<6>()?;
        let source = rest.first_chunk::<6>()?;
        (link == LinkType::Ethernet).then_some(Ether { ends: [*source, *destination] })
    }

    /// The other way round.
    #[must_use]
    pub fn reversed(self) -> Self {
        let [one, other] = self.ends;
        Ether { ends: [other, one] }
    }
}

impl Macs {
    /// Remembers the addresses of a frame; whether there was no room for one of them.
    pub fn add(&mut self, frame: Ether) -> bool {
        let mut refused = false;
        for (end, mac) in self.ends.iter_mut().zip(frame.ends) {
            if !end.contains(&mac) {
                if end.len() < MAX_MACS {
                    end.push(mac);
                } else {
                    refused = true;
                }
            }
        }
        refused
    }

    /// Those of the first frame.
    #[must_use]
    pub fn first(&self) -> Option<Ether> {
        let [client, server] = &self.ends;
        Some(Ether { ends: [*client.first()?, *server.first()?] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_stream_and_the_beginning_of_a_packet_are_shown() {
        let options = AlertOptions { payload_buffer: 3, ..AlertOptions::default() };
        assert_eq!((options.of_stream(b"abcde"), options.beginning(b"abcde")), (&b"cde"[..], &b"abc"[..]));
        assert_eq!((options.of_stream(b"ab"), options.beginning(b"")), (&b"ab"[..], &b""[..]));
    }

    #[test]
    fn addresses_of_a_flow_are_bounded_and_in_order() {
        let frame = |n: u8| [[n; 6], [9; 6], [8; 6]].concat();
        assert_eq!(Ether::of_frame(LinkType::RawIp, &frame(1)), None);
        assert_eq!(Ether::of_frame(LinkType::Ethernet, &frame(1)[..11]), None);
        let mut macs = Macs::default();
        assert_eq!(macs.first(), None);
        let ether = |n| Ether::of_frame(LinkType::Ethernet, &frame(n)).unwrap();
        let refused: Vec<bool> = (0..10).map(|n| macs.add(ether(n % 9))).collect();
        assert_eq!(refused.iter().filter(|&&refused| refused).count(), 1, "{refused:?}");
        assert_eq!((macs.ends[0].len(), macs.ends[1].len()), (1, MAX_MACS));
        assert_eq!(macs.first().unwrap().reversed().ends, [[0; 6], [9; 6]]);
    }
}
