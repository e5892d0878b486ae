//! From configuration to the options of the rooms.

use std::time::Duration;

use alert::Severity;
use capture::{BindMode, Steering, XdpMode};
use engine::{
    BypassOptions, CapturePortOptions, FileOptions, GuardPort, InlinePair, MoreCounters, SensorOptions,
    Wakeup, WorkerOptions,
};
use flow::defrag::DefragOptions;
use flow::{HostPolicies, OverlapPolicy, Pressure, StateTimeouts, StreamOptions, Timeouts};
use ipnet::IpNet;
use output::{Access, DnsVersion, EventTypes, FileBudget, RecorderOptions, Rotation, Shown};
use verdict::Policy;
use wire::Nanos;

use crate::Failure;
use crate::config::{
    self, Bind, Config, FragmentOverlap, Hash, HostOverlap, OnFailure, Overlap, Role, Steer, Xdp,
};

const MIB: u64 = 1024 * 1024;

/// The isolation policy.
pub fn policy(config: &Config) -> Result<Policy, Failure> {
    config.policy.policy(&remediation(config)?).map_err(Failure::usage)
}

/// Networks that isolated hosts still reach.
fn remediation(config: &Config) -> Result<Vec<IpNet>, Failure> {
    config.isolation.remediation.iter().map(|net| config::network(net).map_err(Failure::usage)).collect()
}

/// A severity by its number; the configuration has checked it.
pub fn severity(number: u8) -> Severity {
    match number {
        1 => Severity::High,
        2 => Severity::Medium,
        3 => Severity::Low,
        _ => Severity::Informational,
    }
}

/// How fragments are put together.
fn defrag(config: &Config) -> Result<DefragOptions, Failure> {
    let d = &config.defrag;
    let networks = hosts(&d.hosts, fragment_overlap)?;
    Ok(DefragOptions {
        timeout_ipv4: Duration::from_secs(d.timeout),
        timeout_ipv6: Duration::from_secs(d.timeout_ipv6),
        max_datagrams: d.max_datagrams,
        max_bytes: (u64::from(d.max_mib) * MIB) as usize,
        policies: DefragOptions::policies(
            fragment_overlap(d.policy),
            fragment_overlap(d.policy_ipv6),
            networks,
        ),
    })
}

fn fragment_overlap(policy: FragmentOverlap) -> flow::defrag::Policy {
    match policy {
        FragmentOverlap::First => flow::defrag::Policy::First,
        FragmentOverlap::Last => flow::defrag::Policy::Last,
        FragmentOverlap::Bsd => flow::defrag::Policy::Bsd,
        FragmentOverlap::BsdRight => flow::defrag::Policy::BsdRight,
        FragmentOverlap::Linux => flow::defrag::Policy::Linux,
        FragmentOverlap::Windows => flow::defrag::Policy::Windows,
        FragmentOverlap::Solaris => flow::defrag::Policy::Solaris,
        FragmentOverlap::Discard => flow::defrag::Policy::Discard,
    }
}

/// The policies of networks.
fn hosts<C: Copy, P>(hosts: &[HostOverlap<C>], policy: impl Fn(C) -> P) -> Result<Vec<(IpNet, P)>, Failure> {
    hosts
        .iter()
        .map(|host| Ok((config::network(&host.net).map_err(Failure::usage)?, policy(host.policy))))
        .collect()
}

/// How TCP streams are followed.
fn streams(config: &Config) -> Result<StreamOptions, Failure> {
    let s = &config.streams;
    Ok(StreamOptions {
        policies: HostPolicies::new(overlap(s.policy), hosts(&s.hosts, overlap)?),
        depth: s.depth_kib * 1024,
        memory: u64::from(s.memory_mib) * MIB,
    })
}

fn overlap(policy: Overlap) -> OverlapPolicy {
    match policy {
        Overlap::First => OverlapPolicy::First,
        Overlap::Last => OverlapPolicy::Last,
        Overlap::Bsd => OverlapPolicy::Bsd,
        Overlap::Linux => OverlapPolicy::Linux,
        Overlap::OldLinux => OverlapPolicy::OldLinux,
        Overlap::Windows => OverlapPolicy::Windows,
        Overlap::Vista => OverlapPolicy::Vista,
        Overlap::Solaris => OverlapPolicy::Solaris,
        Overlap::HpUx => OverlapPolicy::HpUx,
        Overlap::MacOs => OverlapPolicy::MacOs,
    }
}

/// Worker settings; `clock` is the monotonic clock of a live sensor.
pub fn worker(config: &Config, clock: Option<fn() -> Nanos>) -> Result<WorkerOptions, Failure> {
    let t = &config.flow.timeout;
    let of = |new, established, closed| StateTimeouts {
        new: Duration::from_secs(new),
        established: Duration::from_secs(established),
        closed: Duration::from_secs(closed),
    };
    Ok(WorkerOptions {
        max_flows: config.flow.max_flows,
        pressure: Pressure { percent: config.flow.pressure_percent, divisor: config.flow.pressure_divisor },
        interim: Duration::from_secs(config.flow.interim_secs.into()),
        timeouts: Timeouts {
            tcp: of(t.tcp_new, t.tcp_established, t.tcp_closed),
            udp: of(t.udp_new, t.udp_established, 0),
            icmp: of(t.icmp_new, t.icmp_established, 0),
            other: of(t.other_new, t.other_established, 0),
        },
        streams: streams(config)?,
        tunnels: config.workers.tunnels,
        defrag: defrag(config)?,
        lookback: (u64::from(config.evidence.lookback_mib) * MIB) as usize,
        files: files(config, clock.is_some()),
        evidence_limit: u64::from(config.evidence.max_mib_per_flow) * MIB,
        rule_windows: u64::from(config.rules.window_mib) * MIB,
        evidence_severity: severity(config.evidence.min_severity),
        shown: Shown { alert: config.output.alert.options(), ethernet: config.output.ethernet },
        clock,
    })
}

