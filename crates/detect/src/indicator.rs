//! Threat-intelligence indicators seen on the wire: domains, addresses and URLs here, all others in `traits.rs`.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use alert::{Alert, Disclosure, Orientation};
use intel::{Indicators, Match, Observable, Progress};
use proto::dns::{Dns, RData};
use proto::{Http, Tls, Transaction};

use crate::catalogue;
use crate::finding::{Sides, alert};
use crate::{Context, Memo, c2};

/// Host fields of a request that are asked for beside the first.
const MAX_HOSTS: usize = 8;

/// Matches indicators. Cheap to clone: workers share the set.
#[derive(Clone, Debug)]
pub struct IndicatorDetector {
    pub(crate) indicators: Arc<Indicators>,
}

/// How far a transaction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its first part is known: see `proto::Sink::inspect`.
    Begun,
    /// Nothing more will be known.
    Complete,
}

impl IndicatorDetector {
    /// A detector for that set.
    #[must_use]
    pub fn new(indicators: Arc<Indicators>) -> Self {
        IndicatorDetector { indicators }
    }

    /// The indicator that names what is seen, or that has several parts and this as the last of them.
    pub(crate) fn look(&self, cx: &Context<'_>, seen: &Observable<'_>, memo: &mut Memo) -> Option<Match<'_>> {
        let single = self.indicators.look_up(seen, cx.time);
        if !self.indicators.has_patterns() {
            return single;
        }
        let whole = self.indicators.advance(seen, cx.time, &mut memo.progress);
        single.or(whole)
    }

    /// Counts the hit and passes the alert on.
    pub(crate) fn tell(&self, alert: Alert, hit: &Match<'_>, out: &mut Vec<Alert>) {
        self.indicators.hit(hit, alert.time);
        out.push(alert);
    }

    /// The first packet of a flow: listed addresses. Whom a listed address calls is no victim yet: to
    /// isolate everybody it sends a packet to would hand it a weapon. The same holds where it is only a guess who calls.
    /// Whether the server's address is listed, so that what the client says first is worth a look.
    pub fn flow_start(&self, cx: &Context<'_>, out: &mut Vec<Alert>) -> bool {
        if self.indicators.is_empty() {
            return false;
        }
        let mut listed = false;
        let (client, server) = (cx.tuple.client.ip, cx.tuple.server.ip);
        let is_known = cx.orientation > Orientation::Guessed;
        if let Some(hit) = self.indicators.ip(server, cx.time) {
            listed = true;
            let (signature, sides) = if is_known {
                (&catalogue::IP, Sides::client_to(cx, server))
            } else {
                (&catalogue::IP_INBOUND, Sides { victim: None, peer: server })
            };
            self.tell(alert(signature, cx, sides, &hit, server.to_string(), None), &hit, out);
        }
        if let Some(hit) = self.indicators.ip(client, cx.time) {
            let sides = Sides { victim: None, peer: client };
            self.tell(alert(&catalogue::IP_INBOUND, cx, sides, &hit, client.to_string(), None), &hit, out);
        }
        // Of two addresses.
        if self.indicators.has_patterns() {
            let mut progress = Progress::default();
            self.addresses(cx, &mut progress, &mut |hit| {
                let sides = Sides { victim: None, peer: server };
                self.tell(alert(&catalogue::IP, cx, sides, &hit, server.to_string(), None), &hit, out);
            });
        }
        listed
    }

    /// What a client has said first to a listed address, over TCP and in no known protocol; whether it is a check-in.
    /// The contact was told of and counted with the flow's first packet.
    pub fn opening(&self, cx: &Context<'_>, bytes: &[u8], out: &mut Vec<Alert>) -> bool {
        let server = cx.tuple.server.ip;
        let Some(hit) = self.indicators.ip(server, cx.time) else { return false };
        let Some(checkin) = c2::decode_opening(bytes) else { return false };
        let signature = &catalogue::CHECK_IN;
        out.push(alert(signature, cx, Sides::client(cx), &hit, server.to_string(), Some(checkin)));
        true
    }

    /// The body of a request, or its beginning: what it says of the victim that the head has not said. The request
    /// was told of and counted when its head came.
    pub fn request_body(&self, cx: &Context<'_>, http: &Http, body: &[u8], out: &mut Vec<Alert>) {
        let server = cx.tuple.server.ip;
        let address = server.to_string();
        let host = http.host.as_deref().unwrap_or(&address);
        let look = |seen| self.indicators.look_up(&seen, cx.time);
        let hit = look(Observable::Url { host, port: http.port, uri: &http.uri })
            .or_else(|| look(host.parse().map_or(Observable::Domain(host), Observable::Ip)))
            .or_else(|| self.indicators.ip(server, cx.time));
        let Some(hit) = hit else { return };
        let headers: Vec<_> = http.request_headers.iter().collect();
        let head = c2::Request { uri: &http.uri, headers: &headers, body: &[] };
        let told = c2::decode_request(&head).unwrap_or_default();
        let Some(checkin) = c2::decode_request(&c2::Request { body, ..head }) else { return };
        let new = |whole: &Option<Disclosure>, head: &Option<Disclosure>| {
            whole.as_ref().map(|d| &d.value) != head.as_ref().map(|d| &d.value)
        };
        if new(&checkin.host_name, &told.host_name)
            || new(&checkin.user_name, &told.user_name)
            || new(&checkin.operating_system, &told.operating_system)
        {
            let signature = &catalogue::CHECK_IN_BODY;
            out.push(alert(signature, cx, Sides::client(cx), &hit, host.to_owned(), Some(checkin)));
        }
    }

    /// Notes both addresses of a flow as parts of patterns.
    fn addresses<'a>(&'a self, cx: &Context<'_>, progress: &mut Progress, whole: &mut dyn FnMut(Match<'a>)) {
        for ip in [cx.tuple.client.ip, cx.tuple.server.ip] {
            if let Some(hit) = self.indicators.advance(&Observable::Ip(ip), cx.time, progress) {
                whole(hit);
            }
        }
    }

    /// A transaction, told of twice: when it has begun and when it is complete.
    pub fn transaction(
        &self,
        cx: &Context<'_>,
        tx: &Transaction,
        stage: Stage,
        memo: &mut Memo,
        out: &mut Vec<Alert>,
    ) {
        if self.indicators.is_empty() {
            return;
        }
        if self.indicators.has_patterns() {
            // They were told of with the first packet, where there is no memory yet.
            self.addresses(cx, &mut memo.progress, &mut |_| {});
        }
        match stage {
            Stage::Begun => self.begun(cx, tx, memo, out),
            Stage::Complete => match tx {
                Transaction::Tls(tls) => self.certificate(cx, tls, memo, out),
                Transaction::Dtls(dtls) => self.certificate(cx, &dtls.0, memo, out),
                Transaction::Smtp(smtp) => self.mail(cx, smtp, memo, out),
                _ => {}
            },
        }
    }

    fn begun(&self, cx: &Context<'_>, tx: &Transaction, memo: &mut Memo, out: &mut Vec<Alert>) {
        let tls = |tls: &Tls, memo: &mut Memo, out: &mut Vec<Alert>| {
            self.server_name(cx, tls.sni.as_deref(), memo, out);
            self.hello(cx, tls.ja3.as_ref().map(|ja3| &*ja3.hash), tls.ja4.as_deref(), memo, out);
        };
        match tx {
            Transaction::Dns(dns) => self.dns(cx, dns, memo, out),
            Transaction::Http(http) => {
                self.http(cx, http, memo, out);
                self.user_agent(cx, http.user_agent.as_deref(), memo, out);
            }
            Transaction::Dtls(dtls) => tls(&dtls.0, memo, out),
            Transaction::Tls(of) => tls(of, memo, out),
            Transaction::Quic(quic) => {
                self.server_name(cx, quic.sni.as_deref(), memo, out);
                self.hello(cx, quic.ja3.as_ref().map(|ja3| &*ja3.hash), quic.ja4.as_deref(), memo, out);
                self.user_agent(cx, quic.user_agent.as_deref(), memo, out);
            }
            Transaction::Ssh(ssh) => self.ssh(cx, ssh, memo, out),
            Transaction::Login(login) => self.login(cx, login, memo, out),
            Transaction::FileInfo(file) => self.file(cx, file, memo, out),
            // Asked of the neighbours, who know nothing of the Internet's names: whoever is called like a listed
            // domain there is not it.
            Transaction::Mdns(_) | Transaction::Llmnr(_) | Transaction::Nbns(_) => {}
            _ => {}
        }
    }

    fn dns(&self, cx: &Context<'_>, dns: &Dns, memo: &mut Memo, out: &mut Vec<Alert>) {
        let named = Sides::client(cx);
        let mut report = |seen: Observable<'_>, sides: Sides, observed: &dyn Fn() -> String| {
            if let Some(hit) = self.look(cx, &seen, memo)
                && memo.first(hit.id)
            {
                let alert = alert(&catalogue::DNS, cx, sides, &hit, observed(), None);
                self.tell(alert, &hit, out);
            }
        };
        for question in &dns.questions {
            report(Observable::Domain(&spelled(&question.name)), named, &|| question.name.clone());
        }
        for record in &dns.answers {
            let asked = || dns.questions.first().map_or(record.name.as_str(), |q| q.name.as_str());
            for name in names_in(&record.data) {
                report(Observable::Domain(&spelled(name)), named, &|| format!("{} -> {name}", asked()));
            }
            for ip in addresses_in(&record.data) {
                report(Observable::Ip(ip), Sides::client_to(cx, ip), &|| format!("{} -> {ip}", asked()));
            }
        }
    }

    fn server_name(&self, cx: &Context<'_>, name: Option<&str>, memo: &mut Memo, out: &mut Vec<Alert>) {
        let Some(name) = name else { return };
        if let Some(hit) = self.look(cx, &host_of(name), memo)
            && memo.first(hit.id)
        {
            let alert = alert(&catalogue::TLS, cx, Sides::client(cx), &hit, name.to_owned(), None);
            self.tell(alert, &hit, out);
        }
    }

    /// One alert a request; a listed URL says more than its host.
    fn http(&self, cx: &Context<'_>, http: &Http, memo: &mut Memo, out: &mut Vec<Alert>) {
        let server = cx.tuple.server.ip.to_string();
        let host = http.host.as_deref().unwrap_or(&server);
        // An address has many spellings.
        let address = host.parse::<IpAddr>().map(|ip| ip.to_canonical().to_string());
        let spelled = address.as_deref().unwrap_or(host);
        let by_url = self.look(cx, &Observable::Url { host: spelled, port: http.port, uri: &http.uri }, memo);
        let mut by_host = match host_of(host) {
            // The flow's own address was matched with its first packet; what the request gives away was not.
            Observable::Ip(ip) if ip == cx.tuple.server.ip => None,
            seen => self.look(cx, &seen, memo),
        };
        // Which of several a server obeys nobody knows.
        if by_url.is_none() && by_host.is_none() {
            let others = http.request_headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(b"host"));
            let texts =
                others.skip(1).take(MAX_HOSTS).filter_map(|(_, value)| std::str::from_utf8(value).ok());
            by_host = texts.map(str::trim).find_map(|host| self.look(cx, &host_of(host), memo));
        }
        let by_address = || self.indicators.ip(cx.tuple.server.ip, cx.time);
        let found = match by_url {
            Some(hit) => Some((&catalogue::URL, hit, None)),
            None => match by_host {
                Some(hit) => Some((&catalogue::HTTP, hit, host.parse().ok())),
                None => by_address().map(|hit| (&catalogue::HTTP, hit, Some(cx.tuple.server.ip))),
            },
        };
        if let Some((signature, hit, listed)) = found {
            let is_url = signature.sid == catalogue::URL.sid;
            let observed = if is_url { format!("{host}{}", http.uri) } else { host.to_owned() };
            let sides = listed.map_or_else(|| Sides::client(cx), |ip| Sides::client_to(cx, ip));
            let headers: Vec<_> = http.request_headers.iter().collect();
            let checkin = c2::decode_request(&c2::Request { uri: &http.uri, headers: &headers, body: &[] });
            self.tell(alert(signature, cx, sides, &hit, observed, checkin), &hit, out);
        }
    }
}

