//! The commands: what `ringward run`, `replay`, `isolate`, `stats` and `report` do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use capture::PinnedIsolation;
use engine::{ControlError, HitRow, Loaded, Matching, ReplayOptions, Reply, Request, Sensor, Stats, Stopped};
use output::Recorder;

use crate::config::Config;
use crate::matching::Added;
use crate::{
    Failure, IsolateAction, Reach, ReplayArgs, ReportArgs, exporter, fleet, matching, rulebook, setup,
};

const POLL: Duration = Duration::from_millis(50);

/// `ringward run`.
pub fn run(path: &Path, strict: bool) -> Result<(), Failure> {
    let config = Config::load(path)?;
    if config.port.is_empty() {
        return Err(Failure::usage(format!(
            "{}: port: no port is configured; add a [[port]] with name and role",
            path.display()
        )));
    }
    if !engine::is_root() {
        return Err(Failure::running(
            "AF_XDP and BPF need root (or CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF); `ringward replay` does not",
        ));
    }
    capture::log_libbpf();
    let mut options = setup::sensor(&config)?;
    let mut taps = Vec::new();
    let mut joining = None;
    if let Some((fleet, tap, counters)) = fleet::prepare(&config)? {
        joining = Some(fleet);
        taps.push(tap);
        options.extra_counters.push(counters);
    }
    let Loaded { snapshot, told } = matching::load(&config, &Added::default(), strict)?;
    told.iter().for_each(|line| eprintln!("ringward: {line}"));
    let recorder =
        Recorder::create(&config.output.dir, setup::recorder(&config, true)).map_err(Failure::running)?;
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.clone()).map_err(Failure::running)?;
    }
    let again = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGHUP, again.clone()).map_err(Failure::running)?;
    let matching = Matching { snapshot, load: matching::reload(path, strict) };
    let sensor = Sensor::start(options, matching, recorder, taps).map_err(Failure::running)?;
    if let Ok(at) = config.control.prometheus.parse()
        && let Err(err) = exporter::start(at, config.control.socket.clone())
    {
        let _ = sensor.stop();
        return Err(Failure::running(format!("control.prometheus: cannot listen on {at}: {err}")));
    }
    let joined = match joining.map(|fleet| fleet.join(sensor.desk())).transpose() {
        Ok(joined) => joined,
        Err(err) => {
            let _ = sensor.stop();
            return Err(err);
        }
    };
    eprintln!("ringward: running; output in {}", config.output.dir.display());
    let mut broken = false;
    while !stop.load(Ordering::Relaxed) && !broken {
        thread::sleep(POLL);
        broken = sensor.is_broken();
        if again.swap(false, Ordering::Relaxed) {
            sensor.reload();
        }
    }
    if let Some(joined) = &joined {
        joined.close();
    }
    let stopped = sensor.stop().map_err(Failure::running)?;
    if let Some(joined) = joined {
        joined.stop();
    }
    summary(&stopped);
    if broken { Err(Failure::running("a thread died; see above")) } else { Ok(()) }
}

fn summary(stopped: &Stopped) {
    let s = &stopped.stats;
    eprintln!(
        "ringward: received {} = processed {} + bypassed {} + passed {} + isolated {} + dropped {} + in flight {}",
        s.get("capture.received"),
        s.get("capture.processed"),
        s.get("capture.bypassed"),
        s.get("capture.passed"),
        s.get("capture.isolated"),
        s.get("capture.dropped"),
        s.get("capture.in_flight")
    );
    if stopped.inline {
        eprintln!(
            "ringward: inline ports stay in force, the kernel forwards alone; `ip link set dev NAME xdp off` on both \
             ends takes the wire down"
        );
    }
    let (count, p50, p99, max) = stopped.latency_ns;
    if count > 0 {
        eprintln!(
            "ringward: packet to map entry, {count} isolations: p50 {p50} ns, p99 {p99} ns, max {max} ns"
        );
    }
    if !stopped.still_isolated.is_empty() {
        let hosts = &stopped.still_isolated;
        eprintln!(
            "ringward: {} stay isolated until their time is over, and the guard ports in force for that; \
             `ringward isolate flush` releases them",
            hosts.join(", ")
        );
    }
}

