//! The commands: what `ringward run`, `replay`, `stats`, `reload`, `iocs` and `report` do.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use api::{Client, Remote};
use engine::{HitRow, Loaded, ReplayOptions, Reply, Request, Stats};
use output::Recorder;

use crate::config::Config;
use crate::matching::Added;
use crate::{Failure, Reach, ReplayArgs, ReportArgs, console, inputs, matching, rulebook, setup};

/// `ringward replay`.
pub fn replay(args: ReplayArgs) -> Result<(), Failure> {
    let config = match &args.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    let added = Added { indicators: &args.iocs, allow: &args.allow, rules: &args.rules };
    let Loaded { mut snapshot, told } = matching::load(&config, &added, args.strict)?;
    snapshot.profiles = args.profile_rules.then(Arc::default);
    told.iter().for_each(|line| errln!("{line}"));
    let captures = inputs::captures(&args.pcaps, args.files_from.as_deref())?;
    let options = ReplayOptions {
        workers: args.workers.map_or(config.workers.count as usize, usize::from),
        reset: args.reset,
        keep_thresholds: args.keep_thresholds,
        worker: setup::worker(&config, None)?,
    };
    let to_record = setup::recorder(&config, args.append)?;
    make_room(&args, &captures)?;
    let recorder = Recorder::create(&args.out, to_record).map_err(Failure::running)?;
    let refused = recorder.state();
    let summary = engine::replay(&captures, &options, &snapshot, recorder).map_err(Failure::running)?;
    if let Some(profiles) = &snapshot.profiles {
        let path = args.out.join("rules-profile.json");
        setup::recorder(&config, true)?
            .access
            .save(&path, rulebook::profile(profiles).as_bytes())
            .map_err(|err| Failure::running(format!("{}: {err}", path.display())))?;
    }
    errln!(
        "{} packets, {} alerts, {} verdicts to isolate (replay enforces nothing); {}",
        summary.frames,
        summary.alerts,
        summary.isolations,
        args.out.join("eve.json").display()
    );
    let (packets, reports) =
        (refused.evidence_packets.load(Ordering::Relaxed), refused.reports.load(Ordering::Relaxed));
    let files = refused.files.load(Ordering::Relaxed);
    if files > 0 {
        errln!("{files} files are over their limits and not stored");
    }
    if packets + reports > 0 {
        errln!("{packets} evidence packets and {reports} reports are over their limits and not written");
    }
    for (name, value) in &summary.counters {
        if name == "decoder.unsupported_link" && *value > 0 {
            errln!("{value} packets have a link type that is not decoded");
        }
    }
    for incident in &summary.written.incidents {
        outln!("{}", args.out.join(incident).display());
    }
    match summary.damaged.as_slice() {
        [] => Ok(()),
        damaged => Err(Failure::running(damaged.join("\n"))),
    }
}

/// Refuses a folder that holds results, unless it is told what to do with them. Results of an earlier run are not touched if
/// an input of this one cannot be opened.
fn make_room(args: &ReplayArgs, captures: &[PathBuf]) -> Result<(), Failure> {
    let found = output::has_results(&args.out).map_err(Failure::running)?;
    let (mut wrong, mut usable) = (None, false);
    for path in captures {
        // A pipe, such as standard input, can be opened only once.
        let opened = match fs::metadata(path) {
            _ if path == Path::new(capture::STANDARD_INPUT) => Ok(()),
            Ok(kind) if !kind.is_file() => Ok(()),
            _ => capture::CaptureFile::open(path).map(drop),
        };
        usable |= opened.is_ok();
        wrong = wrong.or(opened.err());
    }
    if let Some(err) = wrong
        && (found || !usable)
    {
        return Err(Failure::running(err));
    }
    if !found || args.append {
        return Ok(());
    }
    if args.force {
        return output::remove_results(&args.out).map_err(Failure::running);
    }
    Err(Failure::usage(format!(
        "{}: it holds results of an earlier run; --force replaces them all, --append adds to them, --out names another \
         folder",
        args.out.display()
    )))
}

/// `ringward reopen`.
pub fn reopen(reach: &Reach) -> Result<(), Failure> {
    match sensor(reach)?.ask(&Request::Reopen).map_err(Failure::running)? {
        Reply::Done { message } => {
            outln!("{message}");
            Ok(())
        }
        Reply::Refused { message } | Reply::Unavailable { message } => Err(Failure::running(message)),
        _ => Err(Failure::running("the sensor answered something else")),
    }
}