/// A name as it is compared: a dot inside a label, which is written with a backslash, is no end of a label.
fn spelled(name: &str) -> Cow<'_, str> {
    if name.contains("\\.") { name.replace("\\.", "\0").into() } else { name.into() }
}

/// Names that a record leads to.
fn names_in(data: &RData) -> impl Iterator<Item = &str> {
    let (one, many) = match data {
        RData::Cname(name) | RData::Ns(name) => (Some(name), &[][..]),
        RData::Mx { exchange, .. } => (Some(exchange), &[][..]),
        RData::Srv { target, .. } => (Some(target), &[][..]),
        RData::Told(told) => (None, &told.names[..]),
        _ => (None, &[][..]),
    };
    one.into_iter().chain(many).map(String::as_str)
}

/// Addresses that a record leads to.
fn addresses_in(data: &RData) -> impl Iterator<Item = IpAddr> {
    let (one, many) = match data {
        RData::A(ip) => (Some(IpAddr::from(*ip)), &[][..]),
        RData::Aaaa(ip) => (Some(IpAddr::from(*ip)), &[][..]),
        RData::Told(told) => (None, &told.addresses[..]),
        _ => (None, &[][..]),
    };
    one.into_iter().chain(many.iter().copied())
}

/// The domain or address that a client calls a server by, without a port.
fn host_of(text: &str) -> Observable<'_> {
    // Servers in C read no further.
    let text = text.split('\0').next().unwrap_or(text);
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(host, _)| host);
    let host = bracketed.unwrap_or_else(|| match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.parse::<u16>().is_ok() => host,
        _ => text,
    });
    host.parse().map_or(Observable::Domain(host), Observable::Ip)
}

#[cfg(test)]
#[path = "indicator_tests.rs"]
mod tests;
