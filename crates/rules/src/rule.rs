//! A rule as a whole.

use std::net::IpAddr;
use std::sync::Arc;

use crate::app::App;
use crate::test::{FieldTest, PacketTest, Part};
use crate::zone::Zone;

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Tells.
    Alert,
    /// Tells, and the packet should go no further.
    Drop,
    /// Like drop, and the sender, the receiver or both are told.
    Reject(RejectTo),
    /// Nothing more is looked for.
    Pass,
}

/// Who is told of a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RejectTo {
    Source,
    Destination,
    Both,
}

/// What a rule's header asks for before all else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// The protocol.
    pub proto: HeaderProto,
    /// Who sends.
    pub src: AddressSet,
    /// From which port.
    pub src_ports: PortSet,
    /// Who receives.
    pub dst: AddressSet,
    /// On which port.
    pub dst_ports: PortSet,
    /// How far a transaction has to have come.
    pub hook: Option<crate::hook::Hook>,
    /// A list of addresses leaves some out: a rule on nothing but addresses is then asked on every packet.
    pub leaves_out: bool,
    /// `<>`: the other way round too.
    pub both_ways: bool,
}

/// The protocol of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum HeaderProto {
    /// Whatever travels in IP.
    Ip,
    IpV4,
    IpV6,
    /// Packets and stream.
    Tcp,
    /// `tcp-pkt`: packets only.
    TcpPacket,
    /// `tcp-stream`: the stream only.
    TcpStream,
    Udp,
    Sctp,
    /// Both ICMPs.
    Icmp,
    IcmpV4,
    IcmpV6,
    Igmp,
    Gre,
    Ah,
    Esp,
    Arp,
    /// `pkthdr`: whatever was decoded, broken or not.
    PacketHeader,
    /// An application protocol.
    App(App),
}

/// A set of addresses: in one of `any_of` and in none of `none_of`. What the loader makes has ranges in at most one of the
/// two, sorted, and such that no two touch: equal sets are written equally.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddressSet {
    /// Empty: every address.
    pub any_of: Arc<[Address]>,
    /// Addresses that are left out.
    pub none_of: Arc<[Address]>,
}

/// From the first to the last address, both of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// First.
    pub first: IpAddr,
    /// Last.
    pub last: IpAddr,
}

impl AddressSet {
    /// Whether it takes every address.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.any_of.is_empty() && self.none_of.is_empty()
    }

    /// Whether the address is one of them.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let within = |set: &[Address]| {
            set.iter().any(|a| a.first.is_ipv4() == ip.is_ipv4() && a.first <= ip && ip <= a.last)
        };
        (self.any_of.is_empty() || within(&self.any_of)) && !within(&self.none_of)
    }
}

/// A set of ports: sorted ranges that do not touch; empty: every port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PortSet {
    /// First and last port of each.
    pub ranges: Arc<[(u16, u16)]>,
}

impl PortSet {
    /// Whether it takes every port.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether the port is one of them.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.is_any() || self.ranges.iter().any(|&(first, last)| first <= port && port <= last)
    }
}

/// `flow`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct FlowTest {
    /// `to_server`/`from_client`
    pub to_server: bool,
    /// `to_client`/`from_server`
    pub to_client: bool,
    /// `established`
    pub established: bool,
    /// `not_established`
    pub not_established: bool,
    /// `only_stream`
    pub only_stream: bool,
    /// `no_stream`
    pub no_stream: bool,
    /// `only_frag`
    pub only_frag: bool,
    /// `no_frag`
    pub no_frag: bool,
}

/// A side of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Side {
    Source,
    Destination,
}

/// What is asked of, or done to, a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum BitOp {
    Set,
    Unset,
    Toggle,
    IsSet,
    IsNotSet,
}

/// `flowint`'s operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IntOp {
    Set,
    Add,
    Subtract,
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
    IsSet,
    IsNotSet,
}

impl BitOp {
    /// Whether it asks; else it does.
    #[must_use]
    pub fn asks(self) -> bool {
        matches!(self, BitOp::IsSet | BitOp::IsNotSet)
    }
}

