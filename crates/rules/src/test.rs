//! The conditions of a rule: what has to be in a buffer, a packet, a transaction.

use std::net::IpAddr;
use std::sync::Arc;

use crate::app::App;
use crate::buffer::Buffer;
use crate::field::Field;
use crate::rule::Side;

/// What has to be found in one buffer, in the order of the rule.
///
/// A buffer that a transaction can have several of ([`crate::BufferInfo::multiple`]) is looked at one by one: all tests
/// of a part have to hold on the same one. Each time that the sticky keyword stands in the rule is a part of its own
/// then; parts of other buffers with the same transforms are joined.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Where.
    pub buffer: Buffer,
    /// What is done to it first.
    pub transforms: Vec<Transform>,
    /// What has to hold.
    pub tests: Vec<Test>,
}

/// A condition on a buffer.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `content`
    Content(Content),
    /// `pcre`
    Pcre(Pcre),
    /// `byte_test`
    ByteTest(ByteTest),
    /// `byte_jump`
    ByteJump(ByteJump),
    /// `byte_extract`
    ByteExtract(ByteExtract),
    /// `byte_math`
    ByteMath(ByteMath),
    /// `isdataat`
    IsDataAt(IsDataAt),
    /// `bsize`: the length of the buffer, in bytes.
    Size(NumberTest),
    /// `dataset` and `datarep`
    Dataset(Dataset),
    /// `absent`: the buffer is not there; with `or_else` the other tests may hold instead.
    Absent {
        /// Whether `or_else` stood there.
        or_else: bool,
    },
    /// `base64_decode` with all that follows `base64_data`.
    Base64(Base64),
    /// `entropy`: bits per byte, times 1000, of a part of the buffer that has to be there.
    Entropy {
        /// Where the part begins.
        offset: u32,
        /// How long it is; none: to the buffer's end.
        bytes: Option<u32>,
        /// What it has to be.
        test: NumberTest,
    },
}

/// A number in a rule, or a variable that `byte_extract` or `byte_math` sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// As it stands there.
    Fixed(i64),
    /// The slot of the variable, less than [`crate::Rule::variables`].
    Variable(u8),
}

/// `content` with its modifiers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// The bytes; in lower case if `nocase`.
    pub pattern: Vec<u8>,
    /// Whatever the case of ASCII letters.
    pub nocase: bool,
    /// It must not be there.
    pub negated: bool,
    /// `offset`
    pub offset: Option<Amount>,
    /// `depth`, counted from the offset; `startswith` is depth = length.
    pub depth: Option<Amount>,
    /// `distance`
    pub distance: Option<Amount>,
    /// `within`
    pub within: Option<Amount>,
    /// `startswith`
    pub starts_with: bool,
    /// `endswith`
    pub ends_with: bool,
    /// `fast_pattern`
    pub fast_pattern: Option<FastPattern>,
}

/// `fast_pattern`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastPattern {
    /// The whole content is what is searched for first.
    Whole,
    /// `fast_pattern:only`: and nothing else is asked of it.
    Only,
    /// `fast_pattern:OFFSET,LENGTH`: only this part of it.
    Part(u16, u16),
}

/// `pcre`. The modifiers that select a buffer have become the part's buffer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pcre {
    /// The expression in PCRE's syntax, without slashes and modifiers.
    pub pattern: Arc<str>,
    /// i
    pub caseless: bool,
    /// s
    pub dot_all: bool,
    /// m
    pub multi_line: bool,
    /// x
    pub extended: bool,
    /// A
    pub anchored: bool,
    /// E
    pub dollar_end_only: bool,
    /// G
    pub ungreedy: bool,
    /// It must not match.
    pub negated: bool,
    /// R: from the end of the last match.
    pub relative: bool,
    /// Variables of flows or packets that take what groups 1, 2 ... matched.
    pub captures: Vec<crate::rule::Capture>,
}

/// Order of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Endian {
    /// Network order.
    #[default]
    Big,
    /// Intel order.
    Little,
    /// `dce`: as the DCE/RPC header at hand says.
    Dce,
}

/// How a number is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NumberBase {
    /// Not in text: as bytes.
    #[default]
    Binary,
    /// `string,hex`
    Hex,
    /// `string,dec`
    Decimal,
    /// `string,oct`
    Octal,
}

