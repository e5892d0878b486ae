//! What can only be judged of a rule as a whole.

use crate::buffer::{Buffer, Sides};
use crate::fault::{Done, Fault, wrong};
use crate::test::{Content, FastPattern, PacketTest, Part, Test};

use super::Builder;
use super::sizes;

/// A check that failed, and the keyword that it is of.
type Failed = (Option<&'static str>, Fault);

impl Builder<'_> {
    pub(super) fn check(&mut self) -> Result<(), Failed> {
        if !self.given.sid {
            return Err((Some("sid"), wrong("it is missing")));
        }
        let named = |keyword: &'static str| move |fault| (Some(keyword), fault);
        self.check_protocols().map_err(|fault| (None, fault))?;
        self.check_directions().map_err(|fault| (Some("flow"), fault))?;
        self.check_mix().map_err(|fault| (None, fault))?;
        self.check_fast_patterns().map_err(named("fast_pattern"))?;
        for part in &mut self.rule.parts {
            let keyword = part.buffer.info().keywords.first().copied();
            normalise(part);
            check_part(part).map_err(|fault| (keyword, fault))?;
        }
        sizes::check(&self.rule).map_err(|(keyword, fault)| (Some(keyword), fault))
    }

    /// What is of one packet cannot be asked together with what is of transactions.
    fn check_mix(&self) -> Done {
        let header = |part: &Part| {
            matches!(
                part.buffer,
                Buffer::IpV4Header
                    | Buffer::IpV6Header
                    | Buffer::TcpHeader
                    | Buffer::UdpHeader
                    | Buffer::IcmpV4Header
                    | Buffer::IcmpV6Header
                    | Buffer::IgmpHeader
            )
        };
        let of_packet = self.rule.packet.iter().any(|test| {
            matches!(
                test,
                PacketTest::PayloadSize(_)
                    | PacketTest::TcpFlags(_)
                    | PacketTest::TcpSeq(_)
                    | PacketTest::TcpAck(_)
                    | PacketTest::TcpWindow(_)
                    | PacketTest::TcpMss(_)
                    | PacketTest::Ttl(_)
                    | PacketTest::Tos(_)
                    | PacketTest::IpId(_)
                    | PacketTest::IpOption(_)
                    | PacketTest::FragBits(_)
                    | PacketTest::FragOffset(_)
                    | PacketTest::Checksum(..)
            )
        });
        if (of_packet || self.rule.parts.iter().any(header)) && self.of_app() {
            return Err(wrong("keywords on packets stand together with keywords on application protocols"));
        }
        Ok(())
    }

    fn check_fast_patterns(&self) -> Done {
        let contents = self.rule.parts.iter().flat_map(|part| &part.tests).filter_map(|test| match test {
            Test::Content(content) => Some(content),
            _ => None,
        });
        let chosen = contents.filter(|content| content.fast_pattern.is_some()).count();
        if chosen > 1 { Err(wrong("more than one content has it")) } else { Ok(()) }
    }
}

/// Contents on values that are known to be in one case are brought into it.
fn normalise(part: &mut Part) {
    if !part.transforms.is_empty() {
        return;
    }
    for test in &mut part.tests {
        let Test::Content(content) = test else { continue };
        match part.buffer {
            Buffer::Ja3Hash | Buffer::Ja3sHash | Buffer::TlsCertFingerprint => {
                content.pattern.make_ascii_lowercase()
            }
            Buffer::TlsCertSerial => content.pattern.make_ascii_uppercase(),
            _ => {}
        }
    }
}

fn check_part(part: &Part) -> Done {
    let absent = part.tests.iter().any(|test| matches!(test, Test::Absent { or_else: false }));
    if absent && part.tests.len() > 1 {
        return Err(wrong("absent: more is asked of the buffer"));
    }
    for test in &part.tests {
        if let Test::Content(content) = test
            && part.transforms.is_empty()
        {
            check_content(part.buffer, content)?;
        }
    }
    Ok(())
}

/// Contents that can never be in their buffer.
fn check_content(buffer: Buffer, content: &Content) -> Done {
    let pattern = &content.pattern;
    match buffer {
        Buffer::HttpHost => {
            if content.nocase {
                return Err(wrong("the name is in lower case always: nocase has no use"));
            }
            if pattern.iter().any(u8::is_ascii_uppercase) {
                return Err(wrong("the name is in lower case always, the content is not"));
            }
        }
        Buffer::HttpMethod => {
            if pattern.first().is_some_and(|&b| b == b' ') || pattern.last().is_some_and(|&b| b == b' ') {
                return Err(wrong("methods have no spaces around them"));
            }
        }
        Buffer::Ja3Hash | Buffer::Ja3sHash if pattern.len() > 32 => {
            return Err(wrong("the hash has 32 digits"));
        }
        Buffer::TlsCertFingerprint if pattern.len() > 59 => {
            return Err(wrong("the fingerprint has 20 bytes with colons between them"));
        }
        _ => {}
    }
    let only = content.fast_pattern == Some(FastPattern::Only);
    if only && buffer.info().sides != Sides::Both && content.negated {
        return Err(wrong("fast_pattern:only on a negated content"));
    }
    Ok(())
}
