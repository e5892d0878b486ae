//! Threat-intelligence indicators: domains, addresses and URLs seen on the wire.

use std::net::IpAddr;
use std::sync::Arc;

use alert::{Alert, CheckIn, IndicatorHit, RINGWARD_GID};
use intel::{Indicators, Match};
use proto::dns::{Dns, RData};
use proto::{Http, Transaction};

use crate::catalogue::{self, SignatureInfo};
use crate::{Context, Memo, c2};

/// Matches indicators. Cheap to clone: workers share the set.
#[derive(Clone, Debug)]
pub struct IndicatorDetector {
    indicators: Arc<Indicators>,
}

/// Who is who in an alert.
#[derive(Clone, Copy)]
struct Sides {
    victim: Option<IpAddr>,
    peer: IpAddr,
}

impl IndicatorDetector {
    /// A detector for that set.
    #[must_use]
    pub fn new(indicators: Arc<Indicators>) -> Self {
        IndicatorDetector { indicators }
    }

    /// The first packet of a flow: listed addresses. Whom a listed address calls is no victim yet: to
    /// isolate everybody it sends a packet to would hand it a weapon.
    pub fn flow_start(&self, cx: &Context<'_>, out: &mut Vec<Alert>) {
        if self.indicators.is_empty() {
            return;
        }
        let (client, server) = (cx.tuple.client.ip, cx.tuple.server.ip);
        if let Some(hit) = self.indicators.ip(server) {
            let sides = Sides { victim: Some(client), peer: server };
            out.push(alert(&catalogue::IP, cx, sides, &hit, server.to_string(), None));
        }
        if let Some(hit) = self.indicators.ip(client) {
            let sides = Sides { victim: None, peer: client };
            out.push(alert(&catalogue::IP_INBOUND, cx, sides, &hit, client.to_string(), None));
        }
    }

    /// A transaction.
    pub fn transaction(&self, cx: &Context<'_>, tx: &Transaction, memo: &mut Memo, out: &mut Vec<Alert>) {
        if self.indicators.is_empty() {
            return;
        }
        match tx {
            Transaction::Dns(dns) => self.dns(cx, dns, memo, out),
            Transaction::Http(http) => self.http(cx, http, out),
            Transaction::Dtls(dtls) => self.server_name(cx, dtls.0.sni.as_deref(), memo, out),
            Transaction::Quic(quic) => self.server_name(cx, quic.sni.as_deref(), memo, out),
            Transaction::Tls(tls) => self.server_name(cx, tls.sni.as_deref(), memo, out),
            // Asked of the neighbours, who know nothing of the Internet's names: whoever is called like a listed
            // domain there is not it.
            Transaction::Mdns(_) | Transaction::Llmnr(_) | Transaction::Nbns(_) => {}
            _ => {}
        }
    }

    fn dns(&self, cx: &Context<'_>, dns: &Dns, memo: &mut Memo, out: &mut Vec<Alert>) {
        let sides = Sides { victim: Some(cx.tuple.client.ip), peer: cx.tuple.server.ip };
        let mut report = |hit: Option<Match<'_>>, observed: &dyn Fn() -> String| {
            if let Some(hit) = hit.filter(|hit| memo.first(hit.id)) {
                out.push(alert(&catalogue::DNS, cx, sides, &hit, observed(), None));
            }
        };
        for question in &dns.questions {
            report(self.indicators.domain(&question.name), &|| question.name.clone());
        }
        for record in &dns.answers {
            let asked = || dns.questions.first().map_or(record.name.as_str(), |q| q.name.as_str());
            match &record.data {
                RData::Cname(name) => {
                    report(self.indicators.domain(name), &|| format!("{} -> {name}", asked()));
                }
                RData::A(ip) => {
                    report(self.indicators.ip((*ip).into()), &|| format!("{} -> {ip}", asked()));
                }
                RData::Aaaa(ip) => {
                    report(self.indicators.ip((*ip).into()), &|| format!("{} -> {ip}", asked()));
                }
                _ => {}
            }
        }
    }

    fn server_name(&self, cx: &Context<'_>, name: Option<&str>, memo: &mut Memo, out: &mut Vec<Alert>) {
        let Some(name) = name else { return };
        if let Some(hit) = self.indicators.domain(name).filter(|hit| memo.first(hit.id)) {
            let sides = Sides { victim: Some(cx.tuple.client.ip), peer: cx.tuple.server.ip };
            out.push(alert(&catalogue::TLS, cx, sides, &hit, name.to_owned(), None));
        }
    }

    /// One alert a request; a listed URL says more than its host.
    fn http(&self, cx: &Context<'_>, http: &Http, out: &mut Vec<Alert>) {
        let server = cx.tuple.server.ip.to_string();
        let host = http.host.as_deref().unwrap_or(&server);
        let by_url = self.indicators.url(host, http.port, &http.uri);
        let (signature, hit) = match by_url {
            Some(hit) => (&catalogue::URL, hit),
            None => {
                let by_host = match host.parse::<IpAddr>() {
                    // The flow's own address was matched with its first packet.
                    Ok(ip) if ip == cx.tuple.server.ip => None,
                    Ok(ip) => self.indicators.ip(ip),
                    Err(_) => self.indicators.domain(host),
                };
                match by_host {
                    Some(hit) => (&catalogue::HTTP, hit),
                    None => return self.http_to_listed_address(cx, http, host, out),
                }
            }
        };
        self.http_alert(cx, http, host, signature, &hit, out);
    }

    /// A request on a flow to a listed address was alerted on already; what it gives away was not.
    fn http_to_listed_address(&self, cx: &Context<'_>, http: &Http, host: &str, out: &mut Vec<Alert>) {
        if let Some(hit) = self.indicators.ip(cx.tuple.server.ip) {
            self.http_alert(cx, http, host, &catalogue::HTTP, &hit, out);
        }
    }

    fn http_alert(
        &self,
        cx: &Context<'_>,
        http: &Http,
        host: &str,
        signature: &SignatureInfo,
        hit: &Match<'_>,
        out: &mut Vec<Alert>,
    ) {
        let sides = Sides { victim: Some(cx.tuple.client.ip), peer: cx.tuple.server.ip };
        let observed = if hit.kind == "url" { format!("{host}{}", http.uri) } else { host.to_owned() };
        let checkin = c2::decode(&http.uri);
        out.push(alert(signature, cx, sides, hit, observed, checkin));
    }
}

fn alert(
    signature: &SignatureInfo,
    cx: &Context<'_>,
    sides: Sides,
    hit: &Match<'_>,
    observed: String,
    checkin: Option<CheckIn>,
) -> Alert {
    let mut techniques = signature.techniques.to_vec();
    if let Some(checkin) = &checkin {
        techniques.extend(c2::techniques(checkin));
    }
    Alert {
        time: cx.time,
        arrival: cx.arrival,
        raised: None,
        gid: RINGWARD_GID,
        sid: signature.sid,
        rev: signature.rev,
        signature: signature.signature.into(),
        category: signature.category.into(),
        severity: signature.severity,
        observation: signature.observation,
        direction: cx.direction,
        victim: sides.victim,
        peer: Some(sides.peer),
        hit: Some(IndicatorHit {
            kind: hit.kind,
            indicator: Arc::from(hit.indicator),
            observed,
            description: hit.description.map(Arc::from),
            source: format!("{}:{}", hit.file, hit.line),
        }),
        rule: None,
        techniques,
        checkin,
    }
}

#[cfg(test)]
#[path = "indicator_tests.rs"]
mod tests;