/// How two numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Compare {
    Equal,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
    /// `&`: any bit in common.
    And,
    /// `^`: any bit different (Suricata's `byte_test` "^").
    Or,
}

/// `byte_test`
#[derive(Clone, Debug, PartialEq)]
pub struct ByteTest {
    /// Bytes taken; a variable is possible (`nbytes` by name).
    pub bytes: Amount,
    /// `!`
    pub negated: bool,
    /// The comparison.
    pub compare: Compare,
    /// With what.
    pub value: Amount,
    /// From where.
    pub offset: Amount,
    /// From the end of the last match.
    pub relative: bool,
    /// Order of the bytes.
    pub endian: Endian,
    /// How it is written.
    pub base: NumberBase,
    /// `bitmask`, 0 if none.
    pub bitmask: u32,
}

/// `byte_jump`
#[derive(Clone, Debug, PartialEq)]
pub struct ByteJump {
    /// Bytes taken; 0 is possible together with `post_offset`.
    pub bytes: Amount,
    /// From where.
    pub offset: Amount,
    /// From the end of the last match.
    pub relative: bool,
    /// Order of the bytes.
    pub endian: Endian,
    /// How it is written.
    pub base: NumberBase,
    /// `multiplier`, 1 if none.
    pub multiplier: u32,
    /// `align`: up to the next multiple of four.
    pub align: bool,
    /// `from_beginning`
    pub from_beginning: bool,
    /// `from_end`
    pub from_end: bool,
    /// `post_offset`
    pub post_offset: Amount,
    /// `bitmask`, 0 if none.
    pub bitmask: u32,
}

/// `byte_extract`
#[derive(Clone, Debug, PartialEq)]
pub struct ByteExtract {
    /// Bytes taken.
    pub bytes: u8,
    /// From where.
    pub offset: i32,
    /// The slot of the variable that is set.
    pub variable: u8,
    /// From the end of the last match.
    pub relative: bool,
    /// Order of the bytes.
    pub endian: Endian,
    /// How it is written.
    pub base: NumberBase,
    /// `multiplier`, 1 if none.
    pub multiplier: u32,
    /// `align` to 2 or 4; 0 if none.
    pub align: u8,
}

/// Operators of `byte_math`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum MathOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    ShiftLeft,
    ShiftRight,
}

/// `byte_math`
#[derive(Clone, Debug, PartialEq)]
pub struct ByteMath {
    /// Bytes taken.
    pub bytes: Amount,
    /// From where.
    pub offset: i32,
    /// The operation.
    pub op: MathOp,
    /// Its right side.
    pub value: Amount,
    /// The slot of the variable that is set.
    pub variable: u8,
    /// From the end of the last match.
    pub relative: bool,
    /// Order of the bytes.
    pub endian: Endian,
    /// How it is written.
    pub base: NumberBase,
    /// `bitmask`, 0 if none.
    pub bitmask: u32,
}

/// `isdataat`
#[derive(Clone, Debug, PartialEq)]
pub struct IsDataAt {
    /// How far from the beginning, or from the last match.
    pub at: Amount,
    /// `!`
    pub negated: bool,
    /// From the end of the last match.
    pub relative: bool,
}

/// `base64_decode`, and what has to hold on what it decodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Base64 {
    /// Encoded bytes that are decoded at most; none: all.
    pub bytes: Option<u32>,
    /// From where.
    pub offset: u32,
    /// From the end of the last match.
    pub relative: bool,
    /// Tests behind `base64_data`, which begin anew at its beginning.
    pub tests: Vec<Test>,
}

/// A number that has to be something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberTest {
    /// This, or with `true` anything else.
    Equal(u64, bool),
    /// Less than this.
    Less(u64),
    /// At most this.
    LessOrEqual(u64),
    /// Greater than this.
    Greater(u64),
    /// At least this.
    GreaterOrEqual(u64),
    /// Between these, not counting them; with `true` not between them.
    Between(u64, u64, bool),
    /// One of these, or with `true` none of them.
    OneOf(Vec<u64>, bool),
    /// Under the mask it is this; with `true` it is something else.
    Masked(u64, u64, bool),
}

