//! A store of indicators, asked with what is seen on the wire.

use std::net::IpAddr;

use crate::indicator::{MAX_INDICATOR, network_key, unhex};
use crate::kind::{KINDS, Kind};
use crate::normal;
use crate::store::{Found, Inserted, Record, Store};

/// Bytes of a request's host, port and target that are compared; longer ones are in no list.
const MAX_URL: usize = 4096;
/// RFC 1035, 2.3.4, and a little more.
const MAX_NAME: usize = 256;

/// Something on the wire that indicators may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observable<'a> {
    /// A name, in whatever case.
    Domain(&'a str),
    /// An address.
    Ip(IpAddr),
    /// A request.
    Url {
        /// As in the request, lower case.
        host: &'a str,
        /// The port in it.
        port: Option<u16>,
        /// In origin or absolute form.
        uri: &'a str,
    },
    /// A hash of that kind.
    Digest(Kind, &'a [u8]),
    /// A hash of that kind in hexadecimal, with or without colons.
    Hex(Kind, &'a str),
    /// A text of that kind, in whatever case.
    Text(Kind, &'a str),
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub store: Store,
    counts: [u32; KINDS],
    /// Prefix lengths of the networks: a bit for each.
    v4_lens: u32,
    v6_lens: u128,
}

impl Table {
    /// Adds a key.
    pub fn insert(&mut self, kind: Kind, key: &[u8], line: u32, attributes: u32) -> Inserted {
        let inserted = self.store.insert(kind, key, line, attributes);
        if inserted == Inserted::New {
            if let Some(count) = self.counts.get_mut(kind as usize) {
                *count += 1;
            }
            if let (Kind::Network, Some(&bits)) = (kind, key.first()) {
                if key.len() == 5 {
                    self.v4_lens |= 1_u32.checked_shl(bits.into()).unwrap_or(0);
                } else {
                    self.v6_lens |= 1_u128.checked_shl(bits.into()).unwrap_or(0);
                }
            }
        }
        inserted
    }

    /// How many of a kind there are.
    pub fn count(&self, kind: Kind) -> u32 {
        self.counts.get(kind as usize).copied().unwrap_or(0)
    }

    #[inline]
    pub fn has(&self, kind: Kind) -> bool {
        self.count(kind) > 0
    }

    /// The record that names what is seen and that `accept` takes; the most specific one if there are several.
    pub fn look_up(
        &self,
        seen: &Observable<'_>,
        accept: impl FnMut(&Record<'_>) -> bool,
    ) -> Option<Found<'_>> {
        match *seen {
            Observable::Domain(name) => self.domain(name, accept),
            Observable::Ip(ip) => self.ip(ip, accept),
            Observable::Url { host, port, uri } => self.url(host, port, uri, accept),
            Observable::Digest(kind, digest) => self.exact(kind, digest, accept),
            Observable::Hex(kind, text) if self.has(kind) => {
                let mut bytes = [0; 32];
                let len = unhex(text, &mut bytes)?;
                self.exact(kind, bytes.get(..len)?, accept)
            }
            Observable::Text(kind, text) if self.has(kind) => {
                let mut lower = [0; MAX_INDICATOR];
                let lower = lower.get_mut(..text.len())?;
                lower.copy_from_slice(text.as_bytes());
                lower.make_ascii_lowercase();
                self.exact(kind, lower, accept)
            }
            Observable::Hex(..) | Observable::Text(..) => None,
        }
    }

    fn exact(
        &self,
        kind: Kind,
        key: &[u8],
        mut accept: impl FnMut(&Record<'_>) -> bool,
    ) -> Option<Found<'_>> {
        if !self.has(kind) {
            return None;
        }
        self.store.find(kind, key).filter(|found| accept(&found.record))
    }

    #[inline]
    pub fn domain(&self, name: &str, accept: impl FnMut(&Record<'_>) -> bool) -> Option<Found<'_>> {
        if !self.has(Kind::Domain) {
            return None;
        }
        let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
        if self.store.surely_no_domain(name) {
            return None;
        }
        self.labels(name, accept)
    }

    /// Goes from the last two labels of a name towards the whole of it, and stops where the filter says that nothing
    /// is listed there or below.
    #[inline(never)]
    fn labels(&self, name: &[u8], mut accept: impl FnMut(&Record<'_>) -> bool) -> Option<Found<'_>> {
        let mut lower = [0_u8; MAX_NAME];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let name = &*lower;
        let mut best = None;
        let mut dot = last_dot(name)?;
        loop {
            let start = last_dot(name.get(..dot)?).map_or(0, |dot| dot + 1);
            let suffix = name.get(start..)?;
            let hash = self.store.hash(Kind::Domain, suffix);
            if !self.store.may_hold(hash) {
                return best;
            }
            let found = self.store.find_hashed(hash, Kind::Domain, suffix);
            best = found.filter(|found| accept(&found.record)).or(best);
            if start == 0 {
                return best;
            }
            dot = start - 1;
        }
    }

    /// The address itself, else the smallest network that it is in.
    pub fn ip(&self, ip: IpAddr, mut accept: impl FnMut(&Record<'_>) -> bool) -> Option<Found<'_>> {
        let ip = ip.to_canonical();
        if self.has(Kind::Ip) {
            let found = match ip {
                IpAddr::V4(v4) => self.store.find(Kind::Ip, &v4.octets()),
                IpAddr::V6(v6) => self.store.find(Kind::Ip, &v6.octets()),
            };
            if let Some(found) = found.filter(|found| accept(&found.record)) {
                return Some(found);
            }
        }
        let mut lens = if ip.is_ipv4() { self.v4_lens.into() } else { self.v6_lens };
        while let Some(bits) = lens.checked_ilog2() {
            lens &= !(1 << bits);
            let (key, len) = network_key(ip, bits as u8);
            let found = self.store.find(Kind::Network, key.get(..len)?);
            if let Some(found) = found.filter(|found| accept(&found.record)) {
                return Some(found);
            }
        }
        None
    }

    /// With its query if the list has one, whatever the query otherwise.
    pub fn url(
        &self,
        host: &str,
        port: Option<u16>,
        uri: &str,
        mut accept: impl FnMut(&Record<'_>) -> bool,
    ) -> Option<Found<'_>> {
        if !self.has(Kind::Url) {
            return None;
        }
        let target = match uri.split_once("://") {
            Some((_, rest)) if !uri.starts_with('/') => {
                rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("")
            }
            _ => uri,
        };
        let target = normal::target(target.split('#').next().unwrap_or(target));
        let target = &*target;
        let path = target.split('?').next().unwrap_or(target);
        let targets = if path.len() == target.len() { &[path][..] } else { &[target, path] };
        targets.iter().find_map(|target| {
            let mut key = [0_u8; MAX_URL];
            let mut at = 0;
            let mut push = |bytes: &[u8]| -> Option<()> {
                key.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
                at += bytes.len();
                Some(())
            };
            push(host.as_bytes())?;
            if let Some(port) = port.filter(|p| !matches!(p, 80 | 443)) {
                let mut digits = [0; 6];
                push(colon_port(port, &mut digits))?;
            }
            push(if target.is_empty() { b"/" } else { target.as_bytes() })?;
            self.store.find(Kind::Url, key.get(..at)?).filter(|found| accept(&found.record))
        })
    }

    /// Whether this list, of what is allowed, holds what is seen; of a URL, whether it holds its host.
    pub fn covers(&self, seen: &Observable<'_>) -> bool {
        let yes = |_: &Record<'_>| true;
        self.look_up(seen, yes).is_some()
            || matches!(seen, Observable::Url { host, .. } if self.covers(&match host.parse::<IpAddr>() {
                Ok(ip) => Observable::Ip(ip),
                Err(_) => Observable::Domain(host),
            }))
    }

    /// The same of an indicator as it is read. Networks and URLs are looked at when they match.
    pub fn covers_indicator(&self, kind: Kind, key: &[u8]) -> bool {
        if self.store.len() == 0 {
            return false;
        }
        let text = || std::str::from_utf8(key).unwrap_or("");
        match kind {
            Kind::Domain => self.covers(&Observable::Domain(text())),
            Kind::Ip => address(key).is_some_and(|ip| self.covers(&Observable::Ip(ip))),
            Kind::Network | Kind::Url | Kind::Pattern => false,
            _ => self.store.find(kind, key).is_some(),
        }
    }
}

/// The address that a key of four or sixteen bytes is.
pub(crate) fn address(key: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(key) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(key).ok().map(IpAddr::from)
}

/// Names are short: this beats a search that sets out with wide registers.
#[inline]
fn last_dot(name: &[u8]) -> Option<usize> {
    name.iter().rposition(|&b| b == b'.')
}

/// ":PORT" without allocating.
fn colon_port(port: u16, out: &mut [u8; 6]) -> &[u8] {
    let mut rest = port;
    let mut start = 0;
    for (at, place) in out.iter_mut().enumerate().rev() {
        start = at;
        if rest == 0 && at < 5 {
            *place = b':';
            break;
        }
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.get(start..).unwrap_or_default()
}

/// The canonical text of a key.
pub(crate) fn render(kind: Kind, key: &[u8]) -> std::borrow::Cow<'_, str> {
    match kind {
        Kind::Ip => address(key).map(|ip| ip.to_string()).unwrap_or_default().into(),
        Kind::Network => match key.split_first() {
            Some((bits, ip)) => address(ip).map(|ip| format!("{ip}/{bits}")).unwrap_or_default().into(),
            None => "".into(),
        },
        kind if kind.digest_len().is_some() => {
            let mut text = String::with_capacity(key.len() * 2);
            for byte in key {
                text.extend([byte >> 4, byte & 15].map(|n| char::from_digit(n.into(), 16).unwrap_or('0')));
            }
            text.into()
        }
        _ => String::from_utf8_lossy(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::indicator::octets;

    #[test]
    fn ports_are_written_as_they_are_read() {
        for port in [1, 9, 10, 99, 8080, 9999, 10_000, 65_535] {
            assert_eq!(colon_port(port, &mut [0; 6]), format!(":{port}").as_bytes());
        }
    }

    #[test]
    fn the_smallest_network_wins_and_addresses_before_it() {
        let mut table = Table::default();
        for (line, (bits, ip)) in
            (1..).zip([(8, "10.0.0.0"), (24, "10.1.2.0"), (16, "10.1.0.0"), (32, "2001:db8::")])
        {
            let (key, len) = network_key(ip.parse().unwrap(), bits);
            table.insert(Kind::Network, &key[..len], line, 0);
        }
        table.insert(Kind::Ip, &octets("10.1.2.3".parse().unwrap()), 9, 0);
        table.store.seal();
        let line = |ip: &str| table.ip(ip.parse().unwrap(), |_| true).map(|found| found.record.line);
        assert_eq!(line("10.1.2.3"), Some(9));
        assert_eq!(line("10.1.2.4"), Some(2));
        assert_eq!(line("10.1.3.4"), Some(3));
        assert_eq!(line("10.2.3.4"), Some(1));
        assert_eq!((line("11.2.3.4"), line("2001:db8::7"), line("2001:db9::7")), (None, Some(4), None));
        assert_eq!(table.ip("10.1.2.4".parse().unwrap(), |r| r.line != 2).map(|f| f.record.line), Some(3));
        assert_eq!(render(Kind::Network, &[24, 10, 1, 2, 0]), "10.1.2.0/24");
        assert_eq!(render(Kind::Md5, &[0xab; 16]), "ab".repeat(16));
    }
}
