//! The `ringward` command.
#![forbid(unsafe_code)]

#[macro_use]
mod console;

mod commands;
mod config;
mod counter_list;
mod doctor;
mod exporter;
mod fleet;
mod history;
mod inputs;
mod isolate;
mod ledger;
mod log;
mod matching;
mod policy;
mod prometheus;
mod push;
mod reference;
mod rulebook;
mod run;
mod setup;
mod signals;
mod surroundings;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Many short-lived allocations of many sizes, by many threads: docs/performance.md has what it is worth.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The version, with the commit that it was built from where that is known (build.rs).
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), env!("RINGWARD_BUILT_FROM"));

/// Done.
const OK: u8 = 0;
/// Failed while running.
const FAILED: u8 = 1;
/// Bad usage or configuration.
const USAGE: u8 = 2;

/// Network detection and response sensor: reads packets through AF_XDP, matches threat intelligence,
/// isolates hosts in the kernel.
#[derive(Debug, Parser)]
#[command(name = "ringward", version = VERSION, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    log: log::LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the sensor on live ports until it is told to stop.
    Run {
        /// Configuration file.
        #[arg(short, long, default_value = "/etc/ringward/ringward.toml")]
        config: PathBuf,
        /// Refuse to start if any indicator line cannot be read.
        #[arg(long)]
        strict: bool,
    },
    /// Run the pipeline over capture files (pcap, pcapng; plain, gzip, zstd or xz); needs no privileges.
    Replay(ReplayArgs),
    /// Isolate and release hosts, networks and stations; the kill switch.
    Isolate {
        #[command(flatten)]
        reach: Reach,
        #[command(subcommand)]
        action: isolate::IsolateAction,
    },
    /// Print the counters of the running sensor.
    Stats {
        #[command(flatten)]
        reach: Reach,
        /// As one JSON object.
        #[arg(long, conflicts_with = "prometheus")]
        json: bool,
        /// In Prometheus's text format, for the textfile collector of node_exporter.
        #[arg(long)]
        prometheus: bool,
    },
    /// Load indicators, rules and policy anew, as the sensor's configuration has them now. Not a packet is lost; if anything
    /// is wrong with them, what was in force still is.
    Reload {
        #[command(flatten)]
        reach: Reach,
    },
    /// Open eve.json anew after it was renamed, as SIGHUP does (which reloads, too).
    Reopen {
        #[command(flatten)]
        reach: Reach,
    },
    /// The policy: who is isolated, and who never is.
    Policy {
        #[command(subcommand)]
        action: PolicyAction,
    },
    /// Indicators of the running sensor.
    Iocs {
        #[command(flatten)]
        reach: Reach,
        #[command(subcommand)]
        action: IocsAction,
    },
    /// The fleet of the running sensor (docs/fleet.md).
    Fleet {
        #[command(flatten)]
        reach: Reach,
        #[command(subcommand)]
        action: FleetAction,
    },
    /// Look at this machine and its NICs: what they can do, what is mis-set, the command that mends it.
    Doctor {
        /// Interfaces.
        #[arg(required = true, value_name = "IFACE")]
        interfaces: Vec<String>,
        /// As JSON.
        #[arg(long)]
        json: bool,
        /// Apply what is prescribed, then look.
        #[arg(long, conflicts_with = "undo")]
        fix: bool,
        /// Take back what --fix did, then look.
        #[arg(long)]
        undo: bool,
        /// Where --fix writes down how to take it back.
        #[arg(long, value_name = "FILE", default_value = "/run/ringward/doctor-undo")]
        state: PathBuf,
    },
    /// Write an incident as one self-contained HTML page.
    Report(ReportArgs),
    /// Look after rules in Suricata's language.
    Rules {
        #[command(subcommand)]
        action: RulesAction,
    },
    /// Print a page of the reference (Markdown), or the API's description (OpenAPI).
    Reference {
        /// Which page.
        #[arg(value_enum)]
        page: reference::Page,
    },
}

