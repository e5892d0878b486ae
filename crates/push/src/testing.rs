//! Events to tell, for tests.

use std::net::IpAddr;
use std::sync::Arc;

use alert::{
    Alert, Basis, Binding, IndicatorHit, Observation, Orientation, Parties, Proof, Severity, Technique,
};
use flow::FlowTuple;
use output::{AlertEvent, IsolationAction, IsolationEvent, Latency, Source, Stamp};
use wire::{Direction, Endpoint, IpProto, Nanos, Scope, Target, Vlans};

/// 2023-11-14T22:13:20.123456Z.
pub(crate) const TIME: Nanos = Nanos(1_700_000_000_123_456_789);

pub(crate) fn stamp() -> Stamp {
    Stamp { time: TIME, source: Source::Interface("span".into()), packet: None }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn tuple(client: &str, server: &str) -> FlowTuple {
    FlowTuple {
        id: 7,
        client: Endpoint { ip: ip(client), port: 40_000 },
        server: Endpoint { ip: ip(server), port: 53 },
        proto: IpProto::UDP,
        vlans: Vlans::default(),
        start: TIME,
    }
}

/// An alert with this signature and this indicator.
pub(crate) fn alert(text: &str) -> AlertEvent {
    let hit = IndicatorHit {
        kind: "domain",
        indicator: Arc::from(text),
        observed: text.to_owned(),
        description: Some(Arc::from(text)),
        source: "iocs.csv:1".into(),
        confidence: None,
        tags: vec![text.to_owned()],
        techniques: Vec::new(),
    };
    let alert = Alert {
        time: TIME,
        arrival: None,
        raised: None,
        gid: 7737,
        sid: 1001,
        rev: 1,
        signature: Arc::<str>::from(text).into(),
        category: Arc::<str>::from(text).into(),
        severity: Severity::High,
        observation: Observation::Dns,
        direction: Direction::ToServer,
        victim: Some(ip("10.77.0.1")),
        basis: Some(Basis::Detector),
        proof: Proof { orientation: Orientation::Handshake, established: true, binding: Binding::Unknown },
        parties: Parties::default(),
        peer: Some(ip("10.77.0.2")),
        hit: Some(hit),
        rule: None,
        techniques: vec![Technique::Dns],
        checkin: None,
    };
    AlertEvent { flow: Some(tuple("10.77.0.1", "10.77.0.2")), ..AlertEvent::of_frame(alert) }
}

pub(crate) fn isolation() -> IsolationEvent {
    IsolationEvent {
        verdict: 9,
        target: Target::host(ip("10.77.0.1")),
        scope: Scope::Both,
        action: IsolationAction::Isolate,
        by: "indicator".into(),
        who: None,
        reason: "because".into(),
        enforced: true,
        not_enforced_because: None,
        until: Some(TIME),
        relapse: 0,
        rule: None,
        dropped_packets: 0,
        dropped_bytes: 0,
        latency: Latency::default(),
        flow: Some(tuple("10.77.0.1", "10.77.0.2")),
        peer: Some(ip("10.77.0.2")),
        places: None,
        impact: None,
    }
}

/// A certificate for localhost with its key: as a server has them, and as a file for clients to trust.
pub(crate) fn server_tls(ca_file: &std::path::Path) -> Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(ca_file, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    Arc::new(config)
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !so() {
        assert!(std::time::Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// The value of a counter.
pub(crate) fn count(counters: &crate::Counters, name: &str) -> u64 {
    let all = counters.read("x");
    all.iter().find(|(n, _)| n == &format!("push.x.{name}")).map(|&(_, value)| value).unwrap()
}
