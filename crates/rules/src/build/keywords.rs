//! The table of keywords.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::buffer::Buffer;
use crate::fault::{Done, Fault, unsupported, wrong};
use crate::field::Field;
use crate::number;
use crate::options::{negation, unquoted};
use crate::test::{Content, Layer, NumberTest, Test, Transform};

use super::Builder;

/// What a keyword does.
#[derive(Clone, Copy)]
enum Kind {
    /// It has a value.
    Value(fn(&mut Builder<'_>, &str) -> Done),
    /// It has none.
    Flag(fn(&mut Builder<'_>) -> Done),
    /// It may have one.
    Optional(fn(&mut Builder<'_>, Option<&str>) -> Done),
    /// It is a sticky buffer.
    Sticky(Buffer),
    /// It has a content as its value, or is a sticky buffer.
    Legacy(Buffer),
    /// It moves the content before it.
    Modifier(Buffer),
    /// It changes the buffer.
    Transform(fn() -> Transform),
    /// It is a number of a transaction.
    Field(Field),
    /// Hashes of files of that length.
    FileHash(usize),
    /// Checksums.
    Checksum(Layer),
    /// Nothing that can be done here.
    Not(&'static str),
}

#[rustfmt::skip]
const TABLE: &[(&str, Kind)] = &[
    // About the rule.
    ("msg", Kind::Value(|b, v| b.msg(v))),
    ("sid", Kind::Value(|b, v| b.sid(v))),
    ("gid", Kind::Value(|b, v| b.gid(v))),
    ("rev", Kind::Value(|b, v| b.rev(v))),
    ("priority", Kind::Value(|b, v| b.priority(v))),
    ("classtype", Kind::Value(|b, v| b.class_type(v))),
    ("reference", Kind::Value(|b, v| b.reference(v))),
    ("metadata", Kind::Value(|b, v| b.metadata(v))),
    ("target", Kind::Value(|b, v| b.target(v))),
    ("noalert", Kind::Flag(|b| b.noalert())),
    ("alert", Kind::Flag(|b| b.alert())),
    ("bypass", Kind::Flag(|b| b.bypass())),
    ("prefilter", Kind::Flag(|b| b.prefilter())),
    ("requires", Kind::Value(|_, _| Ok(()))),
    // Contents and what modifies them.
    ("content", Kind::Value(|b, v| b.content(v))),
    ("nocase", Kind::Flag(|b| b.nocase())),
    ("offset", Kind::Value(|b, v| b.offset(v))),
    ("depth", Kind::Value(|b, v| b.depth(v))),
    ("distance", Kind::Value(|b, v| b.distance(v))),
    ("within", Kind::Value(|b, v| b.within(v))),
    ("startswith", Kind::Flag(|b| b.starts_with())),
    ("endswith", Kind::Flag(|b| b.ends_with())),
    ("fast_pattern", Kind::Optional(|b, v| b.fast_pattern(v))),
    ("rawbytes", Kind::Flag(|b| b.rawbytes())),
    ("uricontent", Kind::Value(|b, v| b.uri_content(v))),
    ("pcre", Kind::Value(|b, v| b.pcre(v))),
    ("isdataat", Kind::Value(|b, v| b.is_data_at(v))),
    ("bsize", Kind::Value(|b, v| b.buffer_size(v))),
    ("absent", Kind::Optional(|b, v| b.absent(v))),
    ("entropy", Kind::Value(|b, v| b.entropy(v))),
    ("byte_test", Kind::Value(|b, v| b.byte_test(v))),
    ("byte_jump", Kind::Value(|b, v| b.byte_jump(v))),
    ("byte_extract", Kind::Value(|b, v| b.byte_extract(v))),
    ("byte_math", Kind::Value(|b, v| b.byte_math(v))),
    ("base64_decode", Kind::Optional(|b, v| b.base64_decode(v))),
    ("base64_data", Kind::Flag(|b| b.base64_data())),
    ("dataset", Kind::Value(|b, v| b.dataset(v))),
    ("datarep", Kind::Value(|b, v| b.datarep(v))),
    // Transforms.
    ("dotprefix", Kind::Transform(|| Transform::DotPrefix)),
    ("domain", Kind::Transform(|| Transform::Domain)),
    ("tld", Kind::Transform(|| Transform::Tld)),
    ("strip_whitespace", Kind::Transform(|| Transform::StripWhitespace)),
    ("compress_whitespace", Kind::Transform(|| Transform::CompressWhitespace)),
    ("strip_pseudo_headers", Kind::Transform(|| Transform::StripPseudoHeaders)),
    ("header_lowercase", Kind::Transform(|| Transform::HeaderLowercase)),
    ("to_lowercase", Kind::Transform(|| Transform::ToLowercase)),
    ("to_uppercase", Kind::Transform(|| Transform::ToUppercase)),
    ("to_md5", Kind::Transform(|| Transform::Md5)),
    ("to_sha1", Kind::Transform(|| Transform::Sha1)),
    ("to_sha256", Kind::Transform(|| Transform::Sha256)),
    ("url_decode", Kind::Transform(|| Transform::UrlDecode)),
    ("xor", Kind::Value(|b, v| b.xor(v))),
    ("pcrexform", Kind::Value(|b, v| b.pcre_xform(v))),
    ("from_base64", Kind::Optional(|b, v| b.base64_transform(v))),
    ("gunzip", Kind::Optional(|b, v| b.gunzip(v))),
    ("zlib_deflate", Kind::Optional(|b, v| b.zlib_deflate(v))),
    ("subslice", Kind::Value(|b, v| b.subslice(v))),
    // State.
    ("flow", Kind::Value(|b, v| b.flow(v))),
    ("flowbits", Kind::Value(|b, v| b.flowbits(v))),
    ("xbits", Kind::Value(|b, v| b.xbits(v))),
    ("hostbits", Kind::Value(|b, v| b.hostbits(v))),
    ("flowint", Kind::Value(|b, v| b.flowint(v))),
    ("flowvar", Kind::Value(|b, v| b.flow_variable(v))),
    ("pktvar", Kind::Value(|b, v| b.packet_variable(v))),
    ("threshold", Kind::Value(|b, v| b.threshold(v))),
    ("detection_filter", Kind::Value(|b, v| b.detection_filter(v))),
    ("tag", Kind::Value(|b, v| b.tag(v))),
    // The packet and its flow.
    ("ttl", Kind::Value(|b, v| b.ttl(v))),
    ("tos", Kind::Value(|b, v| b.tos(v))),
    ("id", Kind::Value(|b, v| b.ip_id(v))),
    ("ip_proto", Kind::Value(|b, v| b.ip_proto(v))),
    ("ipopts", Kind::Value(|b, v| b.ip_opts(v))),
    ("sameip", Kind::Flag(|b| b.same_ip())),
    ("fragbits", Kind::Value(|b, v| b.frag_bits(v))),
    ("fragoffset", Kind::Value(|b, v| b.frag_offset(v))),
    ("tcp.flags", Kind::Value(|b, v| b.tcp_flags(v))),
    ("flags", Kind::Value(|b, v| b.tcp_flags(v))),
    ("seq", Kind::Value(|b, v| b.tcp_seq(v))),
    ("tcp.seq", Kind::Value(|b, v| b.tcp_seq(v))),
    ("ack", Kind::Value(|b, v| b.tcp_ack(v))),
    ("tcp.ack", Kind::Value(|b, v| b.tcp_ack(v))),
    ("window", Kind::Value(|b, v| b.tcp_window(v))),
    ("tcp.window", Kind::Value(|b, v| b.tcp_window(v))),
    ("tcp.mss", Kind::Value(|b, v| b.tcp_mss(v))),
    ("tcp.wscale", Kind::Value(|b, v| b.tcp_wscale(v))),
    ("itype", Kind::Value(|b, v| b.icmp_type(v))),
    ("icode", Kind::Value(|b, v| b.icmp_code(v))),
    ("icmp_id", Kind::Value(|b, v| b.icmp_id(v))),
    ("icmp_seq", Kind::Value(|b, v| b.icmp_seq(v))),
    ("icmpv6.mtu", Kind::Value(|b, v| b.icmpv6_mtu(v))),
    ("igmp.type", Kind::Value(|b, v| b.igmp_type(v))),
    ("dsize", Kind::Value(|b, v| b.payload_size(v))),
    ("stream_size", Kind::Value(|b, v| b.stream_size(v))),
    ("flow.age", Kind::Value(|b, v| b.flow_age(v))),
    ("flow.pkts", Kind::Value(|b, v| b.flow_pkts(v))),
    ("flow.bytes", Kind::Value(|b, v| b.flow_bytes(v))),
    ("flow.pkts_toserver", Kind::Value(|b, v| b.flow_pkts_to_server(v))),
    ("flow.pkts_toclient", Kind::Value(|b, v| b.flow_pkts_to_client(v))),
    ("flow.bytes_toserver", Kind::Value(|b, v| b.flow_bytes_to_server(v))),
    ("flow.bytes_toclient", Kind::Value(|b, v| b.flow_bytes_to_client(v))),
    ("vlan.id", Kind::Value(|b, v| b.vlan_id(v))),
    ("vlan.layers", Kind::Value(|b, v| b.vlan_layers(v))),
    ("ipv4-csum", Kind::Checksum(Layer::IpV4)),
    ("tcpv4-csum", Kind::Checksum(Layer::TcpV4)),
    ("tcpv6-csum", Kind::Checksum(Layer::TcpV6)),
    ("udpv4-csum", Kind::Checksum(Layer::UdpV4)),
    ("udpv6-csum", Kind::Checksum(Layer::UdpV6)),
    ("icmpv4-csum", Kind::Checksum(Layer::IcmpV4)),
    ("icmpv6-csum", Kind::Checksum(Layer::IcmpV6)),
    ("igmp-csum", Kind::Checksum(Layer::Igmp)),
    ("igmp.csum", Kind::Checksum(Layer::Igmp)),
    ("rpc", Kind::Value(|b, v| b.rpc(v))),
    ("ftpbounce", Kind::Flag(|b| b.ftp_bounce())),
    ("iprep", Kind::Value(|b, v| b.ip_rep(v))),
    ("dcerpc.iface", Kind::Value(|b, v| b.dce_interface(v))),
    ("dce_iface", Kind::Value(|b, v| b.dce_interface(v))),
    ("asn1", Kind::Value(|b, v| b.asn1(v))),
    ("app-layer-event", Kind::Value(|b, v| b.app_layer_event(v))),
    ("app-layer-protocol", Kind::Value(|b, v| b.app_layer_protocol(v))),
    ("decode-event", Kind::Value(|b, v| b.decode_event(v))),
    ("engine-event", Kind::Value(|b, v| b.decode_event(v))),
    ("stream-event", Kind::Value(|b, v| b.stream_event(v))),
    // Transactions.
    ("modbus", Kind::Value(|b, v| b.modbus(v))),
    ("ike.chosen_sa_attribute", Kind::Value(|b, v| b.ike_attribute(v))),
    ("filename", Kind::Value(|b, v| b.file_name(v))),
    ("fileext", Kind::Value(|b, v| b.file_extension(v))),
    ("filemagic", Kind::Value(|b, v| b.file_magic(v))),
    ("filemd5", Kind::FileHash(16)),
    ("filesha1", Kind::FileHash(20)),
    ("filesha256", Kind::FileHash(32)),
    ("filestore", Kind::Optional(|b, v| b.file_store(v))),
    ("tls.subject", Kind::Legacy(Buffer::TlsCertSubject)),
    ("tls.issuerdn", Kind::Legacy(Buffer::TlsCertIssuer)),
    ("tls.fingerprint", Kind::Legacy(Buffer::TlsCertFingerprint)),
    ("ike.vendor", Kind::Legacy(Buffer::IkeVendor)),
    ("ssh.softwareversion", Kind::Legacy(Buffer::SshSoftware)),
    // More names of buffers.
    ("http_protocol", Kind::Sticky(Buffer::HttpProtocol)),
    ("ja3s_string", Kind::Sticky(Buffer::Ja3sString)),
    // Known, but nothing that can be done here.
    ("flow.elephant", Kind::Not("elephants are not told apart")),
    ("tls.store", Kind::Not("certificates are not stored")),
    ("tls_store", Kind::Not("certificates are not stored")),
    ("geoip", Kind::Not("there is no map of addresses to countries here")),
    ("replace", Kind::Not("packets are not rewritten")),
    ("luaxform", Kind::Not("there is no Lua here")),
    ("lua", Kind::Not("there is no Lua here")),
    ("luajit", Kind::Not("there is no Lua here")),
    ("config", Kind::Not("rules do not change the configuration")),
    ("frame", Kind::Not("protocols are not cut into frames here")),
    ("nfq_set_mark", Kind::Not("packets do not come from netfilter")),
    ("cluster", Kind::Not("there is no cluster of rules")),
];

static KEYWORDS: LazyLock<HashMap<&'static str, Kind>> = LazyLock::new(|| {
    let mut keywords: HashMap<&'static str, Kind> = HashMap::new();
    for info in Buffer::TABLE {
        keywords.extend(info.keywords.iter().map(|&keyword| (keyword, Kind::Sticky(info.buffer))));
        keywords.extend(info.modifiers.iter().map(|&keyword| (keyword, Kind::Modifier(info.buffer))));
    }
    for info in Field::TABLE {
        let keywords_of = info.keywords.iter().filter(|keyword| !keyword.contains(':'));
        keywords.extend(keywords_of.map(|&keyword| (keyword, Kind::Field(info.field))));
    }
    // Some of the table are names of buffers that have a value as well.
    keywords.extend(TABLE.iter().copied());
    keywords
});

fn find(name: &str) -> Option<Kind> {
    KEYWORDS.get(name).or_else(|| KEYWORDS.get(name.to_ascii_lowercase().as_str())).copied()
}

/// Whether there is such a keyword, and it can be used.
pub(super) fn known(name: &str) -> bool {
    find(name).is_some_and(|kind| !matches!(kind, Kind::Not(_)))
}

/// Every keyword that is known, in order, and why rules that have it are not loaded, if so.
#[must_use]
pub fn keywords() -> Vec<(&'static str, Option<&'static str>)> {
    let why = |kind: &Kind| match kind {
        Kind::Not(why) => Some(*why),
        _ => None,
    };
    let mut all: Vec<_> = KEYWORDS.iter().map(|(&name, kind)| (name, why(kind))).collect();
    all.sort_unstable();
    all
}

/// Reads one option into the rule.
pub(crate) fn apply(builder: &mut Builder<'_>, name: &str, value: Option<&str>) -> Done {
    let Some(kind) = find(name) else {
        return Err(Fault::Unsupported("the keyword is not known".to_owned()));
    };
    let value = value.filter(|value| !value.is_empty());
    let needed = || value.ok_or_else(|| wrong("the value is missing"));
    match kind {
        Kind::Value(parse) => parse(builder, needed()?),
        Kind::Optional(parse) => parse(builder, value),
        Kind::Field(field) => builder.field(field, value),
        Kind::FileHash(length) => builder.file_hash(length, needed()?),
        Kind::Checksum(layer) => builder.checksum(layer, needed()?),
        Kind::Not(why) => Err(unsupported(why)),
        Kind::Flag(_) | Kind::Transform(_) | Kind::Sticky(_) | Kind::Modifier(_) if value.is_some() => {
            Err(wrong("it takes no value"))
        }
        Kind::Flag(parse) => parse(builder),
        Kind::Transform(make) => builder.transform(make()),
        Kind::Sticky(buffer) => builder.stick(Some(buffer)),
        Kind::Modifier(buffer) => builder.move_content(buffer),
        Kind::Legacy(buffer) => match value {
            None => builder.stick(Some(buffer)),
            Some(value) => builder.content_on(buffer, value),
        },
    }
}

impl Builder<'_> {
    /// `uricontent` is a content on the URI.
    fn uri_content(&mut self, value: &str) -> Done {
        self.content(value)?;
        self.move_content(Buffer::HttpUri)
    }

    /// A content that is a keyword's value, on a buffer that is not in force.
    fn content_on(&mut self, buffer: Buffer, value: &str) -> Done {
        let (negated, text) = negation(value);
        let pattern = self.pattern(unquoted(text))?;
        let part = self.part_of(buffer, Vec::new())?;
        self.push_to(part, Test::Content(Content { pattern, negated, ..Content::default() }))?;
        Ok(())
    }

    fn buffer_size(&mut self, value: &str) -> Done {
        if self.sticky.is_none() {
            return Err(wrong("it does not stand behind a sticky buffer"));
        }
        self.push(Test::Size(number::test(unquoted(value), u64::MAX)?))?;
        Ok(())
    }

    fn absent(&mut self, value: Option<&str>) -> Done {
        let or_else = match value.map(|v| unquoted(v).trim()) {
            None => false,
            Some("or_else") => true,
            Some(other) => return Err(wrong(format!("{other:?} is not or_else"))),
        };
        if self.sticky.is_none() || self.open.is_some() {
            return Err(wrong("it does not stand directly behind a sticky buffer"));
        }
        self.push(Test::Absent { or_else })?;
        Ok(())
    }

    /// `bytes 100, offset 4, value >= 4.14`: bits per byte.
    fn entropy(&mut self, value: &str) -> Done {
        let (mut test, mut offset, mut bytes) = (None, None, None);
        for word in unquoted(value).split(',').map(str::trim) {
            match word.split_once(char::is_whitespace) {
                Some(("value", text)) if test.is_none() => test = Some(thousandths(text.trim())?),
                Some(("offset", at)) if offset.is_none() => offset = Some(number::small(at)?),
                Some(("bytes", length)) if bytes.is_none() => bytes = Some(number::small(length)?),
                _ => return Err(wrong(format!("{word:?} is not one of its words"))),
            }
        }
        let test = test.ok_or_else(|| wrong("the value is missing"))?;
        // As in Suricata, 0 bytes are all that there are.
        let bytes = bytes.filter(|&length: &u32| length > 0);
        self.push(Test::Entropy { offset: offset.unwrap_or(0), bytes, test })?;
        Ok(())
    }
}

/// A comparison with decimals, times a thousand.
fn thousandths(text: &str) -> Result<NumberTest, Fault> {
    let mut whole = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(begin) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, tail) = rest.split_at(begin);
        let end = tail.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(tail.len());
        let (digits, tail) = tail.split_at(end);
        let (units, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        if decimals.len() > 3 || decimals.contains('.') {
            return Err(wrong(format!("{digits:?} has more than three decimals")));
        }
        whole.push_str(before);
        whole.push_str(units);
        whole.push_str(decimals);
        whole.extend(std::iter::repeat_n('0', 3 - decimals.len()));
        rest = tail;
    }
    whole.push_str(rest);
    number::test(&whole, 8000)
}