impl IntOp {
    /// Whether it asks; else it does.
    #[must_use]
    pub fn asks(self) -> bool {
        !matches!(self, IntOp::Set | IntOp::Add | IntOp::Subtract)
    }
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Track {
    Source,
    Destination,
    /// The pair of both.
    Both,
    /// All of the rule.
    Rule,
    Flow,
}

/// State that outlives a packet: asked for before a rule matches, or changed when it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateOp {
    /// `flowbits`; any of the names.
    Flowbit {
        /// What.
        op: BitOp,
        /// On which.
        names: Vec<Arc<str>>,
    },
    /// `xbits` by address (or pair of addresses) and `hostbits`.
    Xbit {
        /// What.
        op: BitOp,
        /// On which.
        name: Arc<str>,
        /// Whose.
        track: Track,
        /// Seconds until it is unset again.
        expire: u32,
        /// `hostbits`: what a packet sets is seen in the same packet.
        host: bool,
    },
    /// `flowint`
    Flowint {
        /// What.
        op: IntOp,
        /// On which.
        name: Arc<str>,
        /// A number, or another variable's name.
        value: Result<u32, Arc<str>>,
    },
}

/// `threshold`'s kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ThresholdKind {
    Limit,
    Threshold,
    Both,
    Backoff { multiplier: u32 },
}

/// `threshold`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// Which kind.
    pub kind: ThresholdKind,
    /// What is counted together.
    pub track: Track,
    /// How many.
    pub count: u32,
    /// In how many seconds.
    pub seconds: u32,
}

/// `detection_filter`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetectionFilter {
    /// What is counted together.
    pub track: Track,
    /// Matches before it is told.
    pub count: u32,
    /// In how many seconds.
    pub seconds: u32,
}

/// `tag`'s scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TagScope {
    Session,
    Source,
    Destination,
}

/// What `tag` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TagMetric {
    Packets(u32),
    Seconds(u32),
    Bytes(u32),
}

/// `tag`: packets behind the alert that are kept as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Whose.
    pub scope: TagScope,
    /// How many.
    pub metric: TagMetric,
}

/// Where a group of an expression goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// With the flow, or with the packet.
    pub of_flow: bool,
    /// The variable's name.
    pub name: Arc<str>,
}

/// `reference`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Its address, the system's prefix included.
    pub url: Arc<str>,
}

/// One rule, every keyword understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// What it asks first.
    pub header: Header,
    /// On which side of the border its author puts sender and receiver.
    pub zones: [Zone; 2],
    /// Generator; 1 if not given.
    pub gid: u32,
    /// Signature id.
    pub sid: u32,
    /// Revision.
    pub rev: u32,
    /// Its text.
    pub msg: Arc<str>,
    /// `classtype`: short name and description.
    pub class: Option<(Arc<str>, Arc<str>)>,
    /// 1 is the worst; its own, else its class's, else 3.
    pub priority: u8,
    /// Where to read on.
    pub references: Vec<Reference>,
    /// Key and value.
    pub metadata: Vec<(Arc<str>, Arc<str>)>,
    /// `target`: which side is the victim.
    pub target: Option<Side>,
    /// What it asks of the flow.
    pub flow: FlowTest,
    /// What has to be in buffers.
    pub parts: Vec<Part>,
    /// What transactions' numbers have to be.
    pub fields: Vec<FieldTest>,
    /// What the packet has to be.
    pub packet: Vec<PacketTest>,
    /// State, in the order of the rule.
    pub state: Vec<StateOp>,
    /// `threshold`
    pub threshold: Option<Threshold>,
    /// `detection_filter`
    pub detection_filter: Option<DetectionFilter>,
    /// `tag`
    pub tag: Option<Tag>,
    /// It only changes state.
    pub noalert: bool,
    /// `bypass`: nothing more needs to be seen of the flow when it matches.
    pub bypass: bool,
    /// `prefilter`: the keyword that is asked first is not a content.
    pub prefilter: bool,
    /// How many variables `byte_extract` and `byte_math` set.
    pub variables: u8,
    /// Its file.
    pub file: Arc<str>,
    /// Its first line there, from 1.
    pub line: u32,
}