/// The configuration that is meant, or the default.
pub fn configuration(reach: &Reach) -> Result<Config, Failure> {
    match &reach.config {
        Some(path) => Ok(Config::load(path)?),
        None => {
            let default = Path::new("/etc/ringward/ringward.toml");
            if default.exists() { Ok(Config::load(default)?) } else { Ok(Config::default()) }
        }
    }
}

/// The sensor that a command is for.
pub fn sensor(reach: &Reach) -> Result<Client, Failure> {
    let (Some(url), Some(ca)) = (&reach.url, &reach.ca) else {
        return Ok(Client::socket(match &reach.socket {
            Some(path) => path.clone(),
            None => configuration(reach)?.control.socket,
        }));
    };
    let remote = Remote {
        url,
        ca,
        token_file: reach.token_file.as_deref(),
        certificate: reach.cert.as_deref().zip(reach.key.as_deref()),
    };
    Client::https(&remote).map_err(Failure::usage)
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
    match sensor(reach)?.ask(&Request::Stats).map_err(Failure::running)? {
        Reply::Stats { stats } => Ok(stats),
        Reply::Refused { message } | Reply::Unavailable { message } => Err(Failure::running(message)),
        _ => Err(Failure::running("the sensor answered something else")),
    }
}

/// `ringward stats`.
pub fn stats(reach: &Reach, json: bool, prometheus: bool) -> Result<(), Failure> {
    let stats = counters(reach)?;
    if stats.get("isolation.held") != 0 {
        errln!("HOLD is in force: nothing is dropped and nobody is isolated");
    }
    for why in &stats.degraded {
        errln!("degraded: {why}");
    }
    if prometheus {
        console::out(&crate::prometheus::text(&stats));
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
        if !stats.degraded.is_empty() {
            object.insert("degraded".into(), stats.degraded.into());
        }
        console::out(&console::escaped(&serde_json::Value::Object(object).to_string()));
        console::out("\n");
    } else {
        outln!("{:<48} {:>14}", "uptime_s", stats.uptime_s);
        for (name, value) in stats.counters {
            outln!("{name:<48} {value:>14}");
        }
    }
}

/// `ringward reload`.
pub fn reload(reach: &Reach) -> Result<(), Failure> {
    match sensor(reach)?.ask(&Request::Reload).map_err(Failure::running)? {
        Reply::Done { message } => {
            message.lines().for_each(|line| outln!("{line}"));
            Ok(())
        }
        Reply::Refused { message } | Reply::Unavailable { message } => Err(Failure::running(message)),
        _ => Err(Failure::running("the sensor answered something else")),
    }
}

/// `ringward iocs hits`.
pub fn hits(reach: &Reach, top: usize, json: bool) -> Result<(), Failure> {
    let reply = sensor(reach)?.ask(&Request::IocHits { top }).map_err(Failure::running)?;
    let Reply::IocHits { total, hits } = reply else {
        return Err(Failure::running("the sensor answered something else"));
    };
    if json {
        console::json(&hits)?;
        return Ok(());
    }
    for HitRow { kind, indicator, hits, last_hit, source } in &hits {
        let last = time::OffsetDateTime::from_unix_timestamp(i64::from(*last_hit)).ok();
        let last = last.and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok());
        outln!("{hits:>10}  {:<20}  {kind:<12} {indicator}  {source}", last.unwrap_or_default());
    }
    if total > hits.len() {
        outln!("{} more; --top shows them", total - hits.len());
    }
    Ok(())
}

/// `ringward report`.
pub fn report(args: &ReportArgs) -> Result<(), Failure> {
    let path = incident_path(args)?;
    let incident = output::load_incident(&path).map_err(Failure::running)?;
    fs::write(&args.out, output::render_html(&incident, &links_from(&args.out, &path)))
        .map_err(|err| Failure::running(format!("{}: {err}", args.out.display())))?;
    outln!("{}", args.out.display());
    Ok(())
}

/// How a page at `out` reaches the sensor's output directory, whose `incidents/` has the incident's file: a relative path
/// where both are below one directory other than the root, else a `file:` URL.
fn links_from(out: &Path, incident: &Path) -> String {
    let folder = |path: &Path| {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        parent.canonicalize().unwrap_or_else(|_| parent.to_owned())
    };
    let from = folder(out);
    let to = folder(incident);
    let to = to.parent().unwrap_or(&to);
    let shared = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    if shared <= 1 {
        return format!("file://{}", to.display()).trim_end_matches('/').to_owned();
    }
    let up = from.components().skip(shared).map(|_| "..".to_owned());
    let down = to.components().skip(shared).map(|part| part.as_os_str().to_string_lossy().into_owned());
    let links: Vec<String> = up.chain(down).collect();
    if links.is_empty() { ".".into() } else { links.join("/") }
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