impl NumberTest {
    /// Whether `number` is that.
    #[must_use]
    pub fn holds(&self, number: u64) -> bool {
        match *self {
            NumberTest::Equal(value, negated) => (number == value) != negated,
            NumberTest::Less(value) => number < value,
            NumberTest::LessOrEqual(value) => number <= value,
            NumberTest::Greater(value) => number > value,
            NumberTest::GreaterOrEqual(value) => number >= value,
            NumberTest::Between(low, high, negated) => (number > low && number < high) != negated,
            NumberTest::OneOf(ref values, negated) => values.contains(&number) != negated,
            NumberTest::Masked(mask, value, negated) => (number & mask == value) != negated,
        }
    }
}

/// Which of several numbers have to pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// One of them.
    #[default]
    Any,
    /// Every one, and there is one.
    All,
    /// Every one, or there is none.
    AllOrNone,
    /// The one at this place; from the end if negative.
    At(i32),
    /// So many of them.
    Count,
}

/// A number of a transaction that has to be something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTest {
    /// Which.
    pub field: Field,
    /// Which of several.
    pub which: Which,
    /// What it has to be.
    pub test: NumberTest,
}

/// `flags` of TCP and `fragbits`: bits that are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagTest {
    /// Under the mask it is exactly this.
    Exactly {
        /// Bits that must be set.
        bits: u8,
        /// Bits that are looked at.
        mask: u8,
    },
    /// All of these, others too (`+`).
    All(u8, u8),
    /// Any of these (`*`).
    Any(u8, u8),
    /// None of these (`!`).
    Not(u8, u8),
}

/// Protocols with a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Layer {
    IpV4,
    TcpV4,
    TcpV6,
    UdpV4,
    UdpV6,
    IcmpV4,
    IcmpV6,
    Igmp,
}

/// `iprep`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpRep {
    /// Whose: none is any of both.
    pub side: Option<Side>,
    /// `both`: both have to.
    pub both: bool,
    /// The category's short name.
    pub category: Arc<str>,
    /// The score; none: `isset`/`isnotset`.
    pub score: Option<NumberTest>,
    /// `isnotset`
    pub negated: bool,
}

