//! Keywords on the headers of the packet at hand.

use crate::fault::{Done, Fault, wrong};
use crate::number;
use crate::options::unquoted;
use crate::test::{FlagTest, Layer, PacketTest};

use super::Builder;

/// Largest numbers of 8, 16, 32 bits.
const BYTE: u64 = 0xff;
const WORD: u64 = 0xffff;
const LONG: u64 = 0xffff_ffff;

/// Numbers of IP options, by the names of rules.
const IP_OPTIONS: &[(&str, Option<u8>)] = &[
    ("any", None),
    ("eol", Some(0)),
    ("nop", Some(1)),
    ("rr", Some(7)),
    ("qs", Some(25)),
    ("ts", Some(68)),
    ("sec", Some(130)),
    ("lsrr", Some(131)),
    ("esec", Some(133)),
    ("cipso", Some(134)),
    ("satid", Some(136)),
    ("ssrr", Some(137)),
    ("rtralt", Some(148)),
];

/// Numbers of protocols in IP, by the names of `/etc/protocols`.
const PROTOCOLS: &[(&str, u64)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("udp", 17),
    ("dccp", 33),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("eigrp", 88),
    ("ospf", 89),
    ("ipip", 94),
    ("etherip", 97),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
];

/// Bits of `tcp.flags` by letter.
fn tcp_bit(letter: char) -> Option<u8> {
    Some(match letter.to_ascii_uppercase() {
        'F' => 0x01,
        'S' => 0x02,
        'R' => 0x04,
        'P' => 0x08,
        'A' => 0x10,
        'U' => 0x20,
        'E' | '2' => 0x40,
        'C' | '1' => 0x80,
        '0' => 0,
        _ => return None,
    })
}

/// Bits of `fragbits` by letter.
fn fragment_bit(letter: char) -> Option<u8> {
    Some(match letter.to_ascii_uppercase() {
        'M' => 1,
        'D' => 2,
        'R' => 4,
        _ => return None,
    })
}

/// `[modifier]letters[,letters that do not matter]`
fn flags(value: &str, bit: fn(char) -> Option<u8>, all: u8) -> Result<FlagTest, Fault> {
    let value = unquoted(value).trim();
    let (wanted, ignored) = value.split_once(',').unwrap_or((value, ""));
    let bits = |letters: &str| {
        letters.chars().filter(|c| !c.is_whitespace()).try_fold(0_u8, |bits, letter| {
            bit(letter).map(|b| bits | b).ok_or_else(|| wrong(format!("there is no flag {letter}")))
        })
    };
    let wanted = wanted.trim();
    let modifier = wanted.chars().find(|c| matches!(c, '+' | '*' | '!'));
    let letters: String = wanted.chars().filter(|c| !matches!(c, '+' | '*' | '!')).collect();
    if letters.is_empty() || wanted.chars().filter(|c| matches!(c, '+' | '*' | '!')).count() > 1 {
        return Err(wrong("expected [+*!]letters"));
    }
    let mask = all & !bits(ignored)?;
    let bits = bits(&letters)?;
    Ok(match modifier {
        Some('+') => FlagTest::All(bits, mask),
        Some('*') => FlagTest::Any(bits, mask),
        Some(_) => FlagTest::Not(bits, mask),
        None => FlagTest::Exactly { bits, mask },
    })
}

