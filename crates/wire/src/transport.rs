//! TCP (RFC 9293), UDP (RFC 768), SCTP (RFC 9260) and ICMP (RFC 792, RFC 4443) headers.

use crate::key::IpProto;
use crate::malformed::Malformed;

/// The flag bits of a TCP header (byte 13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer counts.
    pub const URG: u8 = 0x20;
    /// ECN echo (RFC 3168).
    pub const ECE: u8 = 0x40;
    /// Congestion window reduced (RFC 3168).
    pub const CWR: u8 = 0x80;

    /// Whether any of `bits` is set.
    #[must_use]
    pub fn any(self, bits: u8) -> bool {
        self.0 & bits != 0
    }
}

/// The fields of a TCP header that flows need; host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpHeader {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number of the first payload byte (of the SYN itself if SYN is set).
    pub seq: u32,
    /// Acknowledgement number; meaningful with ACK.
    pub ack: u32,
    /// Flag bits.
    pub flags: TcpFlags,
    /// Receive window, unscaled.
    pub window: u16,
}

/// What follows the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A TCP segment.
    Tcp(TcpHeader),
    /// A UDP datagram with its ports in host byte order.
    Udp {
        /// Source port.
        src_port: u16,
        /// Destination port.
        dst_port: u16,
    },
    /// An SCTP packet (RFC 9260) with its ports in host byte order.
    Sctp {
        /// Source port.
        src_port: u16,
        /// Destination port.
        dst_port: u16,
    },
    /// An ICMP or ICMPv6 message.
    Icmp {
        /// The message's type.
        kind: u8,
        /// The message's code.
        code: u8,
    },
    /// A later fragment, or a protocol without a decoder here.
    Other,
}

impl Transport {
    /// Source and destination port, zero where there are none.
    #[must_use]
    pub fn ports(&self) -> (u16, u16) {
        match *self {
            Transport::Tcp(h) => (h.src_port, h.dst_port),
            Transport::Udp { src_port, dst_port } | Transport::Sctp { src_port, dst_port } => {
                (src_port, dst_port)
            }
            Transport::Icmp { .. } | Transport::Other => (0, 0),
        }
    }
}

/// A transport header and what is behind it.
pub(crate) struct Parsed<'a> {
    pub transport: Transport,
    pub header: &'a [u8],
    pub payload: &'a [u8],
    /// By how many bytes a datagram says it is longer than what is there.
    pub short: usize,
}

/// ICMP: type, code, checksum and four bytes that depend on the type.
const ICMP_HEADER: usize = 8;

/// The transport header of `body`.
#[inline(always)]
pub(crate) fn parse(proto: IpProto, body: &[u8], fragment: bool) -> Result<Parsed<'_>, Malformed> {
    let be16 = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]);
    let be32 = |at: usize| u32::from_be_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
    let split = |transport, header_len: usize, short| {
        let (header, payload) = body.split_at(header_len);
        Parsed { transport, header, payload, short }
    };
    match proto {
        IpProto::TCP => {
            if body.len() < 20 {
                return Err(Malformed::TcpTruncated);
            }
            let header_len = usize::from(body[12] >> 4) * 4;
            if header_len < 20 {
                return Err(Malformed::TcpHeaderLength);
            }
            if header_len > body.len() {
                return Err(Malformed::TcpOptionsTruncated);
            }
            let header = TcpHeader {
                src_port: be16(0),
                dst_port: be16(2),
                seq: be32(4),
                ack: be32(8),
                flags: TcpFlags(body[13]),
                window: be16(14),
            };
            Ok(split(Transport::Tcp(header), header_len, 0))
        }
        IpProto::UDP => {
            if body.len() < 8 {
                return Err(Malformed::UdpTruncated);
            }
            let claimed = match usize::from(be16(4)) {
                0 => body.len(), // RFC 2675: jumbogram
                n if n < 8 => return Err(Malformed::UdpLength),
                n => n,
            };
            let short = if fragment { 0 } else { claimed.saturating_sub(body.len()) };
            let mut parsed = split(Transport::Udp { src_port: be16(0), dst_port: be16(2) }, 8, short);
            parsed.payload = &body[8..claimed.min(body.len())];
            Ok(parsed)
        }
        IpProto::SCTP => {
            if body.len() < 12 {
                return Err(Malformed::SctpTruncated);
            }
            Ok(split(Transport::Sctp { src_port: be16(0), dst_port: be16(2) }, 12, 0))
        }
        IpProto::ICMP | IpProto::ICMPV6 => {
            if body.len() < ICMP_HEADER {
                let four = proto == IpProto::ICMP;
                return Err(if four { Malformed::Icmpv4Truncated } else { Malformed::Icmpv6Truncated });
            }
            Ok(split(Transport::Icmp { kind: body[0], code: body[1] }, ICMP_HEADER, 0))
        }
        _ => Ok(split(Transport::Other, 0, 0)),
    }
}
