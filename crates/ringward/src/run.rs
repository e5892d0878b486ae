//! `ringward run`: the sensor and all that runs beside it, from start to end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use alert::Text;
use api::{ApiError, Bound};
use engine::{Desk, Loaded, Matching, Sensor, SensorOptions, Stopped, Tap};
use output::{AuditAction, AuditEvent, Recorder};

use crate::config::{Config, Mode, Role};
use crate::ledger::{self, Book};
use crate::push::Pushes;
use crate::{Failure, exporter, fleet, matching, setup, signals};

const POLL: Duration = Duration::from_millis(50);

/// `ringward run`.
pub fn run(path: &Path, strict: bool) -> Result<(), Failure> {
    signals::ignore_strays()?;
    let flag = || Arc::new(AtomicBool::new(false));
    let (stop, again) = (flag(), flag());
    for signal in [signal_hook::consts::SIGHUP, signal_hook::consts::SIGUSR2] {
        signal_hook::flag::register(signal, again.clone()).map_err(Failure::running)?;
    }
    let mut config = Config::load(path)?;
    config.output.name_after_host();
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
    let served = setup::api(&config)?;
    let Loaded { snapshot, told } = matching::live(&config, strict)?;
    told.iter().for_each(|line| errln!("{line}"));
    // Whatever can be wrong with configuration and ports is found before anything is made on disk.
    let to_record = setup::recorder(&config, true)?;
    let mut options = setup::sensor(&config, Vec::new())?;
    options.look_up_ports().map_err(Failure::running)?;
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, stop.clone()).map_err(Failure::running)?;
    }
    // The socket is taken before anything is attached: a second sensor ends here.
    let bound = Bound::bind(&served).map_err(|err| match err {
        ApiError::File { .. } => Failure::usage(format!("{}: {err}", path.display())),
        err => Failure::running(err),
    })?;
    options.more_counters.push(bound.counters());
    let (beside, taps) = Beside::prepare(&config, &mut options)?;
    let recorder = match Recorder::create(&config.output.dir, to_record) {
        Ok(recorder) => recorder,
        Err(err) => {
            beside.finish();
            return Err(Failure::running(err));
        }
    };
    let begins = format!(
        "version {}; configuration {}; policy mode {}; {} indicators, {} rules",
        crate::VERSION,
        path.display(),
        snapshot.policy.mode.name(),
        snapshot.indicators.len(),
        snapshot.rules.len()
    );
    let matching = Matching { snapshot, load: matching::reload(path, strict) };
    let sensor = match Sensor::start(options, matching, recorder, taps) {
        Ok(sensor) => sensor,
        Err(err) => {
            beside.finish();
            return Err(Failure::running(err));
        }
    };
    let doors = match Doors::open(&config, bound, &sensor, beside.joining) {
        Ok(doors) => doors,
        Err(failure) => {
            let _ = sensor.stop();
            Told { book: beside.book, pushes: beside.pushes }.finish();
            return Err(failure);
        }
    };
    if enforces_nowhere(&config) {
        tracing::warn!(
            "policy.mode is \"enforce\" and no port enforces: no [[port]] has role \"guard\" or \"inline\". Verdicts isolate \
             nobody on this machine; add a guard port, or set policy.mode = \"observe\""
        );
    }
    let told = Told { book: beside.book, pushes: beside.pushes };
    let desk = sensor.desk();
    desk.audit(on_record(AuditAction::Start, begins));
    errln!("running; output in {}", config.output.dir.display());
    let mut broken = false;
    while !stop.load(Ordering::Relaxed) && !broken {
        thread::sleep(POLL);
        broken = sensor.is_broken();
        if again.swap(false, Ordering::Relaxed) {
            sensor.reopen();
            sensor.reload();
        }
    }
    if let Some(joined) = &doors.joined {
        joined.close();
    }
    let ends = if broken { "a thread died" } else { "SIGINT or SIGTERM" };
    desk.audit(on_record(AuditAction::Stop, ends.into()));
    let stopped = sensor.stop();
    doors.close();
    told.finish();
    let stopped = stopped.map_err(Failure::running)?;
    summary(&stopped);
    if broken { Err(Failure::running("a thread died; see above")) } else { Ok(()) }
}

/// Whether verdicts are to be enforced and there is no port to enforce them on.
fn enforces_nowhere(config: &Config) -> bool {
    config.policy.mode == Mode::Enforce && config.port.iter().all(|port| port.role == Role::Capture)
}