/// A condition on the packet at hand or its flow.
#[derive(Clone, Debug, PartialEq)]
pub enum PacketTest {
    /// `ttl` (hop limit with IPv6)
    Ttl(NumberTest),
    /// `tos`
    Tos(NumberTest),
    /// `id` of IPv4
    IpId(NumberTest),
    /// `ip_proto`
    IpProto(NumberTest),
    /// `ipopts`: the option's number; none is `any`.
    IpOption(Option<u8>),
    /// `sameip`
    SameIp,
    /// `fragbits`: 4 reserved, 2 don't fragment, 1 more fragments.
    FragBits(FlagTest),
    /// `fragoffset`
    FragOffset(NumberTest),
    /// `tcp.flags`
    TcpFlags(FlagTest),
    /// `seq`
    TcpSeq(u32),
    /// `ack`
    TcpAck(u32),
    /// `window`
    TcpWindow(NumberTest),
    /// `tcp.mss`
    TcpMss(NumberTest),
    /// `tcp.wscale`
    TcpWindowScale(NumberTest),
    /// `itype`, also that of ICMPv6
    IcmpType(NumberTest),
    /// `icode`
    IcmpCode(NumberTest),
    /// `icmp_id`
    IcmpId(u16),
    /// `icmp_seq`
    IcmpSeq(u16),
    /// `icmpv6.mtu`
    IcmpV6Mtu(NumberTest),
    /// `igmp.type`
    IgmpType(NumberTest),
    /// `dsize`: bytes of payload
    PayloadSize(NumberTest),
    /// `stream_size`: bytes of the stream, of `either` or `both` if `side` is none.
    StreamSize {
        /// Whose: `client` is the source here.
        side: Option<Side>,
        /// Both have to.
        both: bool,
        /// What.
        test: NumberTest,
    },
    /// `flow.age`, in seconds
    FlowAge(NumberTest),
    /// `flow.pkts`, `flow.pkts_toserver`, `flow.pkts_toclient`
    FlowPackets(Option<Side>, NumberTest),
    /// `flow.bytes` and its sides
    FlowBytes(Option<Side>, NumberTest),
    /// `vlan.id` at a layer
    VlanId(Which, NumberTest),
    /// `vlan.layers`
    VlanLayers(NumberTest),
    /// `decode-event`: the name as in the events, upper case.
    DecodeEvent(Arc<str>),
    /// `stream-event`
    StreamEvent(Arc<str>),
    /// `app-layer-event`: protocol and event, both as in the events; the protocol may be none.
    AppEvent(Option<App>, Arc<str>),
    /// `app-layer-protocol`
    AppProtocol {
        /// Which.
        app: App,
        /// `!`
        negated: bool,
        /// `final` (default), `either`, `to_server`, `to_client`, `original`
        mode: u8,
    },
    /// `ipv4-csum` and the others: whether the sum has to be right.
    Checksum(Layer, bool),
    /// `rpc`: program, version, procedure.
    Rpc(u32, Option<u32>, Option<u32>),
    /// `ftpbounce`
    FtpBounce,
    /// `iprep`
    IpRep(IpRep),
    /// `dcerpc.iface`: UUID, version, any fragment.
    DceInterface {
        /// In the order of the wire's text form.
        uuid: [u8; 16],
        /// The version.
        version: Option<NumberTest>,
        /// `any_frag`
        any_fragment: bool,
    },
    /// `asn1`: bits of what is looked for.
    Asn1 {
        /// `bitstring_overflow`
        bitstring_overflow: bool,
        /// `double_overflow`
        double_overflow: bool,
        /// `oversize_length`
        oversize: Option<u32>,
        /// `absolute_offset` or `relative_offset`
        offset: i32,
        /// Whether it is relative to the last match.
        relative: bool,
    },
    /// `flowvar`, `pktvar`: a captured variable has to contain this.
    Variable {
        /// Whether it lives with the flow.
        of_flow: bool,
        /// Its name.
        name: Arc<str>,
        /// What it has to contain.
        value: Vec<u8>,
    },
    /// `filemd5`, `filesha1`, `filesha256`: the file's hash is (not) among these, in order.
    FileHash {
        /// In bytes: 16, 20 or 32 each.
        hashes: Arc<[Vec<u8>]>,
        /// `!`
        negated: bool,
    },
    /// `fileext`, `filename` of old: the name ends with or contains this.
    FileExtension(Arc<str>),
    /// `filestore`
    FileStore,
    /// An address is one of these (`ip.src` with a dataset and the like are parts, not tests).
    Addresses(Vec<IpAddr>),
}

/// What `dataset` and `datarep` ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatasetOp {
    /// It is in the set.
    IsSet,
    /// It is not.
    IsNotSet,
    /// It is put in.
    Set,
    /// It is taken out.
    Unset,
}

/// `dataset`, `datarep`: a set that the buffer as a whole is looked up in.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Its name: sets of one name are one set.
    pub name: Arc<str>,
    /// What is asked.
    pub op: DatasetOp,
    /// "string", "md5", "sha256", "ipv4", "ip".
    pub kind: Arc<str>,
    /// Where its first entries come from, as found by the loader.
    pub entries: Arc<[(Vec<u8>, u16)]>,
    /// `datarep`: what its reputation has to be.
    pub reputation: Option<NumberTest>,
    /// Entries at most.
    pub limit: u32,
}

/// What is done to a buffer before it is looked at.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Transform {
    DotPrefix,
    Domain,
    Tld,
    StripWhitespace,
    CompressWhitespace,
    StripPseudoHeaders,
    HeaderLowercase,
    ToLowercase,
    ToUppercase,
    Md5,
    Sha1,
    Sha256,
    UrlDecode,
    Xor(Vec<u8>),
    /// The expression's first group.
    PcreXform(Arc<str>),
    FromBase64 {
        bytes: Option<u32>,
        offset: u32,
        mode: u8,
    },
    Gunzip {
        max: u32,
    },
    ZlibDeflate {
        max: u32,
    },
    /// Bytes from here on.
    Subslice {
        offset: i32,
        bytes: Option<i32>,
        truncate: bool,
    },
}
