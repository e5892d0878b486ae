//! A rule's header: action, protocol, addresses, ports, direction.

use std::collections::HashMap;

use crate::address;
use crate::app::App;
use crate::fault::{Fault, unsupported, wrong};
use crate::hook::{self, Hook};
use crate::ports;
use crate::rule::{Action, AddressSet, Header, HeaderProto, PortSet, RejectTo};
use crate::settings::Settings;
use crate::zone::{self, Zone};

/// Sets that were read before: rules name the same few.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    addresses: HashMap<String, (AddressSet, bool)>,
    ports: HashMap<String, PortSet>,
}

/// The action of that name.
pub(crate) fn action(word: &str) -> Option<Result<Action, Fault>> {
    Some(Ok(match word {
        "alert" => Action::Alert,
        "drop" => Action::Drop,
        "pass" => Action::Pass,
        "reject" | "rejectsrc" => Action::Reject(RejectTo::Source),
        "rejectdst" => Action::Reject(RejectTo::Destination),
        "rejectboth" => Action::Reject(RejectTo::Both),
        "config" => return Some(Err(unsupported("rules that change the configuration of flows"))),
        "accept" => return Some(Err(unsupported("rules of firewall mode"))),
        "bypass" | "filter" | "log" | "activate" | "dynamic" | "sdrop" => {
            return Some(Err(wrong(format!("there is no action {word}"))));
        }
        _ if word.starts_with("accept:") || word.starts_with("drop:") => {
            return Some(Err(unsupported("rules of firewall mode")));
        }
        _ => return None,
    }))
}

/// The words of a header; spaces inside of brackets do not end one.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::with_capacity(7);
    let (mut depth, mut begin) = (0_i32, None);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'[' => depth = depth.saturating_add(1),
            b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if byte.is_ascii_whitespace() && depth <= 0 {
            if let Some(begin) = begin.take() {
                words.extend(text.get(begin..at));
            }
        } else if begin.is_none() {
            begin = Some(at);
        }
    }
    words.extend(begin.and_then(|begin| text.get(begin..)));
    words
}

/// Reads what stands before the parenthesis.
pub(crate) fn parse(text: &str, settings: &Settings, cache: &mut Cache) -> Result<(Action, Header), Fault> {
    let words = words(text);
    let [first, proto, src, src_ports, arrow, dst, dst_ports] = words.as_slice() else {
        if let Some(Err(fault)) = words.first().and_then(|word| action(word)) {
            return Err(fault);
        }
        return Err(wrong("a header is: action protocol address ports direction address ports"));
    };
    let action = action(first).unwrap_or_else(|| Err(wrong(format!("there is no action {first}"))))?;
    let both_ways = match *arrow {
        "->" => false,
        "<>" => true,
        "=>" => return Err(unsupported("=>: rules on both sides of a transaction")),
        _ => return Err(wrong(format!("there is no direction {arrow}"))),
    };
    let (src, src_leaves_out) = cache.addresses(src, settings)?;
    let (dst, dst_leaves_out) = cache.addresses(dst, settings)?;
    let (proto, hook) = hooked(proto)?;
    let header = Header {
        proto,
        hook,
        src,
        src_ports: cache.ports(src_ports, settings)?,
        dst,
        leaves_out: src_leaves_out || dst_leaves_out,
        dst_ports: cache.ports(dst_ports, settings)?,
        both_ways,
    };
    Ok((action, header))
}

/// On which side of the border a header that was read puts sender and receiver.
pub(crate) fn zones(text: &str, settings: &Settings) -> [Zone; 2] {
    match words(text).as_slice() {
        [_, _, src, _, _, dst, _] => [zone::of(src, settings), zone::of(dst, settings)],
        _ => Default::default(),
    }
}

impl Cache {
    /// The set, and whether its list leaves anything out.
    fn addresses(&mut self, text: &str, settings: &Settings) -> Result<(AddressSet, bool), Fault> {
        if let Some(known) = self.addresses.get(text) {
            return Ok(known.clone());
        }
        let set = (address::parse(text, settings)?, address::leaves_out(text, settings));
        self.addresses.insert(text.to_owned(), set.clone());
        Ok(set)
    }

    fn ports(&mut self, text: &str, settings: &Settings) -> Result<PortSet, Fault> {
        if let Some(known) = self.ports.get(text) {
            return Ok(known.clone());
        }
        let set = ports::parse(text, settings)?;
        self.ports.insert(text.to_owned(), set.clone());
        Ok(set)
    }
}

/// A protocol, and what stands behind its colon.
fn hooked(text: &str) -> Result<(HeaderProto, Option<Hook>), Fault> {
    let Some((name, hook)) = text.split_once(':') else { return Ok((protocol(text)?, None)) };
    match protocol(name)? {
        HeaderProto::App(app) => match hook::of(app, hook) {
            Some(hook) => Ok((HeaderProto::App(app), Some(hook))),
            None => Err(wrong(format!("{name} has no hook {hook}"))),
        },
        _ => Err(unsupported(format!("{text}: hooks of packets"))),
    }
}

fn protocol(name: &str) -> Result<HeaderProto, Fault> {
    let name = name.to_ascii_lowercase();
    Ok(match name.as_str() {
        "ip" => HeaderProto::Ip,
        "ip4" | "ipv4" => HeaderProto::IpV4,
        "ip6" | "ipv6" => HeaderProto::IpV6,
        "tcp" => HeaderProto::Tcp,
        "tcp-pkt" => HeaderProto::TcpPacket,
        "tcp-stream" => HeaderProto::TcpStream,
        "udp" => HeaderProto::Udp,
        "sctp" => HeaderProto::Sctp,
        "icmp" => HeaderProto::Icmp,
        "icmpv4" | "icmp4" => HeaderProto::IcmpV4,
        "icmpv6" | "icmp6" => HeaderProto::IcmpV6,
        "igmp" => HeaderProto::Igmp,
        "gre" => HeaderProto::Gre,
        "ah" => HeaderProto::Ah,
        "esp" => HeaderProto::Esp,
        "arp" => HeaderProto::Arp,
        "pkthdr" => HeaderProto::PacketHeader,
        _ => match App::of_name(&name) {
            Some(App::Failed | App::Unknown) | None => {
                return Err(wrong(format!("there is no protocol {name}")));
            }
            Some(app) => HeaderProto::App(app),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Result<(Action, Header), Fault> {
        parse(text, &Settings::default(), &mut Cache::default())
    }

    #[test]
    fn headers_are_seven_words() {
        let (action, header) = header("reject  tls [10.0.0.1, 10.0.0.2] any <> $HOME_NET [80, 443]").unwrap();
        assert_eq!(action, Action::Reject(RejectTo::Source));
        assert_eq!(header.proto, HeaderProto::App(App::Tls));
        assert!(header.both_ways && header.dst_ports.contains(443) && header.src_ports.is_any());
        assert_eq!(header.src.any_of.len(), 1, "they are neighbours");
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for text in [
            "",
            "alert",
            "alert tcp any any -> any",
            "alert tcp any any - any any",
            "alert foo any any -> any any",
            "warn tcp any any -> any any",
            "alert unknown any any -> any any",
            "alert tcp any any -> any any any",
            "alert http1:request_beginning any any -> any any",
        ] {
            assert!(matches!(header(text), Err(Fault::Wrong(_))), "{text}");
        }
        for text in [
            "config tcp any any -> any any",
            "alert http any any => any any",
            "alert tcp:flow_start any any -> any any",
            "accept:hook tcp:all any any -> any any",
        ] {
            assert!(matches!(header(text), Err(Fault::Unsupported(_))), "{text}");
        }
    }
}
