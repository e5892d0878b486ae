//! What is wrong with fragments. Names are Suricata's where it has one.

macro_rules! anomalies {
    ($($variant:ident => $name:literal, $doc:literal;)*) => {
        /// Something about a fragment that no sane sender does. Each is a counter of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Anomaly { $(#[doc = $doc] $variant,)* }

        impl Anomaly {
            /// Every anomaly, in the order of their discriminants.
            pub const ALL: &'static [Anomaly] = &[$(Anomaly::$variant,)*];

            /// The anomaly's name in events.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Anomaly::$variant => concat!("decoder.", $name),)* }
            }

            /// The name of its counter. Not below `decoder.ipv4`: that is a number, and in JSON a name is a number or an
            /// object, never both.
            #[must_use]
            pub fn counter(self) -> &'static str {
                match self { $(Anomaly::$variant => concat!("defrag.event.", $name),)* }
            }

            /// What it means.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Anomaly::$variant => $doc,)* }
            }
        }
    };
}

anomalies! {
    Ipv4TooLarge => "ipv4.frag_pkt_too_large", "IPv4 fragments that reach beyond 65,535 bytes.";
    Ipv6TooLarge => "ipv6.frag_pkt_too_large", "IPv6 fragments that reach beyond 65,535 bytes.";
    Ipv4Overlap => "ipv4.frag_overlap", "IPv4 fragments that overlap another and are no exact copy of it.";
    Ipv6Overlap => "ipv6.frag_overlap", "IPv6 fragments that overlap another and are no exact copy of it.";
    Ipv4Ignored => "ipv4.frag_ignored", "IPv4 fragments that a limit on fragments or memory had no room for.";
    Ipv6Ignored => "ipv6.frag_ignored", "IPv6 fragments that a limit on fragments or memory had no room for.";
    Ipv4Length => "ipv4.frag_invalid_length", "IPv4 fragments before the last with a length that is no multiple of 8.";
    Ipv6Length => "ipv6.frag_invalid_length", "IPv6 fragments before the last with a length that is no multiple of 8.";
    Ipv4Empty => "ipv4.frag_empty", "IPv4 fragments without data.";
    Ipv6Empty => "ipv6.frag_empty", "IPv6 fragments without data.";
    Ipv4Tiny => "ipv4.frag_tiny", "First IPv4 fragments of less than 16 bytes (RFC 1858).";
    Ipv6Tiny => "ipv6.frag_tiny", "First IPv6 fragments of less than 16 bytes.";
    Ipv4End => "ipv4.frag_end_conflict", "IPv4 fragments that contradict where the datagram ends.";
    Ipv6End => "ipv6.frag_end_conflict", "IPv6 fragments that contradict where the datagram ends.";
}

/// An anomaly of either IP version.
pub(super) type Pair = [Anomaly; 2];
pub(super) const TOO_LARGE: Pair = [Anomaly::Ipv4TooLarge, Anomaly::Ipv6TooLarge];
pub(super) const OVERLAP: Pair = [Anomaly::Ipv4Overlap, Anomaly::Ipv6Overlap];
pub(super) const IGNORED: Pair = [Anomaly::Ipv4Ignored, Anomaly::Ipv6Ignored];
pub(super) const LENGTH: Pair = [Anomaly::Ipv4Length, Anomaly::Ipv6Length];
pub(super) const EMPTY: Pair = [Anomaly::Ipv4Empty, Anomaly::Ipv6Empty];
pub(super) const TINY: Pair = [Anomaly::Ipv4Tiny, Anomaly::Ipv6Tiny];
pub(super) const END: Pair = [Anomaly::Ipv4End, Anomaly::Ipv6End];
