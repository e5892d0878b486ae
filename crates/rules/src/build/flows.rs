//! Keywords on flows, and on what their packets carry without a protocol's transaction.

use crate::app::App;
use crate::fault::{Done, Fault, unsupported, wrong};
use crate::number;
use crate::options::{negation, unquoted};
use crate::rule::Side;
use crate::test::{IpRep, NumberTest, PacketTest, Which};

use super::Builder;

/// Largest numbers of 16 and 32 bits.
const WORD: u64 = 0xffff;
const LONG: u64 = 0xffff_ffff;

impl Builder<'_> {
    pub(super) fn stream_size(&mut self, value: &str) -> Done {
        let words: Vec<&str> = unquoted(value).split(',').map(str::trim).collect();
        let [side, op, size] = words.as_slice() else { return Err(wrong("expected side,operator,size")) };
        let (side, both) = match *side {
            "client" => (Some(Side::Source), false),
            "server" => (Some(Side::Destination), false),
            "either" => (None, false),
            "both" => (None, true),
            _ => return Err(wrong(format!("{side:?} is no side"))),
        };
        if !matches!(*op, "<" | ">" | "<=" | ">=" | "=" | "!=" | "!") {
            return Err(wrong(format!("{op:?} is no operator")));
        }
        let test = number::test(&[*op, *size].concat(), u64::MAX)?;
        self.packet(PacketTest::StreamSize { side, both, test })
    }

    pub(super) fn flow_age(&mut self, value: &str) -> Done {
        self.packet(PacketTest::FlowAge(number::test(unquoted(value), LONG)?))
    }

    pub(super) fn flow_pkts(&mut self, value: &str) -> Done {
        let (side, test) = of_side(value, LONG)?;
        self.packet(PacketTest::FlowPackets(side, test))
    }

    pub(super) fn flow_bytes(&mut self, value: &str) -> Done {
        let (side, test) = of_side(value, u64::MAX)?;
        self.packet(PacketTest::FlowBytes(side, test))
    }

    pub(super) fn flow_pkts_to_server(&mut self, value: &str) -> Done {
        self.packet(PacketTest::FlowPackets(Some(Side::Source), number::test(unquoted(value), LONG)?))
    }

    pub(super) fn flow_pkts_to_client(&mut self, value: &str) -> Done {
        self.packet(PacketTest::FlowPackets(Some(Side::Destination), number::test(unquoted(value), LONG)?))
    }

    pub(super) fn flow_bytes_to_server(&mut self, value: &str) -> Done {
        self.packet(PacketTest::FlowBytes(Some(Side::Source), number::test(unquoted(value), u64::MAX)?))
    }

    pub(super) fn flow_bytes_to_client(&mut self, value: &str) -> Done {
        self.packet(PacketTest::FlowBytes(Some(Side::Destination), number::test(unquoted(value), u64::MAX)?))
    }

    pub(super) fn vlan_id(&mut self, value: &str) -> Done {
        let value = unquoted(value);
        let (test, layer) = value.split_once(',').unwrap_or((value, "any"));
        let which = super::fields::which(layer.trim())?;
        if matches!(which, Which::At(at) if !(-3..=2).contains(&at)) {
            return Err(wrong("there are three layers at most"));
        }
        self.packet(PacketTest::VlanId(which, number::test(test, 0xfff)?))
    }

    pub(super) fn vlan_layers(&mut self, value: &str) -> Done {
        self.packet(PacketTest::VlanLayers(number::test(unquoted(value), 3)?))
    }

    pub(super) fn rpc(&mut self, value: &str) -> Done {
        let words: Vec<&str> = unquoted(value).split(',').map(str::trim).collect();
        let number = |at: usize| match words.get(at).copied() {
            None | Some("*") => Ok(None),
            Some(text) => number::small(text).map(Some),
        };
        let program = number(0)?.ok_or_else(|| wrong("the program is missing"))?;
        if words.len() > 3 {
            return Err(wrong("too many words"));
        }
        self.packet(PacketTest::Rpc(program, number(1)?, number(2)?))
    }

    pub(super) fn ftp_bounce(&mut self) -> Done {
        self.apps.push(&[App::Ftp]);
        self.packet(PacketTest::FtpBounce)
    }

    pub(super) fn ip_rep(&mut self, value: &str) -> Done {
        let words: Vec<&str> = unquoted(value).split(',').map(str::trim).collect();
        let (Some(side), Some(category)) = (words.first(), words.get(1)) else {
            return Err(wrong("expected side,category,operator,score"));
        };
        let (side, both) = match *side {
            "any" => (None, false),
            "src" => (Some(Side::Source), false),
            "dst" => (Some(Side::Destination), false),
            "both" => (None, true),
            _ => return Err(wrong(format!("{side:?} is no side"))),
        };
        let (score, negated) = match words.get(2..).unwrap_or_default() {
            ["isset"] => (None, false),
            ["isnotset"] => (None, true),
            [op @ ("<" | ">" | "=" | "<=" | ">="), score] => {
                (Some(number::test(&[*op, *score].concat(), 127)?), false)
            }
            [test] => (Some(number::test(test, 127)?), false),
            _ => return Err(wrong("expected side,category,operator,score")),
        };
        let category = self.cx.text(category);
        self.packet(PacketTest::IpRep(IpRep { side, both, category, score, negated }))
    }

    pub(super) fn dce_interface(&mut self, value: &str) -> Done {
        let mut words = unquoted(value).split(',').map(str::trim);
        let uuid = uuid(words.next().unwrap_or("")).ok_or_else(|| wrong("the UUID is broken"))?;
        let (mut version, mut any_fragment) = (None, false);
        for word in words {
            match word {
                "any_frag" => any_fragment = true,
                _ if version.is_none() => version = Some(number::test(word, WORD)?),
                _ => return Err(wrong(format!("{word:?} is too much"))),
            }
        }
        self.apps.push(&[App::Dcerpc, App::Smb]);
        self.packet(PacketTest::DceInterface { uuid, version, any_fragment })
    }

    pub(super) fn asn1(&mut self, value: &str) -> Done {
        let (mut bitstring_overflow, mut double_overflow, mut oversize) = (false, false, None);
        let (mut offset, mut relative) = (0, false);
        for word in unquoted(value).split([',', ';']).map(str::trim) {
            let (name, value) = word.split_once(char::is_whitespace).unwrap_or((word, ""));
            match name {
                "bitstring_overflow" => bitstring_overflow = true,
                "double_overflow" => double_overflow = true,
                "oversize_length" => oversize = Some(number::small(value)?),
                "absolute_offset" | "relative_offset" => {
                    relative = name == "relative_offset";
                    offset = i32::try_from(number::signed(value)?).map_err(|_| wrong("too far"))?;
                }
                _ => return Err(wrong(format!("{word:?} is not one of its words"))),
            }
        }
        self.packet(PacketTest::Asn1 { bitstring_overflow, double_overflow, oversize, offset, relative })
    }

    pub(super) fn flow_variable(&mut self, value: &str) -> Done {
        self.captured(value, true)
    }

    pub(super) fn packet_variable(&mut self, value: &str) -> Done {
        self.captured(value, false)
    }

    fn captured(&mut self, value: &str, of_flow: bool) -> Done {
        let (name, text) = value.split_once(',').ok_or_else(|| wrong("expected name,value"))?;
        let (negated, text) = negation(text.trim());
        if negated {
            return Err(unsupported("variables that must not contain something"));
        }
        let value = self.pattern(unquoted(text))?;
        let name = self.cx.text(name.trim());
        self.packet(PacketTest::Variable { of_flow, name, value })
    }
}

/// `side,test` or `test`
fn of_side(value: &str, most: u64) -> Result<(Option<Side>, NumberTest), Fault> {
    let value = unquoted(value);
    let (side, test) = value.split_once(',').ok_or_else(|| wrong("expected side,number"))?;
    let side = match side.trim() {
        "toserver" => Some(Side::Source),
        "toclient" => Some(Side::Destination),
        "either" => None,
        "both" => return Err(unsupported("both sides of a flow")),
        other => return Err(wrong(format!("{other:?} is no side"))),
    };
    Ok((side, number::test(test, most)?))
}

/// A UUID in its text form: five groups of hexadecimal digits.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|g| g.len()).collect();
    if lengths != [8, 4, 4, 4, 12] {
        return None;
    }
    let digits = groups.concat();
    let mut bytes = [0; 16];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|p| p.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}