/// `ringward replay`.
pub fn replay(args: ReplayArgs) -> Result<(), Failure> {
    let config = match &args.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    let added = Added { indicators: &args.iocs, allow: &args.allow, rules: &args.rules };
    let Loaded { mut snapshot, told } = matching::load(&config, &added, args.strict)?;
    snapshot.profiles = args.profile_rules.then(Arc::default);
    told.iter().for_each(|line| eprintln!("ringward: {line}"));
    let options = ReplayOptions {
        workers: args.workers.map_or(config.workers.count as usize, usize::from),
        reset: args.reset,
        keep_thresholds: args.keep_thresholds,
        worker: setup::worker(&config, None)?,
        policy: setup::policy(&config)?,
    };
    let recorder = Recorder::create(&args.out, setup::recorder(&config, false)).map_err(Failure::running)?;
    let refused = recorder.refused();
    let summary = engine::replay(&args.pcaps, &options, &snapshot, recorder).map_err(Failure::running)?;
    if let Some(profiles) = &snapshot.profiles {
        let path = args.out.join("rules-profile.json");
        fs::write(&path, rulebook::profile(profiles))
            .map_err(|err| Failure::running(format!("{}: {err}", path.display())))?;
    }
    eprintln!(
        "ringward: {} packets, {} alerts, {} verdicts to isolate (replay enforces nothing); {}",
        summary.frames,
        summary.alerts,
        summary.isolations,
        args.out.join("eve.json").display()
    );
    let (packets, reports) =
        (refused.evidence_packets.load(Ordering::Relaxed), refused.reports.load(Ordering::Relaxed));
    let files = refused.files.load(Ordering::Relaxed);
    if files > 0 {
        eprintln!("ringward: {files} files are over their limits and not stored");
    }
    if packets + reports > 0 {
        eprintln!(
            "ringward: {packets} evidence packets and {reports} reports are over their limits and not written"
        );
    }
    for (name, value) in &summary.counters {
        if name == "decoder.unsupported_link" && *value > 0 {
            eprintln!("ringward: {value} packets have a link type that is not decoded");
        }
    }
    for incident in &summary.written.incidents {
        println!("{}", args.out.join(incident).display());
    }
    match summary.damaged.as_slice() {
        [] => Ok(()),
        damaged => Err(Failure::running(damaged.join("\nringward: "))),
    }
}

fn configuration(reach: &Reach) -> Result<Config, Failure> {
    match &reach.config {
        Some(path) => Ok(Config::load(path)?),
        None => {
            let default = Path::new("/etc/ringward/ringward.toml");
            if default.exists() { Ok(Config::load(default)?) } else { Ok(Config::default()) }
        }
    }
}

fn socket(reach: &Reach) -> Result<PathBuf, Failure> {
    match &reach.socket {
        Some(path) => Ok(path.clone()),
        None => Ok(configuration(reach)?.control.socket),
    }
}

/// `ringward isolate`.
pub fn isolate(reach: &Reach, action: &IsolateAction) -> Result<(), Failure> {
    let request = match action {
        IsolateAction::Add { host, ttl, reason } => Request::IsolateAdd {
            host: host.to_string(),
            ttl_s: ttl.map(|t| t.as_secs()),
            reason: reason.clone(),
        },
        IsolateAction::Rm { host } => Request::IsolateRm { host: host.to_string() },
        IsolateAction::List { .. } => Request::IsolateList,
        IsolateAction::Flush => Request::IsolateFlush,
    };
    match engine::request(&socket(reach)?, &request) {
        Ok(reply) => answer(reply, action),
        Err(ControlError::NotRunning { .. }) if matches!(action, IsolateAction::Flush) => flush_pinned(reach),
        Err(err) => Err(Failure::running(err)),
    }
}

fn answer(reply: Reply, action: &IsolateAction) -> Result<(), Failure> {
    match reply {
        Reply::Done { message } => {
            println!("{message}");
            Ok(())
        }
        Reply::Refused { message } => Err(Failure::running(message)),
        Reply::Hosts { hosts } if matches!(action, IsolateAction::List { json: true }) => {
            println!("{}", serde_json::to_string_pretty(&hosts).map_err(Failure::running)?);
            Ok(())
        }
        Reply::Hosts { hosts } => {
            for h in hosts {
                println!(
                    "{:<40} {:>7} s left  {:>8} packets {:>10} bytes dropped  {}: {}",
                    h.host, h.remaining_s, h.dropped_packets, h.dropped_bytes, h.by, h.reason
                );
            }
            Ok(())
        }
        Reply::Stats { .. } | Reply::IocHits { .. } => {
            Err(Failure::running("the sensor answered something else"))
        }
    }
}

/// The kill switch must work while the sensor is down.
fn flush_pinned(reach: &Reach) -> Result<(), Failure> {
    let folder = configuration(reach)?.isolation.pin_dir;
    let Some(map) = PinnedIsolation::open(&folder).map_err(Failure::running)? else {
        println!("no sensor is running and nothing is pinned in {}", folder.display());
        return Ok(());
    };
    let entries = map.entries().map_err(Failure::running)?;
    for (host, _) in &entries {
        map.remove(*host).map_err(Failure::running)?;
    }
    println!("{} hosts released from the pinned map; no sensor is running", entries.len());
    Ok(())
}