#[derive(Debug, clap::Args)]
struct ReplayArgs {
    /// Configuration file; its ports are ignored.
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// Indicator list, in addition to the configuration's: plain text, hosts file, CSV, MISP event, STIX bundle, dataset
    /// or reputation list of Suricata, compressed (gzip, zstd, xz) or not; a folder is a MISP feed.
    #[arg(long = "iocs", value_name = "FILE")]
    iocs: Vec<PathBuf>,
    /// Rule file, in addition to the configuration's.
    #[arg(long = "rules", value_name = "FILE")]
    rules: Vec<PathBuf>,
    /// Count what each rule costs, in DIR/rules-profile.json: how often it was verified, how often it matched, and how
    /// often its verification was given up.
    #[arg(long)]
    profile_rules: bool,
    /// List of what is never an indicator, in addition to the configuration's.
    #[arg(long, value_name = "FILE")]
    allow: Vec<PathBuf>,
    /// Worker threads; the result does not depend on it.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
    /// Begin every capture with empty state.
    #[arg(long)]
    reset: bool,
    /// With --reset: the thresholds of rules go on counting from one capture to the next, as Suricata's do.
    #[arg(long, requires = "reset")]
    keep_thresholds: bool,
    /// Refuse to start if any indicator line cannot be read.
    #[arg(long)]
    strict: bool,
    /// Output directory.
    #[arg(long, default_value = "out", value_name = "DIR")]
    out: PathBuf,
    /// Replace all results of an earlier run in the output directory.
    #[arg(long, conflicts_with = "append")]
    force: bool,
    /// Add to the results of an earlier run in the output directory.
    #[arg(long)]
    append: bool,
    /// Replay the captures that a file names, one a line, behind those of the command line; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    files_from: Option<PathBuf>,
    /// Capture files; a folder stands for the captures in it and in folders within, by name; `-` is standard input.
    #[arg(required_unless_present = "files_from", value_name = "PCAP")]
    pcaps: Vec<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ReportArgs {
    /// Incident file (incidents/ID.json) or its id.
    #[arg(required_unless_present = "latest", conflicts_with = "latest")]
    incident: Option<String>,
    /// The incident that was written last.
    #[arg(long)]
    latest: bool,
    /// Output directory of the sensor; default: the configuration's.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Configuration file that names the output directory.
    #[arg(short, long, default_value = "/etc/ringward/ringward.toml")]
    config: PathBuf,
    /// The page to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Subcommand)]
enum RulesAction {
    /// Load rule files and tell which rules cannot be loaded, and why.
    Check(RulesCheckArgs),
}

#[derive(Debug, clap::Args)]
struct RulesCheckArgs {
    /// Configuration file: its rule files, variables, classes and references count too.
    #[arg(short, long)]
    config: Option<PathBuf>,
    /// As one JSON object.
    #[arg(long)]
    json: bool,
    /// Rule files.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum PolicyAction {
    /// Check a configuration's policy and print what is in force by it on this machine.
    Check(PolicyCheckArgs),
}

#[derive(Debug, clap::Args)]
struct PolicyCheckArgs {
    /// Configuration file.
    #[arg(short, long, default_value = "/etc/ringward/ringward.toml")]
    config: PathBuf,
    /// As one JSON object.
    #[arg(long)]
    json: bool,
}

/// How to find the sensor.
#[derive(Debug, Default, clap::Args)]
struct Reach {
    /// Configuration file of the sensor.
    #[arg(short, long, global = true)]
    config: Option<PathBuf>,
    /// Control socket of the sensor; default: the configuration's.
    #[arg(long, global = true, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Over HTTPS instead: https://HOST:PORT, as the sensor's `api.listen` has it.
    #[arg(long, global = true, conflicts_with = "socket", requires = "ca")]
    url: Option<String>,
    /// With --url: the certificate that has signed the sensor's (PEM).
    #[arg(long, global = true, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    /// With --url: a file with the token.
    #[arg(long, global = true, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
    /// With --url: the client's own certificate (PEM).
    #[arg(long, global = true, value_name = "FILE", requires = "url", requires = "key")]
    cert: Option<PathBuf>,
    /// With --cert: its private key (PEM).
    #[arg(long, global = true, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum IocsAction {
    /// Which were hit, how often and when last; the counts stay over a reload.
    Hits {
        /// At most so many, those that were hit most often first.
        #[arg(long, default_value_t = 100)]
        top: usize,
        /// As a JSON array.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
enum FleetAction {
    /// Whether it is in touch with a server, what is shared, what waits: the counters of the fleet.
    Status {
        /// As one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// A failure with its exit code.
#[derive(Debug)]
struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    fn usage(message: impl ToString) -> Self {
        Failure { code: USAGE, message: message.to_string() }
    }

    fn running(message: impl ToString) -> Self {
        Failure { code: FAILED, message: message.to_string() }
    }
}

impl From<config::ConfigError> for Failure {
    fn from(err: config::ConfigError) -> Self {
        Failure::usage(err)
    }
}

fn main() -> ExitCode {
    // clap exits with 2 on bad usage and 0 for --help and --version.
    let cli = Cli::parse();
    let config = match &cli.command {
        Command::Run { config, .. } => Some(config.as_path()),
        Command::Replay(args) => args.config.as_deref(),
        _ => None,
    };
    let _guard = match log::start(&cli.log, config, matches!(cli.command, Command::Run { .. })) {
        Ok(guard) => guard,
        Err(failure) => {
            console::failure(&failure.message);
            return ExitCode::from(failure.code);
        }
    };
    let outcome = match cli.command {
        Command::Run { config, strict } => run::run(&config, strict),
        Command::Replay(args) => commands::replay(args),
        Command::Isolate { reach, action } => isolate::run(&reach, &action),
        Command::Stats { reach, json, prometheus } => commands::stats(&reach, json, prometheus),
        Command::Reload { reach } => commands::reload(&reach),
        Command::Reopen { reach } => commands::reopen(&reach),
        Command::Iocs { reach, action: IocsAction::Hits { top, json } } => commands::hits(&reach, top, json),
        Command::Fleet { reach, action: FleetAction::Status { json } } => commands::fleet(&reach, json),
        Command::Doctor { interfaces, json, fix, undo, state } => {
            let treatment = match (fix, undo) {
                (true, _) => doctor::Treatment::Fix,
                (_, true) => doctor::Treatment::Undo,
                _ => doctor::Treatment::Look,
            };
            doctor::run(&interfaces, json, treatment, &state)
        }
        Command::Report(args) => commands::report(&args),
        Command::Policy { action: PolicyAction::Check(args) } => policy::check(&args),
        Command::Rules { action: RulesAction::Check(args) } => rulebook::check(&args),
        Command::Reference { page } => {
            console::out(&page.text());
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::from(OK),
        Err(failure) => {
            console::failure(&failure.message);
            ExitCode::from(failure.code)
        }
    }
}