impl Builder<'_> {
    pub(super) fn packet(&mut self, test: PacketTest) -> Done {
        self.rule.packet.push(test);
        Ok(())
    }

    pub(super) fn ttl(&mut self, value: &str) -> Done {
        self.packet(PacketTest::Ttl(number::test(unquoted(value), BYTE)?))
    }

    pub(super) fn tos(&mut self, value: &str) -> Done {
        let value = unquoted(value);
        let hex = value.replacen('x', "0x", usize::from(!value.contains("0x")));
        self.packet(PacketTest::Tos(number::test(&hex, BYTE)?))
    }

    pub(super) fn ip_id(&mut self, value: &str) -> Done {
        self.packet(PacketTest::IpId(number::test(unquoted(value), WORD)?))
    }

    pub(super) fn ip_proto(&mut self, value: &str) -> Done {
        let name = |text: &str| {
            let lower = text.to_ascii_lowercase();
            PROTOCOLS.iter().find(|(known, _)| *known == lower).map(|&(_, number)| number)
        };
        self.packet(PacketTest::IpProto(number::test_with(unquoted(value), BYTE, &name)?))
    }

    pub(super) fn ip_opts(&mut self, value: &str) -> Done {
        let name = unquoted(value).trim().to_ascii_lowercase();
        let found = IP_OPTIONS.iter().find(|(known, _)| *known == name);
        let &(_, number) = found.ok_or_else(|| wrong(format!("there is no option {name}")))?;
        self.packet(PacketTest::IpOption(number))
    }

    pub(super) fn same_ip(&mut self) -> Done {
        self.packet(PacketTest::SameIp)
    }

    pub(super) fn frag_bits(&mut self, value: &str) -> Done {
        self.packet(PacketTest::FragBits(flags(value, fragment_bit, 7)?))
    }

    pub(super) fn frag_offset(&mut self, value: &str) -> Done {
        self.packet(PacketTest::FragOffset(number::test(unquoted(value), WORD)?))
    }

    pub(super) fn tcp_flags(&mut self, value: &str) -> Done {
        self.packet(PacketTest::TcpFlags(flags(value, tcp_bit, 0xff)?))
    }

    pub(super) fn tcp_seq(&mut self, value: &str) -> Done {
        self.packet(PacketTest::TcpSeq(number::small(unquoted(value))?))
    }

    pub(super) fn tcp_ack(&mut self, value: &str) -> Done {
        self.packet(PacketTest::TcpAck(number::small(unquoted(value))?))
    }

    pub(super) fn tcp_window(&mut self, value: &str) -> Done {
        self.packet(PacketTest::TcpWindow(number::test(unquoted(value), WORD)?))
    }

    pub(super) fn tcp_mss(&mut self, value: &str) -> Done {
        self.packet(PacketTest::TcpMss(number::test(unquoted(value), WORD)?))
    }

    pub(super) fn tcp_wscale(&mut self, value: &str) -> Done {
        self.packet(PacketTest::TcpWindowScale(number::test(unquoted(value), BYTE)?))
    }

    pub(super) fn icmp_type(&mut self, value: &str) -> Done {
        self.packet(PacketTest::IcmpType(number::test(unquoted(value), BYTE)?))
    }

    pub(super) fn icmp_code(&mut self, value: &str) -> Done {
        self.packet(PacketTest::IcmpCode(number::test(unquoted(value), BYTE)?))
    }

    pub(super) fn icmp_id(&mut self, value: &str) -> Done {
        self.packet(PacketTest::IcmpId(number::small(unquoted(value))?))
    }

    pub(super) fn icmp_seq(&mut self, value: &str) -> Done {
        self.packet(PacketTest::IcmpSeq(number::small(unquoted(value))?))
    }

    pub(super) fn icmpv6_mtu(&mut self, value: &str) -> Done {
        self.packet(PacketTest::IcmpV6Mtu(number::test(unquoted(value), LONG)?))
    }

    pub(super) fn igmp_type(&mut self, value: &str) -> Done {
        self.packet(PacketTest::IgmpType(number::test(unquoted(value), BYTE)?))
    }

    pub(super) fn payload_size(&mut self, value: &str) -> Done {
        if self.given.payload_size {
            return Err(wrong("it stands twice"));
        }
        self.given.payload_size = true;
        self.packet(PacketTest::PayloadSize(number::test(unquoted(value), WORD)?))
    }

    pub(super) fn checksum(&mut self, layer: Layer, value: &str) -> Done {
        let right = match unquoted(value).trim().to_ascii_lowercase().as_str() {
            "valid" => true,
            "invalid" => false,
            other => return Err(wrong(format!("{other:?} is neither valid nor invalid"))),
        };
        self.packet(PacketTest::Checksum(layer, right))
    }
}