/// What the sensor itself puts on record.
fn on_record(action: AuditAction, detail: String) -> AuditEvent {
    AuditEvent {
        who: Some(format!("uid {}", rustix::process::geteuid().as_raw()).into()),
        from: Some(format!("pid {}", std::process::id()).into()),
        detail,
        ..AuditEvent::new(action, Text::Own("sensor"))
    }
}

/// Who listens to the sensor.
struct Beside {
    book: Option<Book>,
    pushes: Pushes,
    joining: Option<fleet::Joining>,
}

impl Beside {
    /// What must be there before the sensor starts, with its taps.
    fn prepare(config: &Config, options: &mut SensorOptions) -> Result<(Self, Vec<Tap>), Failure> {
        let mut taps = Vec::new();
        let mut joining = None;
        if let Some((fleet, tap, counters)) = fleet::prepare(config)? {
            joining = Some(fleet);
            taps.push(tap);
            options.more_counters.push(counters);
        }
        let (pushes, wiring) = Pushes::start(config)?;
        taps.extend(wiring.taps);
        options.more_counters.extend(wiring.counters);
        let mut book = None;
        if let Some(opened) = ledger::open(config)? {
            book = Some(opened.book);
            taps.push(opened.tap);
            options.more_counters.push(opened.counters);
            options.restore = Some(opened.restore);
        }
        Ok((Beside { book, pushes, joining }, taps))
    }

    fn finish(self) {
        Told { book: self.book, pushes: self.pushes }.finish();
    }
}

/// Who was told of events, and has some left when the sensor has stopped.
struct Told {
    book: Option<Book>,
    pushes: Pushes,
}

impl Told {
    fn finish(self) {
        if let Some(book) = self.book {
            book.close();
        }
        self.pushes.finish();
    }
}

/// The ways in: those who ask the running sensor.
struct Doors {
    api: api::Server,
    joined: Option<fleet::Joined>,
}

impl Doors {
    fn open(
        config: &Config,
        bound: Bound,
        sensor: &Sensor,
        joining: Option<fleet::Joining>,
    ) -> Result<Self, Failure> {
        let desk: Desk = sensor.desk();
        let api = {
            let record = desk.clone();
            bound
                .on_record(move |event| record.audit(event))
                .serve(move |request, caller| desk.ask(request, caller))
        }
        .map_err(Failure::running)?;
        let joined =
            metrics(config, sensor).and_then(|()| joining.map(|fleet| fleet.join(sensor.desk())).transpose());
        match joined {
            Ok(joined) => Ok(Doors { api, joined }),
            Err(failure) => {
                api.stop();
                Err(failure)
            }
        }
    }

    fn close(self) {
        self.api.stop();
        if let Some(joined) = self.joined {
            joined.stop();
        }
    }
}

/// Starts what Prometheus asks, if it is wanted.
fn metrics(config: &Config, sensor: &Sensor) -> Result<(), Failure> {
    let Ok(at) = config.control.prometheus.parse() else { return Ok(()) };
    exporter::start(at, sensor.desk())
        .map_err(|err| Failure::running(format!("control.prometheus: cannot listen on {at}: {err}")))
}

fn summary(stopped: &Stopped) {
    let s = &stopped.stats;
    errln!(
        "received {} = processed {} + bypassed {} + passed {} + isolated {} + dropped {} + in flight {}",
        s.get("capture.received"),
        s.get("capture.processed"),
        s.get("capture.bypassed"),
        s.get("capture.passed"),
        s.get("capture.isolated"),
        s.get("capture.dropped"),
        s.get("capture.in_flight")
    );
    if stopped.inline {
        errln!(
            "inline ports stay in force, the kernel forwards alone; `ip link set dev NAME xdp off` on both \
             ends takes the wire down"
        );
    }
    let (count, p50, p99, max) = stopped.latency_ns;
    if count > 0 {
        errln!("packet to map entry, {count} isolations: p50 {p50} ns, p99 {p99} ns, max {max} ns");
    }
    if !stopped.still_isolated.is_empty() {
        let hosts = &stopped.still_isolated;
        errln!(
            "{} stay isolated until their time is over, and the guard ports in force for that; \
             `ringward isolate flush` releases them",
            hosts.join(", ")
        );
    }
}