/// What is done with files. A replay has nobody to keep up with, and must not depend on how fast the disk is.
fn files(config: &Config, live: bool) -> FileOptions {
    let f = &config.files;
    let asked = |hash| f.hash.contains(&hash);
    FileOptions {
        md5: asked(Hash::Md5),
        sha1: asked(Hash::Sha1),
        sha256: asked(Hash::Sha256),
        magic: f.magic,
        store: f.store,
        max_size: u64::from(f.max_mib) * MIB,
        budget: FileBudget::new(if live { u64::from(f.max_waiting_mib) * MIB } else { u64::MAX / 2 }),
        ..FileOptions::default()
    }
}

/// What may be written.
pub fn recorder(config: &Config, append: bool) -> Result<RecorderOptions, Failure> {
    let group = config.output.gid().map_err(|what| Failure::usage(format!("output.group: {what}")))?;
    Ok(RecorderOptions {
        append,
        evidence_bytes: u64::from(config.evidence.max_total_mib) * MIB,
        file_bytes: u64::from(config.files.max_total_mib) * MIB,
        reports: u64::from(config.output.max_reports),
        netflow: config.output.netflow,
        dns: if config.output.dns_version == 2 { DnsVersion::V2 } else { DnsVersion::V3 },
        secrets: config.output.secrets,
        events: match config.output.events.as_slice() {
            [] => EventTypes::All,
            names => EventTypes::Only(names.to_vec()),
        },
        alert: config.output.alert.options(),
        sensor: config.output.sensor(),
        access: Access { group },
        rotation: Rotation {
            size: config.output.rotate_size(),
            every: config.output.rotate_every(),
            keep: config.output.keep,
            compress: config.output.compress,
        },
        waiting_bytes: (u64::from(config.output.max_waiting_mib) * MIB) as usize,
    })
}

/// Where the control API is served.
pub fn api(config: &Config) -> Result<api::Options, Failure> {
    let control = &config.control;
    let group = &control.socket_group;
    let socket = api::SocketOptions {
        path: control.socket.clone(),
        mode: control.mode().unwrap_or_default(),
        group: (!group.is_empty()).then(|| group.clone()),
    };
    let a = &config.api;
    let Ok(listen) = a.listen.parse() else { return Ok(api::Options { socket, https: None }) };
    let token = |token: &config::ApiToken| {
        let scope = match token.scope {
            config::TokenScope::Read => api::Scope::Read,
            config::TokenScope::Write => api::Scope::Write,
        };
        token.hash().map(|hash| api::Token { name: token.name.clone(), hash, scope })
    };
    let https = api::HttpsOptions {
        listen,
        certificate: a.certificate.clone(),
        key: a.key.clone(),
        client_ca: (!a.client_ca.as_os_str().is_empty()).then(|| a.client_ca.clone()),
        client_write: a.client_write.clone(),
        tokens: a.tokens.iter().map(token).collect::<Result<_, _>>().map_err(Failure::usage)?,
    };
    Ok(api::Options { socket, https: Some(https) })
}

/// Everything a live sensor needs, and what is counted beside it.
pub fn sensor(config: &Config, more_counters: Vec<MoreCounters>) -> Result<SensorOptions, Failure> {
    let mode = |xdp| match xdp {
        Xdp::Native => XdpMode::Native,
        Xdp::Generic => XdpMode::Generic,
        Xdp::Auto => XdpMode::Auto,
    };
    let bind = |bind| match bind {
        Bind::Auto => BindMode::Auto,
        Bind::ZeroCopy => BindMode::ZeroCopy,
        Bind::Copy => BindMode::Copy,
    };
    let of = |role| config.port.iter().filter(move |p| p.role == role);
    Ok(SensorOptions {
        capture: of(Role::Capture)
            .map(|p| CapturePortOptions { name: p.name.clone(), mode: mode(p.xdp), bind: bind(p.bind) })
            .collect(),
        guard: of(Role::Guard).map(|p| GuardPort { name: p.name.clone(), mode: mode(p.xdp) }).collect(),
        inline: of(Role::Inline)
            .map(|p| InlinePair {
                names: [p.name.clone(), p.peer.clone()],
                mode: mode(p.xdp),
                bind: bind(p.bind),
                fail_closed: p.on_failure == OnFailure::Closed,
            })
            .collect(),
        steering: match config.workers.steer {
            Steer::Flow => Steering::Flow,
            Steer::Rss => Steering::Rss,
        },
        tunnels: config.workers.tunnels,
        bypass: BypassOptions {
            capacity: config.bypass.max_flows,
            inspected: config.bypass.inspected,
            shed: config.bypass.shed,
        },
        workers: config.workers.count,
        cpus: config.workers.cpus.clone(),
        rx_ring: config.workers.rx_ring,
        wakeup: match config.workers.wakeup {
            config::Wakeup::Adaptive => Wakeup::Adaptive,
            config::Wakeup::Spin => Wakeup::Spin,
            config::Wakeup::BusyPoll => Wakeup::BusyPoll,
        },
        pins: config.isolation.pin_dir.clone(),
        isolation_capacity: config.isolation.capacity,
        remediation: remediation(config)?,
        hold_file: config.isolation.hold_file.clone(),
        stats_interval: Duration::from_secs(config.output.stats_interval),
        worker: worker(config, Some(engine::monotonic))?,
        more_counters,
        restore: None,
    })
}
