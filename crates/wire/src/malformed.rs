//! Why a frame could not be decoded.

use core::fmt;

macro_rules! malformed {
    ($($variant:ident => $name:literal, $doc:literal;)*) => {
        /// Why a frame could not be decoded. Each reason is a counter and an anomaly event of its own, under the
        /// name of Suricata's decoder event where it has one that means the same.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Malformed { $(#[doc = $doc] $variant,)* }

        impl Malformed {
            /// Every reason, in the order of their discriminants.
            pub const ALL: &'static [Malformed] = &[$(Malformed::$variant,)*];

            /// The reason's name: the counter is `decoder.event.NAME`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Malformed::$variant => $name,)* }
            }

            /// The reason's name in anomaly events.
            #[must_use]
            pub fn event(self) -> &'static str {
                match self { $(Malformed::$variant => concat!("decoder.", $name),)* }
            }
        }
    };
}

malformed! {
    EthernetTruncated => "ethernet.pkt_too_small", "Shorter than an Ethernet header, or than the LLC/SNAP header behind it.";
    CookedTruncated => "sll.pkt_too_small", "Shorter than the header of Linux cooked capture.";
    Cooked2Truncated => "sll2.pkt_too_small", "Shorter than the header of Linux cooked capture, version 2.";
    NullTruncated => "ltnull.pkt_too_small", "Shorter than the address family of BSD loopback.";
    RawEmpty => "ipraw.pkt_too_small", "A frame without link header and without a byte.";
    RawVersion => "ipraw.invalid_ip_version", "A frame without link header that begins neither IPv4 nor IPv6.";
    PppTruncated => "ppp.pkt_too_small", "The PPP header is cut off.";
    HdlcTruncated => "chdlc.pkt_too_small", "The Cisco HDLC header is cut off.";
    FrameRelayTruncated => "frame_relay.pkt_too_small", "The Frame Relay header is cut off.";
    SlipTruncated => "slip.pkt_too_small", "The SLIP header is cut off.";
    FddiTruncated => "fddi.pkt_too_small", "The FDDI header is cut off.";
    NflogTruncated => "nflog.pkt_too_small", "A header or attribute of the netfilter log is cut off or too short.";
    TooManyNflogAttributes => "nflog.too_many_attributes", "More netfilter log attributes than are walked.";
    RadiotapTruncated => "radiotap.pkt_too_small", "The radiotap or PPI header is cut off.";
    WirelessTruncated => "ieee80211.pkt_too_small", "The IEEE 802.11 header is cut off.";
    VlanTruncated => "vlan.header_too_small", "A VLAN tag is cut off.";
    TooManyVlans => "vlan.too_many_layers", "More VLAN tags than are kept.";
    MplsTruncated => "mpls.header_too_small", "An MPLS label is cut off.";
    TooManyLabels => "mpls.too_many_labels", "More MPLS labels than are skipped.";
    PppoeTruncated => "pppoe.pkt_too_small", "The PPPoE header is cut off.";
    ArpTruncated => "arp.pkt_too_small", "The ARP packet is cut off.";
    ArpHardwareSize => "arp.invalid_hardware_size", "ARP on Ethernet with hardware addresses that are not 6 bytes long.";
    ArpProtocolSize => "arp.invalid_protocol_size", "ARP for IPv4 with addresses that are not 4 bytes long.";
    Ipv4Truncated => "ipv4.pkt_too_small", "Fewer than the 20 bytes of an IPv4 header.";
    Ipv4Version => "ipv4.wrong_ip_version", "EtherType IPv4, version field not 4.";
    Ipv4HeaderLength => "ipv4.hlen_too_small", "IPv4 header length below 20.";
    Ipv4TotalLength => "ipv4.iplen_smaller_than_hlen", "IPv4 total length below the header length.";
    Ipv4Cut => "ipv4.trunc_pkt", "The packet is shorter than it says, and ends within its IPv4 options or transport header.";
    Ipv6Truncated => "ipv6.pkt_too_small", "Fewer than the 40 bytes of an IPv6 header.";
    Ipv6Version => "ipv6.wrong_ip_version", "EtherType IPv6, version field not 6.";
    Ipv6Cut => "ipv6.trunc_pkt", "The packet is shorter than it says, and ends within its transport header.";
    Ipv6ExtensionTruncated => "ipv6.trunc_exthdr", "An IPv6 extension header is cut off.";
    TooManyIpv6Extensions => "ipv6.too_many_exthdrs", "More extension headers than are walked.";
    TcpTruncated => "tcp.pkt_too_small", "The TCP header is cut off.";
    TcpHeaderLength => "tcp.hlen_too_small", "TCP data offset below 5.";
    TcpOptionsTruncated => "tcp.invalid_optlen", "TCP data offset behind the end of the segment.";
    UdpTruncated => "udp.pkt_too_small", "The UDP header is cut off.";
    UdpLength => "udp.len_invalid", "UDP length below 8.";
    SctpTruncated => "sctp.pkt_too_small", "The SCTP header is cut off.";
    Icmpv4Truncated => "icmpv4.pkt_too_small", "The ICMP header is cut off.";
    Icmpv6Truncated => "icmpv6.pkt_too_small", "The ICMPv6 header is cut off.";
    GreTruncated => "gre.pkt_too_small", "The GRE header is cut off.";
    GreOptionsTruncated => "gre.version0_hdr_too_big", "The optional fields of a GRE header are cut off.";
    PptpTruncated => "gre.version1_hdr_too_big", "The optional fields of an enhanced GRE header (PPTP) are cut off.";
    ErspanTruncated => "erspan.header_too_small", "The ERSPAN header is cut off.";
    ErspanVersion => "erspan.unsupported_version", "An ERSPAN header of a version that its GRE header contradicts.";
    VxlanTruncated => "vxlan.pkt_too_small", "The VXLAN header is cut off.";
    GeneveTruncated => "geneve.pkt_too_small", "The GENEVE header or its options are cut off.";
    GtpTruncated => "gtp.pkt_too_small", "The GTP-U header or an extension of it is cut off.";
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for Malformed {}