/// `ringward fleet status`: the counters of the fleet among the sensor's.
pub fn fleet(reach: &Reach, json: bool) -> Result<(), Failure> {
    let mut stats = counters(reach)?;
    stats.counters.retain(|(name, _)| name.starts_with("fleet.") || name == "output.fleet_lost");
    if stats.counters.is_empty() {
        return Err(Failure::running("the sensor is in no fleet; [fleet] servers and site put it into one"));
    }
    print_counters(stats, json);
    Ok(())
}

fn counters(reach: &Reach) -> Result<Stats, Failure> {
    match engine::request(&socket(reach)?, &Request::Stats).map_err(Failure::running)? {
        Reply::Stats { stats } => Ok(stats),
        _ => Err(Failure::running("the sensor answered something else")),
    }
}

/// `ringward stats`.
pub fn stats(reach: &Reach, json: bool, prometheus: bool) -> Result<(), Failure> {
    let stats = counters(reach)?;
    if prometheus {
        print!("{}", crate::prometheus::text(&stats));
    } else {
        print_counters(stats, json);
    }
    Ok(())
}

fn print_counters(stats: Stats, json: bool) {
    if json {
        let mut object = serde_json::Map::new();
        object.insert("uptime_s".into(), stats.uptime_s.into());
        for (name, value) in stats.counters {
            object.insert(name, value.into());
        }
        println!("{}", serde_json::Value::Object(object));
    } else {
        println!("{:<48} {:>14}", "uptime_s", stats.uptime_s);
        for (name, value) in stats.counters {
            println!("{name:<48} {value:>14}");
        }
    }
}

/// `ringward reload`.
pub fn reload(reach: &Reach) -> Result<(), Failure> {
    match engine::request(&socket(reach)?, &Request::Reload).map_err(Failure::running)? {
        Reply::Done { message } => {
            println!("{message}");
            Ok(())
        }
        Reply::Refused { message } => Err(Failure::running(message)),
        _ => Err(Failure::running("the sensor answered something else")),
    }
}

/// `ringward iocs hits`.
pub fn hits(reach: &Reach, top: usize, json: bool) -> Result<(), Failure> {
    let reply = engine::request(&socket(reach)?, &Request::IocHits { top }).map_err(Failure::running)?;
    let Reply::IocHits { total, hits } = reply else {
        return Err(Failure::running("the sensor answered something else"));
    };
    if json {
        println!("{}", serde_json::to_string_pretty(&hits).map_err(Failure::running)?);
        return Ok(());
    }
    for HitRow { kind, indicator, hits, last_hit, source } in &hits {
        let last = time::OffsetDateTime::from_unix_timestamp(i64::from(*last_hit)).ok();
        let last = last.and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok());
        println!("{hits:>10}  {:<20}  {kind:<12} {indicator}  {source}", last.unwrap_or_default());
    }
    if total > hits.len() {
        println!("{} more; --top shows them", total - hits.len());
    }
    Ok(())
}

/// `ringward report`.
pub fn report(args: &ReportArgs) -> Result<(), Failure> {
    let path = incident_path(args)?;
    let incident = output::load_incident(&path).map_err(Failure::running)?;
    fs::write(&args.out, output::render_html(&incident))
        .map_err(|err| Failure::running(format!("{}: {err}", args.out.display())))?;
    println!("{}", args.out.display());
    Ok(())
}

fn incident_path(args: &ReportArgs) -> Result<PathBuf, Failure> {
    if let Some(path) = args.incident.as_deref().map(Path::new).filter(|p| p.is_file()) {
        return Ok(path.to_owned());
    }
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => Config::load(&args.config)?.output.dir,
    };
    let folder = dir.join("incidents");
    if let Some(id) = &args.incident {
        let path = folder.join(format!("{id}.json"));
        return if path.is_file() {
            Ok(path)
        } else {
            Err(Failure::usage(format!("no incident {id} in {}", folder.display())))
        };
    }
    let written = |path: &PathBuf| fs::metadata(path).and_then(|m| m.modified()).ok();
    fs::read_dir(&folder)
        .map_err(|err| Failure::running(format!("{}: {err}", folder.display())))?
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .max_by_key(|path| (written(path), path.clone()))
        .ok_or_else(|| Failure::running(format!("no incident in {}", folder.display())))
}
